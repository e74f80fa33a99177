import { describe, expect, test } from 'bun:test';
import { Elysia, t } from 'elysia';
import { GatewayError } from '../../src/core/error.ts';
import { protocols } from '../../src/protocols/index.ts';
import { aliases } from '../../src/server/paths.ts';
import { key, openPaths, stand } from './support.ts';

const body = '{"model":"demo"}';

describe('health', () => {
  const { get } = stand({ keys: [key] });

  test('is open: /, /health, /healthz, /readyz', async () => {
    for (const path of ['/', '/health', '/healthz', '/readyz']) expect((await get(path)).status).toBe(200);
    expect(await (await get('/health')).json()).toEqual({ status: 'ok' });
  });

  test('the root names the endpoints and the docs', async () => {
    const root = (await (await get('/')).json()) as any;
    expect(root.message).toBe('CLI Proxy API Server');
    expect(root.endpoints).toContain('POST /v1/chat/completions');
    expect(root.endpoints).toContain('GET /v1/models');
    expect(root.docs).toBe('/api/');
  });

  test('is ready when a credential can serve, and says why when none can', async () => {
    expect(await (await get('/readyz')).json()).toMatchObject({ status: 'ready', reasons: [] });
    const idle = stand({ ready: () => ({ ready: false, reasons: ['No provider is configured.'] }) });
    const response = await idle.get('/readyz');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ reasons: ['No provider is configured.'] });
  });

  test('leaves no line in the log', async () => {
    const quiet = stand();
    await quiet.get('/healthz');
    await quiet.get('/readyz');
    expect(quiet.logged()).toEqual([]);
  });
});

describe('a request id', () => {
  const { get, post, logged } = stand();
  const idOf = async (response: Promise<Response>) => (await response).headers.get('x-request-id');

  test('is on every answer', async () => {
    const paths = [
      '/',
      '/healthz',
      '/v1/models',
      '/metrics',
      '/openapi.json',
      '/api/',
      '/api/scalar.js',
      '/no',
    ];
    for (const path of paths) expect(await idOf(get(path))).toMatch(/^req_[0-9a-f]{24}$/);
    expect(await idOf(post('/v1/chat/completions', body))).toMatch(/^req_/);
    expect(await idOf(get('/v1/chat/completions'))).toMatch(/^req_/);
    expect(await idOf(get('/v1/models', { method: 'OPTIONS' }))).toMatch(/^req_/);
  });

  test('is the caller’s own when it is fit for a log line', async () => {
    const given = 'My.trace-id_42';
    expect(await idOf(post('/v1/chat/completions', body, { headers: { 'x-request-id': given } }))).toBe(
      given,
    );
    expect(logged().at(-1)?.['id']).toBe(given);
    for (const bad of ['has space', 'ünicode', 'x'.repeat(129), '{"a":1}'])
      expect(await idOf(get('/', { headers: { 'x-request-id': bad } }))).toMatch(/^req_/);
  });
});

describe('an unknown path', () => {
  const { get, logged } = stand({ keys: [key] });
  const message = async (response: Response) => ((await response.json()) as any).error.message as string;

  test('gets 404 with a request id, and a line in the log', async () => {
    const response = await get('/nope');
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      error: { code: 'not_found', request_id: expect.any(String) },
    });
    expect(logged().at(-1)).toMatchObject({ path: '/nope', status: 404 });
  });

  test.each([
    ['/api/v1/chat/completions', '/v1/chat/completions', 'http://localhost/v1'],
    ['/v1/chat/completions/chat/completions', '/v1/chat/completions', 'http://localhost/v1'],
    ['/openai/chat/completions', '/v1/chat/completions', 'http://localhost/v1'],
    ['/anthropic/v1/messages', '/v1/messages', 'http://localhost/v1'],
    ['/x/v1beta/models/demo:generateContent', '/v1beta/models/{model}', 'http://localhost/v1beta'],
    ['/openai/models', '/v1/models', 'http://localhost/v1', 'GET'],
    ['/openai/models/demo', '/v1/models/{model}', 'http://localhost/v1', 'GET'],
  ] as [string, string, string, string?][])(
    'such as %s is told where that is',
    async (path, meant, base, method = 'POST') => {
      const advice = await message(await get(path, { method }));
      expect(advice).toContain(`The path is ${meant}:`);
      expect(advice).toContain(`base URL ${base}, or http://localhost when`);
    },
  );

  test('speaks the dialect that such clients understand', async () => {
    const anthropic = await get('/v1/nope', { headers: { 'anthropic-version': '2023-06-01' } });
    expect(((await anthropic.json()) as any).type).toBe('error');
    const gemini = await get('/v1beta/nope');
    expect(((await gemini.json()) as any).error.status).toBe('NOT_FOUND');
    const nobody = await stand({ protocols: [] }).get('/v1/nope');
    expect(((await nobody.json()) as any).error.code).toBe('not_found');
  });
});

