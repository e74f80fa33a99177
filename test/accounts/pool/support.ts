import type { Account } from '../../../src/accounts/account.ts';
import { type Option, Pool, type PoolOptions } from '../../../src/accounts/pool/pool.ts';
import { defaultPolicy, type Policy } from '../../../src/accounts/policy.ts';
import type { Walk, Wish } from '../../../src/accounts/pool/walk.ts';
import { type Fault, GatewayError, type Scope } from '../../../src/core/error.ts';

/** An account that nobody could sign in with. */
const account = (id: string, more: Partial<Account> = {}): Account => ({
  id,
  provider: 'p',
  label: id,
  secret: { kind: 'none' },
  priority: 0,
  weight: 1,
  proxy: 'direct',
  ...more,
});

export const option = (id: string, more: Partial<Account> = {}, model = 'm'): Option => ({
  account: account(id, more),
  model,
});

export const policy = (more: Partial<Policy> = {}): Policy => ({ ...defaultPolicy, ...more });

/** An error as an upstream gives it. */
export const error = (
  fault: Fault,
  more: { readonly retryAfterMs?: number; readonly scope?: Scope } = {},
): GatewayError => new GatewayError(fault, 'no', more);

export const throttled = (retryAfterMs?: number): GatewayError =>
  error({ kind: 'rate-limited' }, retryAfterMs === undefined ? {} : { retryAfterMs });
export const broken = (): GatewayError => error({ kind: 'upstream-failed', status: 500 });
export const refused = (): GatewayError => error({ kind: 'upstream-unauthorized' });
export const unreachable = (): GatewayError => error({ kind: 'transport', phase: 'connect' });

/** A pool with a clock that stands still until it is told to pass; half of the jitter always, unless it is given. */
export function clocked(options: Omit<PoolOptions, 'now' | 'after'> = {}) {
  let nowMs = 1_800_000_000_000;
  const alarms = new Set<{ readonly atMs: number; readonly work: () => void }>();
  const pool = new Pool({
    random: () => 1,
    ...options,
    now: () => nowMs,
    after: (ms, work) => {
      const alarm = { atMs: nowMs + ms, work };
      alarms.add(alarm);
      return () => alarms.delete(alarm);
    },
  });
  const walk = (options: readonly Option[], wish: Partial<Wish> = {}) =>
    pool.walk(options, { policy: defaultPolicy, tokens: 0, ...wish });
  return {
    pool,
    walk,
    now: () => nowMs,
    pass(ms: number) {
      nowMs += ms;
      for (const alarm of [...alarms].filter(({ atMs }) => atMs <= nowMs)) {
        alarms.delete(alarm);
        alarm.work();
      }
    },
    /** One request that is answered at once. Returns who served it. */
    serve(options: readonly Option[], wish: Partial<Wish> = {}): string {
      const way = walk(options, wish);
      const taken = way.next();
      way.answered(1);
      way.end();
      return taken?.account.id ?? '-';
    },
    /** One request that fails at each, in the order of the walk. Returns who was asked. */
    fail(options: readonly Option[], reason: () => GatewayError, wish: Partial<Wish> = {}): string {
      const way = walk(options, wish);
      return drained(way, (one) => one.failed(reason()));
    },
  };
}

/** Everybody that a walk gives out, each let go as `leave` says. */
export function drained(walk: Walk, leave: (walk: Walk) => void): string {
  let ids = '';
  for (let taken = walk.next(); taken; taken = walk.next()) {
    ids += taken.account.id;
    leave(walk);
  }
  return ids;
}
