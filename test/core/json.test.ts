import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../../src/core/error.ts';
import {
  compact,
  omit,
  parseObject,
  readArray,
  readBoolean,
  readNumber,
  readObject,
  readObjects,
  readString,
  replaceTopLevel,
  tryParseObject,
} from '../../src/core/json.ts';
import { random, type Random } from '../support/random.ts';

describe('parseObject', () => {
  test('reads an object', () => {
    expect(parseObject(' {"a": 1} ')).toEqual({ a: 1 });
  });

  test.each(['', '{', 'null', '[]', '"text"', '12', '{"a":1} x'])(
    'refuses %p as an invalid request',
    (text) => {
      const thrown = catching(() => parseObject(text));
      expect(thrown).toBeInstanceOf(GatewayError);
      expect((thrown as GatewayError).fault.kind).toBe('invalid-request');
      expect((thrown as GatewayError).status).toBe(400);
      expect((thrown as GatewayError).remedy).toBeTruthy();
      expect(tryParseObject(text)).toBeUndefined();
    },
  );
});

test('typed reads give the value of the right type and undefined for every other', () => {
  const values = [null, undefined, 0, Number.NaN, Infinity, '', 'x', true, [], {}, [1]];
  for (const value of values) {
    expect(readString(value)).toBe(typeof value === 'string' ? value : undefined);
    expect(readNumber(value)).toBe(value === 0 ? 0 : undefined);
    expect(readBoolean(value)).toBe(value === true ? true : undefined);
    expect(readArray(value)).toBe((Array.isArray(value) ? value : undefined) as never);
    expect(readObject(value) !== undefined).toBe(
      value !== null && typeof value === 'object' && !Array.isArray(value),
    );
  }
  expect(readObjects([1, { a: 1 }, null, [2], { b: 2 }])).toEqual([{ a: 1 }, { b: 2 }]);
  expect(readObjects('no array')).toEqual([]);
});

test('omit and compact leave out undefined values and keep null, 0 and false', () => {
  const object = { a: undefined, b: null, c: 0, d: false, e: '' };
  expect(Object.keys(compact(object))).toEqual(['b', 'c', 'd', 'e']);
  expect(Object.keys(omit(object, new Set(['c'])))).toEqual(['b', 'd', 'e']);
});

describe('replaceTopLevel', () => {
  test('changes the value and no other byte', () => {
    const text = '{ "model" :\t"a\\"b" ,\n"messages":[{"model":"inner"}], "x":1.50 }';
    expect(replaceTopLevel(text, 'model', 'new')).toBe(
      '{ "model" :\t"new" ,\n"messages":[{"model":"inner"}], "x":1.50 }',
    );
  });

  test('finds a key written with escapes', () => {
    expect(replaceTopLevel('{"mod\\u0065l":"a"}', 'model', 'b')).toBe('{"mod\\u0065l":"b"}');
    expect(replaceTopLevel('{"a\\"b":1,"a\\\\":2}', 'a"b', 3)).toBe('{"a\\"b":3,"a\\\\":2}');
    expect(replaceTopLevel('{"a\\\\":2}', 'a\\', 3)).toBe('{"a\\\\":3}');
  });

  test('replaces a repeated key everywhere', () => {
    expect(replaceTopLevel('{"model":1,"a":{},"model":[2]}', 'model', 'x')).toBe(
      '{"model":"x","a":{},"model":"x"}',
    );
  });

  test.each(['{}', '{ }', '[{"model":1}]', '"model"', '', '{"a":{"model":1}}', '{"a":"\\"model\\":1"}'])(
    'leaves %p as it is, for it has no such key on top',
    (text) => {
      expect(replaceTopLevel(text, 'model', 'x')).toBe(text);
    },
  );

  test('agrees with a writer that knows where every value stands, over 3,000 random objects', () => {
    const dice = random(20_260);
    for (let round = 0; round < 3_000; round++) {
      const key = dice.oneIn(3) ? dice.text(3) : 'model';
      const value = dice.json(2);
      const pieces = writeObject(dice, key);
      const text = pieces.map((piece) => piece.text).join('');
      const wanted = pieces.map((piece) => (piece.marked ? JSON.stringify(value) : piece.text)).join('');
      JSON.parse(text);
      expect(replaceTopLevel(text, key, value)).toBe(wanted);
    }
  });

  test('handles megabytes of escaped quotes in linear steps', () => {
    const text = `{"a":${JSON.stringify('\\"'.repeat(500_000))},"model":"m"}`;
    expect(replaceTopLevel(text, 'model', 'n')).toBe(text.replace('"model":"m"', '"model":"n"'));
  });
});

interface Piece {
  readonly text: string;
  /** It is the value of a top-level key of the name in question. */
  readonly marked?: boolean;
}

/** A random object as text, with wild white space, escapes, repeated keys, and the key nested further down. */
function writeObject(dice: Random, key: string): Piece[] {
  const space = () => dice.list(2, () => dice.pick([' ', '\n', '\t', '\r'])).join('');
  const pieces: Piece[] = [{ text: `${space()}{${space()}` }];
  const count = dice.below(6);
  for (let index = 0; index < count; index++) {
    const marked = dice.oneIn(3);
    const name = marked ? key : otherName(dice, key);
    pieces.push({ text: `${writeString(dice, name)}${space()}:${space()}` });
    pieces.push({ text: writeValue(dice, key), marked });
    pieces.push({ text: index < count - 1 ? `${space()},${space()}` : space() });
  }
  pieces.push({ text: `}${space()}` });
  return pieces;
}

function otherName(dice: Random, key: string): string {
  const name = dice.text(3);
  return name === key ? `${name}.` : name;
}

/** A string with some characters escaped though they need not be. */
function writeString(dice: Random, text: string): string {
  const written = [...text].map((char) => {
    if (char.length > 1 || !dice.oneIn(4)) return JSON.stringify(char).slice(1, -1);
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return `"${written.join('')}"`;
}

function writeValue(dice: Random, key: string): string {
  if (dice.oneIn(3))
    return JSON.stringify({ [key]: dice.json(1), deep: [{ [key]: '}' }] }, null, dice.below(3));
  return JSON.stringify(dice.json());
}

function catching(run: () => unknown): unknown {
  try {
    return run();
  } catch (thrown) {
    return thrown;
  }
}
