import { type Json, readArray, readObject, readObjects, readString } from '../../core/json.ts';

/** Gemini's own schema dialect as JSON Schema: upper-case types and `nullable` are all that differs. */
export function jsonSchema(schema: Json): Json {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'type' && typeof value === 'string')
      out.type = schema.nullable === true ? [value.toLowerCase(), 'null'] : value.toLowerCase();
    if (key === 'properties') out.properties = mapValues(readObject(value) ?? {}, jsonSchema);
    if (key === 'items') out.items = jsonSchema(readObject(value) ?? {});
    if (key === 'anyOf' || key === 'any_of') out.anyOf = readObjects(value).map(jsonSchema);
    if (!spelledAnew.has(key)) out[key] = value;
  }
  return out;
}

const spelledAnew = new Set(
  ['type', 'nullable', 'properties', 'items', 'anyOf', 'any_of'].concat([
    'propertyOrdering',
    'property_ordering',
  ]),
);

const mapValues = (object: Json, change: (schema: Json) => Json): Json =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(readObject(value) ?? {})]));

/** The keywords of Gemini's Schema that are carried over as they are (its published proto). */
const kept = new Set(
  [
    'title',
    'description',
    'minItems',
    'maxItems',
    'minLength',
    'maxLength',
    'minProperties',
    'maxProperties',
  ].concat(['minimum', 'maximum', 'pattern', 'default', 'example']),
);
/** Keywords whose meaning goes into the structure, so that nothing of them is left to describe. */
const structural = new Set(
  [
    'type',
    'nullable',
    'properties',
    'required',
    'items',
    'prefixItems',
    'anyOf',
    'oneOf',
    'allOf',
    'enum',
    'const',
  ].concat([
    '$ref',
    '$defs',
    'definitions',
    '$schema',
    '$id',
    '$anchor',
    '$comment',
    'additionalProperties',
    'format',
    'examples',
  ]),
);
/** The formats its server accepts, by type; any other one is told in the description. */
const formats: Readonly<Record<string, readonly string[]>> = {
  STRING: ['enum', 'date-time'],
  NUMBER: ['float', 'double'],
  INTEGER: ['int32', 'int64'],
};

/**
 * JSON Schema in Gemini's dialect: an allow-list, so that no keyword its server does not know can reach it. What the
 * dialect cannot say is told to the model in the description. Call arguments and history are never touched.
 */
export function geminiSchema(schema: unknown): Json {
  return compile(readObject(schema) ?? {}, { root: readObject(schema) ?? {}, path: [] });
}

interface Context {
  readonly root: Json;
  /** The references that led here; one that comes again is a cycle. */
  readonly path: readonly string[];
}

function compile(given: Json, context: Context): Json {
  const { schema, context: inner } = dereferenced(given, context);
  const merged = withAllOf(schema, inner);
  const { type, nullable, branches } = typeOf(merged);
  const out: Record<string, unknown> = {};
  const notes: string[] = [];
  for (const [key, value] of Object.entries(merged)) {
    if (kept.has(key)) out[key] = value;
    if (!kept.has(key) && !structural.has(key)) notes.push(`${key}: ${JSON.stringify(value)}`);
  }
  if (type) out.type = type;
  if (nullable) out.nullable = true;
  readFormat(merged, type, out, notes);
  readEnum(merged, out);
  readObjectShape(merged, inner, out, notes);
  if (type === 'ARRAY') out.items = compile(itemsOf(merged), inner);
  if (branches.length > 0) out.anyOf = branches.map((branch) => compile(branch, inner));
  if (notes.length > 0)
    out.description = [readString(merged.description), `(${notes.join('; ')})`].filter(Boolean).join(' ');
  return out;
}

/** Follows a local reference; its siblings outrank what it points to. */
function dereferenced(schema: Json, context: Context): { schema: Json; context: Context } {
  const reference = readString(schema.$ref);
  if (reference === undefined) return { schema, context };
  const { $ref: _, ...siblings } = schema;
  const target = context.path.includes(reference) ? undefined : find(context.root, reference);
  if (!target)
    return {
      schema: { type: 'object', description: `See: ${reference.split('/').at(-1)}`, ...siblings },
      context,
    };
  const next = { ...context, path: [...context.path, reference] };
  return dereferenced({ ...target, ...siblings }, next);
}

