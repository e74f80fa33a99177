import { reopensAt } from '../../accounts/quota.ts';
import type { GatewayError } from '../../core/error.ts';
import { refaulted } from '../../protocols/remedies.ts';
import { quota } from './quota.ts';

/**
 * Reads what OpenAI's Responses servers say of limits (spec: codex, errors). A used-up plan is closed until the moment
 * that the body names, or else the headers; a model at capacity is one model's trouble, and no fault of the key.
 */
export function judge(error: GatewayError, headers: Headers, now: number): GatewayError {
  const { fault, upstream } = error;
  if (fault.kind === 'quota-exhausted') return until(error, reopensAt(quota(headers, now)), now);
  if (/\bmodel is at capacity\b/i.test(error.message))
    return refaulted(error, { kind: 'rate-limited' }).with({ scope: 'model' });
  if (lacksModel.test(error.message))
    return refaulted(error, { kind: 'upstream-forbidden', status: 403, reason: 'not_entitled' });
  // Nothing of the account may be used with Codex: waiting does not help, another credential may.
  const excluded = upstream?.type === 'usage_not_included' || upstream?.code === 'usage_not_included';
  if (!excluded) return error;
  const refused = refaulted(error, { kind: 'upstream-forbidden', status: 403, reason: 'not_entitled' });
  return refused.with({ scope: 'credential' });
}

/** What ChatGPT's backend says of a model that a plan does not include, with a 400 that names no field. */
const lacksModel = /\bmodel is not supported when using codex with a chatgpt account\b/i;

const until = (error: GatewayError, moment: number | undefined, now: number): GatewayError =>
  error.retryAfterMs !== undefined || moment === undefined
    ? error
    : error.with({ retryAfterMs: Math.max(0, moment - now) });
