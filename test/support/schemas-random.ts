import type { Json } from '../../src/core/json.ts';
import type { Random } from './random.ts';

const names = [
  'a',
  'b',
  'properties',
  'type',
  '$ref',
  'required',
  'enum',
  'items',
  '__proto__',
  'anyOf',
  'über',
  '',
];
const definitions = ['Node', 'A/B', 'properties', 'Any'];
const types = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null', 'STRING', 'any', 'date'];
const references = [
  '#',
  '#/$defs/Node',
  '#/$defs/A~1B',
  '#/$defs/properties',
  '#/$defs/Any',
  '#/definitions/Node',
  '#/properties/a',
  '#/$defs/missing',
  '#anchor',
  'https://example.com/x.json#/y',
  '#/%zz',
];

/**
 * Any JSON Schema a client may send, sound or not: references that go round, unions within unions, boolean schemas,
 * values of all kinds, keywords of the wrong type, and properties that are called like keywords.
 */
export function anySchema(dice: Random): Json {
  return {
    ...objectSchema(dice, 3),
    $defs: named(definitions, dice, () => child(dice, 2)),
    ...(dice.oneIn(3) ? { definitions: { Node: child(dice, 1) } } : {}),
  };
}

/** An object with some of these names. Made of text, so that `__proto__` is a name like any other. */
function named(all: readonly string[], dice: Random, make: () => unknown): Json {
  const chosen = new Set(dice.list(4, () => dice.pick(all)));
  return JSON.parse(
    `{${[...chosen].map((name) => `${JSON.stringify(name)}:${JSON.stringify(make())}`).join(',')}}`,
  ) as Json;
}

function child(dice: Random, depth: number): unknown {
  if (dice.oneIn(12)) return dice.oneIn(2);
  if (dice.oneIn(40)) return dice.json(1);
  return schema(dice, depth);
}

function schema(dice: Random, depth: number): Json {
  if (dice.oneIn(6)) return { $ref: dice.pick(references), ...(dice.oneIn(3) ? words(dice) : {}) };
  const kind = dice.below(depth > 0 ? 9 : 5);
  const base = words(dice);
  if (kind === 0) return { ...base, type: dice.pick(types), ...limits(dice) };
  if (kind === 1) return { ...base, type: dice.list(3, () => dice.pick(types)), ...limits(dice) };
  if (kind === 2)
    return { ...base, [dice.pick(['enum', 'const'])]: dice.oneIn(2) ? values(dice) : dice.json(1) };
  if (kind === 3) return { ...base, type: dice.pick(types), enum: values(dice) };
  if (kind === 4) return dice.oneIn(2) ? {} : { ...base, ...limits(dice) };
  if (kind === 5) return { ...base, ...objectSchema(dice, depth - 1) };
  if (kind === 6)
    return {
      ...base,
      type: 'array',
      [dice.pick(['items', 'prefixItems', 'contains'])]: dice.oneIn(2)
        ? child(dice, depth - 1)
        : dice.list(3, () => child(dice, depth - 1)),
    };
  const union = { [dice.pick(['anyOf', 'oneOf', 'allOf'])]: dice.list(4, () => child(dice, depth - 1)) };
  return kind === 7 ? { ...base, ...union } : { ...objectSchema(dice, depth - 1), ...union };
}

function objectSchema(dice: Random, depth: number): Json {
  return {
    ...(dice.oneIn(4) ? {} : { type: 'object' }),
    properties: named(names, dice, () => child(dice, depth)),
    ...(dice.oneIn(2) ? { required: dice.list(4, () => dice.pick(names)) } : {}),
    ...(dice.oneIn(9) ? { required: dice.json(1) } : {}),
    ...(dice.oneIn(3) ? { additionalProperties: dice.oneIn(2) ? dice.oneIn(2) : schema(dice, 0) } : {}),
    ...(dice.oneIn(6)
      ? { patternProperties: { '^x-': schema(dice, 0) }, propertyNames: { pattern: '^a' } }
      : {}),
    ...(dice.oneIn(8) ? condition(dice, depth) : {}),
    ...(dice.oneIn(8) ? { anyOf: [{ required: ['a'] }, { required: ['b'] }] } : {}),
  };
}

const condition = (dice: Random, depth: number): Json =>
  Object.fromEntries(['if', 'then', 'else'].map((key) => [key, objectShape(dice, depth)]));

const objectShape = (dice: Random, depth: number): Json =>
  depth > 0 ? { properties: named(names, dice, () => child(dice, depth - 1)) } : {};

const words = (dice: Random): Json => ({
  ...(dice.oneIn(3) ? { description: dice.oneIn(8) ? dice.json(1) : dice.text() } : {}),
  ...(dice.oneIn(5) ? { title: dice.oneIn(8) ? 7 : dice.text() } : {}),
  ...(dice.oneIn(5) ? { default: dice.json(1) } : {}),
  ...(dice.oneIn(6) ? { nullable: dice.oneIn(2) } : {}),
  ...(dice.oneIn(8)
    ? { examples: [dice.json(1)], deprecated: true, 'x-google': dice.json(1), $comment: 'c' }
    : {}),
  ...(dice.oneIn(12)
    ? { $anchor: 'anchor', $id: 'urn:x', $schema: 'https://json-schema.org/draft/2020-12/schema' }
    : {}),
});

function limits(dice: Random): Json {
  const all = [
    'minLength',
    'maxLength',
    'minItems',
    'maxItems',
    'minimum',
    'maximum',
    'exclusiveMinimum',
    'multipleOf',
    'minProperties',
    'uniqueItems',
    'pattern',
    'format',
    'not',
    'contentEncoding',
  ];
  const chosen = dice.list(4, () => dice.pick(all));
  return Object.fromEntries(chosen.map((name) => [name, dice.oneIn(4) ? dice.json(1) : limit(dice, name)]));
}

function limit(dice: Random, name: string): unknown {
  if (name === 'pattern') return '^[a-z]+$';
  if (name === 'format') return dice.pick(['date-time', 'email', 'enum', 'int32', 'int64', 'float', 'uri']);
  return dice.below(10) - (dice.oneIn(5) ? 10 : 0);
}

const values = (dice: Random): unknown[] =>
  dice.list(4, () => dice.pick(['x', 'y', '', 1, 2.5, -3, true, false, null, { a: 1 }, [1]] as const));
