import { Clock, type Timed } from '../core/clock.ts';
import { GatewayError, type Phase } from '../core/error.ts';
import { reacts } from './reach.ts';
import type { Destination } from './transport-error.ts';
import { destinationOf, placeOf, type Target, type WayOut } from './way.ts';

/** How long each phase of an exchange may take, in milliseconds; 0 means no limit. There is no limit on the whole. */
export interface Timeouts {
  /** Until the place reacts at all. */
  readonly connectMs: number;
  /** From the start to the response's headers. */
  readonly firstByteMs: number;
  /** Between two pieces of the body, while somebody waits for the next one. */
  readonly gapMs: number;
}

/**
 * The deadlines of one exchange, one phase after the other, and the signal that ends it. As long as somebody waits for the
 * upstream, a clock also looks whether the client is still there: to be told by its signal costs each exchange more.
 */
export class Watch implements Timed, Target {
  private readonly abort = new AbortController();
  /** What is to be done at `dueAt`, which may be never; undefined while nobody waits for the upstream. */
  private due: ((watch: Watch) => void) | undefined;
  private dueAt = 0;
  /** When somebody began to wait for the body; 0 while nobody does. */
  private waitingSince = 0;
  private headersDue = true;
  place = -1;
  readonly url: string;
  readonly proxy: Target['proxy'];

  /** @param target of which no more than the place is kept: an answer that lasts for minutes must not hold what was asked. */
  constructor(
    private readonly client: AbortSignal,
    private readonly timeouts: Timeouts,
    target: Target,
    private readonly out: WayOut,
  ) {
    this.url = target.url;
    this.proxy = target.proxy;
    const connectMs = limitOf(timeouts.connectMs);
    const firstByteMs = limitOf(timeouts.firstByteMs);
    if (connectMs < firstByteMs) this.arm(connectMs, onConnectDue);
    else this.arm(firstByteMs, onFirstByteDue);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** Headers have come. */
  answered(): void {
    this.headersDue = false;
    this.disarm();
  }

  /** Somebody waits for the body, from now on. */
  wait(): void {
    this.waitingSince = performance.now();
    if (this.due === undefined) this.arm(limitOf(this.timeouts.gapMs), onGapDue);
  }

  /** Nobody waits; a slow client is no fault of the upstream. */
  rest(): void {
    this.waitingSince = 0;
  }

  /** The exchange is done. */
  over(): void {
    this.headersDue = false;
    this.waitingSince = 0;
    this.disarm();
  }

  async connectDue(): Promise<void> {
    const { connectMs, firstByteMs } = this.timeouts;
    this.arm(limitOf(firstByteMs) - connectMs, onFirstByteDue);
    const place = placeOf(this, this.out);
    const reacted = place === undefined || (await reacts(place));
    if (!reacted && this.headersDue) this.abort.abort(late('connect', connectMs, this.destination));
  }

  firstByteDue(): void {
    this.abort.abort(late('first-byte', this.timeouts.firstByteMs, this.destination));
  }

  /** Reading on does not touch the deadline, only the time; so it may be early, and then waits for the rest. */
  gapDue(): void {
    if (this.waitingSince === 0) return;
    const { gapMs } = this.timeouts;
    const leftMs = gapMs - (performance.now() - this.waitingSince);
    if (leftMs > 0) return this.arm(leftMs, onGapDue);
    this.abort.abort(late('gap', gapMs, this.destination));
  }

  private get destination(): Destination {
    return destinationOf(this, this.out);
  }

  /** Looks whether the client has gone or the deadline has come. */
  tick(nowMs: number): void {
    const { due } = this;
    const gone = this.client.aborted;
    if (due === undefined || (nowMs < this.dueAt && !gone)) return;
    this.disarm();
    if (gone) this.abort.abort(cancelled());
    else due(this);
  }

  private arm(ms: number, due: (watch: Watch) => void): void {
    this.due = due;
    this.dueAt = performance.now() + ms;
    deadlines.add(this);
  }

  private disarm(): void {
    this.due = undefined;
    deadlines.remove(this);
  }
}

const deadlines = new Clock(25);

const limitOf = (ms: number): number => (ms > 0 ? ms : Infinity);

const onConnectDue = (watch: Watch) => void watch.connectDue();
const onFirstByteDue = (watch: Watch) => watch.firstByteDue();
const onGapDue = (watch: Watch) => watch.gapDue();

const lateWords: Readonly<Record<Exclude<Phase, 'cut'>, readonly [what: string, remedy: string]>> = {
  connect: [
    'does not react to a connection',
    'Check the network, the base-url and any proxy-url in config.yaml.',
  ],
  'first-byte': [
    'did not begin to answer',
    'Send the request again, or raise timeouts.first-byte-seconds for models that think long before they answer.',
  ],
  gap: [
    'fell silent in the middle of its answer',
    'Send the request again, or raise timeouts.gap-seconds for models that pause long.',
  ],
};

function late(phase: Exclude<Phase, 'cut'>, ms: number, { host, via }: Destination): GatewayError {
  const [what, remedy] = lateWords[phase];
  const who = phase === 'connect' && via !== undefined ? `${via}, the proxy for ${host},` : host;
  return new GatewayError({ kind: 'transport', phase }, `${who} ${what} within ${ms / 1000} s.`, { remedy });
}

/** The client went away. */
export const cancelled = () => new GatewayError({ kind: 'cancelled' }, 'The request was cancelled.');
