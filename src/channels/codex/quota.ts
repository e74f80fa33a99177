import type { QuotaWindow } from '../../accounts/quota.ts';
import { compact, type Json, readNumber, readObject } from '../../core/json.ts';
import { numberOf, waitOf } from '../../protocols/waits.ts';
import { rateLimits } from '../quota.ts';

/** The two windows of a ChatGPT plan. */
const plan = ['primary', 'secondary'] as const;

/** What is told of one of them. */
interface Told {
  readonly usedPercent: number | undefined;
  readonly minutes: number | undefined;
  /** Milliseconds since 1970. */
  readonly resetsAt: number | undefined;
}

/** What the headers say: the windows of a ChatGPT plan, or the limits of an API key. */
export function quota(headers: Headers, now: number): readonly QuotaWindow[] {
  const windows = plan.flatMap((which) => {
    const source = `x-codex-${which}`;
    return planWindow(which, toldBy(headers, source, now), source, now);
  });
  return [...windows, ...rateLimits(headers, now)];
}

function toldBy(headers: Headers, source: string, now: number): Told {
  const number = (name: string) => numberOf(headers.get(`${source}-${name}`));
  const after = number('reset-after-seconds');
  const wait = after === undefined ? waitOf(headers.get(`${source}-reset-at`) ?? '', now) : after * 1000;
  return {
    usedPercent: number('used-percent'),
    minutes: number('window-minutes'),
    resetsAt: wait === undefined ? undefined : now + wait,
  };
}

/** What the usage endpoint says of the same windows. */
export function usageQuota(answer: Json, now: number): readonly QuotaWindow[] {
  const limits = readObject(answer.rate_limit) ?? {};
  return plan.flatMap((which) => {
    const window = readObject(limits[`${which}_window`]) ?? {};
    const seconds = readNumber(window.limit_window_seconds);
    const reset = readNumber(window.reset_at);
    const told: Told = {
      usedPercent: readNumber(window.used_percent),
      minutes: seconds === undefined ? undefined : seconds / 60,
      resetsAt: reset === undefined ? undefined : reset * 1000,
    };
    return planWindow(which, told, 'usage', now);
  });
}

function planWindow(which: string, told: Told, source: string, now: number): readonly QuotaWindow[] {
  const { usedPercent, minutes, resetsAt } = told;
  if (usedPercent === undefined) return [];
  const remainingShare = Math.max(0, 1 - usedPercent / 100);
  return [compact({ name: spanName(minutes) ?? which, remainingShare, resetsAt, source, seenAt: now })];
}

const weekMinutes = 7 * 24 * 60;

/** `5h`, `weekly`, `3d`. */
function spanName(minutes: number | undefined): string | undefined {
  if (!minutes) return undefined;
  if (minutes === weekMinutes) return 'weekly';
  if (minutes % 1440 === 0) return `${minutes / 1440}d`;
  return minutes % 60 === 0 ? `${minutes / 60}h` : `${minutes}m`;
}
