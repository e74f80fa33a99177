import { expect, test } from 'bun:test';
import { ring } from '../../src/telemetry/ring.ts';

test('keeps the newest lines and at most as many as it may', () => {
  const kept = ring(3, 1_000);
  for (const line of ['a', 'b', 'c', 'd', 'e']) kept.add(line, 1_000);
  expect(kept.read({}).lines).toEqual(['c', 'd', 'e']);
  expect(kept.read({ limit: 2 }).lines).toEqual(['d', 'e']);
});

test('keeps no more characters than it may, but always the newest line', () => {
  const kept = ring(100, 10);
  for (const line of ['aaaa', 'bbbb', 'cccc']) kept.add(line, 1_000);
  expect(kept.read({}).lines).toEqual(['bbbb', 'cccc']);
  kept.add('d'.repeat(50), 1_000);
  expect(kept.read({}).lines).toEqual(['d'.repeat(50)]);
});

test('gives lines of one millisecond times of their own, also after it has wrapped around', () => {
  const kept = ring(4, 1_000);
  const seen: string[] = [];
  let after = 0;
  for (let count = 0; count < 10; count++) {
    kept.add(String(count), 5_000);
    const { lines, latest } = kept.read({ after });
    seen.push(...lines);
    after = latest;
  }
  expect(seen).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
});
