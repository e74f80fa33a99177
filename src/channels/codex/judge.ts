import type { GatewayError } from '../../core/error.ts';

/**
 * Reads what OpenAI's Responses servers say of limits (spec: codex, errors). A used-up plan is a closed quota window
 * whatever its status, until the moment the body names; a model at capacity is one model's trouble, and no fault of the
 * key. The protocol has read both times already.
 */
export function judge(error: GatewayError): GatewayError {
  const { upstream } = error;
  const says = (word: string) => upstream?.type === word || upstream?.code === word;
  if (says('usage_limit_reached')) return kept(error, error.with({ fault: { kind: 'quota-exhausted' } }));
  if (/\bmodel is at capacity\b/i.test(error.message))
    return error.with({ fault: { kind: 'rate-limited' }, scope: 'model' });
  // Nothing of the account may be used with Codex: waiting does not help, another credential may.
  if (says('usage_not_included'))
    return kept(error, error.with({ fault: { kind: 'upstream-forbidden', status: 403 } }));
  return error;
}

const kept = (before: GatewayError, after: GatewayError): GatewayError =>
  before.fault.kind === after.fault.kind ? before : after;
