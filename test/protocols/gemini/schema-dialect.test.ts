import Ajv2020 from 'ajv/dist/2020.js';
import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../../../src/core/json.ts';
import gemini from '../../../src/protocols/gemini/index.ts';
import { decodeSchema } from '../../../src/protocols/gemini/decode-schema.ts';
import { parametersSchema, responseSchema } from '../../../src/protocols/gemini/schema-dialect.ts';
import { random } from '../../support/random.ts';
import { anySchema } from '../../support/schemas-random.ts';
import { geminiSchemaFault } from '../../support/gemini-schema.ts';

// A thousand schemas take their time on a busy machine.
setDefaultTimeout(60_000);

/** The property `p` of an object, in Gemini's words. */
function property(schema: unknown, more: Json = {}): unknown {
  const compiled = parametersSchema({ type: 'object', properties: { p: schema }, ...more });
  return (compiled?.properties as Json | undefined)?.p;
}

describe('types', () => {
  test.each([
    [{ type: 'string' }, { type: 'STRING' }],
    [{ type: 'Integer' }, { type: 'INTEGER' }],
    [{ type: ['string', 'null'] }, { type: 'STRING', nullable: true }],
    [
      { type: 'string', nullable: true },
      { type: 'STRING', nullable: true },
    ],
    [{ type: ['integer', 'string'] }, { anyOf: [{ type: 'INTEGER' }, { type: 'STRING' }] }],
    [{ type: 'null' }, { type: 'STRING', nullable: true }],
    [
      { type: 'array', items: { type: 'number' } },
      { type: 'ARRAY', items: { type: 'NUMBER' } },
    ],
    [{ properties: { a: { type: 'boolean' } } }, { type: 'OBJECT', properties: { a: { type: 'BOOLEAN' } } }],
    [{ items: { type: 'string' } }, { type: 'ARRAY', items: { type: 'STRING' } }],
    [{ pattern: '^a' }, { type: 'STRING', pattern: '^a' }],
    [{ minimum: 1 }, { type: 'NUMBER', minimum: 1 }],
    [{ type: 'object', additionalProperties: false }, { type: 'OBJECT' }],
  ])('%j becomes %j', (schema, wanted) => expect(property(schema)).toEqual(wanted));

  test('a value of any type is one of several, because Gemini wants to be told a type', () => {
    const any = ['STRING', 'NUMBER', 'BOOLEAN', 'OBJECT'].map((type) => ({ type }));
    expect(property(true)).toEqual({ anyOf: any });
    expect(property({})).toEqual({ anyOf: any });
    expect(property({ description: 'Whatever.' })).toEqual({
      anyOf: [{ type: 'STRING', description: 'Whatever.' }, ...any.slice(1)],
    });
  });

  test('a property that allows nothing is left out, and is not required', () => {
    expect(
      parametersSchema({ properties: { a: false, b: { type: 'string' } }, required: ['a', 'b'] }),
    ).toEqual({
      type: 'OBJECT',
      properties: { b: { type: 'STRING' } },
      required: ['b'],
    });
  });
});

describe('values', () => {
  test('a list of words stays one', () => {
    expect(property({ enum: ['a', 'b'] })).toEqual({ type: 'STRING', enum: ['a', 'b'] });
    expect(property({ const: 'a' })).toEqual({ type: 'STRING', enum: ['a'] });
    expect(property({ type: ['string', 'null'], enum: ['a', null] })).toEqual({
      type: 'STRING',
      enum: ['a'],
      nullable: true,
    });
  });

  test('numbers keep their type, so that the arguments do', () => {
    expect(property({ enum: [1, 2] })).toEqual({ type: 'INTEGER', description: '(one of [1,2])' });
    expect(property({ type: 'number', enum: [1, 2.5] })).toEqual({
      type: 'NUMBER',
      description: '(one of [1,2.5])',
    });
    expect(property({ const: true })).toEqual({ type: 'BOOLEAN', description: '(always true)' });
    expect(property({ enum: ['a', 1] })).toEqual({
      anyOf: [
        { type: 'STRING', enum: ['a'] },
        { type: 'INTEGER', description: '(always 1)' },
      ],
    });
  });

  test('the empty text is told, because no item of an enum may be empty', () => {
    expect(property({ enum: ['', 'a'] })).toEqual({
      type: 'STRING',
      description: '(empty, or one of ["a"])',
    });
  });
});

