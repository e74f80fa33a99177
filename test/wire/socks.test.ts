import { connect } from 'node:net';
import { expect, test } from 'bun:test';
import { bridge } from '../../src/wire/socks.ts';
import { loopback, socksServer } from './servers.ts';

/** Everything the bridge answers to a request as it stands. */
async function asked(request: string, proxyUrl: string, token?: string): Promise<string> {
  const { url, headers } = await bridge(proxyUrl);
  const authorization = token ?? headers['proxy-authorization']!;
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.end(request.replace('TOKEN', () => authorization));
  let answer = '';
  for await (const bytes of socket) answer += String(bytes);
  return answer;
}

test('one proxy has one bridge, another has another token at the same port', async () => {
  const [first, again, other] = await Promise.all([
    bridge('socks5://127.0.0.1:1'),
    bridge('socks5://127.0.0.1:1'),
    bridge('socks5://127.0.0.1:2'),
  ]);
  expect(again).toEqual(first);
  expect(other.url).toBe(first.url);
  expect(other.headers).not.toEqual(first.headers);
});

test.each(['', 'Proxy-Authorization: Bearer wrong\r\n', 'Authorization: TOKEN\r\n'])(
  'nobody gets through without a token (%j)',
  async (header) => {
    await using socks = await socksServer();
    const proxyUrl = `socks5://127.0.0.1:${socks.port}`;
    expect(await asked(`CONNECT a.invalid:443 HTTP/1.1\r\n${header}\r\n`, proxyUrl)).toStartWith(
      'HTTP/1.1 407 ',
    );
    expect(socks.heard).toEqual([]);
  },
);

test('a request that is neither a tunnel nor for http is refused', async () => {
  const request = 'GET /local/path HTTP/1.1\r\nProxy-Authorization: TOKEN\r\n\r\n';
  expect(await asked(request, 'socks5://127.0.0.1:1')).toStartWith('HTTP/1.1 400 ');
});

test('a head without an end is refused, not collected', async () => {
  expect(
    await asked(`GET http://a/ HTTP/1.1\r\nx: ${'y'.repeat(70_000)}`, 'socks5://127.0.0.1:1'),
  ).toStartWith('HTTP/1.1 431 ');
});

test('a head that comes in pieces is read whole, and what follows it goes on', async () => {
  await using upstream = await loopback((socket) => void socket.end('HTTP/1.1 204 x\r\n\r\n'));
  await using socks = await socksServer();
  const { url, headers } = await bridge(`socks5://127.0.0.1:${socks.port}`);
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const request = `POST http://[::1]:${upstream.port}/x HTTP/1.1\r\nHost: h\r\nProxy-Authorization: ${headers['proxy-authorization']}\r\nContent-Length: 4\r\n\r\nbody`;
  for (const piece of request.match(/[\s\S]{1,40}/g)!) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  let answer = '';
  for await (const bytes of socket) answer += String(bytes);
  expect(answer).toBe('HTTP/1.1 204 x\r\n\r\n');
  expect(upstream.heard).toEqual([
    'POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody',
  ]);
});
