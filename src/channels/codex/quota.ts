import type { QuotaWindow } from '../../accounts/quota.ts';
import { compact, type Json, readNumber, readObject } from '../../core/json.ts';
import { numberOf, waitOf } from '../../protocols/waits.ts';
import { rateLimits } from '../quota.ts';

/** The two windows of a ChatGPT plan, and the headers that tell of them. */
const plan = ['primary', 'secondary'].map((which) => {
  const source = `x-codex-${which}`;
  return {
    which,
    source,
    usedPercent: `${source}-used-percent`,
    minutes: `${source}-window-minutes`,
    resetAfter: `${source}-reset-after-seconds`,
    resetAt: `${source}-reset-at`,
  };
});

/** What is told of one of them. */
interface Told {
  readonly usedPercent: number;
  readonly minutes: number | undefined;
  /** Milliseconds since 1970. */
  readonly resetsAt: number | undefined;
}

/** What the headers say: the windows of a ChatGPT plan, or the limits of an API key. */
export function quota(headers: Headers, now: number): readonly QuotaWindow[] {
  const windows: QuotaWindow[] = [];
  for (const names of plan) {
    const told = toldBy(headers, names, now);
    if (told) windows.push(planWindow(names.which, told, names.source, now));
  }
  for (const limit of rateLimits(headers, now)) windows.push(limit);
  return windows;
}

function toldBy(headers: Headers, names: (typeof plan)[number], now: number): Told | undefined {
  const usedPercent = numberOf(headers.get(names.usedPercent));
  if (usedPercent === undefined) return undefined;
  const after = numberOf(headers.get(names.resetAfter));
  const wait = after === undefined ? waitOf(headers.get(names.resetAt) ?? '', now) : after * 1000;
  return {
    usedPercent,
    minutes: numberOf(headers.get(names.minutes)),
    resetsAt: wait === undefined ? undefined : now + wait,
  };
}

/** What the usage endpoint says of the same windows. */
export function usageQuota(answer: Json, now: number): readonly QuotaWindow[] {
  const limits = readObject(answer.rate_limit) ?? {};
  return plan.flatMap(({ which }) => {
    const window = readObject(limits[`${which}_window`]) ?? {};
    const seconds = readNumber(window.limit_window_seconds);
    const reset = readNumber(window.reset_at);
    const usedPercent = readNumber(window.used_percent);
    if (usedPercent === undefined) return [];
    const told: Told = {
      usedPercent,
      minutes: seconds === undefined ? undefined : seconds / 60,
      resetsAt: reset === undefined ? undefined : reset * 1000,
    };
    return [planWindow(which, told, 'usage', now)];
  });
}

function planWindow(which: string, told: Told, source: string, now: number): QuotaWindow {
  const { usedPercent, minutes, resetsAt } = told;
  const remainingShare = Math.max(0, 1 - usedPercent / 100);
  return compact({ name: spanName(minutes) ?? which, remainingShare, resetsAt, source, seenAt: now });
}

const weekMinutes = 7 * 24 * 60;

/** `5h`, `weekly`, `3d`. */
function spanName(minutes: number | undefined): string | undefined {
  if (!minutes) return undefined;
  if (minutes === weekMinutes) return 'weekly';
  if (minutes % 1440 === 0) return `${minutes / 1440}d`;
  return minutes % 60 === 0 ? `${minutes / 60}h` : `${minutes}m`;
}