describe('unions', () => {
  test('null in a union makes the rest nullable, and what is said of all is kept', () => {
    const optional = { anyOf: [{ type: 'string' }, { type: 'null' }], default: null, description: 'A name.' };
    expect(property(optional)).toEqual({ type: 'STRING', nullable: true, description: 'A name.' });
    expect(property({ ...optional, default: 'x' })).toMatchObject({ description: 'A name. (default: x)' });
  });

  test('nothing stands beside anyOf', () => {
    const schema = { oneOf: [{ type: 'string' }, { type: 'integer' }, { type: 'null' }], description: 'Id.' };
    expect(property(schema)).toEqual({
      anyOf: [{ type: 'STRING', nullable: true, description: 'Id.' }, { type: 'INTEGER' }],
    });
  });

  test('branches have all that stands around them', () => {
    const schema = {
      type: 'object',
      properties: { kind: { type: 'string' } },
      required: ['kind'],
      oneOf: [
        { properties: { kind: { const: 'a' }, size: { type: 'integer' } }, required: ['size'] },
        { properties: { kind: { const: 'b' } } },
      ],
    };
    expect(property(schema)).toEqual({
      anyOf: [
        {
          type: 'OBJECT',
          properties: { kind: { type: 'STRING', enum: ['a'] }, size: { type: 'INTEGER' } },
          required: ['kind', 'size'],
        },
        { type: 'OBJECT', properties: { kind: { type: 'STRING', enum: ['b'] } }, required: ['kind'] },
      ],
    });
  });

  test('branches that only require something are told in words', () => {
    const schema = {
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'string' } },
      anyOf: [{ required: ['a'] }, { required: ['b'] }],
    };
    expect(property(schema)).toEqual({
      type: 'OBJECT',
      properties: { a: { type: 'STRING' }, b: { type: 'STRING' } },
      description: '(any of: [{"required":["a"]},{"required":["b"]}])',
    });
  });

  test('a union at the root of parameters becomes one object with all properties', () => {
    const branch = (name: string) => ({
      type: 'object',
      properties: { id: { type: 'string' }, [name]: { type: 'string' } },
      required: ['id', name],
    });
    expect(parametersSchema({ type: 'object', anyOf: [branch('a'), branch('b')] })).toEqual({
      type: 'OBJECT',
      properties: { id: { type: 'STRING' }, a: { type: 'STRING' }, b: { type: 'STRING' } },
      required: ['id'],
      description: '(one of these sets of fields: ["id, a","id, b"])',
    });
  });

  test('allOf is one schema', () => {
    const schema = {
      allOf: [
        { $ref: '#/$defs/Base' },
        { type: 'object', properties: { b: { type: 'integer' } }, required: ['b'] },
      ],
    };
    const base = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] };
    expect(property(schema, { $defs: { Base: base } })).toEqual({
      type: 'OBJECT',
      properties: { a: { type: 'STRING' }, b: { type: 'INTEGER' } },
      required: ['a', 'b'],
    });
  });
});

describe('references', () => {
  const $defs = {
    City: { type: 'string', description: 'A city.' },
    'a/b': { type: 'integer' },
    Node: {
      type: 'object',
      properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#/$defs/Node' } } },
    },
    Loop: { $ref: '#/$defs/Loop' },
    Named: { $anchor: 'named', type: 'boolean' },
  };
  const referred = (reference: string, more: Json = {}) => property({ $ref: reference, ...more }, { $defs });

  test('a reference is what it refers to, with what stands beside it', () => {
    expect(referred('#/$defs/City')).toEqual({ type: 'STRING', description: 'A city.' });
    expect(referred('#/$defs/City', { description: 'Home.' })).toEqual({
      type: 'STRING',
      description: 'A city. Home.',
    });
    expect(referred('#/$defs/a~1b')).toEqual({ type: 'INTEGER' });
    expect(referred('#named')).toEqual({ type: 'BOOLEAN' });
  });

  test('what comes back to itself is told by name', () => {
    expect(referred('#/$defs/Node')).toEqual({
      type: 'OBJECT',
      properties: {
        name: { type: 'STRING' },
        children: { type: 'ARRAY', items: { type: 'OBJECT', description: 'See: Node' } },
      },
    });
    for (const reference of ['#/$defs/Loop', '#/$defs/Missing', 'https://example.com/schema.json'])
      expect(referred(reference)).toMatchObject({ type: 'OBJECT' });
  });

  test('definitions that refer to each other in many ways stay small', () => {
    const names = Array.from({ length: 9 }, (_, index) => `D${index}`);
    const refs = Object.fromEntries(names.map((name) => [name, { $ref: `#/$defs/${name}` }]));
    const tangled = Object.fromEntries(names.map((name) => [name, { type: 'object', properties: refs }]));
    const unions = Object.fromEntries(names.map((name) => [name, { anyOf: Object.values(refs) }]));
    for (const defs of [tangled, unions]) {
      const compiled = parametersSchema({ type: 'object', properties: refs, $defs: defs });
      expect(geminiSchemaFault(compiled)).toBeUndefined();
      expect(JSON.stringify(compiled).length).toBeLessThan(200_000);
    }
  });
});

