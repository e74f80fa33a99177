import type { QuotaWindow } from '../../accounts/quota.ts';
import { compact } from '../../core/json.ts';
import { numberOf, waitOf } from '../../protocols/waits.ts';
import { rateLimits } from '../quota.ts';

/** What the headers say: the two windows of a ChatGPT plan, or the limits of an API key. */
export function quota(headers: Headers, now: number): readonly QuotaWindow[] {
  const plan = ['primary', 'secondary'].map((which) => planWindow(headers, `x-codex-${which}`, now));
  return [...plan.filter((window) => window !== undefined), ...rateLimits(headers, now)];
}

function planWindow(headers: Headers, source: string, now: number): QuotaWindow | undefined {
  const used = numberOf(headers.get(`${source}-used-percent`));
  if (used === undefined) return undefined;
  const after = numberOf(headers.get(`${source}-reset-after-seconds`));
  const wait = after === undefined ? waitOf(headers.get(`${source}-reset-at`) ?? '', now) : after * 1000;
  return compact({
    name: spanName(numberOf(headers.get(`${source}-window-minutes`))) ?? source.slice('x-codex-'.length),
    remainingShare: Math.max(0, 1 - used / 100),
    resetsAt: wait === undefined ? undefined : now + wait,
    source,
    seenAt: now,
  });
}

const weekMinutes = 7 * 24 * 60;

/** `5h`, `weekly`, `3d`. */
export function spanName(minutes: number | undefined): string | undefined {
  if (!minutes) return undefined;
  if (minutes === weekMinutes) return 'weekly';
  if (minutes % 1440 === 0) return `${minutes / 1440}d`;
  return minutes % 60 === 0 ? `${minutes / 60}h` : `${minutes}m`;
}
