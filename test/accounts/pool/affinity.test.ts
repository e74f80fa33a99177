import { describe, expect, test } from 'bun:test';
import { Affinity } from '../../../src/accounts/pool/affinity.ts';
import type { QuotaWindow } from '../../../src/accounts/quota.ts';
import { broken, clocked, error, option, policy, throttled } from './support.ts';

const abc = [option('a'), option('b'), option('c')];
/** Who serves the next three requests, whoever comes first. */
const whoServe = (serve: (options: typeof abc) => unknown): string =>
  [1, 2, 3]
    .map(() => serve(abc))
    .sort()
    .join('');

const talk = { conversation: 7, follows: true };

describe('a conversation', () => {
  test('stays with the credential that served it, while others take turns', () => {
    const { serve } = clocked();
    expect(serve(abc, talk)).toBe('a');
    expect([serve(abc), serve(abc, talk), serve(abc), serve(abc, talk)].join('')).toBe('baca');
  });

  test('that has only begun leaves word for its next turn, and takes its own turn meanwhile', () => {
    const { serve } = clocked();
    const begins = { conversation: 1, follows: false };
    expect([1, 2, 3].map(() => serve(abc, begins)).join('')).toBe('abc');
    expect(serve(abc, { conversation: 2, alias: 1, follows: true })).toBe('c');
    expect(serve(abc, begins)).toBe('a');
    expect(serve(abc, { conversation: 2, alias: 1, follows: true })).toBe('c');
  });

  test('goes elsewhere while its credential rests, stays there, and says why (lessons 37, 49)', () => {
    const { walk, serve } = clocked();
    serve(abc, talk);
    const way = walk(abc, talk);
    way.next();
    way.failed(throttled(60_000));
    expect(way.next()?.account.id).toBe('b');
    way.answered(1);
    way.end();
    expect(way.affinity).toBe('rebound: a failed with rate_limit_exceeded');
    const next = walk(abc, talk);
    expect(next.next()?.account.id).toBe('b');
    next.answered(1);
    expect(next.affinity).toBe('kept');
  });

  test('leaves a credential that rests before it is asked', () => {
    const { fail, walk, serve } = clocked();
    serve(abc, talk);
    fail([abc[0]!], () => throttled(60_000));
    const way = walk(abc, talk);
    expect(way.next()?.account.id).toBe('b');
    way.answered(1);
    expect(way.affinity).toBe('rebound: a is resting');
  });

  test('is bound for a while after its last request, and not at all when affinity is off', () => {
    const { serve, pass } = clocked();
    const wish = { ...talk, policy: policy({ affinityMs: 1_000 }) };
    expect(serve(abc, wish)).toBe('a');
    pass(900);
    expect(serve(abc, wish)).toBe('a');
    pass(1_000);
    expect(serve(abc, wish)).toBe('b');
    const off = { ...talk, policy: policy({ affinityMs: 0 }) };
    expect([serve(abc, off), serve(abc, off)].join('')).toBe('ca');
  });

  test('finds its credential after a reload, and says so when that is gone', () => {
    const { serve, walk } = clocked();
    serve(abc, talk);
    expect(serve([option('c'), option('b'), option('a')], talk)).toBe('a');
    const without = walk([option('b')], talk);
    without.next();
    without.answered(1);
    expect(without.affinity).toBe('rebound: its credential is gone');
  });

  test('whose connection remembers it comes to that credential first', () => {
    const { serve, fail } = clocked();
    expect(serve(abc, { pinned: 'c' })).toBe('c');
    fail([abc[2]!], () => throttled(60_000));
    expect(serve(abc, { pinned: 'c' })).toBe('a');
  });
});

