import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { LoginRefused } from '../../src/accounts/login.ts';
import { regionFault, startUrlFault } from '../../src/channels/kiro/account.ts';
import { logins } from '../../src/channels/kiro/login.ts';
import { placesOf } from '../../src/channels/kiro/service.ts';
import type { BrowserWay, DeviceWay, Net } from '../../src/channels/login.ts';
import { GatewayError } from '../../src/core/error.ts';
import type { Json } from '../../src/core/json.ts';
import { kiroProfile, kiroUpstream, type KiroUpstream } from '../support/kiro-upstream.ts';
import { testLogin } from '../support/login.ts';
import { testNet } from '../support/net.ts';

/** Signing in to Kiro in its four ways, staying signed in, and what the service tells of an account. */

let kiro: KiroUpstream;
let net: Net;
beforeEach(() => {
  kiro = kiroUpstream();
  net = testNet(kiro.endpoints);
});
afterEach(() => kiro.stop());

const way = <T>(id: string) => logins.ways.find((each) => each.id === id) as T;

/** Follows a way through the browser; the code comes back at once. */
async function throughBrowser(id: string, answers: Readonly<Record<string, string>> = {}): Promise<Json> {
  const browser = way<BrowserWay>(id);
  const verifier = crypto.randomUUID().repeat(2);
  const challenge = new Bun.CryptoHasher('sha256').update(verifier).digest('base64url');
  const { host, port, path } = browser.redirect;
  const redirectUri = `http://${host}:${port}${path}`;
  const { url, memo } = await browser.begin({ state: 'st', challenge, redirectUri }, net, answers);
  const response = await fetch(url, { redirect: 'manual' });
  const back = new URL(response.headers.get('location')!);
  const parameters = Object.fromEntries(back.searchParams);
  expect(parameters.state).toBe('st');
  return browser.finish({ code: parameters.code!, verifier, redirectUri, memo, parameters }, net, answers);
}

describe('AWS Builder ID', () => {
  test('is polled until the person agrees, more slowly when asked, and knows whose account it is', async () => {
    kiro.auth.slowDown(1);
    const prompt = await way<DeviceWay>('builder-id').begin(net, {});
    expect(prompt.completeUrl).toBe(`${kiro.url}/verify?user_code=${prompt.userCode}`);
    expect(await prompt.poll()).toBe('slow-down');
    expect(await prompt.poll()).toBe('pending');
    kiro.auth.decide(prompt.userCode, 'approved');
    const done = await prompt.poll();
    const { fields } = done as { fields: Json };
    expect(fields).toMatchObject({
      type: 'kiro',
      auth_method: 'builder-id',
      region: 'us-east-1',
      email: 'Person@Example.com',
      start_url: `${kiro.url}/start`,
    });
    expect(logins.fileName(fields)).toBe('kiro-aws-Person@Example.com.json');
    expect(logins.identify(fields)).toEqual({
      account: 'aws:person@example.com',
      label: 'person@example.com',
    });
    await expect(prompt.poll()).rejects.toBeInstanceOf(LoginRefused);
  });

  test('ends for good when the person declines', async () => {
    const prompt = await way<DeviceWay>('builder-id').begin(net, {});
    kiro.auth.decide(prompt.userCode, 'denied');
    await expect(prompt.poll()).rejects.toBeInstanceOf(LoginRefused);
  });
});

describe('IAM Identity Center', () => {
  const answers = { 'start-url': 'https://d-1234567890.awsapps.com/start', region: 'eu-central-1' };

  test('signs in by device and in the browser, with a client of its own each time', async () => {
    const prompt = await way<DeviceWay>('identity-center').begin(net, answers);
    kiro.auth.decide(prompt.userCode, 'approved');
    const byDevice = ((await prompt.poll()) as { fields: Json }).fields;
    const byBrowser = await throughBrowser('identity-center-browser', answers);
    for (const fields of [byDevice, byBrowser])
      expect(fields).toMatchObject({
        auth_method: 'idc',
        region: 'eu-central-1',
        start_url: answers['start-url'],
        access_token: expect.any(String),
        refresh_token: expect.any(String),
      });
    expect(kiro.auth.counts.register).toBe(2);
    expect(logins.fileName(byBrowser)).toBe('kiro-idc-Person@Example.com.json');
  });

  test.each([
    { 'start-url': 'http://d-1234567890.awsapps.com/start' },
    { 'start-url': 'https://127.0.0.1/start' },
    { ...answers, region: 'us-east-1.example.com/' },
  ])('refuses %j before anything is asked', async (wrong) => {
    await expect(way<DeviceWay>('identity-center').begin(net, wrong)).rejects.toMatchObject({
      fault: { kind: 'invalid-request' },
    });
    expect(kiro.auth.counts.register).toBe(0);
  });

  test.each([
    ['https://d-1234567890.awsapps.com/start', true],
    ['https://my-company.awsapps.com/start/', true],
    ['http://d-1.awsapps.com/start', false],
    ['https://localhost/start', false],
    ['https://[::1]/start', false],
    ['https://10.0.0.8/start', false],
    ['https://2130706433/start', false],
    ['https://sso.internal/start', false],
    ['https://user:pass@d-1.awsapps.com/start', false],
    ['d-1.awsapps.com', false],
  ])('the start URL %s is taken: %s', (url, fine) => {
    expect(startUrlFault(url) === undefined).toBe(fine);
  });

  test.each([
    ['us-east-1', true],
    ['us-gov-west-1', true],
    ['ap-southeast-2', true],
    ['us-east-1.evil.com', false],
    ['US-EAST-1', false],
    ['', false],
  ])('the region %s is taken: %s', (region, fine) => {
    expect(regionFault(region) === undefined).toBe(fine);
  });
});

