import { describe, expect, test } from 'bun:test';
import { glob } from '../../src/core/glob.ts';
import { parsePath, PathFault, removeAt, setAt, valuesAt } from '../../src/core/path.ts';
import { random } from '../support/random.ts';

/** The path language of payload rules, which knows the reference's gjson and sjson paths. */

const body = {
  model: 'm',
  'a.b': { c: 1 },
  '@type': 'x',
  '0': 'a key',
  none: null,
  nested: { list: [10, 20, 30], '1': 'one' },
  tools: [
    { type: 'function', name: 'a', n: 1, tags: ['x'] },
    { type: 'search', name: 'b', n: 2 },
    { type: 'search', name: 'c', n: 3, deep: [{ k: 'v' }] },
  ],
};
const values = (path: string) => valuesAt(body, parsePath(path));

describe('reads', () => {
  test.each<[string, readonly unknown[]]>([
    ['model', ['m']],
    ['a\\.b.c', [1]],
    ['@type', ['x']],
    ['0', ['a key']],
    ['none', [null]],
    ['nested.list.1', [20]],
    ['nested.list.-1', [30]],
    ['nested.list.3', []],
    ['nested.list.x', []],
    ['nested.1', ['one']],
    ['nested.:1', ['one']],
    ['nested.list.:1', []],
    ['model.x', []],
    ['tools.#.name', ['a', 'b', 'c']],
    ['tools.#(type=="search").name', ['b']],
    ['tools.#(type=="search")#.name', ['b', 'c']],
    ['tools.#(type=search)#.n', [2, 3]],
    ['tools.#(type!="search").name', ['a']],
    ['tools.#(n>=2)#.name', ['b', 'c']],
    ['tools.#(n < 2).name', ['a']],
    ['tools.#(name>"a")#.n', [2, 3]],
    ['tools.#(type%"s*")#.n', [2, 3]],
    ['tools.#(type!%"s*")#.n', [1]],
    ['tools.#(type=="search" && n==3).name', ['c']],
    ['tools.#(n==1 || n == 3)#.name', ['a', 'c']],
    ['tools.#(n==9 || type=="search" && n==3)#.name', ['c']],
    ['tools.#((n==1 || n==2) && type=="search")#.name', ['b']],
    ['tools.#(deep).name', ['c']],
    ['tools.#(deep.#(k=="v")).name', ['c']],
    ['tools.#(missing!="x")#.name', []],
    ['nested.list.#(>15)#', [20, 30]],
    ['tools.#(name=="a\\")")', []],
    ['model.#(x)', []],
    ['__proto__', []],
    ['constructor.name', []],
  ])('%s', (path, expected) => expect(values(path)).toEqual([...expected]));
});

