import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { openSocket, type OutgoingSocket } from '../../src/wire/socket.ts';
import type { Proxy } from '../../src/wire/proxy.ts';
import { loopback, socksServer } from './servers.ts';

/** An upstream that says back what it hears, and proxies before it. */

const sent = new Map<string, Headers>();
const upstream = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 0,
  fetch(request, server) {
    const { pathname } = new URL(request.url);
    sent.set(pathname, new Headers(request.headers));
    if (pathname === '/silent') return new Promise<Response>(() => {});
    if (pathname === '/refused') return new Response('no', { status: 403 });
    return server.upgrade(request) ? undefined : new Response(null, { status: 400 });
  },
  websocket: {
    message(peer, message) {
      if (message === 'leave') peer.close(4000, 'as you wish');
      else peer.send(message);
    },
  },
});
const tunnels = await loopback((socket, text) => {
  const [, host, port] = /^CONNECT ([^:\s]+):(\d+) /.exec(text) ?? [];
  if (host === undefined) return void socket.end('HTTP/1.1 405 Method Not Allowed\r\n\r\n');
  const target = connect(Number(port), host, () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    socket.pipe(target).pipe(socket);
  });
  socket.on('close', () => target.destroy());
});
const socks = await socksServer();
const httpProxy = `http://127.0.0.1:${tunnels.port}`;
const sockets: OutgoingSocket[] = [];
const environment = { ...process.env };

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
  for (const name of ['http_proxy', 'no_proxy']) {
    if (environment[name] === undefined) delete process.env[name];
    else process.env[name] = environment[name];
  }
});
afterAll(async () => {
  for (const server of [tunnels, socks]) await server[Symbol.asyncDispose]();
  await upstream.stop(true);
});

const origin = `http://127.0.0.1:${upstream.port}`;

async function open(path = '/', proxy: Proxy = 'direct', handshakeMs = 5_000, signal = never) {
  const headers = new Headers({ authorization: 'Bearer secret', 'user-agent': 'gateway/1' });
  const socket = await openSocket({ url: origin + path, headers, proxy }, signal, handshakeMs);
  sockets.push(socket);
  return socket;
}

const never = new AbortController().signal;

/** What comes back for a message. */
function echo(socket: OutgoingSocket, message: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  socket.listen({ message: resolve, closed: ({ code, reason }) => reject(new Error(`${code} ${reason}`)) });
  socket.send(message);
  return promise;
}

describe('an outgoing WebSocket', () => {
  test('sends the given headers and offers no compression', async () => {
    expect(await echo(await open('/headers'), 'hello')).toBe('hello');
    const headers = sent.get('/headers')!;
    expect(headers.get('authorization')).toBe('Bearer secret');
    expect(headers.get('user-agent')).toBe('gateway/1');
    expect(headers.has('sec-websocket-extensions')).toBe(false);
  });

  test('tells how it was closed', async () => {
    const socket = await open();
    await expect(echo(socket, 'leave')).rejects.toThrow('4000 as you wish');
    expect(socket.open).toBe(false);
  });

  test('goes through an HTTP proxy', async () => {
    const before = tunnels.heard.length;
    expect(await echo(await open('/', { url: httpProxy }), 'hello')).toBe('hello');
    expect(tunnels.heard.length).toBe(before + 1);
  });

  test('goes through a SOCKS proxy', async () => {
    const proxy = { url: `socks5://127.0.0.1:${socks.port}` };
    expect(await echo(await open('/', proxy), 'hello')).toBe('hello');
    expect(socks.destinations).toEqual([`127.0.0.1:${upstream.port}`]);
  });

  test('follows the environment’s proxy, and its exceptions', async () => {
    process.env.http_proxy = httpProxy;
    process.env.no_proxy = 'example.com';
    const before = tunnels.heard.length;
    await echo(await open('/', 'environment'), 'hello');
    expect(tunnels.heard.length).toBe(before + 1);
    process.env.no_proxy = '.example.com, 127.0.0.1';
    await echo(await open('/', 'environment'), 'hello');
    expect(tunnels.heard.length).toBe(before + 1);
  });

  test('that is refused says why, and names no credential', async () => {
    const failure = await open('/refused').catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ fault: { kind: 'transport', phase: 'connect' } });
    expect(String(failure)).toContain('403');
    expect(String(failure)).not.toContain('secret');
  });

  test('waits for its handshake no longer than it is given', async () => {
    await expect(open('/silent', 'direct', 50)).rejects.toThrow('no handshake within 0.05 s');
  });

  test('is given up when nobody wants it any more', async () => {
    const leaving = new AbortController();
    const opening = open('/silent', 'direct', 5_000, leaving.signal);
    leaving.abort();
    await expect(opening).rejects.toMatchObject({ fault: { kind: 'cancelled' } });
  });
});
