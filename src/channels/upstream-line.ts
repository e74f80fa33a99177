import { GatewayError } from '../core/error.ts';
import type { Heard, UpstreamSession } from '../protocols/upstream-socket.ts';
import type { Answered } from '../wire/fetch.ts';
import { render } from '../wire/sse.ts';
import { openSocket, type OutgoingSocket, type SocketEnd } from '../wire/socket.ts';
import { cancelled } from '../wire/watch.ts';
import type { ClientLine, Outgoing } from './channel.ts';

/**
 * Turns of a client's WebSocket over one WebSocket to the upstream, for as long as both last. When the upstream's is gone,
 * the next turn opens another and says everything again.
 */

/** How a kind of place is spoken to over a WebSocket. */
export interface SocketWay {
  session(): UpstreamSession;
  /** The headers of its handshake, from those of a request. */
  headers(headers: Headers): Headers;
}

/** One turn, and what it can fall back on. */
export interface SocketTurn {
  readonly outgoing: Outgoing;
  /** Who pays: every account has a connection of its own. */
  readonly accountId: string;
  readonly line: ClientLine;
  readonly signal: AbortSignal;
  readonly exchange: (outgoing: Outgoing) => Promise<Answered>;
}

interface Upstream {
  readonly socket: OutgoingSocket;
  readonly session: UpstreamSession;
  idle: ReturnType<typeof setTimeout> | undefined;
  busy: boolean;
}

/** Spec: codex, websocket transport. */
const handshakeMs = 30_000;
const silenceMs = 300_000;
/** Longer requests are posted: what a WebSocket takes in one message is less. */
const longestMessage = 15 * 1024 * 1024;
const tooBig = 1009;
/** A WebSocket cannot be asked to wait, so what a slow client has not taken is held; this much of it. */
const longestBacklog = 64 * 1024 * 1024;

/** No WebSocket could be had; until then nobody tries again, in milliseconds since 1970. */
interface Absent {
  readonly untilMs: number;
}

type Known = Map<string, Upstream | Absent>;

/** The connections of each client's line, by account. They outlive a reload. */
const lines = new WeakMap<ClientLine, Known>();

/** Asks a turn: over the line's WebSocket, or by HTTP where that cannot be. */
export async function askTurn(way: SocketWay, turn: SocketTurn): Promise<Answered> {
  const { outgoing, exchange } = turn;
  const { body } = outgoing;
  if (typeof body !== 'string' || body.length > longestMessage) return exchange(outgoing);
  for (;;) {
    const { upstream, fresh } = await connected(way, turn);
    if (!upstream || upstream.busy) return exchange(outgoing);
    const answer = await answered(upstream, body, turn);
    if (answer.kind === 'answer') return answer.answer;
    drop(upstream, turn);
    // A connection that has only just been opened is not at fault for its age.
    if (fresh) return exchange(outgoing);
  }
}

interface Connected {
  /** Undefined where none can be had. */
  readonly upstream?: Upstream;
  readonly fresh: boolean;
}

/** The account's connection on this line: the one that is open, or a new one. */
async function connected(way: SocketWay, turn: SocketTurn): Promise<Connected> {
  const { line, accountId, outgoing, signal } = turn;
  const known = lines.get(line) ?? begun(line);
  const before = known.get(accountId);
  if (before && 'untilMs' in before && before.untilMs > Date.now()) return { fresh: false };
  if (before && 'socket' in before && before.socket.open) return { upstream: before, fresh: false };
  const handshake = { ...outgoing, headers: way.headers(outgoing.headers) };
  const socket = await openSocket(handshake, signal, handshakeMs).catch((thrown: unknown) => {
    if (signal.aborted) throw thrown;
    return undefined;
  });
  if (!socket) {
    known.set(accountId, { untilMs: Date.now() + silenceMs });
    return { fresh: true };
  }
  const upstream: Upstream = { socket, session: way.session(), idle: undefined, busy: false };
  known.set(accountId, upstream);
  if (line.gone.aborted) socket.close();
  return { upstream, fresh: true };
}

/** A line without connections yet; it takes all that it will have with it. */
function begun(line: ClientLine): Known {
  const known: Known = new Map();
  lines.set(line, known);
  const leave = () => {
    for (const one of known.values()) if ('socket' in one) one.socket.close();
  };
  line.gone.addEventListener('abort', leave, { once: true });
  return known;
}

function drop({ socket }: Upstream, { line, accountId }: SocketTurn): void {
  lines.get(line)?.delete(accountId);
  if (line.accountId === accountId) line.accountId = undefined;
  socket.close();
}