describe('sets', () => {
  const set = (path: string, value: unknown, from: unknown = body) => setAt(from, parsePath(path), value);

  test.each<[string, unknown, unknown, unknown]>([
    ['a', {}, 1, { a: 1 }],
    ['a.b.c', {}, 1, { a: { b: { c: 1 } } }],
    ['a.b', { a: 'text' }, 1, { a: { b: 1 } }],
    ['a.b', { a: null }, 1, { a: { b: 1 } }],
    ['a\\.b', {}, 1, { 'a.b': 1 }],
    ['a.0', { a: [1, 2] }, 9, { a: [9, 2] }],
    ['a.-1', { a: [1, 2] }, 9, { a: [1, 2, 9] }],
    ['a.-1', {}, 9, { a: [9] }],
    ['a.2', {}, 9, { a: [null, null, 9] }],
    ['a.:2', {}, 9, { a: { '2': 9 } }],
    ['a.2', { a: {} }, 9, { a: { '2': 9 } }],
    ['a.x', { a: [1] }, 9, { a: [1] }],
    [
      'a.#(k=="v").n',
      { a: [{ k: 'u' }, { k: 'v' }, { k: 'v' }] },
      1,
      { a: [{ k: 'u' }, { k: 'v', n: 1 }, { k: 'v' }] },
    ],
    [
      'a.#(k=="v")#.n',
      { a: [{ k: 'v' }, { k: 'v' }] },
      1,
      {
        a: [
          { k: 'v', n: 1 },
          { k: 'v', n: 1 },
        ],
      },
    ],
    ['a.#(k=="v")', { a: [{ k: 'v' }] }, 1, { a: [1] }],
    ['a.#.n', { a: [{}, {}] }, 1, { a: [{ n: 1 }, { n: 1 }] }],
    ['a.#(k=="v").n', {}, 1, {}],
  ])('%s', (path, from, value, expected) => expect(set(path, value, from)).toEqual(expected));

  test('a key named like a part of the language it is written in is only a key', () => {
    const made = set('__proto__.polluted', true, {}) as object;
    expect(Object.keys(made)).toEqual(['__proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('removes', () => {
  test.each<[string, unknown, unknown]>([
    ['a', { a: 1, b: 2 }, { b: 2 }],
    ['a.b', { a: { b: 1, c: 2 } }, { a: { c: 2 } }],
    ['a.1', { a: [1, 2, 3] }, { a: [1, 3] }],
    ['a.-1', { a: [1, 2, 3] }, { a: [1, 2] }],
    ['a.#(k=="v")', { a: [{ k: 'v' }, { k: 'v' }] }, { a: [{ k: 'v' }] }],
    ['a.#(k=="v")#', { a: [{ k: 'v' }, { k: 'u' }, { k: 'v' }] }, { a: [{ k: 'u' }] }],
    ['a.#.k', { a: [{ k: 'v', n: 1 }, { n: 2 }] }, { a: [{ n: 1 }, { n: 2 }] }],
    ['a.b.c', { a: 1 }, { a: 1 }],
  ])('%s', (path, from, expected) => expect(removeAt(from, parsePath(path))).toEqual(expected as object));
});

test.each([
  ['', 'a key at character 1'],
  ['a..b', 'a key at character 3'],
  ['a.', 'a key at character 3'],
  ['a.*', '"\\*" instead of "*" at character 3'],
  ['a|b', '"\\|" instead of "|" at character 2'],
  ['a.#', '"(" or "." after "#" at character 4'],
  ['a.#(b==1', '")" at character 9'],
  ['a.#(b==)', 'a value at character 8'],
  ['a.#(b==1)x', '"." or the end at character 10'],
  ['a.#()', 'a key at character 5'],
  ['a.99999', 'an index up to 10000'],
])('%j is no path, and the fault says where: %s', (text, message) => {
  expect(() => parsePath(text)).toThrow(PathFault);
  expect(() => parsePath(text)).toThrow(message);
});

test('for any body and path: what is set is found, what is removed is gone, and the original stays as it was', () => {
  const dice = random(11);
  const keys = ['a', 'b', '0', '1', 'model', 'a\\.b', '#.a', '#(a)', '#(a)#'];
  for (let round = 0; round < 3_000; round++) {
    const from = { a: dice.json(3), b: dice.json(2) };
    const frozen = JSON.stringify(from);
    const path = parsePath([dice.pick(['a', 'b', 'c']), ...dice.list(3, () => dice.pick(keys))].join('.'));
    const set = setAt(from, path, 'SET');
    const fixed = path.steps.every((step) => step.kind === 'key');
    if (fixed && set !== from) expect(valuesAt(set, path)).toEqual(['SET']);
    expect(setAt(set, path, 'SET')).toEqual(set as object);
    const removed = removeAt(set, path);
    if (fixed && path.steps.every((step) => step.kind === 'key' && step.index === undefined))
      expect(valuesAt(removed, path)).toEqual([]);
    if (valuesAt(from, path).length === 0) expect(removeAt(from, path)).toBe(from);
    expect(JSON.stringify(from)).toBe(frozen);
  }
});

test('no text makes the parser fail in another way than by a fault', () => {
  const dice = random(5);
  const atoms = ['a', '.', '#', '(', ')', '"', '\\', '=', '&&', '||', '1', '-1', ' ', '%', '!', ':', '<'];
  for (let round = 0; round < 5_000; round++) {
    const text = dice.list(12, () => dice.pick(atoms)).join('');
    try {
      valuesAt(body, parsePath(text));
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(PathFault);
    }
  }
});

test.each<[string, string, boolean]>([
  ['gpt-*', 'gpt-5', true],
  ['*', '', true],
  ['gpt', 'gpt-5', false],
  ['*-mini', 'gpt-5-mini', true],
  ['a*b*c', 'aXbYc', true],
  ['a*a', 'a', false],
  ['a*b*b', 'ab', false],
  ['GPT-*', 'gpt-5', false],
  ['a.c', 'abc', false],
])('the pattern %s against %s: %p', (pattern, name, fits) => expect(glob(pattern)(name)).toBe(fits));
