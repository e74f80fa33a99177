import { expect, test } from 'bun:test';
import { Bits } from '../../../src/accounts/pool/bits.ts';
import { Dues } from '../../../src/accounts/pool/dues.ts';
import { random } from '../../support/random.ts';

test.each([1, 31, 32, 33, 1_000, 1_025, 40_000])(
  'of %d places the next set one is found from anywhere',
  (size) => {
    const { below, oneIn } = random(size);
    const bits = new Bits(size);
    const plain = new Set<number>();
    for (let step = 0; step < 2_000; step++) {
      const place = below(size);
      if (oneIn(3)) {
        bits.clear(place);
        plain.delete(place);
      } else {
        bits.set(place);
        plain.add(place);
      }
      if (step % 20 > 0) continue;
      const from = below(size + 2);
      const expected = [...plain].filter((one) => one >= from).reduce((a, b) => Math.min(a, b), Infinity);
      expect(bits.next(from)).toBe(expected === Infinity ? -1 : expected);
      expect(bits.count).toBe(plain.size);
    }
  },
);

test('no place at all has no next one', () => {
  expect(new Bits(0).next(0)).toBe(-1);
});

test('what is due comes out soonest first, and nothing before its time', () => {
  const { below } = random(7);
  const dues = new Dues<number>();
  const times = Array.from({ length: 500 }, () => below(1_000));
  for (const time of times) dues.add(time, time);
  const taken: number[] = [];
  for (let due = dues.take(600); due !== undefined; due = dues.take(600)) taken.push(due);
  expect(taken).toEqual(times.filter((time) => time <= 600).sort((a, b) => a - b));
  expect(dues.nextMs).toBe(Math.min(...times.filter((time) => time > 600)));
});