describe('what Gemini has no word for', () => {
  test('constraints are told in the description', () => {
    expect(property({ type: 'integer', exclusiveMinimum: 0, multipleOf: 5, description: 'Steps.' })).toEqual({
      type: 'INTEGER',
      description: 'Steps. (exclusiveMinimum: 0; multipleOf: 5)',
    });
    expect(property({ type: 'string', format: 'email' })).toEqual({
      type: 'STRING',
      description: '(format: email)',
    });
    expect(property({ type: 'object', additionalProperties: { type: 'integer' } })).toEqual({
      type: 'OBJECT',
      description: '(additionalProperties: {"type":"integer"})',
    });
    expect(property({ type: 'array', uniqueItems: true, items: {} })).toMatchObject({
      description: '(no item twice)',
    });
  });

  test('annotations and machinery are left out', () => {
    const schema = {
      type: 'string',
      $schema: 'x',
      $id: 'y',
      $comment: 'z',
      deprecated: true,
      'x-order': 1,
      examples: ['a'],
      readOnly: true,
    };
    expect(property(schema)).toEqual({ type: 'STRING' });
  });

  test('a tuple is a list of any of its items', () => {
    expect(property({ type: 'array', prefixItems: [{ type: 'string' }, { type: 'integer' }] })).toEqual({
      type: 'ARRAY',
      items: { anyOf: [{ type: 'STRING' }, { type: 'INTEGER' }] },
      description: '(the 2 items in their order: [{"type":"string"},{"type":"integer"}])',
    });
  });

  test('formats it knows stay', () => {
    expect(property({ type: 'string', format: 'date-time' })).toEqual({
      type: 'STRING',
      format: 'date-time',
    });
    expect(property({ type: 'integer', format: 'int64' })).toEqual({ type: 'INTEGER', format: 'int64' });
  });

  test('limits that are no numbers are left out', () => {
    expect(property({ type: 'string', minLength: 'many', maxLength: -1 })).toEqual({ type: 'STRING' });
  });
});

test('properties may be called like keywords', () => {
  const names = [
    'properties',
    'type',
    '$ref',
    'required',
    'anyOf',
    'enum',
    'items',
    '__proto__',
    'constructor',
  ];
  const properties = JSON.parse(
    `{${names.map((name) => `${JSON.stringify(name)}:{"type":"string"}`).join(',')}}`,
  ) as Json;
  const compiled = parametersSchema({ type: 'object', properties, required: names })!;
  expect(Object.keys(compiled.properties as Json)).toEqual(names);
  expect(compiled.required).toEqual(names);
  expect(geminiSchemaFault(compiled)).toBeUndefined();
});

test('a function without parameters declares none; one that takes anything says so', () => {
  for (const schema of [
    {},
    { type: 'object' },
    { type: 'object', properties: {}, additionalProperties: false },
  ])
    expect(parametersSchema(schema)).toBeUndefined();
  expect(parametersSchema({ type: 'object', additionalProperties: { type: 'string' } })).toMatchObject({
    type: 'OBJECT',
  });
});

test('a required flag on a property itself counts', () => {
  expect(parametersSchema({ properties: { a: { type: 'string', required: true } } })).toMatchObject({
    required: ['a'],
  });
});

