import type { GatewayError } from '../../core/error.ts';
import { Budget } from './budget.ts';
import type { Seat } from './lineup.ts';
import { type Limits, Meter } from '../limits.ts';
import type { QuotaWindow } from '../quota.ts';
import type { Rest, Sphere } from './rests.ts';

/** Why a seat cannot be taken now. */
export interface Block {
  readonly standing: Standing;
  readonly why: 'resting' | 'probing' | 'limited';
  /** When to look again; Infinity when only a call that ends can tell. */
  readonly untilMs: number;
  /** What stands in the way, in words, where it is a limit. */
  readonly what?: string;
  /** A request may wait for it. */
  readonly waits?: boolean;
}

/** Nobody has told anything of a quota. */
const unknown: readonly QuotaWindow[] = [];

/**
 * How a host, a provider, a credential or a model of a credential stands. One object for as long as the program runs,
 * whatever the config does, because all of them are known by what they are. There are as many as credentials and models,
 * so most of it comes into being only when something happens.
 */
export class Standing {
  // What every request reads comes first, so that it lies together: with many credentials memory is what costs.
  rest: Rest | undefined = undefined;
  private meter: Meter | undefined = undefined;
  /** Seats out of rotation because of this; they come back when it changes. */
  parked: Seat[] | undefined = undefined;
  inFlight = 0;
  /** Until when less of a quota is left than the operator wants to keep. */
  lowUntilMs = 0;
  /** In a row; the first success forgets them. */
  failures = 0;
  /** The recent time to the first byte, smoothed. */
  firstByteMs = 0;
  firstByteAtMs = 0;
  last: { readonly error: GatewayError; readonly atMs: number } | undefined = undefined;
  quota: readonly QuotaWindow[] = unknown;
  /** When the parked are to be looked at again. */
  dueMs = 0;
  readonly sphere: Sphere | 'limits';
  readonly key: string;
  /** What a provider may be asked again, for requests that it has failed. */
  readonly budget: Budget | undefined;
  /** Models of credentials that rest because a provider or host was in trouble, until it is known to be. */
  readonly suspects: Set<Standing> | undefined;

  constructor(sphere: Sphere | 'limits', key: string) {
    this.sphere = sphere;
    this.key = key;
    this.budget = sphere === 'provider' ? new Budget() : undefined;
    this.suspects = sphere === 'provider' || sphere === 'host' ? new Set() : undefined;
  }

  set limits(limits: Limits | undefined) {
    if (limits === this.meter?.limits) return;
    if (limits === undefined) this.meter = undefined;
    else if (this.meter) this.meter.limits = limits;
    else this.meter = new Meter(limits);
  }

  get limits(): Limits | undefined {
    return this.meter?.limits;
  }

  park(seat: Seat): void {
    (this.parked ??= []).push(seat);
  }

  /** What stands against one more request of about so many tokens. */
  block(nowMs: number, tokens: number): Block | undefined {
    const { rest, meter } = this;
    if (rest !== undefined) {
      if (rest.untilMs > nowMs) return { standing: this, why: 'resting', untilMs: rest.untilMs };
      if (rest.probing) return { standing: this, why: 'probing', untilMs: Infinity };
    }
    if (meter === undefined) return undefined;
    const full = meter.full(nowMs, this.inFlight, tokens);
    return full && { standing: this, why: 'limited', ...full };
  }

  /** A request goes out; the first one after a rest is its probe. */
  take(nowMs: number, tokens: number): void {
    this.inFlight++;
    if (this.rest !== undefined) this.rest.probing = true;
    if (this.meter !== undefined) this.meter.count(nowMs, 1, tokens);
  }

  /** It has ended. @param tokens what it took more than was thought. */
  give(nowMs: number, tokens: number): void {
    this.inFlight--;
    if (this.rest !== undefined) this.rest.probing = false;
    if (this.meter !== undefined && tokens !== 0) this.meter.count(nowMs, 0, tokens);
  }
}
