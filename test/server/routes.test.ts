import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { Pool } from '../../src/accounts/pool/pool.ts';
import { createGate, guardBy } from '../../src/admin/gate.ts';
import type { AdminHall } from '../../src/admin/hall.ts';
import { createAdmin } from '../../src/admin/index.ts';
import { createSteward } from '../../src/config/steward.ts';
import { protocols } from '../../src/protocols/index.ts';
import { isLocal } from '../../src/server/address.ts';
import { createApp } from '../../src/server/app.ts';
import { aliases } from '../../src/server/paths.ts';
import { createState } from '../../src/state/state.ts';
import { createTraces, traceLimits } from '../../src/telemetry/traces.ts';
import { temporaryFolder } from '../config/support.ts';
import { everySignIn } from './sign-ins.ts';
import { openPaths, stand } from './support.ts';

/** Every route of the whole program belongs to one class, and each class keeps its promise to strangers. */

const clientKey = 'sk-client-routes-0123456789abcdef';
const managementKey = 'the management key of routes';
const page = 'https://page.example';
const place = temporaryFolder();
const steward = createSteward({
  source: { path: undefined, why: 'a test' },
  text: `api-keys: [${clientKey}]\nremote-management: {secret-key: "${managementKey}"}\ncors: {allow-origins: ["${page}"]}\n`,
  environment: {},
  log: () => {},
});
const logins = everySignIn(place.path);
const { keeper, signIns } = logins;
const { hall, logged } = stand();
const admin: AdminHall = {
  steward,
  telemetry: hall.telemetry,
  traces: createTraces(createState().space('traces', traceLimits)),
  pool: new Pool(),
  keeper,
  signIns,
  version: '0',
};
const gate = createGate(admin, { isLocal });
const app = createApp({
  ...hall,
  steward,
  keeper,
  signIns,
  admin: (door) => createAdmin(admin, door, gate),
  guard: guardBy(gate),
});
let url: string;
beforeAll(() => {
  url = `http://127.0.0.1:${app.listen({ port: 0, hostname: '127.0.0.1' }).server!.port}`;
});
afterAll(async () => {
  await app.server!.stop(true);
  await logins.close();
  place.remove();
});

// ------------------------------------------------------------------------------------------------------- the classes

const channelsOfOld = ['anthropic', 'codex', 'antigravity', 'google', 'kiro', 'iflow', 'xai', 'gitlab'];
const callbacks = new Set([
  ...channelsOfOld.map((word) => `/${word}/callback`),
  '/v0/oauth/kiro/callback',
  '/v0/oauth/kiro/social/callback',
]);
const pages = new Set(['', '/start', '/status', '/import', '/refresh'].map((end) => `/v0/oauth/kiro${end}`));
/** What clients may ask besides the routes of the protocols. */
const clients = new Set([
  '/v1/models',
  '/v1/models/*',
  '/models',
  '/models/*',
  '/v1beta/models',
  '/v1beta/models/*',
  '/v1/metrics/providers',
  '/metrics',
  ...protocols.flatMap(({ client }) =>
    (client?.routes ?? []).flatMap(({ path }) => [path, ...aliases(path)]),
  ),
  ...protocols.flatMap(({ client }) =>
    [...(client?.socket?.paths ?? [])].flatMap((path) => [path, ...aliases(path)]),
  ),
]);
const catchAll = new Set(['/*', '/v0/management', '/v0/management/*']);

type Class = 'open' | 'callback' | 'page' | 'client' | 'management' | 'nothing';

/** @throws when nobody has said what kind of route it is. */
function classOf(method: string, path: string): Class {
  if ((method === 'ALL' || method === 'OPTIONS') && catchAll.has(path)) return 'nothing';
  if (openPaths.has(path)) return 'open';
  if (callbacks.has(path)) return 'callback';
  if (pages.has(path)) return 'page';
  if (path.startsWith('/v0/management/')) return 'management';
  // Answers that the gateway keeps are read under the path that made them.
  if (clients.has(path) || /^\/v1\/responses\/:id(\/[a-z_]+)?$/.test(path)) return 'client';
  if (aliasOfKnown(path)) return 'client';
  throw new Error(`Nobody has said who may ask ${method} ${path}: give it a class here.`);
}

const aliasOfKnown = (path: string): boolean =>
  [...clients, '/v1/responses/:id', '/v1/responses/:id/input_items', '/v1/responses/:id/cancel'].some(
    (known) => aliases(known).includes(path),
  );