test('answers keep the order of their properties, and may be anything', () => {
  expect(
    responseSchema({ type: 'object', properties: { b: { type: 'string' }, a: { type: 'string' } } }),
  ).toEqual({
    type: 'OBJECT',
    properties: { b: { type: 'STRING' }, a: { type: 'STRING' } },
    propertyOrdering: ['b', 'a'],
  });
  expect(responseSchema({ type: 'array', items: { type: 'string' } })).toEqual({
    type: 'ARRAY',
    items: { type: 'STRING' },
  });
  expect(responseSchema({})).toBeUndefined();
});

test("Gemini's own schemas read as JSON Schema and come back as they were", () => {
  const own = {
    type: 'OBJECT',
    properties: {
      a: { type: 'STRING', enum: ['x'], nullable: true },
      b: { type: 'ARRAY', items: { anyOf: [{ type: 'INTEGER', minimum: 1 }, { type: 'BOOLEAN' }] } },
    },
    required: ['a'],
  };
  expect(parametersSchema(decodeSchema(own))).toEqual(own);
  expect(decodeSchema({ type: 'STRING', min_length: '2', example: 'hi' })).toEqual({
    type: 'string',
    minLength: 2,
    examples: ['hi'],
  });
});

describe('any schema at all', () => {
  const published = join(import.meta.dir, '../../../../shared/schemas/gemini.request.strict.schema.json');
  const rounds = 1_000;

  test('compiles to what the dialect allows, the same way every time', () => {
    for (let seed = 0; seed < rounds; seed++) {
      const schema = anySchema(random(seed));
      for (const compile of [parametersSchema, responseSchema]) {
        const compiled = compile(schema);
        if (compiled === undefined) continue;
        expect({ seed, fault: geminiSchemaFault(compiled) }).toEqual({ seed, fault: undefined });
        expect(compile(schema)).toEqual(compiled);
      }
    }
  });

  test.skipIf(!existsSync(published))(
    existsSync(published)
      ? "compiles to what Google's published schema accepts"
      : "compiles to what Google's published schema accepts (skipped: ../shared/schemas is absent)",
    () => {
      const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false });
      const document = JSON.parse(readFileSync(published, 'utf8')) as { $defs: object; $id?: string };
      const validate = ajv.compile({ $defs: document.$defs, $ref: '#/$defs/Schema' });
      for (let seed = 0; seed < rounds; seed++)
        for (const compile of [parametersSchema, responseSchema]) {
          const compiled = compile(anySchema(random(seed)));
          if (compiled === undefined) continue;
          const valid = validate(JSON.parse(JSON.stringify(compiled)));
          expect({ seed, errors: valid ? null : validate.errors }).toEqual({ seed, errors: null });
        }
    },
  );

  test('never touches arguments, results or the schema that was given', () => {
    for (let seed = 0; seed < 300; seed++) {
      const dice = random(seed);
      const schema = anySchema(dice);
      const before = JSON.stringify(schema);
      const args = JSON.stringify({
        const: 1,
        $ref: '#/x',
        type: ['a'],
        anyOf: dice.json(),
        properties: dice.json(),
      });
      const body = gemini.upstream!.encodeRequest(
        {
          model: 'm',
          system: [],
          messages: [
            { role: 'user', parts: [{ kind: 'text', text: args }] },
            { role: 'assistant', parts: [{ kind: 'tool-call', callId: 'c', name: 'f', args }] },
            {
              role: 'user',
              parts: [
                { kind: 'tool-result', callId: 'c', parts: [{ kind: 'text', text: args }], failed: false },
              ],
            },
          ],
          tools: [{ kind: 'function', name: 'f', schema }],
          sampling: {},
          output: { kind: 'schema', schema },
          stream: false,
          extra: {},
        },
        { model: 'gemini-2.5-flash', drop: () => {} },
      );
      const [asked, called, answered] = body.contents as { parts: Json[] }[];
      expect(asked?.parts).toEqual([{ text: args }]);
      expect(called?.parts).toEqual([{ functionCall: { id: 'c', name: 'f', args: JSON.parse(args) } }]);
      expect(answered?.parts).toEqual([
        { functionResponse: { id: 'c', name: 'f', response: { result: args } } },
      ]);
      expect(JSON.stringify(schema)).toBe(before);
    }
  });
});
