import { describe, expect, test } from 'bun:test';
import { limitsOf } from '../../src/accounts/limits.ts';
import type { Option } from '../../src/accounts/pool/pool.ts';
import { clocked, option, policy } from './pool/support.ts';

const limited = (limits: Parameters<typeof limitsOf>[0], id = 'a'): Option => {
  const read = limitsOf(limits);
  return option(id, read ? { limits: read } : {});
};
const never = new AbortController().signal;

describe('requests and tokens', () => {
  test('so many requests in a minute that slides, and the others serve meanwhile', () => {
    const { serve, pass } = clocked();
    const both = [limited({ rpm: 2 }), option('b')];
    const order = Array.from({ length: 6 }, () => serve(both)).join('');
    expect(order).toBe('ababbb');
    pass(120_000);
    expect(serve([both[0]!])).toBe('a');
  });

  test('no burst at the turn of a minute', () => {
    const { serve, pass, now } = clocked();
    const only = [limited({ rpm: 60 })];
    pass(60_000 - (now() % 60_000) + 59_000);
    const served = () => Array.from({ length: 120 }, () => serve(only)).filter((id) => id === 'a').length;
    expect(served()).toBe(60);
    pass(1_000);
    expect(served()).toBeLessThanOrEqual(1);
    pass(30_000);
    expect(served()).toBeGreaterThanOrEqual(29);
  });

  test('tokens count as estimated, and as they were once that is known', () => {
    const { walk, serve } = clocked();
    const only = [limited({ tpm: 1_000 })];
    const way = walk(only, { tokens: 400 });
    way.next();
    way.answered(1);
    way.end(900);
    expect(serve(only, { tokens: 100 })).toBe('a');
    expect(serve(only, { tokens: 1 })).toBe('-');
  });

  test('a request larger than the whole limit is served once nothing else counts', () => {
    const { serve, pass } = clocked();
    const only = [limited({ tpm: 1_000 })];
    expect(serve(only, { tokens: 5_000 })).toBe('a');
    expect(serve(only, { tokens: 1 })).toBe('-');
    pass(120_000 * 5);
    expect(serve(only, { tokens: 1 })).toBe('a');
  });

  test('so many in a day', () => {
    const { serve, pass } = clocked();
    const only = [limited({ rpd: 3 })];
    expect(Array.from({ length: 5 }, () => serve(only)).join('')).toBe('aaa--');
    pass(2 * 86_400_000);
    expect(serve(only)).toBe('a');
  });

  test('limits of a provider count all of its credentials together', () => {
    const { serve } = clocked();
    const wish = { policy: policy({ providerLimits: new Map([['p', limitsOf({ rpm: 3 })!]]) }) };
    const options = [option('a'), option('b'), option('c', { provider: 'q' })];
    expect(Array.from({ length: 8 }, () => serve(options, wish)).filter((id) => id !== 'c')).toHaveLength(3);
  });
});

describe('the queue', () => {
  const only = [limited({ 'max-in-flight': 1 })];

  test('a request waits for a place in flight, and those who came first go first', async () => {
    const { walk } = clocked();
    const busy = walk(only);
    busy.next();
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (index) => {
      const way = walk(only);
      expect(way.next()).toBeUndefined();
      expect(await way.queued(never)).toBe(only[0]!);
      order.push(index);
      way.end();
    });
    busy.end();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
  });

  test('nobody who comes later takes the place of somebody who waits', async () => {
    const { walk } = clocked();
    const busy = walk(only);
    busy.next();
    const first = walk(only);
    first.next();
    const waits = first.queued(never);
    busy.end();
    expect(walk(only).next()).toBeUndefined();
    expect(await waits).toBe(only[0]!);
  });

  test('is bounded, ends after its time, and is left when the client goes', async () => {
    const { walk, pass } = clocked();
    const wish = { policy: policy({ queue: 2 }) };
    walk(only, wish).next();
    const leaving = new AbortController();
    const queue = [never, leaving.signal, never].map((signal) => {
      const way = walk(only, wish);
      way.next();
      return way.queued(signal);
    });
    expect(await queue[2]).toBeUndefined();
    leaving.abort();
    expect(await queue[1]).toBeUndefined();
    pass(30_000);
    expect(await queue[0]).toBeUndefined();
  });

  test('whoever gives up while a place comes free leaves it to the next', async () => {
    const { pool, walk } = clocked();
    const busy = walk(only);
    busy.next();
    const leaving = new AbortController();
    const [first, second] = [walk(only), walk(only)];
    first.next();
    second.next();
    const [left, waits] = [first.queued(leaving.signal), second.queued(never)];
    leaving.abort();
    busy.end();
    expect(await left).toBeUndefined();
    expect(await waits).toBe(only[0]!);
    second.end();
    expect(pool.state(only[0]!.account).inFlight).toBe(0);
  });

  test('waits end when the first of several limits opens, whichever was met first', async () => {
    const { walk, serve, pass } = clocked();
    const waiting = { 'wait-on-limit': true, 'max-wait-seconds': 600 };
    const day = [limited({ rpd: 1, ...waiting }, 'd')];
    const minute = [limited({ rpm: 1, ...waiting }, 'm')];
    for (const options of [day, minute]) serve(options);
    const [long, short] = [walk(day), walk(minute)];
    long.next();
    const first = long.queued(never);
    short.next();
    const second = short.queued(never);
    pass(120_000);
    expect(await second).toBe(minute[0]!);
    pass(600_000);
    expect(await first).toBeUndefined();
  });

  test('a minute is waited for only where the entry says so', async () => {
    const { walk, serve, pass } = clocked();
    const patient = [limited({ rpm: 1, 'wait-on-limit': true, 'max-wait-seconds': 300 })];
    const brisk = [limited({ rpm: 1 }, 'b')];
    for (const options of [patient, brisk]) serve(options);
    const [slow, quick] = [walk(patient), walk(brisk)];
    slow.next();
    quick.next();
    expect(await quick.queued(never)).toBeUndefined();
    const waits = slow.queued(never);
    pass(120_000);
    expect(await waits).toBe(patient[0]!);
  });

  test('no place is lost, however requests end', () => {
    const { pool, walk } = clocked();
    const few = [limited({ 'max-in-flight': 3 })];
    for (let count = 0; count < 1_000; count++) {
      const way = walk(few);
      expect(way.next()).toBeDefined();
      if (count % 3 === 0) way.answered(1);
      if (count % 3 === 1) way.passed();
      way.end();
      way.end();
    }
    expect(pool.state(few[0]!.account).inFlight).toBe(0);
  });

  test('one seat comes back for each call that ends, also where many share the limit', () => {
    const { walk } = clocked();
    const all = { policy: policy({ providerLimits: new Map([['p', limitsOf({ 'max-in-flight': 2 })!]]) }) };
    const options = Array.from({ length: 100 }, (_, index) => option(`${index}`));
    const open = [walk(options, all), walk(options, all)];
    for (const way of open) way.next();
    expect(walk(options, all).next()).toBeUndefined();
    open[0]!.end();
    const next = walk(options, all);
    expect(next.next()).toBeDefined();
    expect(walk(options, all).next()).toBeUndefined();
  });
});

test('an entry without a number has no limits', () => {
  expect(limitsOf({ 'wait-on-limit': true })).toBeUndefined();
  expect(limitsOf(undefined)).toBeUndefined();
});
