import type { Socket } from 'bun';
import { tryParseObject, type Json } from '../../src/core/json.ts';

/**
 * An HTTP/1.1 server on loopback that is master of every byte: it can reset, stop or mangle an answer at any point,
 * and it knows when its client leaves. `Bun.serve` is too well-behaved for that.
 */
export interface WireServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  /** Every request received, in order. */
  readonly received: Received[];
  /** Connections opened so far. */
  readonly opened: number;
  /** Connections open now. */
  readonly open: number;
  /** Resolves with the request number `count` (from 1), at once when it has come already. */
  arrival(count: number): Promise<Received>;
  stop(): void;
}

export interface Received {
  readonly method: string;
  /** Path and query as they came. */
  readonly url: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
  /** The body when it is a JSON object, an empty object otherwise. */
  readonly json: Json;
  /** Resolves when the connection of this request closes, whoever closes it. */
  readonly left: Promise<void>;
  /** True once the connection closed before the answer was complete. */
  abandoned: boolean;
}

/** The answer to one request, written as crudely as a test wants. */
export interface Answer {
  /** Status line and headers. Without a content-length the body is chunked. */
  head(status: number, headers?: Readonly<Record<string, string>>): void;
  /** One chunk of the body. Resolves once the kernel took it all, or the client left. */
  write(piece: string | Uint8Array): Promise<void>;
  /** Ends the body as HTTP wants it. */
  end(): void;
  /** A whole answer. */
  whole(status: number, headers: Readonly<Record<string, string>>, body: string): void;
  /** Closes the connection without ending the body. */
  close(): void;
  /** Resets the connection. */
  reset(): void;
  readonly gone: boolean;
}

type Respond = (received: Received, answer: Answer) => void | Promise<void>;

interface Peer {
  input: Uint8Array;
  readonly unsent: Uint8Array[];
  readonly drained: (() => void)[];
  current: Received | undefined;
  busy: boolean;
  gone: boolean;
  leave: () => void;
  readonly left: Promise<void>;
}

const statusTexts: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  429: 'Too Many Requests',
};

/** Starts a server on a free port; `respond` is called once per request. */
export function wireServer(respond: Respond): WireServer {
  const received: Received[] = [];
  const waiting: { count: number; resolve: (received: Received) => void }[] = [];
  const peers = new Set<Socket<Peer>>();
  let opened = 0;

  const onRequest = async (socket: Socket<Peer>, request: Received): Promise<void> => {
    socket.data.busy = true;
    socket.data.current = request;
    received.push(request);
    for (const waiter of waiting.filter(({ count }) => count === received.length)) waiter.resolve(request);
    await respond(request, answerOn(socket));
    socket.data.busy = false;
    next(socket);
  };

  /** Takes the next whole request from the connection, one at a time. */
  const next = (socket: Socket<Peer>): void => {
    if (socket.data.busy || socket.data.gone) return;
    const parsed = parseRequest(socket.data.input, socket.data.left);
    if (!parsed) return;
    socket.data.input = parsed.rest;
    void onRequest(socket, parsed.request);
  };

  const listener = Bun.listen<Peer>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open(socket) {
        const { promise, resolve } = Promise.withResolvers<void>();
        socket.data = {
          input: new Uint8Array(),
          unsent: [],
          drained: [],
          current: undefined,
          busy: false,
          gone: false,
          leave: resolve,
          left: promise,
        };
        opened++;
        peers.add(socket);
      },
      data(socket, bytes) {
        socket.data.input = Buffer.concat([socket.data.input, bytes]);
        if (/^expect: 100-continue/im.test(Buffer.from(bytes).toString('latin1')))
          socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        next(socket);
      },
      drain: flush,
      close: (socket) => onGone(socket),
      error: (socket) => onGone(socket),
    },
  });

  const onGone = (socket: Socket<Peer>): void => {
    peers.delete(socket);
    const { data } = socket;
    if (!data || data.gone) return;
    data.gone = true;
    if (data.busy && data.current) data.current.abandoned = true;
    for (const wake of data.drained.splice(0)) wake();
    data.leave();
  };

  return {
    url: `http://127.0.0.1:${listener.port}`,
    port: listener.port,
    received,
    get opened() {
      return opened;
    },
    get open() {
      return peers.size;
    },
    arrival(count) {
      const known = received[count - 1];
      if (known) return Promise.resolve(known);
      return new Promise((resolve) => waiting.push({ count, resolve }));
    },
    stop() {
      listener.stop(true);
      for (const socket of peers) socket.terminate();
    },
  };
}

