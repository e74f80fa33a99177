import type { Login } from '../../accounts/login.ts';
import type { Pool } from '../../accounts/pool/pool.ts';
import type { Runtime } from '../../config/runtime.ts';
import { GatewayError } from '../../core/error.ts';
import type { Errand } from '../errand.ts';
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

/** Takes over what a login's provider said of its quota when it was asked for it. */
export function hearAsked({ id, quota }: Login, { config, connections }: Runtime, pool: Pool): void {
  for (const { accounts } of connections)
    for (const account of accounts) {
      const { secret, workspace } = account;
      if (secret.kind !== 'login' || secret.login.id !== id) continue;
      const its = quota.filter((window) => [undefined, workspace].includes(window.workspace));
      pool.asked(account, its, policyOf(config));
    }
}

const usedUp = (): GatewayError =>
  new GatewayError({ kind: 'quota-exhausted' }, 'The provider says that nothing is left of this quota.');