test.each(['google', 'github'])('a %s account signs in through Kiro and knows its profile', async (id) => {
  const fields = await throughBrowser(id);
  expect(fields).toMatchObject({ auth_method: 'social', profile_arn: kiroProfile });
  expect(logins.fileName(fields)).toBe(`kiro-${id}-Person@Example.com.json`);
});

describe('renewal', () => {
  const renewed = async (fields: Json) => ({ ...fields, ...(await logins.renew!(fields, net)) });

  test('goes to whoever vouched for the account, takes the new refresh token and keeps the identity', async () => {
    const { clientId, clientSecret } = kiro.auth.client();
    const ofAws = kiro.auth.issue({ method: 'builder-id', profileArn: undefined }, clientId);
    const aws: Json = {
      type: 'kiro',
      refresh_token: ofAws.refreshToken,
      client_id: clientId,
      client_secret: clientSecret,
    };
    const ofGoogle = kiro.auth.issue({ method: 'social', profileArn: kiroProfile });
    for (const fields of [aws, { type: 'kiro', refresh_token: ofGoogle.refreshToken }] as Json[]) {
      const once = await renewed(fields);
      expect(once.refresh_token).not.toBe(fields.refresh_token);
      const twice = await renewed(once);
      expect(logins.identify(twice)).toEqual(logins.identify(fields));
      expect(Date.parse(String(twice.expires_at))).toBeGreaterThan(Date.now() + 3_500_000);
    }
    expect(kiro.auth.counts).toMatchObject({ refresh: 4, reused: 0 });
  });

  test('with a token that was used before is refused for good', async () => {
    const { refreshToken } = kiro.auth.issue({ method: 'social', profileArn: kiroProfile });
    const fields: Json = { type: 'kiro', refresh_token: refreshToken };
    await renewed(fields);
    await expect(renewed(fields)).rejects.toBeInstanceOf(LoginRefused);
    expect(kiro.auth.counts.reused).toBe(1);
  });

  test('with a client whose registration is over is refused for good; a server that fails is asked again later', async () => {
    const { clientId } = kiro.auth.client();
    const { refreshToken } = kiro.auth.issue({ method: 'idc', profileArn: undefined }, clientId);
    const fields: Json = {
      type: 'kiro',
      auth_method: 'IdC',
      region: 'eu-west-1',
      refresh_token: refreshToken,
      client_id: clientId,
      client_secret: 'over',
    };
    await expect(renewed(fields)).rejects.toBeInstanceOf(LoginRefused);
    kiro.auth.next.push({ status: 503, body: { message: 'Later' } });
    const social = kiro.auth.issue({ method: 'social', profileArn: kiroProfile });
    await expect(renewed({ type: 'kiro', refresh_token: social.refreshToken })).rejects.toBeInstanceOf(
      GatewayError,
    );
  });

  test('without what it needs is refused for good, naming it', async () => {
    await expect(renewed({ type: 'kiro', access_token: 'a' })).rejects.toThrow('refresh_token');
    await expect(renewed({ auth_method: 'builder-id', refresh_token: 'r' })).rejects.toThrow('client_secret');
  });
});

