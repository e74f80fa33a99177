import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

/** A TCP server on the loopback that closes with `await using`. */
export interface Loopback extends AsyncDisposable {
  readonly port: number;
  /** Resolves when the first connection that sent anything is closed by the other side. */
  readonly closed: Promise<void>;
  /** Everything every connection sent, in order of connecting. */
  readonly heard: readonly string[];
}

/** Answers each first piece a connection sends with what `onRequest` does. */
export async function loopback(onRequest: (socket: Socket, text: string) => void): Promise<Loopback> {
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    const index = heard.push('') - 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      if (heard[index] !== '') resolve();
    });
    socket.on('data', (bytes: Buffer) => {
      const first = heard[index] === '';
      heard[index] += bytes.toString('latin1');
      if (first) onRequest(socket, heard[index]!);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    port: (server.address() as AddressInfo).port,
    closed,
    heard,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

export interface SocksServer extends Loopback {
  /** Where clients asked to go, as `host:port`. */
  readonly destinations: readonly string[];
  readonly credentials: readonly string[];
  /** The ports from which it reached out. */
  readonly ports: ReadonlySet<number>;
}

/**
 * A SOCKS5 server (RFC 1928, 1929) that resolves every name to the loopback.
 * @param options `password` asks for `user` and it; `refuse` is the reply code to every connect.
 */
export async function socksServer(
  options: { password?: string; refuse?: number } = {},
): Promise<SocksServer> {
  const destinations: string[] = [];
  const credentials: string[] = [];
  const ports = new Set<number>();
  const onConnect = (socket: Socket, bytes: Buffer) => {
    const [host, rest] = addressIn(bytes);
    const port = rest.readUInt16BE(0);
    destinations.push(`${host}:${port}`);
    const reply = (code: number) => socket.write(Buffer.from([5, code, 0, 1, 127, 0, 0, 1, 0, 0]));
    if (options.refuse !== undefined) return void reply(options.refuse);
    const target = connect(port, '127.0.0.1', () => {
      ports.add(target.localPort!);
      reply(0);
      socket.pipe(target);
      target.pipe(socket);
    });
    target.on('error', () => reply(5));
    socket.on('close', () => target.destroy());
    target.on('close', () => socket.destroy());
  };
  const onLogin = (socket: Socket, bytes: Buffer) => {
    const user = bytes.subarray(2, 2 + bytes[1]!).toString();
    const password = bytes.subarray(3 + bytes[1]!).toString();
    credentials.push(`${user}:${password}`);
    const good = password === options.password;
    socket.write(Buffer.from([1, good ? 0 : 1]));
    if (good) socket.once('data', (next: Buffer) => onConnect(socket, next));
  };
  const server = await loopback((socket) => {
    socket.write(Buffer.from([5, options.password === undefined ? 0 : 2]));
    socket.once('data', (next: Buffer) =>
      options.password === undefined ? onConnect(socket, next) : onLogin(socket, next),
    );
  });
  return Object.assign(server, { destinations, credentials, ports });
}

/** The host of a SOCKS5 request, and what follows it. */
function addressIn(bytes: Buffer): [host: string, rest: Buffer] {
  if (bytes[3] === 1) return [[...bytes.subarray(4, 8)].join('.'), bytes.subarray(8)];
  if (bytes[3] === 3) return [bytes.subarray(5, 5 + bytes[4]!).toString(), bytes.subarray(5 + bytes[4]!)];
  return [bytes.subarray(4, 20).toString('hex'), bytes.subarray(20)];
}