const routes = app.routes.map(({ method, path }) => ({ method, path, kind: classOf(method, path) }));
const of = (kind: Class) => routes.filter((route) => route.kind === kind);
const concrete = (path: string) => path.replace('*', 'demo').replaceAll(/:\w+/g, 'some');

/** Asks as a stranger does, on this machine. */
const ask = ({ method, path }: { method: string; path: string }, headers: Record<string, string> = {}) =>
  fetch(url + concrete(path), {
    method,
    headers: { ...headers },
    redirect: 'manual',
    ...(/POST|PUT|PATCH/.test(method) ? { body: '{}' } : {}),
  });

test('every route has a class', () => {
  const counts = Object.fromEntries(
    (['open', 'callback', 'page', 'client', 'management'] as const).map((kind) => [kind, of(kind).length]),
  );
  expect(counts.open).toBeGreaterThanOrEqual(openPaths.size);
  expect(counts.callback).toBe(2 * callbacks.size);
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(5);
  expect(() => classOf('GET', '/v1/new-route')).toThrow('Nobody has said');
});

test('nothing relays the WebSocket of a stranger: /v1/ws is not there', async () => {
  const upgrade = {
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  };
  for (const path of ['/v1/ws', '/ws', '/v1/responses/ws', '/keep-alive', '/v0/management/api-call'])
    expect([
      path,
      (await ask({ method: 'GET', path }, { ...upgrade, authorization: `Bearer ${managementKey}` })).status,
    ]).not.toEqual([path, 101]);
  expect(
    (await ask({ method: 'GET', path: '/v1/ws' }, { authorization: `Bearer ${clientKey}` })).status,
  ).toBe(404);
});

describe('open routes', () => {
  test('hold no secret', async () => {
    for (const route of of('open')) {
      const text = await (await ask(route)).text();
      for (const secret of [clientKey, managementKey, place.path]) expect(text).not.toContain(secret);
    }
  });
});

describe('client routes', () => {
  test('refuse whoever has no client key, the management key as well', async () => {
    for (const route of of('client')) {
      // Counts of a machine's own gateway are open to its own programs.
      if (/metrics/.test(route.path)) continue;
      for (const headers of [{}, { authorization: `Bearer ${managementKey}` }] as Record<string, string>[]) {
        const { status } = await ask(route, headers);
        expect([route.method, route.path, status]).toEqual([route.method, route.path, 401]);
      }
    }
    for (const path of ['/metrics', '/v1/metrics/providers'])
      expect((await ask({ method: 'GET', path }, { 'x-forwarded-for': '203.0.113.1' })).status).toBe(401);
  });
});

describe('management routes', () => {
  test('refuse whoever has no management key, with every verb, a client key as well', async () => {
    for (const route of of('management')) {
      expect([route.method, route.path, (await ask(route)).status]).toEqual([route.method, route.path, 401]);
      const known = await ask(route, { authorization: `Bearer ${clientKey}` });
      expect([route.path, known.status]).toEqual([route.path, 403]);
      const head = await ask({ method: 'HEAD', path: route.path });
      expect([route.path, head.status]).toEqual([route.path, 401]);
    }
  });

  test('refuse pages of others and callers from elsewhere, whatever key they hold', async () => {
    const key = { authorization: `Bearer ${managementKey}` };
    for (const route of of('management'))
      for (const headers of [
        { origin: page },
        { 'x-forwarded-for': '203.0.113.1' },
        { host: 'rebound.example' },
      ] as Record<string, string>[]) {
        const { status, headers: said } = await ask(route, { ...key, ...headers });
        expect([route.path, headers, status]).toEqual([route.path, headers, 403]);
        expect([...said.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
  });

  test('no preflight lets a page on, not even one that may ask models', async () => {
    const headers = { origin: page, 'access-control-request-method': 'POST' };
    for (const { path } of [...of('management'), ...of('page'), ...of('callback')]) {
      const { status, headers: said } = await ask({ method: 'OPTIONS', path }, headers);
      expect([path, status, said.get('access-control-allow-origin')]).toEqual([path, 204, null]);
    }
    const client = await ask({ method: 'OPTIONS', path: '/v1/chat/completions' }, headers);
    expect(client.headers.get('access-control-allow-origin')).toBe(page);
  });

  test('a broken encoding in a path is the caller’s fault', async () => {
    for (const path of [
      '/v0/management/traces/%zz',
      '/v0/management/auths/%zz/refresh',
      '/v0/management/model-definitions/%zz',
    ]) {
      const method = path.endsWith('refresh') ? 'POST' : 'GET';
      const { status } = await ask({ method, path }, { authorization: `Bearer ${managementKey}` });
      expect([path, status]).toEqual([path, 400]);
    }
    expect(logged().filter(({ event }) => event === 'internal')).toEqual([]);
  });
});

describe('what comes in', () => {
  const key = { authorization: `Bearer ${managementKey}` };

  test.each([
    '/v0/management/auth-files?name=x.json',
    '/v0/management/vertex/import',
    '/v0/management/oauth-callback',
  ])('a body for %s is read to 4 MiB', async (path) => {
    const long = 'x'.repeat(4 * 1024 * 1024 + 1);
    const whole = await fetch(url + path, { method: 'POST', headers: key, body: long });
    expect(whole.status).toBe(413);
    const endless = new ReadableStream<Uint8Array>({ pull: (out) => out.enqueue(new Uint8Array(1 << 20)) });
    const flowing = await fetch(url + path, { method: 'POST', headers: key, body: endless }).catch(
      () => undefined,
    );
    // Whoever is still sending may find the connection closed before the answer.
    if (flowing) expect(flowing.status).toBe(413);
  });

  test.each([
    ['one header of a MiB', { 'x-long': 'a'.repeat(1 << 20) }],
    [
      'ten thousand headers',
      Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`x-${at}`, 'a'.repeat(50)])),
    ],
  ])('%s is refused before anybody looks at it', async (_, headers) => {
    const before = logged().length;
    const status = await ask({ method: 'GET', path: '/healthz' }, headers).then(
      (answer) => answer.status,
      () => 'closed',
    );
    expect([431, 'closed']).toContain(status);
    expect(logged().length).toBe(before);
  });
});

