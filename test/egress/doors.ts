import { type AddressInfo, connect, createServer } from 'node:net';
import { type Loopback, loopback, socksServer, type SocksServer } from '../wire/servers.ts';

/**
 * Doors before simulated providers, and proxies that lead there. A door sees from which port somebody comes, and a proxy
 * knows from which ports it went out, so nobody passes a door directly without being counted.
 */
export interface Doors {
  /** The same address behind a door. */
  at(url: string): Promise<string>;
  /** The same for every address of this machine that a channel uses. */
  all<T extends Readonly<Record<string, string>>>(endpoints: T): Promise<T>;
  /** Proxies that work. */
  readonly working: Readonly<Record<'http' | 'socks5', string>>;
  /** Proxies that do not. */
  readonly broken: Readonly<Record<Broken, string>>;
  /** How often proxies that do not work were asked, where somebody listens there. */
  asked(): number;
  /** Connections since the last look: those that no proxy made, and those that one made. */
  look(): { readonly direct: number; readonly proxied: number };
  close(): Promise<void>;
}

export const brokenKinds = [
  'an HTTP proxy that is gone',
  'a SOCKS proxy that is gone',
  'a proxy that answers 407',
  'a SOCKS proxy that refuses',
  'a SOCKS proxy that wants a password',
] as const;
type Broken = (typeof brokenKinds)[number];

export async function openDoors(): Promise<Doors> {
  const came: number[] = [];
  const doors = new Map<string, Promise<Door>>();
  const [http, socks] = [await httpProxy(), await socksServer()];
  const wanting = await loopback((socket) =>
    socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n'),
  );
  const [refusing, locked] = [await socksServer({ refuse: 2 }), await socksServer({ password: 'hush' })];

  async function at(url: string): Promise<string> {
    const { port } = new URL(url);
    if (!doors.has(port))
      doors.set(
        port,
        openDoor(Number(port), (from) => came.push(from)),
      );
    return url.replace(`:${port}`, `:${(await doors.get(port)!).port}`);
  }

  return {
    at,
    async all(endpoints) {
      const rows = Object.entries(endpoints).map(async ([name, url]) => [
        name,
        isHere(url) ? await at(url) : url,
      ]);
      return Object.fromEntries(await Promise.all(rows)) as typeof endpoints;
    },
    working: { http: `http://127.0.0.1:${http.port}`, socks5: `socks5://127.0.0.1:${socks.port}` },
    broken: {
      'an HTTP proxy that is gone': 'http://127.0.0.1:1',
      'a SOCKS proxy that is gone': 'socks5://127.0.0.1:1',
      'a proxy that answers 407': `http://user:wrong@127.0.0.1:${wanting.port}`,
      'a SOCKS proxy that refuses': `socks5h://127.0.0.1:${refusing.port}`,
      'a SOCKS proxy that wants a password': `socks5://127.0.0.1:${locked.port}`,
    },
    asked: () => [wanting, refusing, locked].reduce((sum, { heard }) => sum + heard.length, 0),
    look() {
      const seen = came.splice(0);
      const proxied = seen.filter((port) => http.ports.has(port) || socks.ports.has(port)).length;
      return { direct: seen.length - proxied, proxied };
    },
    async close() {
      for (const door of doors.values()) (await door).close();
      for (const proxy of [http, socks, wanting, refusing, locked]) await proxy[Symbol.asyncDispose]();
    },
  };
}

const isHere = (url: string) => /^http:\/\/127\.0\.0\.1:\d/.test(url);

interface Door {
  readonly port: number;
  close(): void;
}

async function openDoor(behind: number, came: (from: number) => void): Promise<Door> {
  const server = createServer((socket) => {
    came(socket.remotePort!);
    const target = connect(behind, '127.0.0.1');
    for (const end of [socket, target]) end.on('error', () => end.destroy());
    socket.on('close', () => target.destroy());
    target.on('close', () => socket.destroy());
    socket.pipe(target).pipe(socket);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

/** An HTTP proxy for plain requests and tunnels. Each connection serves one request, or one tunnel. */
async function httpProxy(): Promise<Loopback & Pick<SocksServer, 'ports'>> {
  const ports = new Set<number>();
  const server = await loopback((socket, text) => {
    const tunnel = /^CONNECT [^:\s]+:(\d+) /.exec(text);
    const plain = /^[A-Z]+ (http:\/\/[^/\s]+)/.exec(text);
    if (!tunnel && !plain) return void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    socket.pause();
    const target = connect(Number(tunnel?.[1] ?? new URL(plain![1]!).port), '127.0.0.1', () => {
      ports.add(target.localPort!);
      if (tunnel) socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      else {
        target.write(closing(text.replace(plain![1]!, '')), 'latin1');
        target.once('data', (bytes: Buffer) => socket.write(closing(bytes.toString('latin1')), 'latin1'));
      }
      socket.pipe(target);
      if (tunnel) target.pipe(socket);
      else target.once('data', () => target.pipe(socket));
    });
    target.on('error', () => socket.destroy());
    socket.on('close', () => target.destroy());
  });
  return Object.assign(server, { ports });
}

/** The connection belongs to one host, and must not be used for another. */
const closing = (message: string): string =>
  message.replace(/\r\n(?:proxy-)?connection:[^\r]*/gi, '').replace('\r\n', '\r\nConnection: close\r\n');
