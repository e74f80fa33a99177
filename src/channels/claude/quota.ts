import type { QuotaWindow } from '../../accounts/quota.ts';
import { compact } from '../../core/json.ts';
import { numberOf, waitOf } from '../../protocols/waits.ts';
import { remembered, type Told, windowsBy } from '../quota.ts';
import { sharedWindows } from './judge.ts';

/**
 * What Anthropic's headers say: `anthropic-ratelimit-tokens-remaining` and its kin of a key, and the shared `unified`
 * windows of a subscription. The window that only some models count against names none of them, so it says nothing here.
 */
export function quota(headers: Headers, now: number): readonly QuotaWindow[] {
  const told = headers.toJSON();
  const windows = windowsBy(told, limitOf, now);
  for (const shared of unifiedHeaders) {
    const window = unifiedWindow(told, shared, now);
    if (window) windows.push(window);
  }
  return windows;
}

const limitOf = remembered((header) => {
  const source = /^(anthropic-ratelimit-(?!unified).+)-(?:limit|remaining)$/.exec(header)?.[1];
  if (source === undefined) return undefined;
  return {
    name: source.slice('anthropic-ratelimit-'.length),
    limit: `${source}-limit`,
    remaining: `${source}-remaining`,
    reset: `${source}-reset`,
  };
});

const unifiedHeaders = sharedWindows.map((name) => {
  const source = `anthropic-ratelimit-unified-${name}`;
  return {
    name,
    source,
    status: `${source}-status`,
    utilization: `${source}-utilization`,
    reset: `${source}-reset`,
  };
});

function unifiedWindow(
  headers: Told,
  told: (typeof unifiedHeaders)[number],
  now: number,
): QuotaWindow | undefined {
  const status = headers[told.status]?.trim().toLowerCase();
  const used = numberOf(headers[told.utilization]);
  const remainingShare = status === 'rejected' ? 0 : used === undefined ? undefined : Math.max(0, 1 - used);
  if (remainingShare === undefined) return undefined;
  const wait = waitOf(headers[told.reset] ?? '', now);
  const resetsAt = wait === undefined ? undefined : now + wait;
  return compact({ name: told.name, remainingShare, resetsAt, source: told.source, seenAt: now });
}
