import { GatewayError } from '../core/error.ts';
import { isExcepted } from './proxy.ts';
import { cancelled } from './watch.ts';
import { destinationOf, type Outgoing, wayOut, type WayOut } from './way.ts';

/** A WebSocket to an upstream. Bun answers its pings, also while a long message is on its way out. */
export interface OutgoingSocket {
  /** Whether it can still send. */
  readonly open: boolean;
  send(message: string): void;
  /** Who hears what comes, one at a time; what comes while nobody listens is lost. */
  listen(listener: SocketListener | undefined): void;
  close(): void;
}

export interface SocketListener {
  message(text: string): void;
  /** Called once, whoever closed it. */
  closed(end: SocketEnd): void;
}

/** Close codes of RFC 6455: what we say to a message that is too long, and what is told of a connection that broke. */
const tooBig = 1009;
const abnormal = 1006;

/** How a connection ended: a close code of RFC 6455, 1006 when it broke, and the other side's reason. */
export interface SocketEnd {
  readonly code: number;
  readonly reason: string;
}

/** What a handshake needs; the URL is the `https:` or `http:` one. */
export type Handshake = Pick<Outgoing, 'url' | 'headers' | 'proxy'>;

/**
 * The one way a WebSocket leaves this program. Nothing is compressed on the way out.
 * @throws GatewayError `transport` when there is no connection in time, `cancelled` after an abort.
 */
export async function openSocket(
  handshake: Handshake,
  signal: AbortSignal,
  handshakeMs: number,
): Promise<OutgoingSocket> {
  const outgoing: Outgoing = { ...handshake, method: 'GET' };
  const out = await wayOut(outgoing);
  if (signal.aborted) throw cancelled();
  const proxy = proxyOf(outgoing, out);
  const socket = whateverNoProxySays(
    () =>
      new WebSocket(handshake.url.replace(/^http/, 'ws'), {
        headers: Object.fromEntries(handshake.headers),
        perMessageDeflate: false,
        ...(proxy ? { proxy } : {}),
      }),
  );
  await opened(socket, signal, handshakeMs).catch((cause: unknown) => {
    socket.terminate();
    throw signal.aborted ? cancelled() : notOpened(destinationOf(outgoing, out).host, cause);
  });
  return overSocket(socket);
}

/** Bun's WebSocket knows nothing of the environment, so what fetch would do by itself is said here. */
function proxyOf(outgoing: Outgoing, { init, via }: WayOut): Bun.WebSocketOptions['proxy'] {
  if (via === undefined) return undefined;
  if (outgoing.proxy === 'environment' && isExcepted(outgoing.url)) return undefined;
  const { proxy } = init;
  if (typeof proxy === 'object' && 'headers' in proxy && proxy.headers)
    return { url: proxy.url, headers: new Headers(proxy.headers as Record<string, string>) };
  return { url: /^\w+:\/\//.test(via) ? via : `http://${via}` };
}

/**
 * Bun's WebSocket lets NO_PROXY overrule the proxy that it is given, with no way to say otherwise as fetch has, and reads
 * it while it is made. By then it has been decided who goes by which proxy.
 */
function whateverNoProxySays(make: () => WebSocket): WebSocket {
  const names = ['NO_PROXY', 'no_proxy'] as const;
  const kept = names.flatMap((name) => {
    const value = process.env[name];
    delete process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  try {
    return make();
  } finally {
    for (const [name, value] of kept) process.env[name] = value;
  }
}

function opened(socket: WebSocket, signal: AbortSignal, handshakeMs: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => reject(new Error(`no handshake within ${handshakeMs / 1000} s`)),
    handshakeMs,
  );
  const leave = () => reject(new Error('nobody waits any more'));
  signal.addEventListener('abort', leave, { once: true });
  socket.addEventListener('open', () => resolve(), { once: true });
  // The message names the URL; only what follows it says why.
  socket.addEventListener('error', (event) => reject(new Error(/failed: (.*)$/s.exec(event.message)?.[1])));
  socket.addEventListener('close', () => reject(new Error('closed')), { once: true });
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', leave);
  });
}

const notOpened = (host: string, cause: unknown) =>
  new GatewayError(
    { kind: 'transport', phase: 'connect' },
    `${host} opens no WebSocket: ${cause instanceof Error && cause.message ? cause.message : 'unknown failure'}.`,
    { cause, remedy: 'Leave `websockets` of this credential out if its host speaks HTTP only.' },
  );

/** As for a frame of an event stream: a picture fits into one message, more is meant to fill our memory. */
const longestMessage = 64 * 1024 * 1024;

function overSocket(socket: WebSocket): OutgoingSocket {
  let listener: SocketListener | undefined;
  function ended(end: SocketEnd): void {
    const told = listener;
    listener = undefined;
    told?.closed(end);
  }
  socket.addEventListener('message', ({ data }) => {
    const text = String(data);
    if (text.length <= longestMessage) return listener?.message(text);
    socket.close(tooBig);
    ended({ code: abnormal, reason: 'a message of more than 64 MiB' });
  });
  socket.addEventListener('close', ({ code, reason }) => ended({ code, reason }));
  return {
    get open() {
      return socket.readyState === WebSocket.OPEN;
    },
    send: (message) => socket.send(message),
    listen(next) {
      listener = next;
    },
    close: () => socket.close(),
  };
}
