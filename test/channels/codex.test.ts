import { afterAll, describe, expect, test } from 'bun:test';
import { LoginRefused } from '../../src/accounts/login.ts';
import codex from '../../src/channels/codex/index.ts';
import { judge } from '../../src/channels/codex/judge.ts';
import type { BrowserWay, DeviceWay, LoginTools } from '../../src/channels/login.ts';
import type { Json } from '../../src/core/json.ts';
import { offersOf } from '../../src/models/offers.ts';
import openaiResponses from '../../src/protocols/openai-responses/index.ts';
import { chatgpt, codexClient, idToken, plusHolder, type Chatgpt } from '../support/chatgpt.ts';
import { testLogin } from '../support/login.ts';
import { testNet } from '../support/net.ts';
import { sent, tools } from './tools.ts';

/** Signing in with ChatGPT, step by step, against a provider that is as strict as OpenAI. */

const logins = codex.logins!;
const [browser, device] = logins.ways as readonly [BrowserWay, DeviceWay];
const running: Chatgpt[] = [];
afterAll(() => Promise.all(running.map((it) => it.stop())));

function start(...given: Parameters<typeof chatgpt>) {
  const it = chatgpt(...given);
  running.push(it);
  return { ...it, net: testNet(it.endpoints, { id: codexClient }) };
}

const verifier = 'v'.repeat(43);
const challenge = new Bun.CryptoHasher('sha256').update(verifier).digest('base64url');
const redirectUri = 'http://localhost:1455/auth/callback';

async function throughBrowser({ net, provider }: ReturnType<typeof start>): Promise<Json> {
  const { url } = await browser.begin({ state: 'st', challenge, redirectUri }, net, {});
  const parameters = Object.fromEntries(new URL(await provider.visit(url)).searchParams);
  return browser.finish(
    { code: parameters.code!, verifier, redirectUri, memo: undefined, parameters },
    net,
    {},
  );
}

const loginTools = (more: Partial<LoginTools> = {}): LoginTools => ({
  ...tools(),
  endpoints: logins.endpoints,
  naming: { declared: [], excluded: [] },
  ...more,
});

const open = (fields: Json, more: Partial<LoginTools> = {}) =>
  logins.open(testLogin(logins, fields), loginTools(more));

const file = (more: Json = {}): Json => ({
  type: 'codex',
  access_token: 'at',
  refresh_token: 'rt',
  id_token: idToken(plusHolder),
  ...more,
});

describe('signing in', () => {
  test('in a browser asks for what a refresh token and the workspace need', async () => {
    const { net } = start();
    const { url } = await browser.begin({ state: 's', challenge: 'c', redirectUri }, net, {});
    expect(Object.fromEntries(new URL(url).searchParams)).toEqual({
      response_type: 'code',
      client_id: codexClient,
      redirect_uri: redirectUri,
      scope: 'openid profile email offline_access',
      code_challenge: 'c',
      code_challenge_method: 'S256',
      state: 's',
      prompt: 'login',
      id_token_add_organizations: 'true',
      codex_cli_simplified_flow: 'true',
    });
    expect(browser.redirect).toEqual({ host: 'localhost', port: 1455, path: '/auth/callback' });
  });

  test('in a browser gives the fields of a file', async () => {
    const fields = await throughBrowser(start());
    expect(Object.keys(fields).toSorted()).toEqual(
      'access_token account_id email expired id_token last_refresh refresh_token type'.split(' '),
    );
    expect(fields).toMatchObject({ type: 'codex', email: 'you@example.com', account_id: 'acct-0123' });
  });

  test('on another device waits, and exchanges the code that the provider made', async () => {
    const it = start();
    const prompt = await device.begin(it.net, {});
    expect(prompt).toMatchObject({ url: it.endpoints.verify, userCode: 'WXYZ-1', intervalMs: 1_000 });
    expect(await prompt.poll()).toBe('pending');
    it.approve('WXYZ-1');
    expect(await prompt.poll()).toMatchObject({ fields: { type: 'codex', account_id: 'acct-0123' } });
    expect(it.provider.received.at(-1)).toMatchObject({
      grant_type: 'authorization_code',
      redirect_uri: it.endpoints['device-callback'],
    });
  });

  test('with a code that was used before is refused for good', async () => {
    const it = start();
    const { url } = await browser.begin({ state: 's', challenge, redirectUri }, it.net, {});
    const parameters = Object.fromEntries(new URL(await it.provider.visit(url)).searchParams);
    const code = { code: parameters.code!, verifier, redirectUri, memo: undefined, parameters };
    await browser.finish(code, it.net, {});
    await expect(browser.finish(code, it.net, {})).rejects.toBeInstanceOf(LoginRefused);
  });
});

