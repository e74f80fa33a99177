import { afterEach, describe, expect, test } from 'bun:test';
import { connect, type Socket } from 'node:net';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { GatewayError } from '../../src/core/error.ts';
import { passHeaders, responseHeaders, send, type SendOptions } from '../../src/wire/fetch.ts';
import type { Outgoing } from '../../src/wire/way.ts';
import { loopback, socksServer } from './servers.ts';

const timeouts = { connectMs: 5_000, firstByteMs: 5_000, gapMs: 5_000 };
const post = (port: number, more: Partial<Outgoing> = {}): Outgoing => ({
  method: 'POST',
  url: `http://127.0.0.1:${port}/v1/chat/completions`,
  headers: new Headers({ 'content-type': 'application/json' }),
  body: '{"model":"m"}',
  proxy: 'direct',
  ...more,
});
const go = (outgoing: Outgoing, options: Partial<SendOptions> = {}) =>
  send(outgoing, { signal: new AbortController().signal, timeouts, ...options });

const chunked = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const whole = (body: string, head = '') =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${head}\r\n${body}`;

async function faultOf(work: Promise<unknown>): Promise<GatewayError> {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(GatewayError);
  return thrown as GatewayError;
}

describe('what leaves', () => {
  test('a request arrives with its method, its headers and its body', async () => {
    await using upstream = await loopback((socket) => socket.write(whole('{}')));
    const headers = new Headers({ authorization: 'Bearer k', 'accept-encoding': 'identity' });
    expect(await (await go(post(upstream.port, { headers }))).text()).toBe('{}');
    expect(upstream.heard[0]).toStartWith('POST /v1/chat/completions HTTP/1.1\r\n');
    expect(upstream.heard[0]!.toLowerCase()).toContain('authorization: bearer k\r\n');
    expect(upstream.heard[0]!.toLowerCase()).toContain('accept-encoding: identity\r\n');
    expect(upstream.heard[0]).toEndWith('\r\n\r\n{"model":"m"}');
  });

  test('a redirect is an error that names its target without its query, and is not followed', async () => {
    await using upstream = await loopback((socket) =>
      socket.write('HTTP/1.1 307 x\r\nlocation: /login?token=secret\r\ncontent-length: 0\r\n\r\n'),
    );
    const error = await faultOf(go(post(upstream.port)));
    expect(error.fault).toEqual({ kind: 'upstream-failed', status: 307 });
    expect(error.message).toContain(`http://127.0.0.1:${upstream.port}/login,`);
    expect(error.advice).not.toContain('secret');
    expect(upstream.heard).toHaveLength(1);
  });

  test('an error status is an answer, not a failure', async () => {
    await using upstream = await loopback((socket) =>
      socket.write('HTTP/1.1 429 x\r\nretry-after: 3\r\ncontent-length: 2\r\n\r\n{}'),
    );
    const response = await go(post(upstream.port));
    expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([
      429,
      '3',
      '{}',
    ]);
  });
});

