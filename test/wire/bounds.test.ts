import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { createNet } from '../../src/accounts/logins/net.ts';
import { askTurn, type SocketWay } from '../../src/channels/upstream-line.ts';
import { bytesWithin, send } from '../../src/wire/fetch.ts';
import { openSocket } from '../../src/wire/socket.ts';

/** Whatever comes from the other side is read to a limit, and who goes over it is told. */

const mebibyte = 1024 * 1024;
const piece = new Uint8Array(mebibyte).fill(120);
let given = 0;
let left = Promise.withResolvers<void>();

/** Pieces of one MiB until nobody takes them any more. */
const endless = () =>
  new ReadableStream<Uint8Array>({
    pull(out) {
      given++;
      out.enqueue(piece);
    },
    cancel: () => left.resolve(),
  });

const upstream = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 0,
  fetch(request, server) {
    const { pathname } = new URL(request.url);
    if (pathname === '/bomb')
      return new Response(Bun.gzipSync(new Uint8Array(300 * mebibyte)), {
        headers: { 'content-encoding': 'gzip' },
      });
    if (pathname === '/hidden-bomb') return new Response(Bun.gzipSync(new Uint8Array(3 * mebibyte)));
    if (pathname === '/long') return new Response(new Uint8Array(5 * mebibyte));
    if (pathname === '/endless') return new Response(endless());
    if (pathname === '/headers')
      return new Response('x', { headers: { 'x-long': 'a'.repeat(2 * mebibyte) } });
    return server.upgrade(request) ? undefined : new Response(null, { status: 400 });
  },
  websocket: {
    backpressureLimit: 512 * mebibyte,
    message(peer, message) {
      if (message === 'huge') return void peer.send('a'.repeat(65 * mebibyte));
      for (let sent = 0; sent < 80; sent++) peer.send('b'.repeat(mebibyte));
    },
  },
});
afterAll(() => upstream.stop(true));
afterEach(() => {
  given = 0;
  left = Promise.withResolvers();
});

const url = `http://127.0.0.1:${upstream.port}`;
const timeouts = { connectMs: 5_000, firstByteMs: 20_000, gapMs: 5_000 };
const signal = new AbortController().signal;
const get = (path: string) =>
  send({ method: 'GET', url: url + path, headers: new Headers(), proxy: 'direct' }, { signal, timeouts });
const faultOf = (work: Promise<unknown>) =>
  work.then(
    () => 'nothing',
    (thrown: { fault?: { kind: string }; message: string }) => `${thrown.fault?.kind}: ${thrown.message}`,
  );

describe('an answer', () => {
  test('is given up at the limit, and its sender is left', async () => {
    expect(await faultOf(bytesWithin(await get('/endless'), 4 * mebibyte))).toBe(
      'bad-upstream-data: The answer of the upstream is larger than 4 MiB.',
    );
    await left.promise;
    expect(given).toBeLessThan(64);
  });

  test('is never larger than 256 MiB when it is read whole, however small it came', async () => {
    expect(await faultOf((await get('/bomb')).text())).toContain('larger than 256 MiB');
  });

  test('that hides a bomb stays packed', async () => {
    expect((await bytesWithin(await get('/hidden-bomb'), mebibyte)).length).toBeLessThan(mebibyte);
  });

  test('with headers without measure is no answer', async () => {
    expect(await faultOf(get('/headers'))).toMatch(/^(bad-upstream-data|transport): /);
  });
});

describe('an answer to a step of signing in or renewing', () => {
  test.each(['/long', '/endless', '/bomb'])('from %s is given up at 4 MiB', async (path) => {
    const net = createNet({
      endpoints: {},
      client: {},
      signal,
      proxy: 'direct',
      now: Date.now,
      clock: Date.now,
    });
    expect(await faultOf(net.fetch(url + path))).toContain('larger than 4 MiB');
  });
});

describe('a WebSocket of an upstream', () => {
  const open = () => openSocket({ url, headers: new Headers(), proxy: 'direct' }, signal, 5_000);

  test('is closed over a message of more than 64 MiB', async () => {
    const socket = await open();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    socket.listen({ message: ({ length }) => resolve(length), closed: resolve });
    socket.send('huge');
    expect(await promise).toMatchObject({ reason: 'a message of more than 64 MiB' });
  });

  test('is left when 64 MiB of an answer wait for a client that does not read', async () => {
    const way: SocketWay = {
      session: () => ({
        ask: (text) => text,
        hear: (message) => ({ frame: { data: message }, begins: true, over: false, headers: {} }),
      }),
      headers: (headers) => headers,
    };
    const answer = await askTurn(way, {
      outgoing: { method: 'POST', url, headers: new Headers(), body: 'much', proxy: 'direct' },
      accountId: 'a',
      line: { gone: signal, accountId: undefined },
      signal,
      exchange: () => Promise.reject(new Error('HTTP was asked')),
    });
    const { closed } = answer.body!.getReader();
    expect(await faultOf(closed)).toBe(
      'transport: The client reads too slowly: 64 MiB of its answer are waiting for it.',
    );
  });
});
