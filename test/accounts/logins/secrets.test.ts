import { describe, expect, test } from 'bun:test';
import { isSecretField, secretsIn, secretsSent } from '../../../src/accounts/logins/secrets.ts';

/** What of a login file, or of a request that renews it, is a secret. */

describe('names', () => {
  test.each([
    'access_token',
    'refreshToken',
    'id-token',
    'token',
    'cookie',
    'client_secret',
    'clientSecret',
    'password',
    'private_key',
    'apiKey',
    'code',
    'device_code',
    'deviceCode',
    'device_auth_id',
    'code_verifier',
    'codeVerifier',
    'assertion',
    'session_token',
    'sso_token',
  ])('%s is one', (name) => expect(isSecretField(name)).toBe(true));

  test.each([
    'token_type',
    'token_uri',
    'tokenUri',
    'token_endpoint',
    'token_expiry',
    'tokenExpiresAt',
    'private_key_id',
    'email',
    'project_id',
    'user_code',
    'userCode',
    'code_challenge_method',
    'status_code',
    'client_id',
    'scope',
  ])('%s is none', (name) => expect(isSecretField(name)).toBe(false));
});

test('secrets are found however deep they stand, and what stands beside them is left alone', () => {
  const fields = {
    type: 'gemini',
    email: 'person@example.com',
    token: {
      access_token: 'access-1234',
      token_type: 'Bearer-like',
      scope: 'all the scopes',
      refresh_token: 'refresh-1',
    },
    tokens: ['first-token', { value: 'not by its name' }],
    cookie: 'short',
  };
  expect(secretsIn(fields)).toEqual(['access-1234', 'refresh-1', 'first-token']);
});

test('a form, a JSON body and a header say what was sent', () => {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: 'refresh-1',
    client_id: 'client-12',
  });
  expect(secretsSent({ body: form })).toEqual(['refresh-1']);
  expect(secretsSent({ body: '{"refreshToken":"refresh-1","grantType":"refresh_token"}' })).toEqual([
    'refresh-1',
  ]);
  expect(secretsSent({ headers: { authorization: 'token access-1234' }, body: 'no JSON' })).toEqual([
    'access-1234',
  ]);
  expect(secretsSent({})).toEqual([]);
});