describe('the file of the IDE', () => {
  const [cache] = logins.imports!;
  const client = { clientId: 'cid', clientSecret: 'hush', expiresAt: '2027-01-01T00:00:00Z' };
  const siblings = (name: string) => (name === 'abc.json' ? (client as Json) : undefined);
  const content: Json = {
    accessToken: 'aoa',
    refreshToken: 'aor',
    expiresAt: '2026-12-01T10:00:00.123Z',
    clientIdHash: 'abc',
    authMethod: 'IdC',
    provider: 'Enterprise',
    region: 'eu-central-1',
  };

  test('is taken over with the client that stands beside it', () => {
    expect(cache!.read(content, siblings)).toMatchObject({
      type: 'kiro',
      access_token: 'aoa',
      refresh_token: 'aor',
      expires_at: '2026-12-01T10:00:00Z',
      auth_method: 'idc',
      client_id: 'cid',
      client_secret: 'hush',
      region: 'eu-central-1',
    });
  });

  test('in its older spelling, for a social login, needs no client', () => {
    const older: Json = {
      access_token: 'aoa',
      refresh_token: 'aor',
      profile_arn: kiroProfile,
      auth_method: 'social',
      provider: 'Google',
    };
    const fields = cache!.read(older, () => undefined)!;
    expect(fields).toMatchObject({ auth_method: 'social', profile_arn: kiroProfile, provider: 'Google' });
    expect(logins.fileName(fields)).toMatch(/^kiro-google-[0-9a-f]{8}\.json$/);
  });

  test('read twice, also after a renewal, is one account', () => {
    const first = cache!.read(content, siblings)!;
    const later = { ...first, refresh_token: 'another', access_token: 'another' };
    expect(logins.identify(later)).toEqual(logins.identify(cache!.read(content, siblings)!));
  });

  test('without a token or without its client is refused, naming what is missing', () => {
    const { refreshToken: _, ...half } = content;
    expect(() => cache!.read(half, siblings)).toThrow('refreshToken');
    expect(() => cache!.read(content, () => undefined)).toThrow('abc.json');
  });

  test('is told from the files of other programs', () => {
    for (const other of [
      {},
      { accessToken: 'a', refreshToken: 'b' },
      { ...content, type: 'codex' },
    ] as Json[])
      expect(cache!.read(other, siblings)).toBeUndefined();
  });

  test('a file that names an impossible region is refused', () => {
    expect(() => logins.identify({ access_token: 'a', region: 'eu/../..' })).toThrow('region');
  });
});

describe('where requests go', () => {
  const bases = (fields: Json, changes: Readonly<Record<string, string>> = {}) =>
    placesOf(fields, { ...logins.endpoints, ...changes }).map(({ base }) => base);

  test('follows the account, not the directory it signs in at', () => {
    const arn = 'arn:aws:codewhisperer:eu-central-1:123456789012:profile/X';
    expect(bases({ region: 'ap-south-1' })).toEqual([
      'https://q.us-east-1.amazonaws.com',
      'https://codewhisperer.us-east-1.amazonaws.com',
    ]);
    expect(bases({ profile_arn: arn })[0]).toBe('https://q.eu-central-1.amazonaws.com');
    expect(bases({ profile_arn: arn, api_region: 'us-west-2' })[0]).toBe('https://q.us-west-2.amazonaws.com');
    expect(bases({ profile_arn: 'arn:aws:x:evil.com/:1:profile/X' })[0]).toBe(
      'https://q.us-east-1.amazonaws.com',
    );
  });

  test('is in the order that the file prefers, and one place alone where the operator set one', () => {
    expect(bases({ preferred_endpoint: 'IDE' })[0]).toContain('codewhisperer');
    expect(bases({ preferred_endpoint: 'amazonq' })[0]).toContain('//q.');
    expect(bases({}, { api: 'https://relay.example.com' })).toEqual(['https://relay.example.com']);
  });
});

describe('what the service tells of an account', () => {
  const signedIn = (method: 'social' | 'builder-id') => {
    const profileArn = method === 'social' ? kiroProfile : undefined;
    const { accessToken } = kiro.auth.issue({ method, profileArn });
    return testLogin(logins, {
      access_token: accessToken,
      auth_method: method,
      ...(profileArn === undefined ? {} : { profile_arn: profileArn }),
    });
  };

  test.each(['social', 'builder-id'] as const)('its models, page by page, of a %s login', async (method) => {
    const models = await logins.models!(signedIn(method), net);
    expect(models.map(({ name }) => name)).toEqual([
      'kiro-claude-sonnet-4-5',
      'kiro-claude-haiku-4-5',
      'kiro-qwen3-coder',
    ]);
    expect(models[0]).toMatchObject({ contextWindow: 200_000, inputs: ['text', 'image'] });
  });

  test('its credits, and those of a free trial, with the time when they come back', async () => {
    const windows = await logins.quota!(signedIn('social'), net);
    expect(windows).toMatchObject([
      { name: 'credit', limit: 50, remaining: 37.5, resetsAt: 1_900_000_000_000, source: 'getUsageLimits' },
      { name: 'credit free trial', limit: 500, remaining: 400, resetsAt: 1_800_000_000_000 },
    ]);
  });

  test('a token that is over is an error that asks for a renewal', async () => {
    const login = signedIn('social');
    kiro.auth.expireAll();
    await expect(logins.models!(login, net)).rejects.toMatchObject({
      fault: { kind: 'upstream-unauthorized' },
    });
  });
});
