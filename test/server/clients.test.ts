import { afterAll, describe, expect, test } from 'bun:test';
import { GatewayError } from '../../src/core/error.ts';
import type { Relay } from '../../src/relay/exchange.ts';
import { listen } from '../../src/server/listen.ts';
import { key, stand } from './support.ts';

const body = '{"model":"demo","unknown":{"cache_control":1}}';

describe('an exchange', () => {
  const { post, exchanges, hall } = stand({ keys: [key] });

  test('holds the request as it came, bound to the runtime it began with', async () => {
    const headers = { 'x-api-key': key, 'anthropic-version': '2023-06-01' };
    await post('/v1/messages?beta=true&limit=1', body, { headers });
    const [exchange] = exchanges;
    expect(exchange?.runtime).toBe(hall.steward.current);
    expect(exchange?.protocol.id).toBe('anthropic-messages');
    expect(exchange?.route.path).toBe('/v1/messages');
    expect(exchange?.body).toBe(body);
    expect(exchange?.headers.get('anthropic-version')).toBe('2023-06-01');
    expect(exchange?.query.toString()).toBe('beta=true&limit=1');
    expect(exchange?.record).toMatchObject({
      method: 'POST',
      path: '/v1/messages',
      protocol: 'anthropic-messages',
      client: 'label-wxyz',
    });
  });

  test('holds the path’s parameters', async () => {
    const { post, exchanges: seen } = stand();
    await post('/v1beta/models/gemini%2Dx:streamGenerateContent?alt=sse', body);
    expect(seen[0]?.params).toEqual({ '*': 'gemini%2Dx:streamGenerateContent' });
  });
});

describe('a base URL that is nearly right', () => {
  test.each([
    ['/v1/v1/messages', '/v1/messages'],
    ['/v1/v1/chat/completions', '/v1/chat/completions'],
    ['/chat/completions', '/v1/chat/completions'],
    ['/completions', '/v1/completions'],
    ['/messages', '/v1/messages'],
    ['/messages/count_tokens', '/v1/messages/count_tokens'],
    ['/v1/chat/completions/', '/v1/chat/completions'],
    ['/v1beta/v1beta/models/demo:generateContent', '/v1beta/models/*'],
  ])('%s is served as %s', async (path, route) => {
    const { post, exchanges } = stand();
    expect((await post(path, body)).status).toBe(200);
    expect(exchanges[0]?.route.path).toBe(route);
  });
});

describe('a relay that fails', () => {
  const failing = (error: unknown): Relay => {
    return async () => {
      throw error;
    };
  };

  test('is answered in the dialect of the route, and closes the record once', async () => {
    const error = new GatewayError({ kind: 'rate-limited' }, 'Every key is throttled.', {
      remedy: 'Wait.',
      retryAfterMs: 1500,
    });
    const { post, logged } = stand({ relay: failing(error) });
    const response = await post('/v1/messages', body, { headers: { 'x-request-id': 'a-1' } });
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('2');
    expect(response.headers.get('content-type')).toStartWith('application/json');
    expect(await response.json()).toMatchObject({
      type: 'error',
      error: { type: 'rate_limit_error', message: 'Every key is throttled. Wait.' },
      request_id: 'a-1',
    });
    expect(logged()).toHaveLength(1);
    expect(logged()[0]).toMatchObject({ id: 'a-1', status: 429, error: { code: 'rate_limit_exceeded' } });
  });

  test('in a way nobody foresaw tells the client no more than where to look', async () => {
    const { post, logged } = stand({ relay: failing(new TypeError('secret internals')) });
    const response = await post('/v1/chat/completions', body);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret internals');
    expect(logged().map((line) => line['event'])).toEqual(['internal', 'request']);
  });
});

describe('over a socket', () => {
  let gone: () => void = () => undefined;
  const left = new Promise<void>((resolve) => (gone = resolve));
  const relay: Relay = async ({ signal, query, record }) => {
    record.status = 200;
    if (!query.has('stream')) return Response.json({ ok: true });
    signal.addEventListener('abort', gone);
    const stream = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
    });
    return new Response(stream, { headers: { 'content-type': 'text/event-stream' } });
  };
  const { app, hall } = stand({ relay });
  const server = listen(app, hall.steward.current.config, { host: '127.0.0.1', port: 0 });
  afterAll(() => server.stop(true));
  const base = `http://127.0.0.1:${server.port}`;
  const post = (path: string, init: RequestInit = {}) =>
    fetch(base + path, { method: 'POST', body, ...init });

  test('routes, ids, 404, 405 and HEAD are the same', async () => {
    const answered = await post('/v1/chat/completions');
    expect(answered.status).toBe(200);
    expect(answered.headers.get('x-request-id')).toMatch(/^req_/);
    expect((await fetch(`${base}/v1/chat/completions`)).headers.get('allow')).toBe('POST');
    expect((await fetch(`${base}/nope`)).status).toBe(404);
    const head = await fetch(`${base}/healthz`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await post('/v1beta/models/a%2Fb:generateContent')).status).toBe(200);
  });

  test('a host name of few letters finds every path', async () => {
    const found = await fetch(`${base}/v1/models/demo`, { headers: { host: 'gw' } });
    expect(found.status).toBe(403);
    const keyed = stand({ keys: [key] });
    const other = listen(keyed.app, keyed.hall.steward.current.config, { host: '127.0.0.1', port: 0 });
    const headers = { host: 'gw', 'x-api-key': key };
    const response = await fetch(`http://127.0.0.1:${other.port}/v1/models/demo`, { headers });
    expect(response.status).toBe(200);
    await other.stop(true);
  });

  test('a stream is sent as it comes, and a client that leaves aborts the exchange', async () => {
    const abort = new AbortController();
    const response = await post('/v1/chat/completions?stream', { signal: abort.signal });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const { value } = await response.body!.getReader().read();
    expect(new TextDecoder().decode(value)).toBe('data: 1\n\n');
    abort.abort();
    await left;
  });
});
