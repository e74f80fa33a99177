import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { SocksProxy } from 'socks';

/**
 * SOCKS for Bun's fetch, which speaks HTTP proxies only: one HTTP proxy on the loopback, started at first use, that
 * carries each connection on through a SOCKS5 server. Names are resolved by that server, for socks5 as for socks5h.
 * Every SOCKS server has a random token, and nobody without a token gets through.
 */
export interface Bridge {
  /** What fetch's `proxy` option needs. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The header in which the bridge says why SOCKS failed. Its name is random, so no upstream can forge it. */
export const failureHeader = `x-bridge-${randomHex(8)}`;

const tokens = new Map<string, string>();
const servers = new Map<string, SocksProxy>();
let listening: Promise<number> | undefined;

/** The bridge to one SOCKS server, the same for the same URL. */
export async function bridge(proxyUrl: string): Promise<Bridge> {
  listening ??= listen();
  const port = await listening;
  let token = tokens.get(proxyUrl);
  if (token === undefined) {
    token = randomHex(32);
    tokens.set(proxyUrl, token);
    servers.set(token, socksProxy(proxyUrl));
  }
  return { url: `http://127.0.0.1:${port}`, headers: { 'proxy-authorization': `Bearer ${token}` } };
}

function randomHex(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('hex');
}

function socksProxy(text: string): SocksProxy {
  const url = new URL(text);
  return {
    host: unbracketed(url.hostname),
    port: url.port === '' ? 1080 : Number(url.port),
    type: 5,
    ...(url.username === ''
      ? {}
      : { userId: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }),
  };
}

const unbracketed = (host: string) => host.replace(/^\[(.*)\]$/, '$1');

function listen(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server: Server = createServer(onConnection);
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    server.unref();
    resolve((server.address() as AddressInfo).port);
  });
  return promise;
}

const headLimit = 64 * 1024;
const headEnd = Buffer.from('\r\n\r\n');

/** Reads the request's head, then hands the connection over. What follows the head is its body. */
function onConnection(client: Socket): void {
  let read = Buffer.alloc(0);
  client.on('error', () => client.destroy());
  client.on('data', function onData(bytes: Buffer) {
    read = Buffer.concat([read, bytes]);
    const end = read.indexOf(headEnd);
    if (end < 0 && read.length > headLimit) return void refuse(client, '431 Request Header Fields Too Large');
    if (end < 0) return;
    client.off('data', onData);
    client.pause();
    void carry(client, read.subarray(0, end).toString('latin1'), read.subarray(end + headEnd.length));
  });
}

interface Destination {
  readonly host: string;
  readonly port: number;
  /** What the destination is told first; empty for a tunnel. */
  readonly head: string;
}

async function carry(client: Socket, head: string, rest: Buffer): Promise<void> {
  const proxy = servers.get(/^proxy-authorization: *bearer +(\S+)$/im.exec(head)?.[1] ?? '');
  if (!proxy) return refuse(client, '407 Proxy Authentication Required');
  const destination = tunnelOf(head) ?? originOf(head);
  if (!destination) return refuse(client, '400 Bad Request');
  try {
    const { host, port } = destination;
    // Loaded only now: most gateways never need it, and it would be felt at every start.
    const { SocksClient } = await import('socks');
    const { socket } = await SocksClient.createConnection({
      proxy,
      command: 'connect',
      destination: { host, port },
      timeout: handshakeMs,
    });
    join(client, socket, destination, rest);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : 'unknown failure';
    refuse(client, '502 Bad Gateway', `${failureHeader}: ${why.replace(/[^\x20-\x7e]/g, ' ')}\r\n`);
  }
}

/** Longer than any connect deadline in use; a request given up before it closes its own side. */
const handshakeMs = 120_000;

/** `CONNECT host:port`, as fetch asks for https. */
function tunnelOf(head: string): Destination | undefined {
  const match = /^CONNECT (\S+):(\d+) HTTP\/1\.[01]\r?$/m.exec(head);
  if (!match) return undefined;
  return { host: unbracketed(match[1]!), port: Number(match[2]), head: '' };
}

/**
 * `GET http://host/path`, as fetch asks for http. One connection serves one request: fetch reuses a proxy's
 * connections for other hosts, and this one already leads to its host.
 */
function originOf(head: string): Destination | undefined {
  const match = /^([A-Z]+) (http:\/\/\S+) HTTP\/1\.1\r\n([\s\S]*)$/.exec(head);
  const url = match ? URL.parse(match[2]!) : null;
  if (!match || !url) return undefined;
  const headers = match[3]!.split('\r\n').filter((line) => !/^(proxy-[a-z]+|connection):/i.test(line));
  const lines = [`${match[1]} ${url.pathname}${url.search} HTTP/1.1`, ...headers, 'Connection: close'];
  return {
    host: unbracketed(url.hostname),
    port: url.port === '' ? 80 : Number(url.port),
    head: `${lines.join('\r\n')}\r\n\r\n`,
  };
}

/** Makes two connections one: ends pass on as ends, breaks as breaks. */
function join(client: Socket, upstream: Socket, { head }: Destination, rest: Buffer): void {
  if (client.destroyed) return void upstream.destroy();
  upstream.on('error', () => client.resetAndDestroy());
  client.on('close', () => upstream.destroy());
  upstream.on('close', () => client.end());
  if (head === '') client.write('HTTP/1.1 200 Connection established\r\n\r\n');
  if (head !== '') upstream.write(head, 'latin1');
  if (rest.length > 0) upstream.write(rest);
  client.pipe(upstream);
  upstream.pipe(client);
}

function refuse(client: Socket, status: string, header = ''): void {
  client.end(`HTTP/1.1 ${status}\r\n${header}Content-Length: 0\r\nConnection: close\r\n\r\n`);
}