describe('who a file is', () => {
  test('is a person in a workspace', () => {
    const shared = { ...plusHolder, account: 'acct-team', plan: 'team' };
    const colleague = { ...shared, email: 'them@example.com', user: 'user-9' };
    const identities = [plusHolder, shared, colleague].map((holder) =>
      logins.identify(file({ id_token: idToken(holder) })),
    );
    expect(identities).toEqual([
      { account: 'user-0123', workspace: 'acct-0123', label: 'you@example.com' },
      { account: 'user-0123', workspace: 'acct-team', label: 'you@example.com' },
      { account: 'user-9', workspace: 'acct-team', label: 'them@example.com' },
    ]);
  });

  test('is told by the access token where there is no id token', () => {
    const access_token = idToken(plusHolder, {
      email: undefined,
      'https://api.openai.com/profile': { email: plusHolder.email },
    });
    expect(logins.identify({ type: 'codex', access_token })).toEqual(logins.identify(file()));
  });

  test('without an account is refused with the command to run', () => {
    expect(() => logins.identify({ type: 'codex', access_token: 'x' })).toThrow('account_id');
  });

  test.each([
    ['plus', 'codex-you@example.com-plus.json'],
    ['Enterprise CBP', 'codex-you@example.com-enterprise-cbp.json'],
    ['team', /^codex-[0-9a-f]{8}-you@example\.com-team\.json$/],
    [undefined, 'codex-you@example.com.json'],
  ])('with the plan %s names the file', (plan, name) => {
    const { plan: _, ...holder } = plusHolder;
    const fields = file({ id_token: idToken(plan === undefined ? holder : { ...holder, plan }) });
    if (typeof name === 'string') expect(logins.fileName(fields)).toBe(name);
    else expect(logins.fileName(fields)).toMatch(name);
  });

  test('its end is in the file, or else in the access token', () => {
    const access_token = idToken(plusHolder, { exp: 1_900_000_000 });
    expect(logins.expiresAt!(file({ access_token }))).toBe(1_900_000_000_000);
    expect(logins.expiresAt!(file({ access_token, expired: '2029-01-01T00:00:00Z' }))).toBe(
      Date.parse('2029-01-01'),
    );
  });
});

describe('renewal', () => {
  test('brings new tokens and keeps who it is', async () => {
    const it = start();
    const before = it.file();
    const after = await logins.renew!(before, it.net);
    expect(after).toMatchObject({ type: 'codex', account_id: 'acct-0123', email: 'you@example.com' });
    expect(after.refresh_token).not.toBe(before.refresh_token);
    expect(it.provider.received.at(-1)).toMatchObject({ scope: 'openid profile email' });
    expect(logins.identify({ ...before, ...after })).toEqual(logins.identify(before));
  });

  test('with a token that was used before is over', async () => {
    const it = start();
    const before = it.file();
    await logins.renew!(before, it.net);
    await expect(logins.renew!(before, it.net)).rejects.toBeInstanceOf(LoginRefused);
    expect(it.provider.counts.reused).toBe(1);
  });

  test.each(['refresh_token_reused', 'refresh_token_expired', 'refresh_token_invalidated'])(
    '%s in OpenAI’s own words is over',
    async (code) => {
      const it = start();
      it.provider.next.push({ status: 401, body: { error: { code, message: 'No more.', type: 'x' } } });
      await expect(logins.renew!(it.file(), it.net)).rejects.toBeInstanceOf(LoginRefused);
    },
  );

  test('that fails for another reason may be tried again', async () => {
    const it = start();
    const before = it.file();
    it.provider.next.push({ status: 503, body: {} });
    const failure = await logins.renew!(before, it.net).catch((thrown: unknown) => thrown);
    expect(failure).not.toBeInstanceOf(LoginRefused);
    expect(await logins.renew!(before, it.net)).toHaveProperty('access_token');
  });

  test('without a refresh token is over', async () => {
    await expect(logins.renew!({ type: 'codex' }, start().net)).rejects.toBeInstanceOf(LoginRefused);
  });
});

