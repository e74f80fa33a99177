import { expect, test } from 'bun:test';
import { chain, machine, run, type Machine } from '../../src/core/machine.ts';

const pairs = (): Machine<number, number[]> => {
  const held: number[] = [];
  return {
    push(item) {
      held.push(item);
      return held.length === 2 ? [held.splice(0)] : [];
    },
    end: () => (held.length > 0 ? [held] : []),
  };
};

const words = (): Machine<number[], string> => ({
  push: (item) => [item.join('+')],
  end: () => ['over'],
});

test('run gives what a machine says, its last words included', () => {
  expect(run(pairs(), [1, 2, 3])).toEqual([[1, 2], [3]]);
});

test('chain lets the second machine hear the last words of the first before it ends', () => {
  expect(run(chain(pairs(), words()), [1, 2, 3])).toEqual(['1+2', '3', 'over']);
});

test('what a teller tells comes from the push that it was told at, and never twice', () => {
  const echo = machine<number, string>((tell) => ({
    push(times) {
      for (let count = 0; count < times; count++) tell(`${count} of ${times}`);
    },
    end: () => tell('over'),
  }));
  const [first, second] = [echo.push(2), echo.push(0)];
  expect([first, second, echo.push(1), echo.end()]).toEqual([['0 of 2', '1 of 2'], [], ['0 of 1'], ['over']]);
});
