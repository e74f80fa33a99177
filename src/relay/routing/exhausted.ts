import type { Hindrance } from '../../accounts/pool/pool.ts';
import { GatewayError } from '../../core/error.ts';
import type { Errand } from '../errand.ts';
import type { Attempt, Plan } from './plan.ts';
import { policyOf } from './policy.ts';

/** Candidates named in one message. */
const mostNamed = 5;

/**
 * What to say when everybody rests, is at a limit or has failed: the last failure, or who stands how and until when. A
 * retry after the time it names finds somebody.
 */
export function exhausted(
  { tools, config }: Errand,
  plans: readonly Plan[],
  last?: GatewayError,
): GatewayError {
  const nowMs = tools.now();
  const policy = policyOf(config);
  const away = plans
    .flatMap(({ options }) => tools.pool.hindrances(options, policy))
    .sort((a, b) => nextTryMs(a) - nextTryMs(b));
  const soonestMs = away[0] ? nextTryMs(away[0]) : Infinity;
  const wait = Number.isFinite(soonestMs) ? { retryAfterMs: Math.max(0, soonestMs - nowMs) } : {};
  if (last && last.status !== 429 && last.status !== 503) return last;
  const named = away.slice(0, mostNamed).map((one) => candidate(one, nowMs));
  if (away.length > mostNamed) named.push(`and ${away.length - mostNamed} more`);
  if (last && away.length === 0) return last;
  if (last)
    return last.with({
      ...wait,
      message: `${last.message} No credential can serve it right now (${named.join('; ')}).`,
    });
  if (away.length === 0) named.push('none takes part: every weight is 0');
  const throttled = away.length > 0 && away.every(isThrottled);
  return new GatewayError(
    throttled ? { kind: 'rate-limited' } : { kind: 'unavailable' },
    `No credential can serve model "${plans[0]!.name}" right now (${named.join('; ')}).`,
    {
      scope: 'credential',
      remedy:
        personNeeded(away) ??
        'Wait for the time in Retry-After, or add another credential for this model. ' +
          `Whoever runs the gateway sees more with \`cliproxyapi++ models explain ${plans[0]!.name}\`.`,
      ...wait,
    },
  );
}

/** What a person has to do, where nothing else helps. */
function personNeeded(away: readonly Hindrance[]): string | undefined {
  const errors = away.map(({ block }) => block.standing.rest?.error);
  return errors.every((error) => error?.fault.kind === 'upstream-unauthorized')
    ? errors[0]?.remedy
    : undefined;
}

const isThrottled = ({ block: { why, standing } }: Hindrance): boolean =>
  why === 'limited' || standing.rest?.error.status === 429;

/** Whoever rests on a guess only is asked a little earlier, because there is nobody else. */
const nextTryMs = ({ block: { untilMs, standing } }: Hindrance): number =>
  Math.min(untilMs, standing.rest?.aloneMs ?? Infinity);

/** `claude sk-a...9f3c: rate_limit_exceeded, upstream status 429, next try in 12 s` */
function candidate({ option, block }: Hindrance<Attempt>, nowMs: number): string {
  const { why, what, standing } = block;
  const untilMs = nextTryMs({ option, block });
  const error = standing.rest?.error;
  const status = error?.upstream?.status;
  return [
    `${option.account.label}: ${error?.code ?? (what === undefined ? why : `at its limit of ${what}`)}`,
    ...(status ? [`upstream status ${status}`] : []),
    ...(error?.upstream?.requestId ? [`request ${error.upstream.requestId}`] : []),
    Number.isFinite(untilMs)
      ? `next try in ${Math.max(0, Math.ceil((untilMs - nowMs) / 1000))} s`
      : 'next try when a call has ended',
  ].join(', ');
}
