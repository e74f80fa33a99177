import { type Json, readArray, readObject, readString } from '../../core/json.ts';

/** How JSON Schema is read, before anything is said in Gemini's words. */

/** The branches of a union; `true` allows anything, `false` nothing. */
export const branchesOf = (union: unknown): readonly Json[] =>
  (readArray(union) ?? [])
    .map((branch) => (branch === true ? {} : readObject(branch)))
    .filter((branch) => branch !== undefined);

/** What a reference within the same document points to: a JSON pointer, or an anchor of its definitions. */
export function localTarget(root: Json, reference: string): Json | undefined {
  if (!reference.startsWith('#')) return undefined;
  const pointer = reference.slice(1);
  if (pointer !== '' && !pointer.startsWith('/')) return anchored(root, pointer);
  let at: unknown = root;
  for (const step of pointer.split('/').slice(1)) {
    const name = unescaped(step);
    const object = readObject(at);
    if (object && Object.hasOwn(object, name)) at = object[name];
    else at = readArray(at)?.[Number(name)];
  }
  return at === true ? {} : readObject(at);
}

function unescaped(step: string): string {
  const text = step.replaceAll('~1', '/').replaceAll('~0', '~');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function anchored(root: Json, name: string): Json | undefined {
  const definitions = [root.$defs, root.definitions].flatMap((all) => Object.values(readObject(all) ?? {}));
  return definitions.map(readObject).find((schema) => schema?.$anchor === name);
}

/**
 * Schemas that hold all at once, as one. Properties and requirements add up, `anyOf` of several stay with the last that
 * has one; of anything else the later word counts.
 */
export function mergedSchemas(schemas: readonly Json[]): Json {
  const merged: Record<string, unknown> = {};
  for (const schema of schemas) {
    const properties = joined(readObject(merged.properties), readObject(schema.properties));
    const required = [...(readArray(merged.required) ?? []), ...(readArray(schema.required) ?? [])];
    const types = commonTypes(merged.type, schema.type);
    const description = [merged.description, schema.description].filter((text) => typeof text === 'string');
    Object.assign(merged, schema);
    if (properties) merged.properties = properties;
    if (required.length > 0) merged.required = [...new Set(required)];
    if (types !== undefined) merged.type = types;
    if (description.length > 0) merged.description = [...new Set(description)].join(' ');
  }
  return merged;
}

/** The properties of both; what both say of one is merged, for a part often repeats its name only. */
function joined(before: Json | undefined, after: Json | undefined): Json | undefined {
  if (!before || !after) return after ?? before;
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return Object.fromEntries([...names].map((name) => [name, both(own(before, name), own(after, name))]));
}

const own = (object: Json, name: string): unknown => (Object.hasOwn(object, name) ? object[name] : undefined);

function both(before: unknown, after: unknown): unknown {
  const [first, second] = [readObject(before), readObject(after)];
  if (!first || !second) return after === undefined || after === true ? (before ?? after) : after;
  return '$ref' in first || '$ref' in second ? { allOf: [first, second] } : mergedSchemas([first, second]);
}

/** The types that both allow; those of the later when they have none in common, or when only one names any. */
function commonTypes(before: unknown, after: unknown): unknown {
  if (before === undefined || after === undefined) return after ?? before;
  const [first, second] = [typeNames(before), typeNames(after)];
  const common = second.filter((type) => first.includes(type));
  return common.length > 0 ? common : after;
}

const known = new Set(['string', 'number', 'integer', 'boolean', 'array', 'object', 'null']);

/** The types that a `type` keyword names, in lower case; words that are no type are left out. */
function typeNames(type: unknown): readonly string[] {
  const names = typeof type === 'string' ? [type] : (readArray(type) ?? []);
  return names
    .flatMap((name) => readString(name)?.toLowerCase() ?? [])
    .filter((name, place, all) => known.has(name) && all.indexOf(name) === place);
}

/** The types a schema allows: those it names, else those its values have, else what its keywords are about; none means any. */
export function guessedTypes(schema: Json): readonly string[] {
  const named = typeNames(schema.type);
  const values = 'const' in schema ? [schema.const] : readArray(schema.enum);
  const valued = values ? narrowest([...new Set(values.map(typeOfValue))]) : [];
  if (named.length > 0) {
    const common = valued.filter(
      (type) => named.includes(type) || (type === 'integer' && named.includes('number')),
    );
    // Values of none of the named types are a mistake: the named ones stand.
    if (common.length === 0) return named;
    return common.map((type) => (named.includes(type) ? type : 'number'));
  }
  if (valued.length > 0) return valued;
  return keywordTypes.filter(([, keywords]) => keywords.some((key) => key in schema)).map(([type]) => type);
}

/** Whole numbers among others are numbers like them. */
const narrowest = (types: readonly string[]): readonly string[] =>
  types.includes('number') ? types.filter((type) => type !== 'integer') : types;

function typeOfValue(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

const keywordTypes: readonly (readonly [string, readonly string[]])[] = [
  [
    'object',
    [
      'properties',
      'patternProperties',
      'additionalProperties',
      'required',
      'propertyNames',
      'minProperties',
      'maxProperties',
    ],
  ],
  ['array', ['items', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems', 'contains']],
  ['string', ['pattern', 'minLength', 'maxLength', 'format', 'contentEncoding']],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']],
];
