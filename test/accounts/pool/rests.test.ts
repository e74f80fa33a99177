import { describe, expect, test } from 'bun:test';
import { restLimits, restStore } from '../../../src/accounts/pool/rest-store.ts';
import { createState } from '../../../src/state/state.ts';
import { broken, clocked, error, option, policy, refused, throttled, unreachable } from './support.ts';

const [a, b, c] = [option('a'), option('b'), option('c')] as const;
const other = (id: string) => option(id, {}, 'n');
const times = (count: number, work: () => string) => Array.from({ length: count }, work).join('');

describe('who rests', () => {
  test('nobody for a fault of the request or for a client that left (lesson 45)', () => {
    const { fail, serve } = clocked();
    fail([a], () => error({ kind: 'invalid-request' }));
    fail([a], () => error({ kind: 'cancelled' }));
    fail([a], () => error({ kind: 'not-found', what: 'item' }));
    expect(serve([a])).toBe('a');
  });

  test('a throttled credential for its model only, a refused one for every model (lesson 46)', () => {
    const { fail, serve } = clocked();
    fail([a], () => throttled(9_000));
    fail([b], refused);
    expect(serve([other('a'), other('b')])).toBe('a');
    expect(serve([a, b])).toBe('-');
  });

  test('a credential whose whole quota is used up, for every model', () => {
    const { fail, serve } = clocked();
    fail([a], () => error({ kind: 'quota-exhausted' }, { retryAfterMs: 9_000 }));
    expect(serve([other('a')])).toBe('-');
  });

  test('a model that a credential does not have, on that credential, briefly (lesson 41)', () => {
    const { fail, serve, pass } = clocked();
    fail([a], () => error({ kind: 'not-found', what: 'model' }, { scope: 'model' }));
    expect(serve([a, b])).toBe('b');
    expect(serve([other('a')])).toBe('a');
    pass(60_000);
    expect([serve([a]), serve([a])]).toEqual(['a', 'a']);
  });

  test('a credential that never rests stays where it is, and so does everybody when cooling is off', () => {
    const { pool, fail, serve } = clocked();
    const tireless = option('a', { neverRests: true });
    fail([tireless], () => throttled(9_000));
    expect(serve([tireless])).toBe('a');
    const off = { policy: policy({ cooling: false }) };
    fail([b], () => throttled(9_000), off);
    expect(serve([b], off)).toBe('b');
    fail([b], refused, off);
    expect(pool.explain([b])[0]?.last?.error.code).toBe('upstream_auth');
  });
});

describe('a told rest', () => {
  test('lasts as long as the upstream says, and nobody asks before', () => {
    const { fail, serve, walk, pass } = clocked();
    fail([a], () => throttled(5_000));
    pass(4_999);
    expect(serve([a])).toBe('-');
    expect(walk([a]).lastResort()).toBeUndefined();
    pass(1);
    expect(serve([a])).toBe('a');
  });

  test('is capped, because a reset may be wrong or days away (lesson 40)', () => {
    const { fail, serve, pass } = clocked();
    fail([a], () => error({ kind: 'quota-exhausted' }, { retryAfterMs: 500 * 3_600_000 }));
    pass(3_600_000);
    expect(serve([a])).toBe('a');
  });

  test('is probed by one request when it is over; its success brings everybody back at once', () => {
    const { fail, walk, pass } = clocked();
    fail([a], () => throttled(5_000));
    pass(5_000);
    const [probe, second] = [walk([a]), walk([a])];
    expect(probe.next()).toBe(a);
    expect(second.next()).toBeUndefined();
    probe.answered(1);
    expect(second.next()).toBe(a);
  });

  test('goes on when the probe fails, and is probed anew when its client leaves', () => {
    const { fail, serve, walk, pass } = clocked();
    fail([a], () => throttled(5_000));
    pass(5_000);
    const left = walk([a]);
    left.next();
    left.end();
    expect(fail([a], () => throttled(7_000))).toBe('a');
    expect(serve([a])).toBe('-');
    pass(7_000);
    expect(serve([a])).toBe('a');
  });

  test('is not ended by an answer whose request went out before it', () => {
    const { walk, serve } = clocked();
    const [early, late] = [walk([a]), walk([a])];
    early.next();
    late.next();
    late.failed(throttled(5_000));
    early.answered(1);
    expect(serve([a])).toBe('-');
  });
});

