import { Clock, type Timed } from '../core/clock.ts';
import { asGatewayError, type GatewayError } from '../core/error.ts';
import type { Reader } from '../wire/reader.ts';
import type { Lane } from './lane.ts';

/** A stream that is being answered: what the client is due already, and where more comes from. */
export interface Flow {
  readonly lane: Lane;
  /** What the client is due already, oldest first. */
  readonly held: Uint8Array[];
  /** Absent when the upstream has said everything already. */
  readonly reader: Reader | undefined;
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
    /** How many bytes went out. */
    readonly bytes: number;
  }): void;
}

/**
 * A flow as a response body: pulled only as fast as the client reads, ended with whatever its lane says is due.
 * The flow may still be on its way; the client is kept waiting with heartbeats meanwhile.
 */
export const pipe = (coming: Flow | Promise<Flow>, options: PipeOptions): ReadableStream<Uint8Array> =>
  new ReadableStream<Uint8Array>(new Pipe(coming, options), { highWaterMark: 0 });

/** A class, because thousands are open at once: a stream in flight then holds its state and no code of its own. */
class Pipe implements Timed {
  place = -1;
  private flow: Flow | undefined;
  private over = false;
  private begun = false;
  private waiting = false;
  private lastMs: number;
  private bytes = 0;
  private out: ReadableStreamDefaultController<Uint8Array> | undefined = undefined;

  constructor(
    private readonly coming: Flow | Promise<Flow>,
    private readonly options: PipeOptions,
  ) {
    const late = coming instanceof Promise;
    this.flow = late ? undefined : coming;
    // A flow that is still on its way has kept the client waiting already.
    this.lastMs = late ? -Infinity : performance.now();
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.out = controller;
    if (this.options.heartbeatMs > 0) heartbeats.add(this);
  }

  async pull(): Promise<void> {
    this.waiting = true;
    try {
      const flow = (this.flow ??= await this.coming);
      if (this.over) return flow.reader?.cancel();
      await this.advance(flow);
    } catch (thrown) {
      const error = asGatewayError(thrown);
      this.send(this.flow ? this.flow.lane.fail(error) : this.options.fail(error));
      this.close(error);
    }
    this.waiting = false;
  }

  cancel(): void {
    this.close(undefined, true);
  }

  /** Keeps a client that has waited for long. */
  tick(nowMs: number): void {
    if (this.waiting && nowMs - this.lastMs >= this.options.heartbeatMs) this.send([this.options.heartbeat]);
  }

  /** Reads on until something is due to the client, or nothing more will be. */
  private async advance({ held, lane, reader }: Flow): Promise<void> {
    while (!this.over) {
      const due = held.splice(0);
      if (due.length > 0) this.first();
      this.send(due);
      const { error, finish } = lane.seen;
      if (error || finish || !reader) return this.close(error);
      if (due.length > 0) return;
      const bytes = await reader.read();
      if (this.over) return;
      held.push(...(bytes ? lane.push(bytes) : lane.end()));
    }
  }

  private send(pieces: readonly Uint8Array[]): void {
    if (this.over || pieces.length === 0) return;
    for (const bytes of pieces) {
      this.bytes += bytes.byteLength;
      this.out?.enqueue(bytes);
    }
    this.lastMs = performance.now();
  }

  private first(): void {
    if (!this.begun) this.options.first();
    this.begun = true;
  }

  private close(error?: GatewayError, left = false): void {
    if (this.over) return;
    this.over = true;
    heartbeats.remove(this);
    this.flow?.reader?.cancel();
    if (!left) this.out?.close();
    this.options.closed({ flow: this.flow, left, bytes: this.bytes, ...(error ? { error } : {}) });
  }
}

const heartbeats = new Clock(250);