type Outcome =
  | { readonly kind: 'answer'; readonly answer: Answered }
  /** The connection was over before anything came; another may serve. */
  | { readonly kind: 'gone' };

/** Sends one turn, and waits until it is clear whether it is answered. */
function answered(upstream: Upstream, body: string, turn: SocketTurn): Promise<Outcome> {
  const { socket, session } = upstream;
  const { line, accountId, signal } = turn;
  const message = session.ask(body);
  const outcome = Promise.withResolvers<Outcome>();
  const headers = new Headers({ 'content-type': 'text/event-stream' });
  let waiting = true;
  let out!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  let silence: ReturnType<typeof setTimeout> | undefined;

  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start: (controller) => void (out = controller),
      // A turn cannot be called back, so its connection goes with it.
      cancel: () => leave(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: longestBacklog }),
  );

  function settle(settled: Outcome): void {
    waiting = false;
    outcome.resolve(settled);
  }

  /** Nothing more is heard of this turn. */
  function end(): void {
    clearTimeout(silence);
    signal.removeEventListener('abort', onAbort);
    upstream.busy = false;
    socket.listen(undefined);
  }

  /** The connection waits for the next turn, but not for ever. */
  function rest(): void {
    end();
    upstream.idle = setTimeout(() => socket.close(), silenceMs);
    upstream.idle.unref();
  }

  function leave(): void {
    end();
    drop(upstream, turn);
  }

  function fail(error: GatewayError): void {
    leave();
    if (waiting) outcome.reject(error);
    else out.error(error);
  }

  const onAbort = () => fail(cancelled());

  function listenOn(): void {
    clearTimeout(silence);
    silence = setTimeout(() => fail(silent(waiting)), silenceMs);
  }

  function onMessage(text: string): void {
    const heard = session.hear(text);
    for (const [name, value] of Object.entries(heard.headers)) headers.set(name, value);
    if (heard.refused && waiting) return onRefused(heard.refused);
    out.enqueue(encoder.encode(render(heard.frame)));
    if (heard.begins && waiting) {
      line.accountId = accountId;
      settle({ kind: 'answer', answer: new Response(stream, { headers }) });
    }
    if ((out.desiredSize ?? 0) < 0) return fail(slow());
    if (!heard.over) return listenOn();
    out.close();
    if (heard.frame.event === 'error') leave();
    else rest();
  }

  function onRefused({ status, body, afresh }: NonNullable<Heard['refused']>): void {
    // What is wrong with a request is not wrong with its connection.
    if (status === 400 && !afresh) rest();
    else leave();
    headers.set('content-type', 'application/json');
    const answer = new Response(body, { status: status >= 400 && status < 600 ? status : 502, headers });
    settle(afresh ? { kind: 'gone' } : { kind: 'answer', answer });
  }

  function onClosed(end: SocketEnd): void {
    if (end.code === tooBig) return fail(tooLarge(end));
    if (!waiting) return fail(cut());
    leave();
    settle({ kind: 'gone' });
  }

  upstream.busy = true;
  clearTimeout(upstream.idle);
  signal.addEventListener('abort', onAbort, { once: true });
  socket.listen({ message: onMessage, closed: onClosed });
  listenOn();
  socket.send(message);
  return outcome.promise;
}

const encoder = new TextEncoder();

const cut = () =>
  new GatewayError(
    { kind: 'transport', phase: 'cut' },
    'The upstream closed its WebSocket in the middle of its answer.',
    { remedy: 'Send the request again.' },
  );

/** Nobody else is to blame for a client that does not read. */
const slow = () =>
  new GatewayError(
    { kind: 'transport', phase: 'gap' },
    `The client reads too slowly: ${longestBacklog / 1024 / 1024} MiB of its answer are waiting for it.`,
    { scope: 'request', remedy: 'Read faster, or ask by HTTP, which can wait.' },
  );

const silent = (waiting: boolean) =>
  new GatewayError(
    { kind: 'transport', phase: waiting ? 'first-byte' : 'gap' },
    `The upstream said nothing on its WebSocket for ${silenceMs / 1000} s.`,
    { remedy: 'Send the request again.' },
  );

/** The request's own fault, which would meet every credential; the client's connection is closed in the same way. */
const tooLarge = ({ code, reason }: SocketEnd) =>
  new GatewayError(
    { kind: 'too-large' },
    `The message is larger than the upstream takes over a WebSocket${reason === '' ? '' : ` (${reason})`}.`,
    {
      remedy: 'Send less, compact the conversation, or POST the request instead.',
      upstream: { status: code, code: 'message_too_big' },
    },
  );