describe('quota', () => {
  const window = (more: Partial<QuotaWindow>, now: number): QuotaWindow => ({
    name: 'requests',
    limit: 100,
    source: 'test',
    seenAt: now,
    resetsAt: now + 60_000,
    ...more,
  });
  const gone = () => error({ kind: 'quota-exhausted' });

  test('who has little left is used after those with more, until it opens again (lesson 37)', () => {
    const { pool, serve, pass, now } = clocked();
    pool.told(abc[0]!, [window({ remaining: 3 }, now())], policy(), gone);
    expect([1, 2, 3, 4].map(() => serve(abc)).join('')).toBe('bcbc');
    expect(serve([abc[0]!])).toBe('a');
    pass(60_000);
    expect(whoServe(serve)).toBe('abc');
  });

  test('a conversation leaves a credential with little left for one with more', () => {
    const { pool, serve, now } = clocked();
    serve(abc, talk);
    pool.told(abc[0]!, [window({ remainingShare: 0.01 }, now())], policy(), gone);
    expect(serve(abc, talk)).toBe('b');
  });

  test('news of more quota brings it back at once', () => {
    const { pool, serve, now } = clocked();
    pool.told(abc[0]!, [window({ remaining: 3 }, now())], policy(), gone);
    serve(abc);
    pool.told(abc[0]!, [window({ remaining: 90 }, now())], policy(), gone);
    expect(whoServe(serve)).toBe('abc');
  });

  test('a login that was asked for its quota is preferred or not by what it said, and a rest for it ends', () => {
    const { pool, serve, fail, now } = clocked();
    const [a] = abc;
    pool.asked(a!.account, [window({ remaining: 0 }, now())], policy());
    expect([1, 2, 3, 4].map(() => serve(abc)).join('')).toBe('bcbc');
    // Whether all models need what is used up only a request can tell.
    expect(serve([a!])).toBe('a');
    fail([a!], () => error({ kind: 'quota-exhausted' }, { retryAfterMs: 3_600_000 }));
    pool.asked(a!.account, [window({ remaining: 1, model: 'n' }, now())], policy());
    expect(serve([a!])).toBe('-');
    pool.asked(a!.account, [window({ remaining: 90 }, now())], policy());
    expect(serve([a!])).toBe('a');
  });

  test('what is used up rests until it opens again, capped, and for its model only where it names one', () => {
    const { pool, serve, pass, now } = clocked();
    const [a] = abc;
    pool.told(a!, [window({ remaining: 0, model: 'm', resetsAt: now() + 5_000 }, now())], policy(), gone);
    expect(serve([a!])).toBe('-');
    expect(serve([option('a', {}, 'n')])).toBe('a');
    pass(5_000);
    expect(serve([a!])).toBe('a');
    pool.told(a!, [window({ remaining: 0, resetsAt: now() + 7 * 86_400_000 }, now())], policy(), gone);
    expect(serve([option('a', {}, 'n')])).toBe('-');
    pass(3_600_000);
    expect(serve([option('a', {}, 'n')])).toBe('a');
  });

  test('an answer that uses up the last of it does not undo the rest it asks for', () => {
    const { pool, walk, serve, now } = clocked();
    const way = walk([abc[0]!]);
    way.next();
    pool.told(abc[0]!, [window({ remaining: 0 }, now())], policy(), gone);
    way.answered(1);
    way.end();
    expect(serve([abc[0]!])).toBe('-');
  });

  test('the next project of a login is tried first when one has none left, or left alone', () => {
    const login = { id: 'login' } as never;
    const project = (id: string) => option(id, { secret: { kind: 'login', login }, workspace: id });
    const options = [project('a'), option('x'), project('b')];
    const { walk } = clocked();
    for (const [switchProject, second] of [
      [true, 'b'],
      [false, 'x'],
    ] as const) {
      const way = walk([...options], { policy: policy({ switchProject }) });
      expect(way.next()?.account.id).toBe('a');
      way.failed(throttled(0));
      expect(way.next()?.account.id).toBe(second);
      way.end();
    }
  });
});

describe('the retry budget', () => {
  const options = Array.from({ length: 20 }, (_, index) => option(`${index}`));
  const tireless = { policy: policy({ cooling: false }) };

  test('ends a walk through a provider that is in trouble itself (lesson 44)', () => {
    const { fail } = clocked();
    const asked = Array.from({ length: 50 }, () => fail([...options], broken, tireless).length > 0);
    expect(asked).toHaveLength(50);
    const { walk } = clocked();
    let calls = 0;
    for (let request = 0; request < 100; request++) {
      const way = walk(options, tireless);
      for (let next = way.next(); next; next = way.next()) {
        calls++;
        way.failed(broken());
      }
    }
    expect(calls).toBeLessThanOrEqual(100 + 10 + 20);
  });

  test('never ends one that finds out which credentials are refused', () => {
    const { walk } = clocked();
    const way = walk(options);
    let asked = 0;
    for (let next = way.next(); next; next = way.next()) {
      asked++;
      way.failed(error({ kind: 'upstream-unauthorized' }));
    }
    expect(asked).toBe(20);
  });
});

test('of more conversations than are remembered, those nobody asked about for longest make room', () => {
  const affinity = new Affinity();
  const most = 50_000;
  const laterMs = 1_000;
  for (let count = 0; count < most; count++) affinity.bind(count, 'a', laterMs);
  affinity.bind(0, 'b', laterMs);
  for (let count = 0; count < 100; count++) affinity.bind(most + count, 'c', laterMs);
  expect(affinity.find(0, 0)).toBe('b');
  expect(affinity.find(1, 0)).toBeUndefined();
  expect(affinity.find(101, 0)).toBe('a');
  expect(affinity.find(most, 0)).toBe('c');
});
