import type { QuotaWindow } from '../../accounts/quota.ts';
import { compact } from '../../core/json.ts';
import { numberOf, waitOf } from '../../protocols/waits.ts';
import { remembered, windowsBy } from '../quota.ts';
import { sharedWindows } from './judge.ts';

/**
 * What Anthropic's headers say: `anthropic-ratelimit-tokens-remaining` and its kin of a key, and the shared `unified`
 * windows of a subscription. The window that only some models count against names none of them, so it says nothing here.
 */
export function quota(headers: Headers, now: number): readonly QuotaWindow[] {
  const limits = windowsBy(headers, limitIn, (name, part) => `anthropic-ratelimit-${name}-${part}`, now);
  const unified = sharedWindows.map((name) => unifiedWindow(headers, name, now));
  return [...limits, ...unified.filter((window) => window !== undefined)];
}

const limitIn = remembered(
  (header) => /^anthropic-ratelimit-(?!unified)(.+)-(?:limit|remaining)$/.exec(header)?.[1],
);

function unifiedWindow(headers: Headers, name: string, now: number): QuotaWindow | undefined {
  const source = `anthropic-ratelimit-unified-${name}`;
  const status = headers.get(`${source}-status`)?.trim().toLowerCase();
  const used = numberOf(headers.get(`${source}-utilization`));
  const remainingShare = status === 'rejected' ? 0 : used === undefined ? undefined : Math.max(0, 1 - used);
  if (remainingShare === undefined) return undefined;
  const wait = waitOf(headers.get(`${source}-reset`) ?? '', now);
  const resetsAt = wait === undefined ? undefined : now + wait;
  return compact({ name, remainingShare, resetsAt, source, seenAt: now });
}
