import type { GatewayError } from '../../core/error.ts';
import type { Errand } from '../errand.ts';
import type { Journey, Leg } from './journey.ts';
import type { Attempt } from './plan.ts';
import { policyOf } from './policy.ts';

/** Failures that may be over in a moment; the others need somebody to do something. */
const passing: ReadonlySet<GatewayError['fault']['kind']> = new Set([
  'rate-limited',
  'quota-exhausted',
  'upstream-forbidden',
  'overloaded',
  'upstream-failed',
  'transport',
  'bad-upstream-data',
  'unavailable',
]);

/** Whether to go round again, after the wait that it takes. @param round how many there have been. */
export async function anotherRound(journey: Journey, round: number): Promise<boolean> {
  const { errand, legs, failure } = journey;
  const { config, exchange, upload } = errand;
  if (upload?.spent || exchange.signal.aborted) return false;
  if (failure && !passing.has(failure.fault.kind)) return false;
  const bootstrap = errand.hint.stream ? config.streaming['bootstrap-retries'] : 0;
  const may = ({ account }: Attempt) => round <= (account.extraRounds ?? config['request-retry']) + bootstrap;
  if (!legs.some(({ plan }) => plan.options.some(may))) return false;
  const waitMs = waitFor(errand, legs);
  if (waitMs === undefined) return false;
  if (waitMs > 0) await pause(waitMs + Math.random() * Math.min(waitMs, jitterMs), exchange.signal);
  for (const leg of legs) {
    leg.walk.again(may);
    leg.tried = 0;
  }
  journey.at = 0;
  journey.urgent = false;
  return !exchange.signal.aborted;
}

const jitterMs = 2_000;

/**
 * How long to wait for somebody who may serve. Whoever rests on a guess is waited for where the time allows it, and is
 * asked at once otherwise.
 */
function waitFor({ tools, config }: Errand, legs: readonly Leg[]): number | undefined {
  const policy = policyOf(config);
  const nowMs = tools.now();
  const longestMs = config['max-retry-interval'] * 1000;
  let soonestMs = Infinity;
  let atOnce = false;
  for (const { plan } of legs) {
    const away = tools.pool.hindrances(plan.options, policy);
    if (away.length < tools.pool.candidates(plan.options, policy)) return 0;
    for (const { block } of away) {
      soonestMs = Math.min(soonestMs, block.untilMs - nowMs);
      atOnce ||= (block.standing.rest?.aloneMs ?? Infinity) <= nowMs;
    }
  }
  if (soonestMs <= longestMs) return Math.max(0, soonestMs);
  return atOnce ? 0 : undefined;
}

/** Resolves after a while, or when the client has gone. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}
