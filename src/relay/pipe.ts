import { asGatewayError, GatewayError } from '../core/error.ts';
import type { Lane } from './lane.ts';

/** A stream that is being answered: what the client is due already, and where more comes from. */
export interface Flow {
  readonly lane: Lane;
  /** What the client is due already, oldest first. */
  readonly held: Uint8Array[];
  /** Absent when the upstream has said everything already. */
  readonly reader: Reader | undefined;
}

/** Reads upstream bytes; a read that has begun is never lost, also when somebody stops waiting for it. */
export interface Reader {
  read(): Promise<Uint8Array | undefined>;
  cancel(): void;
}

/** A reader over a body. Whatever breaks it comes out as a GatewayError. */
export function reader(body: ReadableStream<Uint8Array>): Reader {
  const source = body.getReader();
  let pending: Promise<Uint8Array | undefined> | undefined;
  const next = async () => {
    try {
      const { done, value } = await source.read();
      return done ? undefined : value;
    } catch (thrown) {
      throw cut(thrown);
    }
  };
  return {
    read() {
      pending ??= next().finally(() => (pending = undefined));
      return pending;
    },
    cancel() {
      source.cancel().catch(() => {});
    },
  };
}

function cut(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError(
    { kind: 'transport', phase: 'cut' },
    'The upstream broke the connection in the middle of its answer.',
    { cause: thrown, remedy: 'Send the request again.' },
  );
}

/**
 * Reads until the model has said something that counts, so that a failure before it can still be retried elsewhere.
 * @param holdMs how long opening events may be held back; then they are given out as they are.
 * @throws GatewayError when the stream fails before any content.
 */
export async function open(lane: Lane, source: Reader, holdMs: number): Promise<Flow> {
  const held: Uint8Array[] = [];
  const flow: Flow = { lane, held, reader: source };
  const late = Symbol('late');
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<typeof late>((resolve) => {
    timer = setTimeout(resolve, holdMs, late);
  });
  try {
    for (;;) {
      const bytes = await Promise.race([source.read(), deadline]);
      if (bytes === late) return flow;
      held.push(...(bytes ? lane.push(bytes) : lane.end()));
      if (lane.seen.error && !lane.seen.content) throw lane.seen.error;
      if (lane.seen.content || !bytes) return flow;
    }
  } catch (thrown) {
    source.cancel();
    throw thrown;
  } finally {
    clearTimeout(timer);
  }
}

export interface PipeOptions {
  /** The bytes that keep a silent client waiting, and after how long a silence; 0 means never. */
  readonly heartbeat: Uint8Array;
  readonly heartbeatMs: number;
  /** What a client is told when there is no flow: the stream had begun, but nobody could answer. */
  fail(error: GatewayError): readonly Uint8Array[];
  /** Called once, when the first content goes out. */
  first(): void;
  /** Called once, when nothing more will be sent; `left` means the client went away. */
  closed(outcome: {
    readonly flow: Flow | undefined;
    readonly error?: GatewayError;
    readonly left: boolean;
  }): void;
}

/**
 * A flow as a response body: pulled only as fast as the client reads, ended with whatever its lane says is due.
 * The flow may still be on its way; the client is kept waiting with heartbeats meanwhile.
 */
export function pipe(coming: Flow | Promise<Flow>, options: PipeOptions): ReadableStream<Uint8Array> {
  let flow: Flow | undefined;
  let over = false;
  let begun = false;
  let waiting = false;
  /** A flow that is still on its way has kept the client waiting already. */
  let lastMs = coming instanceof Promise ? 0 : Date.now();
  let out: ReadableStreamDefaultController<Uint8Array>;

  function send(pieces: readonly Uint8Array[]): void {
    if (over || pieces.length === 0) return;
    for (const bytes of pieces) out.enqueue(bytes);
    lastMs = Date.now();
  }

  function first(): void {
    if (!begun) options.first();
    begun = true;
  }

  function close(error?: GatewayError, left = false): void {
    if (over) return;
    over = true;
    pulses.delete(pulse);
    flow?.reader?.cancel();
    if (!left) out.close();
    options.closed({ flow, left, ...(error ? { error } : {}) });
  }

  const pulse: Pulse = (nowMs) => {
    if (waiting && !over && nowMs - lastMs >= options.heartbeatMs) send([options.heartbeat]);
  };

  async function pull(): Promise<void> {
    flow ??= await coming;
    if (over) return flow.reader?.cancel();
    while (!over) {
      const due = flow.held.splice(0);
      if (due.length > 0) first();
      send(due);
      const { error, finish } = flow.lane.seen;
      if (error || finish || !flow.reader) return close(error);
      if (due.length > 0) return;
      const bytes = await flow.reader.read();
      if (over) return;
      flow.held.push(...(bytes ? flow.lane.push(bytes) : flow.lane.end()));
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        out = controller;
        if (options.heartbeatMs > 0) watch(pulse);
      },
      async pull() {
        waiting = true;
        try {
          await pull();
        } catch (thrown) {
          const error = asGatewayError(thrown);
          send(flow ? flow.lane.fail(error) : options.fail(error));
          close(error);
        }
        waiting = false;
      },
      cancel() {
        close(undefined, true);
      },
    },
    { highWaterMark: 0 },
  );
}

type Pulse = (nowMs: number) => void;

/** One clock for the heartbeats of all streams. */
const pulses = new Set<Pulse>();
let ticking: ReturnType<typeof setInterval> | undefined;

function watch(pulse: Pulse): void {
  pulses.add(pulse);
  ticking ??= setInterval(() => {
    const nowMs = Date.now();
    for (const beat of pulses) beat(nowMs);
    if (pulses.size > 0) return;
    clearInterval(ticking);
    ticking = undefined;
  }, 250);
}
