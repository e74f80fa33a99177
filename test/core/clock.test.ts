import { afterEach, beforeEach, expect, jest, test } from 'bun:test';
import { Clock, type Timed } from '../../src/core/clock.ts';
import { random } from '../support/random.ts';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const timed = (tick: () => void): Timed => ({ place: -1, tick });

test('calls all who are on it, and nobody who has left', () => {
  const clock = new Clock(10);
  const { below } = random(3);
  const calls = Array.from({ length: 50 }, () => 0);
  const all = calls.map((_, index) => timed(() => calls[index]!++));
  const on = new Set<number>();
  for (let turn = 0; turn < 200; turn++) {
    const index = below(all.length);
    if (on.delete(index)) clock.remove(all[index]!);
    else clock.add(all[on.add(index) && index]!);
    const before = [...calls];
    jest.advanceTimersByTime(10);
    expect(calls).toEqual(before.map((count, each) => count + Number(on.has(each))));
  }
});

test('calls everybody once in a turn in which some leave, and stops when nobody is left', () => {
  const clock = new Clock(10);
  let calls = 0;
  const all: Timed[] = Array.from({ length: 20 }, (_, index) =>
    timed(() => {
      calls++;
      if (index % 3 === 0) clock.remove(all[index]!);
    }),
  );
  for (const one of all) clock.add(one);
  jest.advanceTimersByTime(10);
  expect(calls).toBe(20);
  for (const one of all) clock.remove(one);
  jest.advanceTimersByTime(10);
  expect(jest.getTimerCount()).toBe(0);
});
