import type { ServerWebSocket } from 'bun';
import type { Runtime } from '../config/runtime.ts';
import type { ClientLine } from '../channels/channel.ts';
import { asGatewayError, GatewayError } from '../core/error.ts';
import type { Session } from '../protocols/continuing.ts';
import { beginRecord, type RequestRecord } from '../telemetry/record.ts';
import { describe } from '../telemetry/redact.ts';
import { frames } from '../wire/sse.ts';
import { limitsOf } from './body.ts';
import type { Hall } from './hall.ts';
import type { Upgradable } from './socket.ts';
import type { Line, Sockets } from './sockets.ts';

/** Who is on the line. */
export interface Caller {
  /** The id of the request that was upgraded; its turns are numbered behind it. */
  readonly id: string;
  readonly path: string;
  /** Without keys. */
  readonly query: URLSearchParams;
  /** The label of the client's key, and what stands for it; see `gate.ts`. */
  readonly label: string;
  readonly tenant: string;
  /** The headers of every turn. */
  readonly headers: Headers;
}

type Socket = ServerWebSocket<unknown>;

/** What Elysia calls for one socket's events. */
export interface Listener {
  open(socket: Socket): void;
  message(socket: Socket, message: string | Buffer): void;
  drain(): void;
  close(): void;
}

/** Messages that wait for the turn before them; a client that sends more does not wait for its answers. */
const mostWaiting = 32;

/** Shorter messages grow when they are compressed. */
const worthCompressing = 1_024;

/** Close codes of RFC 6455. */
const codes = { goingAway: 1001, policy: 1008, tooBig: 1009, internal: 1011 };

/**
 * One WebSocket: messages come in, each becomes an ordinary request to the relay, and its answer's events go out as
 * messages. Turns follow each other strictly. When the client leaves, the turn it waits for is given up.
 */