describe('a guessed rest', () => {
  test('grows from failure to failure up to its limit, and a success forgets it', () => {
    const { pool, fail, serve, pass, now } = clocked();
    const restMs = () => (pool.explain([a])[0]?.blocks[0]?.untilMs ?? now()) - now();
    const rests = Array.from({ length: 8 }, () => {
      fail([a], () => throttled());
      const ms = restMs();
      pass(ms);
      return ms / 1_000;
    });
    expect(rests).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    expect(serve([a])).toBe('a');
    fail([a], () => throttled());
    expect(restMs()).toBe(1_000);
  });

  test('counts a burst that failed together as one failure', () => {
    const { walk, serve, pass } = clocked();
    const burst = Array.from({ length: 10 }, () => walk([a]));
    for (const way of burst) way.next();
    for (const way of burst) way.failed(throttled());
    pass(1_000);
    expect(serve([a])).toBe('a');
  });

  test('is jittered, so that those who failed together do not come back together', () => {
    const numbers = [0, 0.5, 1];
    const { pool, fail } = clocked({ random: () => numbers.shift() ?? 0 });
    for (const one of [a, b, c]) fail([one], () => throttled());
    const untils = pool.explain([a, b, c]).map(({ blocks }) => blocks[0]!.untilMs);
    expect(new Set(untils).size).toBe(3);
  });

  test('gives way when there is nobody else: at once after trouble of the provider (lesson 43)', () => {
    const { fail, walk } = clocked();
    fail([a], broken);
    const way = walk([a]);
    expect(way.next()).toBeUndefined();
    expect(way.lastResort()).toBe(a);
  });

  test('gives way after three seconds where the credential was refused', () => {
    const { fail, walk, pass } = clocked();
    fail([a], refused);
    const soon = walk([a]);
    expect(soon.next() ?? soon.lastResort()).toBeUndefined();
    pass(3_000);
    const later = walk([a]);
    expect(later.next()).toBeUndefined();
    expect(later.lastResort()).toBe(a);
  });

  test('is nothing at all when transient rests are switched off', () => {
    const { fail, serve } = clocked();
    const wish = { policy: policy({ transientMs: 0 }) };
    for (let count = 0; count < 5; count++) fail([a], broken, wish);
    expect(serve([a], wish)).toBe('a');
  });
});

describe('trouble of a provider or a host', () => {
  const many = Array.from({ length: 50 }, (_, index) => option(`${index}`, { host: 'one.example' }));
  const elsewhere = option('z', { provider: 'q', host: 'two.example' });

  test('rests the place after three failures in a row, not each credential in turn (lesson 44)', () => {
    const { pool, walk, pass } = clocked();
    const way = walk(many);
    for (let count = 0; count < 3; count++) {
      way.next();
      way.failed(broken());
    }
    expect(way.next()).toBeUndefined();
    expect(many.filter(({ account }) => pool.state(account).cooling)).toEqual([]);
    pass(1_000);
    const [probe, second] = [walk(many), walk(many)];
    expect(probe.next()).toBeDefined();
    expect(second.next()).toBeUndefined();
    probe.answered(1);
    probe.end();
    expect(second.next()).toBeDefined();
  });

  test('leaves other providers alone, and other hosts of the same provider', () => {
    const { walk } = clocked();
    const cousin = option('y', { host: 'three.example' });
    const way = walk([...many.slice(0, 3), elsewhere, cousin]);
    const asked: string[] = [];
    for (let next = way.next(); next; next = way.next()) {
      asked.push(next.account.id);
      if (asked.length <= 3) way.failed(broken());
      else way.passed();
    }
    expect(asked.sort()).toEqual(['0', '1', '2', 'y', 'z']);
  });

  test('a proxy that fails is not the trouble of those who go another way', () => {
    const { walk, serve } = clocked();
    const proxied = [0, 1, 2].map((index) =>
      option(`${index}`, { host: 'one.example', proxy: { url: 'http://proxy.example:1' } }),
    );
    const way = walk(proxied);
    for (let next = way.next(); next; next = way.next()) way.failed(unreachable());
    expect(serve([option('d', { host: 'one.example' })])).toBe('d');
  });

  test('an answer of any kind shows that the host is reached', () => {
    const { walk } = clocked();
    const way = walk(many);
    way.next();
    way.failed(unreachable());
    way.next();
    way.failed(unreachable());
    way.next();
    way.failed(throttled(5_000));
    way.next();
    way.failed(unreachable());
    expect(way.next()).toBeDefined();
  });
});

test('the state store keeps rests for as long as the operator wants them kept', () => {
  const space = createState().space('rests', restLimits);
  let wanted = true;
  const store = restStore(space, () => wanted);
  clocked({ store }).fail([a], () => throttled(60_000));
  expect(clocked({ store }).serve([a])).toBe('-');
  wanted = false;
  expect(clocked({ store }).serve([a])).toBe('a');
});

test('rests are kept over a restart where a store is given, and forgotten with their account (lesson 47)', () => {
  const kept = new Map<string, Readonly<Record<string, unknown>>>();
  const store = {
    get: (key: string) => kept.get(key),
    put: (key: string, value: Readonly<Record<string, unknown>>) =>
      void kept.set(key, JSON.parse(JSON.stringify(value))),
    delete: (key: string) => kept.delete(key),
  };
  const first = clocked({ store });
  first.fail([a], () => throttled(60_000));
  first.fail([b], refused);
  const second = clocked({ store });
  expect(times(2, () => second.serve([a, b, c]))).toBe('cc');
  expect(second.pool.explain([a])[0]?.blocks[0]).toMatchObject({
    why: 'resting',
    untilMs: second.now() + 60_000,
  });
  second.pass(60_000);
  expect(second.serve([a])).toBe('a');
  expect([...kept.keys()]).toEqual(['b']);
  second.pool.keep([]);
  expect(kept.size).toBe(0);
});