describe('the body', () => {
  const packed: readonly [name: string, head: string, bytes: Uint8Array][] = [
    ['gzip', 'content-encoding: gzip\r\n', gzipSync('{"a":"ü"}')],
    ['zlib deflate', 'content-encoding: deflate\r\n', deflateSync('{"a":"ü"}')],
    ['raw deflate', 'content-encoding: deflate\r\n', deflateRawSync('{"a":"ü"}')],
    ['brotli', 'content-encoding: br\r\n', brotliCompressSync('{"a":"ü"}')],
    ['zstd', 'content-encoding: zstd\r\n', zstdCompressSync('{"a":"ü"}')],
    ['gzip that nobody announced', '', gzipSync('{"a":"ü"}')],
    ['zstd that nobody announced', '', zstdCompressSync('{"a":"ü"}')],
  ];

  test.each(packed)('%s is unpacked', async (_, head, bytes) => {
    await using upstream = await loopback((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}content-length: ${bytes.length}\r\n\r\n`);
      socket.write(bytes);
    });
    expect(await (await go(post(upstream.port))).json()).toEqual({ a: 'ü' });
  });

  test('a stream comes as it was sent, piece by piece', async () => {
    await using upstream = await loopback((socket) => void socket.write(chunked + chunk('data: 1\n\n')));
    const reader = (await go(post(upstream.port))).body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('data: 1\n\n');
    await reader.cancel();
  });

  test('a whole answer of unknown length is read to its end', async () => {
    await using upstream = await loopback((socket) =>
      socket.write(`${chunked}${chunk('\n')}${chunk('{"a":1}')}0\r\n\r\n`),
    );
    expect(await (await go(post(upstream.port))).json()).toEqual({ a: 1 });
  });

  test('a cancelled body closes the connection', async () => {
    await using upstream = await loopback((socket) => void socket.write(chunked + chunk('data: 1\n\n')));
    const reader = (await go(post(upstream.port))).body!.getReader();
    await reader.read();
    await reader.cancel();
    await upstream.closed;
  });

  test('a reader that waits for nothing lets the upstream wait', async () => {
    let sent = 0;
    const piece = chunk('x'.repeat(65_535));
    await using upstream = await loopback((socket) => {
      socket.write(chunked);
      const more = () => {
        while (sent < 200_000_000 && socket.write(piece)) sent += piece.length;
        if (sent < 200_000_000) socket.once('drain', more);
      };
      more();
    });
    const reader = (await go(post(upstream.port))).body!.getReader();
    for (let read = 0; read < 1_000_000;) read += (await reader.read()).value!.length;
    await reader.cancel();
    await upstream.closed;
    expect(sent).toBeLessThan(50_000_000);
  });
});

describe('an abort', () => {
  test('before the headers closes the connection and is told as cancelled', async () => {
    const abort = new AbortController();
    await using upstream = await loopback(() => abort.abort());
    const error = await faultOf(go(post(upstream.port), { signal: abort.signal }));
    expect(error.fault.kind).toBe('cancelled');
    await upstream.closed;
  });

  test('during the body closes the connection and ends a pending read', async () => {
    const abort = new AbortController();
    await using upstream = await loopback((socket) => void socket.write(chunked + chunk('data: 1\n\n')));
    const reader = (await go(post(upstream.port), { signal: abort.signal })).body!.getReader();
    await reader.read();
    const pending = reader.read();
    abort.abort();
    expect((await faultOf(pending)).fault.kind).toBe('cancelled');
    await upstream.closed;
  });

  test('that came first keeps the request from being sent', async () => {
    await using upstream = await loopback((socket) => socket.write(whole('{}')));
    expect((await faultOf(go(post(upstream.port), { signal: AbortSignal.abort() }))).fault.kind).toBe(
      'cancelled',
    );
    expect(upstream.heard).toEqual([]);
  });
});

describe('deadlines', () => {
  test('a first byte that does not come is a first-byte fault, and the connection is closed', async () => {
    await using upstream = await loopback(() => {});
    const error = await faultOf(go(post(upstream.port), { timeouts: { ...timeouts, firstByteMs: 40 } }));
    expect(error.fault).toEqual({ kind: 'transport', phase: 'first-byte' });
    expect(error.status).toBe(504);
    await upstream.closed;
  });

  test('an upstream that is connected and thinks is not a connect fault', async () => {
    await using upstream = await loopback((socket) => void setTimeout(() => socket.write(whole('{}')), 120));
    const response = await go(post(upstream.port), { timeouts: { ...timeouts, connectMs: 10 } });
    expect(await response.text()).toBe('{}');
  });

  test('an upstream that no longer accepts but still works on the answer is not a connect fault', async () => {
    const refusing = await loopback(() => {});
    const { port } = refusing;
    await refusing[Symbol.asyncDispose]();
    const slow = async () => {
      await Bun.sleep(100);
      return new Response('{}');
    };
    const response = await go(post(port), { timeouts: { ...timeouts, connectMs: 5 }, fetch: slow });
    expect(await response.text()).toBe('{}');
  });

  test.skipIf(process.platform !== 'linux')('a connection that never opens is a connect fault', async () => {
    const stuck = await stuckPort();
    try {
      const error = await faultOf(
        go(post(stuck.port), { timeouts: { ...timeouts, connectMs: 10, firstByteMs: 0 } }),
      );
      expect(error.fault).toEqual({ kind: 'transport', phase: 'connect' });
      expect(error.status).toBe(502);
    } finally {
      stuck.free();
    }
  });

  test('a silent stream breaks with a gap fault, and the connection is closed', async () => {
    await using upstream = await loopback((socket) => void socket.write(chunked + chunk('data: 1\n\n')));
    const response = await go(post(upstream.port), { timeouts: { ...timeouts, gapMs: 40 } });
    const reader = response.body!.getReader();
    await reader.read();
    const error = await faultOf(reader.read());
    expect(error.fault).toEqual({ kind: 'transport', phase: 'gap' });
    await upstream.closed;
  });

  test('a silent whole answer breaks with a gap fault', async () => {
    await using upstream = await loopback(
      (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{'),
    );
    const response = await go(post(upstream.port), { timeouts: { ...timeouts, gapMs: 40 } });
    expect((await faultOf(response.text())).fault).toEqual({ kind: 'transport', phase: 'gap' });
  });

  test('bytes that keep coming hold the gap open, also while a whole answer is awaited', async () => {
    await using upstream = await loopback((socket) => {
      socket.write(chunked);
      let sent = 0;
      const timer = setInterval(() => {
        socket.write(++sent < 8 ? chunk(' ') : `${chunk('{}')}0\r\n\r\n`);
        if (sent === 8) clearInterval(timer);
      }, 50);
    });
    const response = await go(post(upstream.port), { timeouts: { ...timeouts, gapMs: 250 } });
    expect(await response.json()).toEqual({});
  });

  test('a client that reads slowly is not blamed on the upstream', async () => {
    await using upstream = await loopback(
      (socket) => void socket.write(`${chunked}${chunk('data: 1\n\n')}${chunk('data: 2\n\n')}0\r\n\r\n`),
    );
    const response = await go(post(upstream.port), { timeouts: { ...timeouts, gapMs: 30 } });
    const reader = response.body!.getReader();
    await reader.read();
    await Bun.sleep(100);
    let rest = await reader.read();
    while (!rest.done) rest = await reader.read();
    expect(rest.done).toBe(true);
  });
});

describe('what breaks', () => {
  test('a refused connection says where and what to check', async () => {
    const gone = await loopback(() => {});
    const { port } = gone;
    await gone[Symbol.asyncDispose]();
    const error = await faultOf(go(post(port)));
    expect(error.fault).toEqual({ kind: 'transport', phase: 'connect' });
    expect(error.advice).toBe(
      `Nothing accepts connections at 127.0.0.1:${port}. Check that it runs, and the base-url in config.yaml.`,
    );
    expect(error.cause).toBeDefined();
  });

  test('a name that nobody knows is told as such', async () => {
    const error = await faultOf(go({ ...post(1), url: 'http://nowhere.invalid/v1' }));
    expect(error.fault).toEqual({ kind: 'transport', phase: 'connect' });
    expect(error.message).toBe('The name of nowhere.invalid cannot be resolved.');
  });

  test('a connection closed before the headers is a cut', async () => {
    await using upstream = await loopback((socket) => void socket.destroy());
    const error = await faultOf(go(post(upstream.port)));
    expect(error.fault).toEqual({ kind: 'transport', phase: 'cut' });
  });

  test('TLS towards a plain port says that TLS failed', async () => {
    await using upstream = await loopback((socket) => void socket.end('HTTP/1.1 400 x\r\n\r\n'));
    const error = await faultOf(go({ ...post(1), url: `https://127.0.0.1:${upstream.port}/` }));
    expect(error.message).toBe(`The TLS handshake with 127.0.0.1:${upstream.port} failed.`);
  });

  test('something that is not HTTP is bad upstream data', async () => {
    await using upstream = await loopback((socket) => void socket.end('SSH-2.0-OpenSSH_9.6\r\n'));
    expect((await faultOf(go(post(upstream.port)))).fault.kind).toBe('bad-upstream-data');
  });

  test.each([
    ['a chunked stream', `${chunked}${chunk('data: 1\n\n')}`],
    ['a body of known length', 'HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\nhello'],
  ])('%s that stops short is a cut', async (_, start) => {
    await using upstream = await loopback((socket) => {
      socket.write(start);
      setTimeout(() => socket.destroy(), 20);
    });
    const error = await faultOf(go(post(upstream.port)).then((response) => response.text()));
    expect(error.fault).toEqual({ kind: 'transport', phase: 'cut' });
    const reader = (await go(post(upstream.port))).body!.getReader();
    await reader.read();
    expect((await faultOf(reader.read())).code).toBe('stream_interrupted');
  });
});

describe('proxies', () => {
  const kept = { ...process.env };
  afterEach(() => {
    for (const name of ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY', 'NO_PROXY', 'no_proxy'])
      if (kept[name] === undefined) delete process.env[name];
      else process.env[name] = kept[name];
  });

  test('a configured proxy holds against NO_PROXY', async () => {
    await using upstream = await loopback((socket) => socket.write(whole('upstream')));
    await using proxy = await loopback((socket) => socket.write(whole('proxy')));
    process.env.NO_PROXY = '*';
    const through = { url: `http://us%20er:p%40ss@127.0.0.1:${proxy.port}` };
    expect(await (await go(post(upstream.port, { proxy: through }))).text()).toBe('proxy');
    expect(proxy.heard[0]).toStartWith(
      `POST http://127.0.0.1:${upstream.port}/v1/chat/completions HTTP/1.1\r\n`,
    );
    expect(proxy.heard[0]).toContain(`Basic ${btoa('us er:p@ss')}`);
    expect(upstream.heard).toEqual([]);
  });

  test('direct is direct whatever the environment says', async () => {
    await using upstream = await loopback((socket) => socket.write(whole('upstream')));
    process.env.HTTP_PROXY = 'http://127.0.0.1:1';
    expect(await (await go(post(upstream.port, { proxy: 'direct' }))).text()).toBe('upstream');
  });

  test('the environment is followed, NO_PROXY included', async () => {
    await using upstream = await loopback((socket) => socket.write(whole('upstream')));
    await using proxy = await loopback((socket) => socket.write(whole('proxy')));
    process.env.HTTP_PROXY = `http://127.0.0.1:${proxy.port}`;
    expect(await (await go(post(upstream.port, { proxy: 'environment' }))).text()).toBe('proxy');
    process.env.NO_PROXY = '127.0.0.1';
    expect(await (await go(post(upstream.port, { proxy: 'environment' }))).text()).toBe('upstream');
  });

  test('an environment proxy of an unknown kind is an error, never a direct connection', async () => {
    await using upstream = await loopback((socket) => socket.write(whole('upstream')));
    process.env.ALL_PROXY = 'socks4://user:secret@127.0.0.1:1';
    const error = await faultOf(go(post(upstream.port, { proxy: 'environment' })));
    expect(error.message).toContain('ALL_PROXY');
    expect(error.advice).not.toContain('secret');
    expect(upstream.heard).toEqual([]);
  });

  test('a dead proxy is an error that hides its credentials, never a direct connection', async () => {
    await using upstream = await loopback((socket) => socket.write(whole('upstream')));
    const error = await faultOf(
      go(post(upstream.port, { proxy: { url: 'http://user:secret@127.0.0.1:1' } })),
    );
    expect(error.message).toContain('http://127.0.0.1:1, the proxy for');
    expect(error.advice).not.toContain('secret');
    expect(upstream.heard).toEqual([]);
  });

  test('a proxy that wants credentials says so, for http and for https', async () => {
    await using proxy = await loopback((socket) =>
      socket.write('HTTP/1.1 407 x\r\ncontent-length: 0\r\n\r\n'),
    );
    const through = { url: `http://127.0.0.1:${proxy.port}` };
    for (const url of ['http://one.invalid/', 'https://one.invalid/']) {
      const error = await faultOf(go({ ...post(1, { proxy: through }), url }));
      expect(error.message).toBe(`http://127.0.0.1:${proxy.port} asks for credentials.`);
    }
  });

  test.each(['socks5', 'socks5h'])('%s carries http, and the proxy resolves the name', async (scheme) => {
    await using upstream = await loopback((socket) => socket.write(whole('{}')));
    await using socks = await socksServer({ password: 'p@ss' });
    process.env.NO_PROXY = '*';
    const proxy = { url: `${scheme}://user:p%40ss@127.0.0.1:${socks.port}` };
    const url = `http://only-there.invalid:${upstream.port}/v1/x?y=1`;
    expect(await (await go({ ...post(1, { proxy }), url })).text()).toBe('{}');
    expect(socks.destinations).toEqual([`only-there.invalid:${upstream.port}`]);
    expect(socks.credentials).toEqual(['user:p@ss']);
    expect(upstream.heard[0]).toStartWith('POST /v1/x?y=1 HTTP/1.1\r\n');
    expect(upstream.heard[0]!.toLowerCase()).not.toContain('proxy-');
    expect(upstream.heard[0]).toEndWith('{"model":"m"}');
  });

  test('socks carries https as a tunnel', async () => {
    await using upstream = await loopback((socket) => void socket.end('not tls'));
    await using socks = await socksServer();
    const proxy = { url: `socks5://127.0.0.1:${socks.port}` };
    await faultOf(go({ ...post(1, { proxy }), url: `https://only-there.invalid:${upstream.port}/` }));
    expect(socks.destinations).toEqual([`only-there.invalid:${upstream.port}`]);
    expect(upstream.heard[0]!.charCodeAt(0)).toBe(22);
  });

  test('two hosts behind one socks proxy each get their own connection', async () => {
    await using one = await loopback((socket) => socket.write(whole('one')));
    await using two = await loopback((socket) => socket.write(whole('two')));
    await using socks = await socksServer();
    const proxy = { url: `socks5://127.0.0.1:${socks.port}` };
    expect(await (await go(post(one.port, { proxy }))).text()).toBe('one');
    expect(await (await go(post(two.port, { proxy }))).text()).toBe('two');
  });

  test('an abort reaches the upstream through socks', async () => {
    const abort = new AbortController();
    await using upstream = await loopback((socket) => void socket.write(chunked + chunk('data: 1\n\n')));
    await using socks = await socksServer();
    const proxy = { url: `socks5://127.0.0.1:${socks.port}` };
    const reader = (await go(post(upstream.port, { proxy }), { signal: abort.signal })).body!.getReader();
    await reader.read();
    abort.abort();
    await upstream.closed;
  });

  test.each([
    ['http', { refuse: 5 }, 'socks5://127.0.0.1:PORT', 'ConnectionRefused'],
    ['https', { refuse: 4 }, 'socks5h://127.0.0.1:PORT', 'HostUnreachable'],
    ['http', { password: 'right' }, 'socks5://user:wrong@127.0.0.1:PORT', 'Authentication failed'],
  ])('a socks failure over %s is told with its reason', async (scheme, options, proxyUrl, reason) => {
    await using socks = await socksServer(options);
    const proxy = { url: proxyUrl.replace('PORT', String(socks.port)) };
    const error = await faultOf(go({ ...post(1, { proxy }), url: `${scheme}://one.invalid/` }));
    expect(error.fault).toEqual({ kind: 'transport', phase: 'connect' });
    expect(error.message).toContain(reason);
    expect(error.message).toContain(`//127.0.0.1:${socks.port} opens no way to one.invalid`);
    expect(error.advice).not.toContain('wrong');
  });
});

describe('header hygiene', () => {
  test('passes only what the protocol allows, by name and by prefix', () => {
    const client = new Headers({
      'Anthropic-Version': '2023-06-01',
      'x-stainless-lang': 'js',
      'x-other': '1',
      authorization: 'Bearer client-key',
    });
    expect([...passHeaders(client, ['anthropic-version', 'x-stainless-*'])]).toEqual([
      ['anthropic-version', '2023-06-01'],
      ['x-stainless-lang', 'js'],
    ]);
  });

  test('never passes credentials, cookies or headers of the connection, whatever is allowed', () => {
    const never = ['authorization', 'x-api-key', 'x-goog-api-key', 'cookie', 'host', 'content-length', 'te'];
    const client = new Headers(never.map((name) => [name, '1']));
    client.set('connection', 'keep-alive, X-Session');
    client.set('x-session', '1');
    client.set('accept-encoding', 'gzip');
    expect([...passHeaders(client, ['*'])]).toEqual([]);
  });

  test('strips from an answer what is not for the client', () => {
    const upstream = new Headers({
      'content-type': 'application/json',
      'content-encoding': 'gzip',
      'content-length': '9',
      'transfer-encoding': 'chunked',
      connection: 'close, x-hop',
      'x-hop': '1',
      'set-cookie': 'a=b',
      'x-litellm-key': '1',
      'access-control-allow-origin': '*',
      'x-ratelimit-remaining': '7',
    });
    expect([...responseHeaders(upstream)]).toEqual([
      ['content-type', 'application/json'],
      ['x-ratelimit-remaining', '7'],
    ]);
  });
});

/** A port whose queue of waiting connections is full, because the process that listens on it is stopped. */
async function stuckPort(): Promise<{ port: number; free(): void }> {
  const script = `require('net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port) })`;
  const listener = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' });
  const first = await listener.stdout.getReader().read();
  const port = Number(new TextDecoder().decode(first.value));
  listener.kill('SIGSTOP');
  const waiting: Socket[] = [];
  for (let opened = true; opened;) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    waiting.push(socket);
    opened = await Promise.race([
      new Promise<boolean>((resolve) => socket.once('connect', () => resolve(true))),
      Bun.sleep(300).then(() => false),
    ]);
  }
  return {
    port,
    free() {
      for (const socket of waiting) socket.destroy();
      listener.kill('SIGKILL');
    },
  };
}
