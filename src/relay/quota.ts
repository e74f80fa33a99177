import { GatewayError } from '../core/error.ts';
import type { Errand } from './errand.ts';
import type { Attempt } from './plan.ts';
import { policyOf } from './policy.ts';

/**
 * Keeps what an answer, good or bad, says of the quota that its credential has left.
 * @param body the beginning of a refusal.
 */
export function hearQuota(
  { tools, config }: Errand,
  attempt: Attempt,
  headers: Headers,
  body?: string,
): void {
  const windows = attempt.connection.quota?.(headers, tools.now(), body) ?? [];
  if (windows.length > 0) tools.pool.told(attempt, windows, policyOf(config), usedUp);
}

const usedUp = (): GatewayError =>
  new GatewayError({ kind: 'quota-exhausted' }, 'The provider says that nothing is left of this quota.');
