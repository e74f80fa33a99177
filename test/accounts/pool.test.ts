import { describe, expect, test } from 'bun:test';
import type { Account } from '../../src/accounts/account.ts';
import { type CoolingRules, type Option, Pool } from '../../src/accounts/pool.ts';
import { type Fault, GatewayError } from '../../src/core/error.ts';

const account = (id: string, priority = 0): Account => ({
  id,
  provider: 'p',
  label: id,
  secret: { kind: 'none' },
  priority,
  weight: 1,
  proxy: 'direct',
});
const option = (id: string, priority = 0, model = 'm'): Option => ({ account: account(id, priority), model });
const rules: CoolingRules = { enabled: true, transientMs: 60_000 };
const error = (fault: Fault, retryAfterMs?: number) =>
  new GatewayError(fault, 'no', retryAfterMs === undefined ? {} : { retryAfterMs });

function pool() {
  let nowMs = 1_000_000;
  return { pool: new Pool(() => nowMs), pass: (ms: number) => (nowMs += ms) };
}
const ids = (options: Iterable<Option>) => [...options].map(({ account }) => account.id).join('');

describe('choosing', () => {
  const abc = [option('a'), option('b'), option('c')];

  test('takes turns within a tier, and every option comes once', () => {
    const { pool: p } = pool();
    const orders = [1, 2, 3, 4].map(() => ids(p.choose(abc, 'm', 'round-robin')));
    expect(orders).toEqual(['abc', 'bca', 'cab', 'abc']);
  });

  test('keeps the order under fill-first', () => {
    const { pool: p } = pool();
    expect([1, 2].map(() => ids(p.choose(abc, 'm', 'fill-first')))).toEqual(['abc', 'abc']);
  });

  test('uses a higher priority tier before a lower one', () => {
    const { pool: p } = pool();
    const mixed = [option('a'), option('b', 5), option('c', 9)];
    expect(ids(p.choose(mixed, 'm', 'round-robin'))).toBe('cba');
  });
});

describe('resting', () => {
  const both = [option('a'), option('b')];

  test('leaves out what the upstream said will fail, until the time it named', () => {
    const { pool: p, pass } = pool();
    p.failed(both[0]!, error({ kind: 'rate-limited' }, 5_000), rules);
    expect(ids(p.choose(both, 'm', 'fill-first'))).toBe('b');
    expect(p.resting(both).map(({ option }) => option.account.id)).toEqual(['a']);
    pass(5_001);
    expect(ids(p.choose(both, 'm', 'fill-first'))).toBe('ab');
  });

  test('tries what rests on a guess last, rather than not at all', () => {
    const { pool: p } = pool();
    p.failed(both[0]!, error({ kind: 'upstream-failed', status: 500 }), rules);
    expect(ids(p.choose(both, 'm', 'fill-first'))).toBe('ba');
  });

  test('caps a reset that lies days ahead at one hour', () => {
    const { pool: p, pass } = pool();
    p.failed(both[0]!, error({ kind: 'quota-exhausted' }, 500 * 3_600_000), rules);
    pass(3_600_001);
    expect(ids(p.choose(both, 'm', 'fill-first'))).toBe('ab');
  });

  test('rests a refused credential for every model, a throttled one for its model only', () => {
    const { pool: p } = pool();
    const other = [option('a', 0, 'n'), option('b', 0, 'n')];
    p.failed(both[0]!, error({ kind: 'upstream-unauthorized' }), rules);
    p.failed(both[1]!, error({ kind: 'rate-limited' }, 9_000), rules);
    expect(ids(p.choose(other, 'n', 'fill-first'))).toBe('ba');
  });

  test('costs a credential nothing when the request or the client is at fault', () => {
    const { pool: p } = pool();
    p.failed(both[0]!, error({ kind: 'invalid-request' }), rules);
    p.failed(both[0]!, error({ kind: 'cancelled' }), rules);
    expect(p.resting(both)).toEqual([]);
  });

  test('forgets everything at the first success', () => {
    const { pool: p } = pool();
    p.failed(both[0]!, error({ kind: 'rate-limited' }, 5_000), rules);
    p.succeeded(both[0]!);
    expect(p.resting(both)).toEqual([]);
  });

  test('rests nobody when cooling is switched off', () => {
    const { pool: p } = pool();
    p.failed(both[0]!, error({ kind: 'rate-limited' }, 5_000), { ...rules, enabled: false });
    expect(p.resting(both)).toEqual([]);
  });
});

test('counts calls in flight, and ends each of them once', () => {
  const { pool: p } = pool();
  const one = account('a');
  const first = p.begin(one);
  p.begin(one);
  first();
  first();
  expect(p.state(one)).toEqual({ inFlight: 1, cooling: false });
});