function find(root: Json, reference: string): Json | undefined {
  if (!reference.startsWith('#')) return undefined;
  let at: unknown = root;
  for (const step of reference.slice(1).split('/').filter(Boolean)) {
    const name = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
    at = readObject(at)?.[name] ?? readArray(at)?.[Number(name)];
  }
  return readObject(at);
}

/** `allOf` as one schema; what the parent says itself wins. */
function withAllOf(schema: Json, context: Context): Json {
  const all = readObjects(schema.allOf).map((part) => withAllOf(dereferenced(part, context).schema, context));
  if (all.length === 0) return schema;
  const merged: Record<string, unknown> = {};
  for (const part of [...all, schema]) {
    const properties = { ...readObject(merged.properties), ...readObject(part.properties) };
    const required = [...(readArray(merged.required) ?? []), ...(readArray(part.required) ?? [])];
    Object.assign(merged, part);
    if (Object.keys(properties).length > 0) merged.properties = properties;
    if (required.length > 0) merged.required = [...new Set(required)];
  }
  return merged;
}

/** One type, whether null is allowed too, and the alternatives when there are several. */
function typeOf(schema: Json): { type: string | undefined; nullable: boolean; branches: readonly Json[] } {
  const named =
    typeof schema.type === 'string'
      ? [schema.type]
      : (readArray(schema.type) ?? []).filter((name) => typeof name === 'string');
  const unions = [...readObjects(schema.anyOf), ...readObjects(schema.oneOf)];
  const nullable =
    schema.nullable === true ||
    named.includes('null') ||
    unions.some((branch) => branch.type === 'null') ||
    enumOf(schema).includes(null);
  const types = named.filter((name) => name !== 'null') as string[];
  const branches = unions.filter((branch) => branch.type !== 'null');
  if (branches.length > 0) return { type: undefined, nullable, branches };
  if (types.length > 1)
    return {
      type: undefined,
      nullable,
      branches: types.map((type) => ({ ...schema, type, anyOf: undefined })),
    };
  return { type: types[0]?.toUpperCase() ?? guessed(schema), nullable, branches: [] };
}

function guessed(schema: Json): string | undefined {
  if (schema.properties) return 'OBJECT';
  if (schema.items) return 'ARRAY';
  if (enumOf(schema).length > 0) return 'STRING';
  return Object.keys(schema).length === 0 ? 'STRING' : undefined;
}

const enumOf = (schema: Json): readonly unknown[] =>
  'const' in schema ? [schema.const] : (readArray(schema.enum) ?? []);

/** Gemini's enum holds strings only, and makes the type a string. */
function readEnum(schema: Json, out: Record<string, unknown>): void {
  const values = enumOf(schema).filter((value) => value !== null);
  if (values.length === 0 || out.anyOf) return;
  out.enum = values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
  out.type = 'STRING';
}

function readFormat(
  schema: Json,
  type: string | undefined,
  out: Record<string, unknown>,
  notes: string[],
): void {
  const format = readString(schema.format);
  if (format === undefined) return;
  if (formats[type ?? '']?.includes(format)) out.format = format;
  else notes.push(`format: ${format}`);
}

function readObjectShape(
  schema: Json,
  context: Context,
  out: Record<string, unknown>,
  notes: string[],
): void {
  const properties = readObject(schema.properties);
  if (properties) out.properties = mapValues(properties, (property) => compile(property, context));
  const names = Object.keys(properties ?? {});
  const required = (readArray(schema.required) ?? []).filter((name) => names.includes(name as string));
  if (required.length > 0) out.required = [...new Set(required)];
  if (schema.additionalProperties === false && names.length > 0) notes.push('No extra properties allowed');
  if (readObject(schema.additionalProperties))
    notes.push(`other properties: ${JSON.stringify(schema.additionalProperties)}`);
}

function itemsOf(schema: Json): Json {
  const items = readObject(schema.items);
  if (items) return items;
  const places = readObjects(schema.prefixItems);
  if (places.length > 0) return places.length === 1 ? places[0]! : { anyOf: places };
  return {};
}
