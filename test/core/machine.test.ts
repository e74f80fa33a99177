import { expect, test } from 'bun:test';
import { chain, run, type Machine } from '../../src/core/machine.ts';

const pairs = (): Machine<number, number[]> => {
  let held: number[] = [];
  return {
    *push(item) {
      held.push(item);
      if (held.length === 2) yield held.splice(0);
    },
    *end() {
      if (held.length > 0) yield held;
      held = [];
    },
  };
};

const words = (): Machine<number[], string> => ({
  *push(item) {
    yield item.join('+');
  },
  *end() {
    yield 'over';
  },
});

test('run gives what a machine says, its last words included', () => {
  expect(run(pairs(), [1, 2, 3])).toEqual([[1, 2], [3]]);
});

test('chain lets the second machine hear the last words of the first before it ends', () => {
  expect(run(chain(pairs(), words()), [1, 2, 3])).toEqual(['1+2', '3', 'over']);
});
