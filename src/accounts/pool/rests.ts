import type { GatewayError } from '../../core/error.ts';
import { excludes } from './entitlements.ts';
import type { Policy } from '../policy.ts';

/** Who a failure is blamed on: one model of a credential, a credential, a provider at one host, or the way to a host. */
export type Sphere = 'model' | 'credential' | 'provider' | 'host';

/** A pause after a failure. */
export interface Rest {
  /** When it began, as the pool counts what happens. */
  readonly since: number;
  readonly untilMs: number;
  /** The upstream named the time itself, so nobody asks before. A guess gives way when there is nobody else. */
  readonly told: boolean;
  /** From when a guess gives way. */
  readonly aloneMs: number;
  /** The rest is over and one request is finding out whether the trouble is. */
  probing: boolean;
  readonly error: GatewayError;
}

/** Whom a failure of this credential concerns; undefined when it is the request's own or the client's. */
export function sphereOf({ scope, fault }: GatewayError): Sphere | undefined {
  switch (scope) {
    case 'request':
      return undefined;
    case 'transport':
      return 'host';
    case 'provider':
    case 'model':
      return scope;
    case 'credential':
      // Vendors throttle by model; what is wrong with a credential in all else is wrong everywhere.
      return fault.kind === 'rate-limited' || fault.kind === 'unavailable' ? 'model' : 'credential';
  }
}

const secondMs = 1_000;
const minuteMs = 60_000;
const hourMs = 3_600_000;
/** A refused credential is asked again after this when there is no other, and so is a throttled one. */
const aloneAfterMs = 3 * secondMs;

/** What a rest is made from besides its error. */
export interface Circumstances {
  readonly policy: Policy;
  readonly nowMs: number;
  /** How often it has failed in a row, this time included. */
  readonly failures: number;
  /** From 0 to 1, so that many who failed together do not come back together. */
  readonly random: number;
}

/** How long a model of a credential, or a credential, rests after a failure; undefined when not at all. */
export function restAfter(error: GatewayError, circumstances: Circumstances): Rest | undefined {
  const { policy, nowMs } = circumstances;
  if (isTransient(error) && policy.transientMs <= 0) return undefined;
  const told = error.retryAfterMs !== undefined;
  const ms = Math.min(error.retryAfterMs ?? guessMs(error, circumstances), longestMs(error, policy));
  if (ms <= 0) return undefined;
  const patient = error.scope === 'credential' || error.status === 429;
  const aloneMs = told ? Infinity : nowMs + (patient ? Math.min(ms, aloneAfterMs) : 0);
  return { since: 0, untilMs: nowMs + ms, told, aloneMs, probing: false, error };
}

/** A provider or host in trouble is left alone for a moment. Nobody knows how long it takes, so it is always a guess. */
export function breakAfter(error: GatewayError, circumstances: Circumstances): Rest | undefined {
  const { policy, nowMs } = circumstances;
  const ms = Math.min(guessMs(error, circumstances), policy.longestMs);
  if (ms <= 0) return undefined;
  return { since: 0, untilMs: nowMs + ms, told: false, aloneMs: nowMs, probing: false, error };
}

/** What a plan leaves out is no trouble that passes; the limit is for those. */
const longestMs = (error: GatewayError, policy: Policy): number =>
  excludes(error) ? 24 * hourMs : policy.longestMs;

const isTransient = ({ scope }: GatewayError): boolean => scope === 'provider' || scope === 'transport';

function guessMs(error: GatewayError, { policy, failures, random }: Circumstances): number {
  const [first, longest] = isTransient(error)
    ? [secondMs, policy.transientMs]
    : error.status === 429
      ? [secondMs, minuteMs]
      : excludes(error)
        ? [6 * hourMs, 24 * hourMs]
        : [minuteMs, 30 * minuteMs];
  return Math.min(longest, first * 2 ** (failures - 1)) * (0.5 + random / 2);
}