describe('Codex’s own file', () => {
  const [{ read, paths }] = logins.imports as [NonNullable<typeof logins.imports>[number]];
  const nothing = () => undefined;
  const access_token = idToken(plusHolder, { exp: 1_900_000_000 });
  const auth = {
    OPENAI_API_KEY: null,
    tokens: { id_token: idToken(plusHolder), access_token, refresh_token: 'rt', account_id: 'acct-0123' },
    last_refresh: '2026-11-01T10:00:00.123Z',
  };

  test('is found where Codex leaves it, and is the same account as a sign-in', () => {
    expect(paths).toEqual(['~/.codex/auth.json']);
    const fields = read(auth, nothing)!;
    expect(fields).toMatchObject({
      type: 'codex',
      refresh_token: 'rt',
      account_id: 'acct-0123',
      last_refresh: '2026-11-01T10:00:00.123Z',
      expired: '2030-03-17T17:46:40Z',
    });
    expect(logins.identify(fields)).toEqual(logins.identify(file()));
  });

  test('with a key is refused, and says where a key belongs', () => {
    const failure = (() => {
      try {
        return read({ OPENAI_API_KEY: 'sk-secret-0123', tokens: null }, nothing);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(failure).toMatchObject({ remedy: expect.stringContaining('codex-api-key') });
    expect(String(failure)).not.toContain('sk-secret');
  });

  test.each([[{}], [file()], [{ tokens: {} }], [{ token: { refresh_token: 'x' } }]])(
    'is not what else lies about: %j',
    (content) => {
      expect(read(content, nothing)).toBeUndefined();
    },
  );
});

describe('what a login sends', () => {
  const fields = file({ account_id: 'acct-0123', headers: { 'x-team': 'blue' } });

  test('is its token, its account and who asks', async () => {
    const { url, headers } = await sent(open(fields));
    expect(url).toBe('https://chatgpt.com/backend-api/codex/responses');
    expect(Object.fromEntries(headers)).toMatchObject({
      authorization: 'Bearer at',
      'chatgpt-account-id': 'acct-0123',
      originator: 'cliproxyapi++',
      'user-agent': expect.stringMatching(/^cliproxyapi\+\+\//),
      'x-team': 'blue',
    });
  });

  test('names the session by the cache key, unless the client names one', async () => {
    const body = '{"prompt_cache_key":"conversation-7","input":[]}';
    expect((await sent(open(fields), { body })).headers.get('session_id')).toBe('conversation-7');
    const headers = new Headers({ session_id: 'its own' });
    expect((await sent(open(fields), { body, headers })).headers.get('session_id')).toBe('its own');
  });

  test('goes to the endpoint that the operator gives', async () => {
    const endpoints = { ...logins.endpoints, api: 'http://127.0.0.1:9/codex/' };
    expect((await sent(open(fields, { endpoints }))).url).toBe('http://127.0.0.1:9/codex/responses');
    const compact = await sent(open(fields, { endpoints }), { operation: '/v1/responses/compact' });
    expect(compact.url).toBe('http://127.0.0.1:9/codex/responses/compact');
  });

  test('travels by WebSocket only where the file says so', () => {
    expect(open(fields).send).toBeUndefined();
    expect(open({ ...fields, websockets: true }).send).toBeDefined();
  });
});

describe('models', () => {
  const offered = (plan: string | undefined, more: Partial<LoginTools> = {}) => {
    const { plan: _, ...holder } = plusHolder;
    const id_token = idToken(plan === undefined ? holder : { ...holder, plan });
    return offersOf(open(file({ id_token }), more)).offered.map(({ id }) => id);
  };

  test('are those of the plan', () => {
    expect(offered('free').toSorted()).toEqual(['codex-auto-review', 'gpt-5.4-mini', 'gpt-5.5']);
    expect(offered('team')).toContain('gpt-5.4');
    expect(offered('team')).not.toContain('gpt-5.3-codex-spark');
    expect(offered('plus')).toContain('gpt-5.3-codex-spark');
    expect(offered(undefined)).toEqual(offered('pro'));
  });

  test('are known from the catalogue, where it has them', () => {
    const cards = offersOf(open(file())).offered.map(({ card }) => card);
    expect(cards.find(({ id }) => id === 'gpt-5.5')?.contextWindow).toBeGreaterThan(100_000);
  });

  test('less those that the operator excludes', () => {
    expect(offered('free', { naming: { declared: [], excluded: ['codex-*'] } })).not.toContain(
      'codex-auto-review',
    );
  });
});

test('what is left is asked of the provider', async () => {
  const it = start();
  const windows = await logins.quota!(testLogin(logins, it.file()), it.net);
  expect(windows).toMatchObject([
    { name: '5h', remainingShare: 0.75, resetsAt: 1_900_000_000_000, source: 'usage' },
    { name: 'weekly', remainingShare: 0, resetsAt: 1_900_500_000_000 },
  ]);
  const stranger = testLogin(logins, file({ account_id: 'acct-other' }));
  await expect(logins.quota!(stranger, it.net)).rejects.toThrow('401');
});

describe('a model that a plan does not include', () => {
  const message = "The 'gpt-5.3-codex-spark' model is not supported when using Codex with a ChatGPT account.";

  test.each([
    { detail: message },
    { error: { type: 'invalid_request_error', message } },
    { type: 'error', status: 400, error: { type: 'invalid_request_error', message } },
  ])('is learned of the account, not told as a fault of the request: %j', (body) => {
    const said = openaiResponses.upstream!.decodeError(400, new Headers(), JSON.stringify(body));
    expect(judge(said, new Headers(), 0)).toMatchObject({ code: 'upstream_not_entitled', scope: 'model' });
  });

  test('is told of the account alone, and a whole plan without Codex of all models', () => {
    const whole = JSON.stringify({ error: { type: 'usage_not_included', message: 'Upgrade to use Codex.' } });
    const said = openaiResponses.upstream!.decodeError(429, new Headers(), whole);
    expect(judge(said, new Headers(), 0)).toMatchObject({
      code: 'upstream_not_entitled',
      scope: 'credential',
    });
  });
});
