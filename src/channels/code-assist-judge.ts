import { instantOf } from '../accounts/fields.ts';
import type { QuotaWindow } from '../accounts/quota.ts';
import type { GatewayError } from '../core/error.ts';
import { compact, readObject, readObjects, readString, tryParseObject } from '../core/json.ts';
import { fieldWaitMs } from '../protocols/waits.ts';

/**
 * Reads what Code Assist says of limits and refusals, by the reason that the protocol leaves as the upstream's code.
 * It counts for each model of an account, so other models may go on.
 */
export function judgeCodeAssist(error: GatewayError): GatewayError {
  const status = error.upstream?.status ?? error.status;
  if (status === 429) return judgeLimit(error);
  if (status === 403) return judgeRefusal(error);
  if (status === 503 && /capacity/i.test(error.message)) return error.with({ scope: 'model' });
  // "Requested entity was not found." is all it says of a model that this account has not.
  if (status === 404) return error.with({ fault: { kind: 'not-found', what: 'model' }, scope: 'model' });
  return error;
}

/** Google's own client takes a longer wait for a quota that is used up. */
const longestThrottleMs = 5 * 60 * 1000;

function judgeLimit(error: GatewayError): GatewayError {
  const reason = error.upstream?.code;
  if (reason === 'MODEL_CAPACITY_EXHAUSTED')
    return error.with({ fault: { kind: 'overloaded' }, scope: 'model' });
  if (reason === 'INSUFFICIENT_G1_CREDITS_BALANCE')
    return error.with({ fault: { kind: 'quota-exhausted' }, scope: 'credential' });
  const exhausted = reason === 'QUOTA_EXHAUSTED' || (error.retryAfterMs ?? 0) > longestThrottleMs;
  const kind = exhausted || error.fault.kind === 'quota-exhausted' ? 'quota-exhausted' : 'rate-limited';
  return error.with({ fault: { kind }, scope: 'model' });
}

/** A plan, a licence or a permission that is missing is missing for every model; one that is not served is not found. */
function judgeRefusal(error: GatewayError): GatewayError {
  const { fault, upstream } = error;
  if (fault.kind !== 'upstream-forbidden' || fault.reason !== 'not_entitled') return error;
  if (upstream?.code !== 'SERVICE_DISABLED') return error.with({ scope: 'credential' });
  return error.with({
    scope: 'credential',
    remedy:
      'The operator should enable the Gemini for Google Cloud API (cloudaicompanion.googleapis.com) in that project.',
  });
}

const closing = new Set(['QUOTA_EXHAUSTED', 'RATE_LIMIT_EXCEEDED']);

/**
 * The window that a refusal closed: its `ErrorInfo` names the model and when it opens again. One that names no model
 * says nothing, because the limits are those of models.
 */
export function closedWindows(body: string, now: number): readonly QuotaWindow[] {
  const error = readObject(tryParseObject(body)?.error) ?? {};
  const info = readObjects(error.details).find(({ reason }) => closing.has(String(reason)));
  const metadata = readObject(info?.metadata);
  const model = readString(metadata?.model);
  if (model === undefined) return [];
  const waitMs = fieldWaitMs(error, now);
  const resetsAt =
    instantOf(metadata?.quotaResetTimeStamp) ?? (waitMs === undefined ? undefined : now + waitMs);
  return [compact({ name: 'requests', model, remaining: 0, resetsAt, source: 'ErrorInfo', seenAt: now })];
}