describe('callbacks', () => {
  const hostile = '"><script>alert(1)</script>&\'';

  test('escape everything, run nothing, and tell a stranger nothing', async () => {
    for (const { method, path } of of('callback')) {
      for (const query of [
        '',
        `?state=${encodeURIComponent(hostile)}&code=${encodeURIComponent(hostile)}`,
        `?error=${encodeURIComponent(hostile)}&error_description=${encodeURIComponent(hostile)}&state=x`,
        `?redirect_uri=https://evil.example&state=https://evil.example&code=x`,
      ]) {
        const answer = await fetch(url + path + query, { method, redirect: 'manual' });
        const text = await answer.text();
        expect([path, answer.status, answer.headers.get('location')]).toEqual([path, 400, null]);
        expect(text).not.toContain('<script>');
        expect(text).not.toContain('evil.example');
        expect(text).not.toContain(place.path);
        expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
        expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
        expect(answer.headers.get('cache-control')).toBe('no-store');
        expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
      }
    }
  });

  test('give a page of others no right to read them', async () => {
    for (const route of of('callback'))
      expect((await ask(route, { origin: page })).headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('the pages of signing in', () => {
  const basic = (key: string) => ({ authorization: `Basic ${btoa(`anybody:${key}`)}` });

  test('ask a browser for the management key, and begin nothing without', async () => {
    for (const route of of('page')) {
      const none = await ask(route);
      expect([route.path, none.status]).toEqual([route.path, 401]);
      expect(none.headers.get('www-authenticate')).toStartWith('Basic realm=');
      expect([route.path, (await ask(route, basic(clientKey))).status]).toEqual([route.path, 403]);
      expect([
        route.path,
        (await ask(route, { ...basic(managementKey), 'x-forwarded-for': '203.0.113.1' })).status,
      ]).toEqual([route.path, 403]);
    }
    expect(keeper.files).toEqual([]);
  });

  test('are lent to no page of others', async () => {
    for (const route of of('page'))
      for (const headers of [
        { origin: page },
        { origin: 'null' },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
      ] as Record<string, string>[])
        expect([route.path, (await ask(route, { ...basic(managementKey), ...headers })).status]).toEqual([
          route.path,
          403,
        ]);
  });

  test('let in whoever has it, and keep an import to what a login can be', async () => {
    const home = await ask({ method: 'GET', path: '/v0/oauth/kiro' }, basic(managementKey));
    expect([home.status, await home.text()]).toEqual([200, expect.stringContaining('/v0/oauth/kiro/start')]);
    const long = await fetch(`${url}/v0/oauth/kiro/import`, {
      method: 'POST',
      headers: basic(managementKey),
      body: `{"x":"${'a'.repeat(100_000)}"}`,
    });
    expect([long.status, await long.text()]).toEqual([413, expect.stringContaining('too large for a login')]);
  });
});
