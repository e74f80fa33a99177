import { afterEach, describe, expect, test } from 'bun:test';
import { LoginRefused } from '../../src/accounts/login.ts';
import {
  devicePrompt,
  exchangeCode,
  grantFields,
  OauthError,
  refreshGrant,
} from '../../src/channels/oauth.ts';
import { testNet } from '../support/net.ts';
import { oauthServer, type OauthOptions, type OauthServer } from '../support/oauth-server.ts';

/** The standard steps against a strict provider. */

let provider: OauthServer;
afterEach(() => provider.stop());

function start(options: OauthOptions = {}, secret?: string) {
  provider = oauthServer(options);
  const client = { id: 'test-client', ...(secret === undefined ? {} : { secret }) };
  return { net: testNet(provider.endpoints, client), place: provider.endpoints };
}

const verifier = 'v'.repeat(43);
const challenge = new Bun.CryptoHasher('sha256').update(verifier).digest('base64url');
const redirectUri = 'http://127.0.0.1:1455/callback';

async function signIn() {
  const query = new URLSearchParams({
    client_id: 'test-client',
    response_type: 'code',
    redirect_uri: redirectUri,
    state: 's',
    code_challenge: challenge,
    code_challenge_method: 'S256',
  });
  const back = new URL(await provider.visit(`${provider.endpoints.authorize}?${query}`));
  const code = back.searchParams.get('code')!;
  return { code, verifier, redirectUri, memo: undefined, parameters: {} };
}

describe('the code grant', () => {
  test('turns a code into the fields of a file', async () => {
    const { net, place } = start();
    const answer = await exchangeCode(await signIn(), place, net);
    expect(grantFields(answer, 0)).toMatchObject({
      access_token: expect.stringMatching(/^at-/),
      refresh_token: expect.stringMatching(/^rt-/),
      expired: '1970-01-01T01:00:00Z',
      last_refresh: '1970-01-01T00:00:00Z',
    });
  });

  test('is refused for good with another verifier', async () => {
    const { net, place } = start();
    const code = { ...(await signIn()), verifier: 'w'.repeat(43) };
    expect(exchangeCode(code, place, net)).rejects.toBeInstanceOf(LoginRefused);
  });

  test('sends the secret where the operator has one', async () => {
    const { net, place } = start({ clientSecret: 'hush' }, 'hush');
    expect(await exchangeCode(await signIn(), place, net)).toHaveProperty('access_token');
  });
});

describe('the refresh grant', () => {
  test('rotates, and a token that comes twice is refused for good', async () => {
    const { net, place } = start();
    const { refreshToken } = provider.issue();
    const answer = await refreshGrant(refreshToken, place, net);
    expect(answer['refresh_token']).not.toBe(refreshToken);
    await expect(refreshGrant(refreshToken, place, net)).rejects.toBeInstanceOf(LoginRefused);
    expect(provider.counts.reused).toBe(1);
  });

  test('a wrong client and a failing provider are no refusals of the login', async () => {
    const { net, place } = start({ clientSecret: 'hush' });
    const { refreshToken } = provider.issue();
    await expect(refreshGrant(refreshToken, place, net)).rejects.toBeInstanceOf(OauthError);
    provider.next.push({ status: 503 });
    await expect(refreshGrant(refreshToken, place, net)).rejects.toMatchObject({ word: '503' });
  });

  test.each([
    { error: { code: 'refresh_token_reused', message: 'Sign in again.' } },
    { error: 'invalid_grant', error_description: 'Sign in again.' },
  ])('reads a refusal in the form %j', async (body) => {
    const { net, place } = start();
    provider.next.push({ status: 401, body });
    await expect(refreshGrant('rt', place, net)).rejects.toThrow(/Sign in again/);
  });
});

describe('the device grant', () => {
  test.each([{ errorsWith200: false }, { errorsWith200: true }])(
    'waits, slows down and gets its tokens (%j)',
    async (options) => {
      const { net, place } = start({ ...options, slowDowns: 1 });
      const prompt = await devicePrompt(place, net, { scope: 'all' }, (answer) =>
        grantFields(answer, net.now()),
      );
      expect(prompt).toMatchObject({ userCode: 'ABCD-0001', intervalMs: 5000 });
      expect(await prompt.poll()).toBe('slow-down');
      expect(await prompt.poll()).toBe('pending');
      provider.approve(prompt.userCode);
      expect(await prompt.poll()).toMatchObject({ fields: { access_token: expect.any(String) } });
    },
  );

  test('polls with what more a provider wants, such as a PKCE verifier', async () => {
    const { net, place } = start();
    const prompt = await devicePrompt(place, net, { code_challenge: 'c' }, (answer) => answer, {
      code_verifier: 'v',
    });
    await prompt.poll();
    expect(provider.received.at(-1)).toMatchObject({ code_verifier: 'v', device_code: expect.any(String) });
  });

  test.each(['deny', 'expire'] as const)('ends when the person or the time says so: %s', async (how) => {
    const { net, place } = start();
    const prompt = await devicePrompt(place, net, {}, (answer) => answer);
    provider[how](prompt.userCode);
    await expect(prompt.poll()).rejects.toBeInstanceOf(LoginRefused);
  });
});