describe('a wrong method', () => {
  const { get, post } = stand();

  test.each([
    ['GET', '/v1/chat/completions', 'POST'],
    ['DELETE', '/v1/models', 'GET, HEAD'],
    ['PUT', '/v1/models/team-a/claude', 'GET, HEAD, POST'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['HEAD', '/v1/messages', 'POST'],
  ])('%s %s gets 405 with Allow: %s', async (method, path, allow) => {
    const response = await get(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe(allow);
  });

  test('HEAD is right wherever GET is', async () => {
    for (const path of ['/', '/health', '/healthz', '/readyz', '/v1/models', '/v1/models/demo', '/metrics'])
      expect((await get(path, { method: 'HEAD' })).status).toBe(200);
    expect((await post('/v1/messages', body)).status).toBe(200);
  });
});

describe('pages of others', () => {
  const page = 'https://app.example.com';
  const management = () => new Elysia().get('/v0/management/config', () => ({ ok: true }));
  const { get, post } = stand({ keys: [key], origins: [page], admin: management });
  const allowed = (response: Response) => response.headers.get('access-control-allow-origin');
  const preflight = (path: string, origin: string) =>
    get(path, { method: 'OPTIONS', headers: { origin, 'access-control-request-headers': 'authorization' } });

  test('get 204 for every preflight, and leave to go on only when they are on the list', async () => {
    const good = await preflight('/v1/chat/completions', page);
    expect(good.status).toBe(204);
    expect(allowed(good)).toBe(page);
    expect(good.headers.get('access-control-allow-headers')).toBe('authorization');
    const bad = await preflight('/v1/chat/completions', 'https://evil.example');
    expect(bad.status).toBe(204);
    expect(allowed(bad)).toBeNull();
    expect((await preflight('/anywhere', page)).status).toBe(204);
  });

  test('may read answers and errors only when they are on the list', async () => {
    const headers = { authorization: `Bearer ${key}`, origin: page };
    const good = await post('/v1/chat/completions', body, { headers });
    expect(allowed(good)).toBe(page);
    expect(good.headers.get('vary')).toBe('origin');
    expect(allowed(await get('/v1/models', { headers: { origin: page } }))).toBe(page);
    const bad = await get('/v1/models', { headers: { ...headers, origin: 'https://evil.example' } });
    expect(allowed(bad)).toBeNull();
  });

  test('never get leave on management', async () => {
    for (const path of ['/v0/management/config', '/v0/management/unknown', '/v0/management']) {
      expect(allowed(await preflight(path, page))).toBeNull();
      expect(allowed(await get(path, { headers: { origin: page } }))).toBeNull();
    }
  });
});

describe('management', () => {
  const admin = () =>
    new Elysia({ prefix: '/v0/management' })
      .get('/config', () => ({ ok: true }))
      .put('/limit', ({ body }) => body, { body: t.Object({ value: t.Integer() }) })
      .get('/refuses', () => {
        throw new GatewayError({ kind: 'forbidden' }, 'Not with a client key.', { remedy: 'Use the other.' });
      })
      .get('/breaks', () => {
        throw new Error('boom');
      });
  const { get, logged } = stand({ admin });

  test('is mounted with our request ids', async () => {
    const made = await get('/v0/management/config');
    expect(await made.json()).toEqual({ ok: true });
    expect(made.headers.get('x-request-id')).toMatch(/^req_/);
    const given = await get('/v0/management/config', { headers: { 'x-request-id': 'mine' } });
    expect(given.headers.get('x-request-id')).toBe('mine');
  });

  test('has errors in the shape of its own refusals', async () => {
    const refused = await get('/v0/management/refuses');
    expect(refused.status).toBe(403);
    expect(await refused.json()).toEqual({
      error: 'forbidden',
      message: 'Not with a client key.',
      remedy: 'Use the other.',
      request_id: refused.headers.get('x-request-id'),
    });
  });

  test('names the field that a schema refuses', async () => {
    const init = { method: 'PUT', headers: { 'content-type': 'application/json' } };
    const wrong = await get('/v0/management/limit', { ...init, body: '{"value":"x"}' });
    expect(wrong.status).toBe(400);
    expect(((await wrong.json()) as any).message).toContain('body/value');
    const broken = await get('/v0/management/limit', { ...init, body: '{' });
    expect(broken.status).toBe(400);
    expect(((await broken.json()) as any).message).toContain('could not be parsed');
  });

  test('that breaks tells the caller little and the log much', async () => {
    const broken = await get('/v0/management/breaks');
    expect(broken.status).toBe(500);
    expect(await broken.text()).not.toContain('boom');
    const id = broken.headers.get('x-request-id');
    expect(logged().find((line) => line['event'] === 'internal')).toMatchObject({
      id,
      error: expect.stringContaining('boom'),
    });
  });

  test('is told of whom it serves through the same door as the server', async () => {
    let door: any;
    const opened = stand({ admin: (given) => ((door = given), new Elysia()) });
    const request = new Request('http://localhost/');
    expect(door.isLocal(request, opened.app.server)).toBe(false);
    expect(door.requestId(request)).toBe(door.requestId(request));
  });
});

describe('the table of routes', () => {
  const { app, get } = stand({
    keys: [key],
    admin: () => new Elysia().get('/v0/management/config', () => ''),
  });
  const isOpen = (path: string) => openPaths.has(path) || path.startsWith('/v0/management') || path === '/*';
  const guarded = app.routes.filter(({ path }) => !isOpen(path));

  test('holds every route of every protocol, and its aliases', () => {
    const mounted = new Set(guarded.map(({ method, path }) => `${method} ${path}`));
    for (const { method, path } of protocols.flatMap(({ client }) => client?.routes ?? []))
      for (const name of [path, ...aliases(path)]) expect(mounted).toContain(`${method} ${name}`);
  });

  test('has no route but the open ones that answers without a client key', async () => {
    expect(guarded.length).toBeGreaterThan(20);
    for (const { method, path } of guarded) {
      const response = await get(path.replace('*', 'demo:generateContent'), { method });
      expect([method, path, response.status]).toEqual([method, path, 401]);
    }
  });
});