export function line(hall: Hall, sockets: Sockets, row: Upgradable, caller: Caller): Listener {
  const { memory } = hall;
  const { continuing } = row.client;
  const session = row.side.open({
    now: Date.now,
    recall: (id) =>
      sockets.recall(caller.tenant, id) ??
      (continuing ? memory?.recall(continuing, caller.tenant, id) : undefined),
  });
  const waiting: string[] = [];
  const gone = new AbortController();
  const client: ClientLine = { gone: gone.signal, accountId: undefined };
  let socket: Socket | undefined;
  let busy = false;
  let leaving = false;
  let turns = 0;
  let drained: PromiseWithResolvers<void> | undefined;

  const self: Line = {
    tenant: caller.tenant,
    recall: (id) => session.remembered().get(id),
    get busy() {
      return busy;
    },
    leave() {
      leaving = true;
      if (!busy) socket?.close(codes.goingAway, 'The gateway is stopping.');
    },
  };

  /** Sends one message, and waits while the client is slow to read. */
  async function say(text: string): Promise<void> {
    if (gone.signal.aborted || !socket) return;
    if (socket.send(text, text.length >= worthCompressing) !== -1) return;
    drained ??= Promise.withResolvers();
    await drained.promise;
  }

  /** Answers what waits, one after the other. */
  async function work(): Promise<void> {
    if (busy) return;
    busy = true;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (gone.signal.aborted || leaving) break;
      await answer(next);
    }
    busy = false;
    if (leaving) self.leave();
  }

  async function answer(message: string): Promise<void> {
    const runtime = hall.steward.current;
    const record = beginRecord(`${caller.id}.${++turns}`, 'WS', caller.path);
    record.client = caller.label;
    record.protocol = row.protocol.id;
    try {
      refuseRevoked(runtime, caller);
      await turn(message, runtime, record);
    } catch (thrown) {
      await refuse(thrown, record);
    }
  }

  async function turn(message: string, runtime: Runtime, record: RequestRecord): Promise<void> {
    const step = session.read(message);
    if (step.kind === 'said') {
      record.modelAsked = step.model;
      record.status = 200;
      hall.telemetry.close(record);
      for (const text of step.messages) await say(text);
      return;
    }
    const body = JSON.stringify(step.body);
    if (body.length > limitsOf(runtime.config).decoded) throw conversationTooLarge();
    const headers = new Headers(caller.headers);
    for (const [name, value] of Object.entries(step.headers)) headers.set(name, value);
    const response = await hall.relay({
      runtime,
      protocol: row.protocol,
      route: row.route,
      params: {},
      query: caller.query,
      headers,
      tenant: caller.tenant,
      ...(step.continues === undefined ? {} : { continues: step.continues }),
      body,
      line: client,
      signal: gone.signal,
      record,
    });
    // From here on the relay has closed the record, or will.
    await tellAll(response, record.id).catch((thrown: unknown) => failed(thrown, record.id));
  }

  /** Passes a stream on, event by event. */
  async function tellAll(response: Response, requestId: string): Promise<void> {
    const source = response.body?.getReader();
    if (!source) throw unfinished();
    const leave = () => void source.cancel().catch(() => {});
    gone.signal.addEventListener('abort', leave, { once: true });
    const read = frames();
    for (;;) {
      const { done, value } = await source.read();
      for (const frame of done ? read.end() : read.push(value)) {
        const text = session.tell(frame);
        if (text !== undefined) await say(text);
      }
      if (done) break;
    }
    gone.signal.removeEventListener('abort', leave);
    if (session.open) await say(session.fail(unfinished(), requestId));
  }

  /** A turn that nobody has answered. The connection stays; only a key that is good no more ends it. */
  async function refuse(thrown: unknown, record: RequestRecord): Promise<void> {
    const error = asGatewayError(thrown);
    record.status = gone.signal.aborted ? 499 : error.status;
    record.error = { code: error.code, scope: error.scope, message: error.message };
    hall.telemetry.close(record);
    await failed(thrown, record.id);
    if (error.fault.kind === 'unauthorized')
      socket?.close(codes.policy, 'The client key is not valid any more.');
    // Codex looks at the close code to learn that it has to compact.
    if (error.upstream?.status === codes.tooBig)
      socket?.close(codes.tooBig, 'The upstream takes no message of this size.');
  }

  async function failed(thrown: unknown, requestId: string): Promise<void> {
    const error = asGatewayError(thrown);
    if (error.fault.kind === 'internal')
      hall.telemetry.log('error', 'internal', { id: requestId, error: describe(thrown) });
    await say(session.fail(error, requestId));
  }

  function onMessage(text: string): void {
    const size = Buffer.byteLength(text);
    if (size > limitsOf(hall.steward.current.config).decoded)
      return void socket?.close(codes.tooBig, 'The message is larger than limits.decoded-body-mb allows.');
    if (waiting.length >= mostWaiting)
      return void socket?.close(codes.policy, `More than ${mostWaiting} messages wait for their turn.`);
    waiting.push(text);
    work().catch((thrown: unknown) => {
      hall.telemetry.log('error', 'internal', { id: caller.id, error: describe(thrown) });
      socket?.close(codes.internal, 'The gateway failed in a way nobody foresaw.');
    });
  }

  return {
    open(opened) {
      socket = opened;
      sockets.add(self);
    },
    message: (_, message) => onMessage(typeof message === 'string' ? message : message.toString('utf8')),
    drain() {
      drained?.resolve();
      drained = undefined;
    },
    close() {
      gone.abort();
      drained?.resolve();
      sockets.delete(self);
      park(session);
    },
  };

  /** A client whose connection broke comes back and goes on where it was. */
  function park(ended: Session): void {
    for (const [id, transcript] of ended.remembered()) memory?.park(caller.tenant, id, transcript);
  }
}

/** A line outlives changes of the config, its key need not. */
function refuseRevoked({ clientKeys }: Runtime, { tenant }: Caller): void {
  if (clientKeys.size === 0 || clientKeys.has(tenant)) return;
  throw new GatewayError(
    { kind: 'unauthorized' },
    'The client key of this connection is not valid any more.',
    {
      remedy: 'Connect again with one of the keys under `api-keys` of the config file.',
    },
  );
}

const conversationTooLarge = () =>
  new GatewayError({ kind: 'too-large' }, 'The conversation has grown larger than a request may be.', {
    remedy: 'Compact it or begin a new one, or raise `limits.decoded-body-mb` in the config file.',
  });

const unfinished = () =>
  new GatewayError({ kind: 'transport', phase: 'cut' }, 'The answer ended before it was complete.', {
    remedy: 'Send the request again.',
  });
