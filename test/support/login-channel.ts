import { fileNamePart, textField } from '../../src/accounts/fields.ts';
import { type Channel, channel } from '../../src/channels/channel.ts';
import { loginAccount } from '../../src/channels/login-account.ts';
import type { Logins } from '../../src/channels/login.ts';
import { devicePrompt, exchangeCode, grantFields, refreshGrant } from '../../src/channels/oauth.ts';
import { GatewayError } from '../../src/core/error.ts';
import { type Json, readObject, readString } from '../../src/core/json.ts';
import openaiChat from '../../src/protocols/openai-chat/index.ts';
import type { OauthServer } from './oauth-server.ts';

/**
 * A channel that people sign in to at the OAuth simulator, in every way there is. It is a real channel: the keeper, the
 * commands and the relay cannot tell it from one that ships.
 */
export function loginChannel(
  provider: Pick<OauthServer, 'endpoints' | 'url'>,
  changes: Partial<Logins> = {},
): Channel {
  const place = provider.endpoints;
  const fresh = (answer: Json, now: number): Json => ({
    type: 'test',
    email: 'person@example.com',
    ...grantFields(answer, now),
  });
  const logins: Logins = {
    types: ['test', 'test-old'],
    endpoints: { ...place, api: provider.url },
    client: { id: 'test-client' },
    leadMs: 300_000,
    identify(fields) {
      const account = textField(fields, 'email');
      const workspace = textField(fields, 'team');
      if (!account)
        throw new GatewayError({ kind: 'invalid-request', field: 'email' }, 'The file has no email.', {
          remedy: 'Sign in again.',
        });
      return { account, label: account, ...(workspace ? { workspace } : {}) };
    },
    fileName: (fields) => `test-${fileNamePart(String(fields['email']))}.json`,
    async renew(fields, net) {
      const token = textField(fields, 'refresh_token') ?? '';
      return grantFields(await refreshGrant(token, { token: net.endpoints['token']! }, net), net.now());
    },
    open: (login, tools) => ({
      id: `test:${login.id}`,
      provider: 'test',
      accounts: [loginAccount(login, 'test', tools)],
      models: { ...tools.naming, declared: [{ name: 'test-model' }] },
      speaks: () => openaiChat,
      prepare: ({ account, body }) => ({
        method: 'POST',
        url: `${tools.endpoints['api']}/v1/chat/completions`,
        headers: new Headers({
          authorization: `Bearer ${String(login.fields['access_token'])}`,
          'content-type': 'application/json',
        }),
        body: body as string,
        proxy: account.proxy,
      }),
    }),
    ways: [
      {
        kind: 'browser',
        id: 'browser',
        title: 'With a browser on this machine',
        redirect: { host: '127.0.0.1', port: 0, path: '/callback' },
        begin(ticket, net) {
          const query = new URLSearchParams({
            client_id: net.client.id!,
            response_type: 'code',
            redirect_uri: ticket.redirectUri,
            state: ticket.state,
            code_challenge: ticket.challenge,
            code_challenge_method: 'S256',
          });
          return Promise.resolve({ url: `${net.endpoints['authorize']}?${query}`, memo: { seen: true } });
        },
        finish: async (code, net) =>
          fresh(await exchangeCode(code, { token: net.endpoints['token']! }, net), net.now()),
      },
      {
        kind: 'device',
        id: 'device',
        title: 'With a code on any device',
        begin: (net) =>
          devicePrompt(
            { token: net.endpoints['token']!, device: net.endpoints['device']! },
            net,
            { scope: 'all' },
            (answer) => fresh(answer, net.now()),
          ),
      },
      {
        kind: 'paste',
        id: 'token',
        title: 'With a token',
        asks: [
          {
            name: 'token',
            question: 'Access token',
            secret: true,
            check: (value) => (value.startsWith('at-') ? undefined : 'it begins with at-'),
          },
        ],
        finish: (_, answers) =>
          Promise.resolve({ type: 'test', email: 'pasted@example.com', access_token: answers['token'] }),
      },
    ],
    imports: [
      {
        title: 'the credentials of the test program',
        paths: ['~/.test-program/auth.json'],
        read(content) {
          const tokens = readObject(content['tokens']);
          if (!tokens) return undefined;
          const refreshToken = readString(tokens['refreshToken']);
          if (!refreshToken)
            throw new GatewayError(
              { kind: 'invalid-request', field: 'refreshToken' },
              'It has no refreshToken.',
            );
          const email = readString(content['user']) ?? 'person@example.com';
          return { type: 'test', email, access_token: tokens['accessToken'], refresh_token: refreshToken };
        },
      },
    ],
    manual: {
      title: 'Test',
      needs: 'An account at the simulator.',
      serves: 'The model test-model.',
      limits: 'None.',
      terms: 'None.',
    },
    ...changes,
  };
  return channel({ id: 'test', settings: {}, open: () => [], logins }) as unknown as Channel;
}

/** The fields of a file as the simulator would have it, with an access token that ends when the test wants. */
export function loginFields(provider: OauthServer, endsAt: number, more: Json = {}): Json {
  const { accessToken, refreshToken } = provider.issue();
  return {
    type: 'test',
    email: 'person@example.com',
    access_token: accessToken,
    refresh_token: refreshToken,
    expired: new Date(endsAt).toISOString(),
    last_refresh: new Date(endsAt - 3_600_000).toISOString(),
    ...more,
  };
}
