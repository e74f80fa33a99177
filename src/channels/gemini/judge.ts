import type { GatewayError } from '../../core/error.ts';

/**
 * Reads which quota a 429 closed, from the id that the protocol leaves as the upstream's code, such as
 * `GenerateRequestsPerDayPerProjectPerModel-FreeTier`. Google counts for each model of a project, so other models of
 * the key may go on, and a day's quota comes back at midnight Pacific time (its documented rate limits).
 * @param now milliseconds since 1970.
 */
export function judge(error: GatewayError, now: number): GatewayError {
  if (error.status !== 429) return error;
  const quota = error.upstream?.code ?? '';
  const scope = /PerProject/i.test(quota) && !/PerModel/i.test(quota) ? 'credential' : 'model';
  if (!/PerDay/i.test(quota)) return error.with({ scope });
  // The RetryInfo beside a daily quota is that of the minute: seconds, after which it is refused again.
  return error.with({ scope, retryAfterMs: untilMidnightPacific(now) });
}

let california: Intl.DateTimeFormat | undefined;

/** Made when it is first needed: loading what it knows of time zones takes a sixth of a start. */
const clock = (): Intl.DateTimeFormat =>
  (california ??= new Intl.DateTimeFormat('en-US', {
    timeZone: 'America/Los_Angeles',
    hourCycle: 'h23',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }));

const dayMs = 24 * 60 * 60 * 1000;

/** Milliseconds until the clock in California shows midnight; an hour off on the two days when it is changed. */
export function untilMidnightPacific(now: number): number {
  const parts = clock().formatToParts(now);
  const part = (type: string) => Number(parts.find((found) => found.type === type)?.value);
  const passedMs = ((part('hour') * 60 + part('minute')) * 60 + part('second')) * 1000 + (now % 1000);
  return dayMs - passedMs;
}
