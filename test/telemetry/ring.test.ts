import { expect, test } from 'bun:test';
import { ring } from '../../src/telemetry/ring.ts';
import { random } from '../support/random.ts';

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
  for (const line of ['aaaa', 'bbbb', 'cccc']) kept.add(line, 1_000);
  expect(kept.read({}).lines).toEqual(['bbbb', 'cccc']);
});

test('gives back the newest lines as they were, however long they are and whatever they are made of', () => {
  const { below, pick, oneIn } = random(7);
  const shapes = ['x', 'é', '漢', '😀'];
  for (const [most, bytes] of [
    [50, 2_000],
    [7, 100_000],
    [1_000, 300_000],
  ] as const) {
    const kept = ring(most, bytes);
    const added: string[] = [];
    for (let count = 0; count < 3_000; count++) {
      added.push(pick(shapes).repeat(1 + below(200)) + count);
      kept.add(added.at(-1)!, count);
      if (oneIn(400)) {
        expect(kept.read({}).lines).toEqual(added.slice(-kept.read({}).lines.length));
        expect(kept.clear()).toBeGreaterThan(0);
        added.length = 0;
      }
    }
    const { lines } = kept.read({});
    expect(lines).toEqual(added.slice(-lines.length));
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.length).toBeLessThanOrEqual(most);
    expect(Buffer.byteLength(lines.join(''))).toBeLessThanOrEqual(bytes);
  }
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