/** A URL on loopback where nobody listens. */
export function refusingUrl(): string {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return `http://127.0.0.1:${port}`;
}

function answerOn(socket: Socket<Peer>): Answer {
  let chunked = true;
  const send = (...pieces: readonly (string | Uint8Array)[]): Promise<void> => {
    const { data } = socket;
    if (data.gone) return Promise.resolve();
    data.unsent.push(Buffer.concat(pieces.map((piece) => Buffer.from(piece as string))));
    flush(socket);
    if (data.unsent.length === 0) return Promise.resolve();
    return new Promise((resolve) => data.drained.push(resolve));
  };
  return {
    head(status, headers = {}) {
      chunked = !Object.keys(headers).some((name) => name.toLowerCase() === 'content-length');
      const all = {
        date: new Date().toUTCString(),
        ...headers,
        ...(chunked ? { 'transfer-encoding': 'chunked' } : {}),
      };
      const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
      void send(`HTTP/1.1 ${status} ${statusTexts[status] ?? 'Status'}\r\n${lines.join('')}\r\n`);
    },
    write(piece) {
      if (!chunked) return send(piece);
      return send(`${Buffer.byteLength(piece).toString(16)}\r\n`, piece, '\r\n');
    },
    end() {
      if (chunked) void send('0\r\n\r\n');
    },
    whole(status, headers, body) {
      this.head(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
      void send(body);
    },
    close: () => void socket.end(),
    reset: () => void socket.terminate(),
    get gone() {
      return socket.data.gone;
    },
  };
}

/** Writes what the kernel takes; the rest waits for `drain`. */
function flush(socket: Socket<Peer>): void {
  const { unsent, drained } = socket.data;
  for (let piece = unsent[0]; piece; piece = unsent[0]) {
    const written = Math.max(0, socket.write(piece));
    if (written < piece.length) {
      unsent[0] = piece.subarray(written);
      return;
    }
    unsent.shift();
  }
  for (const wake of drained.splice(0)) wake();
}

/** The first whole request in the bytes and what comes after it; undefined while it is not all there. */
function parseRequest(
  bytes: Uint8Array,
  left: Promise<void>,
): { request: Received; rest: Uint8Array } | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headEnd = buffer.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [line = '', ...rows] = buffer.toString('latin1', 0, headEnd).split('\r\n');
  const [method = '', url = ''] = line.split(' ');
  const headers = new Headers();
  for (const row of rows)
    headers.append(row.slice(0, row.indexOf(':')), row.slice(row.indexOf(':') + 1).trim());
  const start = headEnd + 4;
  const body = headers.get('transfer-encoding')?.includes('chunked')
    ? chunkedBody(buffer, start)
    : plainBody(buffer, start, Number(headers.get('content-length') ?? 0));
  if (!body) return undefined;
  const text = decoded(body.bytes, headers.get('content-encoding'));
  return {
    request: {
      method,
      url,
      path: url.split('?')[0] ?? '',
      headers,
      body: text,
      json: tryParseObject(text) ?? {},
      left,
      abandoned: false,
    },
    rest: buffer.subarray(body.end),
  };
}

interface BodyBytes {
  readonly bytes: Uint8Array;
  readonly end: number;
}

function plainBody(buffer: Buffer, start: number, length: number): BodyBytes | undefined {
  if (buffer.length < start + length) return undefined;
  return { bytes: buffer.subarray(start, start + length), end: start + length };
}

function chunkedBody(buffer: Buffer, start: number): BodyBytes | undefined {
  const chunks: Buffer[] = [];
  for (let at = start; ;) {
    const lineEnd = buffer.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = parseInt(buffer.toString('latin1', at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (buffer.length < next) return undefined;
    if (size === 0) return { bytes: Buffer.concat(chunks), end: next };
    chunks.push(buffer.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
  }
}

function decoded(bytes: Uint8Array, encoding: string | null): string {
  if (encoding === 'gzip') return Buffer.from(Bun.gunzipSync(new Uint8Array(bytes))).toString();
  return Buffer.from(bytes).toString();
}
