import type { QuotaWindow } from '../../accounts/quota.ts';
import { compact, type Json, readObject, readObjects, readString, tryParseObject } from '../../core/json.ts';
import { fieldWaitMs, numberOf } from '../../protocols/waits.ts';
import { untilMidnightPacific } from './judge.ts';

/** Google tells of its quotas only when one is used up: a `QuotaFailure` among the details of the refusal. */
export function quota(body: string, now: number): readonly QuotaWindow[] {
  const error = readObject(
    (tryParseObject(body) ?? tryParseObject(body.trim().replace(/^\[|\]$/g, '')))?.error,
  );
  if (!error) return [];
  const wait = fieldWaitMs(error, now);
  const violations = readObjects(error.details).flatMap((detail) => readObjects(detail.violations));
  return violations.map((violation) => closed(violation, wait, now)).filter((window) => window !== undefined);
}

function closed(violation: Json, wait: number | undefined, now: number): QuotaWindow | undefined {
  const name = readString(violation.quotaId) ?? readString(violation.quotaMetric);
  if (name === undefined) return undefined;
  const limit = numberOf(readString(violation.quotaValue));
  const waitMs = /PerDay/i.test(name) ? untilMidnightPacific(now) : wait;
  return compact({
    name,
    model: readString(readObject(violation.quotaDimensions)?.model),
    limit,
    remaining: 0,
    resetsAt: waitMs === undefined ? undefined : now + waitMs,
    source: 'QuotaFailure',
    seenAt: now,
  });
}
