import { describe, expect, test } from 'bun:test';
import type { Option } from '../../../src/accounts/pool/pool.ts';
import { broken, clocked, drained, error, option, policy, refused, throttled } from './support.ts';

const abc = [option('a'), option('b'), option('c')];
const times = <T>(count: number, work: () => T): T[] => Array.from({ length: count }, work);
const counted = (ids: readonly string[]) =>
  Object.fromEntries([...new Set(ids)].sort().map((id) => [id, ids.filter((other) => other === id).length]));

describe('whose turn it is', () => {
  test('round-robin takes turns, and every option comes once in one request', () => {
    const { serve, walk } = clocked();
    expect(times(4, () => serve(abc)).join('')).toBe('abca');
    expect(drained(walk(abc), (way) => way.passed())).toBe('bca');
  });

  test('fill-first stays with the first for as long as it serves', () => {
    const { serve, fail } = clocked();
    const wish = { policy: policy({ strategy: 'fill-first' }) };
    expect(times(3, () => serve(abc, wish)).join('')).toBe('aaa');
    expect(fail(abc, () => throttled(9_000), wish)).toBe('abc');
  });

  test('a higher priority is used before a lower one, and left while nobody of it is available', () => {
    const { serve, walk, pass } = clocked();
    const tiers = [option('a'), option('b', { priority: 5 }), option('c', { priority: 9 })];
    expect(drained(walk(tiers), (way) => way.passed())).toBe('cba');
    const way = walk(tiers);
    way.next();
    way.failed(throttled(5_000));
    expect(times(2, () => serve(tiers)).join('')).toBe('bb');
    pass(5_000);
    expect(serve(tiers)).toBe('c');
  });

  test('weighted round-robin is smooth, gives shares by weight, and leaves weight 0 out', () => {
    const { serve } = clocked();
    const wish = { policy: policy({ strategy: 'weighted-round-robin' }) };
    const weighed = [
      option('a', { weight: 5 }),
      option('b', { weight: 1 }),
      option('c', { weight: 1 }),
      option('d', { weight: 0 }),
    ];
    const order = times(700, () => serve(weighed, wish));
    expect(counted(order)).toEqual({ a: 500, b: 100, c: 100 });
    expect(order.slice(0, 7).join('')).toBe('abaaaca');
  });

  test('weighted round-robin keeps its shares among those that are left', () => {
    const { serve, walk } = clocked();
    const wish = { policy: policy({ strategy: 'weighted-round-robin' }) };
    const weighed = [option('a', { weight: 6 }), option('b', { weight: 2 }), option('c', { weight: 1 })];
    const way = walk(weighed, wish);
    expect(way.next()?.account.id).toBe('a');
    way.failed(throttled(60_000));
    const { b = 0 } = counted(times(300, () => serve(weighed, wish)));
    expect(Math.abs(b - 200)).toBeLessThanOrEqual(1);
  });

  test('least-loaded takes whoever has the fewest in flight, then whoever began to answer fastest', () => {
    const { walk } = clocked();
    const wish = { policy: policy({ strategy: 'least-loaded' }) };
    const open = times(3, () => walk(abc, wish));
    expect(
      open
        .map((way) => way.next()?.account.id)
        .sort()
        .join(''),
    ).toBe('abc');
    for (const [index, way] of open.entries()) way.answered([30, 10, 20][index]!);
    for (const way of open) way.end();
    const busy = walk(abc, wish);
    expect(busy.next()?.account.id).toBe('b');
    expect(walk(abc, wish).next()?.account.id).toBe('c');
  });

  test('least-loaded finds the idle one of a thousand', () => {
    const { walk, serve } = clocked();
    const wish = { policy: policy({ strategy: 'least-loaded' }) };
    const many = times(1000, () => 0).map((_, index) => option(`${index}`));
    const ids = new Set(times(900, () => walk(many, wish).next()?.account.id));
    expect(ids.size).toBe(900);
    expect(ids.has(serve(many, wish))).toBe(false);
  });

  test('a reload with the same credentials keeps what is known of them', () => {
    const { serve, fail } = clocked();
    fail([abc[0]!], () => throttled(60_000));
    const reloaded: Option[] = [option('a'), option('b')];
    expect(times(2, () => serve(reloaded)).join('')).toBe('bb');
  });
});

describe('places', () => {
  test('a place counts as in flight until its request ends, and ends once', () => {
    const { pool, walk } = clocked();
    const [only] = abc;
    const first = walk([only!]);
    first.next();
    walk([only!]).next();
    first.end();
    first.end();
    expect(pool.state(only!.account)).toEqual({ inFlight: 1, cooling: false, quota: [] });
  });

  test('a failed attempt gives its place back at once', () => {
    const { pool, fail } = clocked();
    fail(abc, broken);
    expect(abc.map(({ account }) => pool.state(account).inFlight)).toEqual([0, 0, 0]);
  });
});

describe('explaining', () => {
  test('tells for each option what stands in its way, what failed last, and how busy it is', () => {
    const { pool, walk, now } = clocked();
    const way = walk(abc);
    way.next();
    way.failed(error({ kind: 'rate-limited' }, { retryAfterMs: 5_000 }));
    way.next();
    const [a, b] = pool.explain(abc);
    expect(a).toMatchObject({
      blocks: [{ why: 'resting', untilMs: now() + 5_000 }],
      last: { atMs: now() },
      inFlight: 0,
    });
    expect(b).toMatchObject({ blocks: [], last: undefined, inFlight: 1 });
  });

  test('an operator ends the rests of one account or of everybody', () => {
    const { pool, fail, serve } = clocked();
    fail(abc, refused);
    expect(serve(abc)).toBe('-');
    expect(pool.clear('b')).toBe(1);
    expect(serve(abc)).toBe('b');
    expect(pool.clear()).toBe(2);
    expect(
      times(3, () => serve(abc))
        .sort()
        .join(''),
    ).toBe('abc');
  });

  test('accounts that a reload removed are forgotten, also when one of the same key comes back', () => {
    const { pool, fail, serve } = clocked();
    fail(abc, () => throttled(60_000));
    pool.keep([]);
    expect(serve([option('a')])).toBe('a');
  });
});
