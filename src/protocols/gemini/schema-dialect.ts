import { type Json, readArray, readObject, readObjects, readString } from '../../core/json.ts';
import {
  bounds,
  brief,
  counts,
  formatOf,
  notesOf,
  noteValues,
  textLimits,
  wordsOf,
} from './schema-limits.ts';
import { branchesOf, guessedTypes, localTarget, mergedSchemas } from './schema-words.ts';

/**
 * JSON Schema in Gemini's dialect, by an allow-list: no keyword its server does not know can reach it. What the dialect
 * cannot say is told to the model in the description. Only schemas are touched, never arguments or history.
 */

/** The schema of a function's parameters, always an object's; undefined for a function without any. */
export function parametersSchema(schema: Json): Json | undefined {
  const { nullable: _, ...root } = mergedBranches(compileRoot({ ...schema, type: schema.type ?? 'object' }));
  if (root.type !== 'OBJECT') return undefined;
  return root.properties || freeForm.some((key) => readObject(schema[key])) ? root : undefined;
}

/** What makes an object without properties one that takes any. */
const freeForm = ['additionalProperties', 'patternProperties'];

/** The schema of a structured answer; undefined when it allows anything. Answers keep the order of its properties. */
export function responseSchema(schema: Json): Json | undefined {
  return Object.keys(schema).length === 0 ? undefined : compileRoot(schema, { ordered: true });
}

interface Context {
  readonly root: Json;
  readonly ordered: boolean;
  /** The references that led here; one that comes again is a cycle. */
  readonly path: readonly string[];
  readonly depth: number;
  /** How much of this schema has been written: references that branch would otherwise grow without end. */
  readonly spent: { nodes: number };
}

const nodeLimit = 2_000;
const depthLimit = 60;

const compileRoot = (root: Json, { ordered = false } = {}): Json =>
  compile(root, { root, ordered, path: [], depth: 0, spent: { nodes: 0 } });

/** What comes back to itself, or is too large to be written, is told by name only. */
const named = (name: string): Json => ({ type: 'OBJECT', description: `See: ${name}` });

function compile(given: unknown, outer: Context): Json {
  if (++outer.spent.nodes > nodeLimit || outer.depth > depthLimit) return named('the description');
  const resolved = resolve(readObject(given) ?? {}, { ...outer, depth: outer.depth + 1 });
  if ('cycle' in resolved) return named(resolved.cycle);
  const { variants, nullable, head } = variantsOf(resolved);
  const compiled = variants.map(compileOne);
  const [first = {}, ...others] = compiled.length > 1 ? distinct(compiled) : compiled;
  // Vertex refuses any field beside `anyOf`, so what is said of all branches is said in the first.
  const headed = withHead(first, head, nullable);
  return others.length === 0 ? headed : { anyOf: [headed, ...others] };
}

function withHead(branch: Json, head: string, nullable: boolean): Json {
  const description = sentence(head, readString(branch.description));
  return { ...branch, ...(nullable ? { nullable } : {}), ...(description === '' ? {} : { description }) };
}

/** Texts as one, without what is missing and what is said twice. */
const sentence = (...texts: readonly (string | undefined)[]): string =>
  [...new Set(texts.filter((text) => text !== undefined && text !== ''))].join(' ');

function distinct(schemas: readonly Json[]): readonly Json[] {
  const seen = new Map(schemas.map((schema) => [JSON.stringify(schema), schema]));
  return [...seen.values()];
}

// ------------------------------------------------------------------------------------- references, unions and types

/** A schema without a reference of its own, and where it was found. */
interface Place {
  readonly schema: Json;
  readonly context: Context;
}

type Resolved = Place | { readonly cycle: string };

/** Follows references and merges `allOf`; what a schema says itself outranks what it refers to. */
function resolve(schema: Json, context: Context): Resolved {
  const reference = readString(schema.$ref);
  if (reference !== undefined) {
    const name = reference === '#' ? 'the whole schema' : (reference.split('/').at(-1) ?? reference);
    if (context.path.includes(reference)) return { cycle: name };
    const target = localTarget(context.root, reference);
    if (!target) return { cycle: name };
    const { $ref: _, ...siblings } = schema;
    const path = [...context.path, reference];
    return resolve(mergedSchemas([target, siblings]), { ...context, path });
  }
  const parts = readObjects(schema.allOf);
  if (parts.length === 0) return { schema, context };
  const { allOf: _, ...own } = schema;
  return mergeAll(parts, own, context);
}

function mergeAll(parts: readonly Json[], own: Json, context: Context): Resolved {
  let path = context.path;
  const merged = parts.flatMap((part) => {
    if (++context.spent.nodes > nodeLimit) return [];
    const resolved = resolve(part, { ...context, path });
    if ('cycle' in resolved) return [];
    path = resolved.context.path;
    return [resolved.schema];
  });
  return { schema: mergedSchemas([...merged, own]), context: { ...context, path } };
}

interface Variants {
  /** Schemas of one type each, without unions; never empty. */
  readonly variants: readonly Place[];
  readonly nullable: boolean;
  /** What is said of all of them together. */
  readonly head: string;
}

/** Unions and lists of types as alternatives of one type each. Null among them makes the rest nullable. */
function variantsOf(place: Place): Variants {
  const { schema, context } = place;
  const union = [...branchesOf(schema.anyOf), ...branchesOf(schema.oneOf)];
  if (union.length === 0 || onlyRequires(union)) return typesOf(place);
  const { anyOf: _, oneOf: __, description, default: fallback, title: ___, ...own } = schema;
  const found = union.map((branch) => branchVariants(branch, { schema: own, context }));
  const variants = found.flatMap((each) => each.variants).filter(({ schema: { type } }) => type !== 'null');
  const said = fallback === undefined || fallback === null ? '' : `(default: ${brief(fallback)})`;
  return {
    variants: variants.length > 0 ? variants : typesOf({ schema: own, context }).variants,
    nullable: found.some((each) => each.nullable),
    head: sentence(readString(description), said),
  };
}

/** One branch, bound by all that the schema around the union says. */
function branchVariants(branch: Json, { schema: own, context }: Place): Variants {
  const full = ++context.spent.nodes > nodeLimit;
  const resolved = full ? { cycle: 'the description' } : resolve(branch, context);
  if ('cycle' in resolved)
    return typesOf({ schema: { type: 'object', description: `See: ${resolved.cycle}` }, context });
  const bound = { schema: mergedSchemas([own, resolved.schema]), context: resolved.context };
  const { variants, nullable, head } = variantsOf(bound);
  const [first, ...others] = variants;
  const headed = first && { ...first, schema: withHead(first.schema, head, false) };
  return { variants: headed ? [headed, ...others] : [], nullable, head: '' };
}

/** Branches that differ in what they require only; told in words, not by repeating the whole object. */
const onlyRequires = (union: readonly Json[]): boolean =>
  union.every((branch) => Object.keys(branch).every((key) => thin.has(key)));
const thin = new Set(['required', 'not', 'description', 'title', '$comment']);

function typesOf({ schema, context }: Place): Variants {
  const types = guessedTypes(schema);
  const real = types.filter((type) => type !== 'null');
  const nullable = schema.nullable === true || real.length < types.length;
  const { description: _, title: __, default: ___, ...bare } = schema;
  const chosen = types.length === 0 ? anything : real.length === 0 ? ['null'] : real;
  const variants = chosen.map((type, place) => ({
    schema: { ...(place === 0 ? schema : bare), type },
    context,
  }));
  return { variants, nullable, head: '' };
}

/** A value of any type. Its server wants to know a type, or several. */
const anything: readonly string[] = ['string', 'number', 'boolean', 'object'];

// ---------------------------------------------------------------------------------------------- a schema of one type

function compileOne({ schema, context }: Place): Json {
  const notes = notesOf(schema);
  const body = bodyOf(schema, context, notes);
  const title = readString(schema.title);
  const description = sentence(
    readString(schema.description),
    notes.length > 0 ? `(${notes.join('; ')})` : undefined,
  );
  return {
    ...body,
    ...(title === undefined ? {} : { title }),
    ...(description === '' ? {} : { description }),
  };
}

function bodyOf(schema: Json, context: Context, notes: string[]): Json {
  switch (schema.type) {
    case 'array':
      noteValues(schema, 'object', notes);
      return { type: 'ARRAY', items: itemsOf(schema, context, notes), ...counts(schema, 'Items') };
    case 'string':
      return { type: 'STRING', ...wordsOf(schema, notes), ...textLimits(schema, notes) };
    case 'integer':
    case 'number':
      noteValues(schema, 'number', notes);
      return { type: schema.type.toUpperCase(), ...bounds(schema), ...formatOf(schema, schema.type, notes) };
    case 'boolean':
      noteValues(schema, 'boolean', notes);
      return { type: 'BOOLEAN' };
    case 'null':
      return { type: 'STRING', nullable: true };
    default:
      noteValues(schema, 'object', notes);
      return { type: 'OBJECT', ...objectShape(schema, context), ...counts(schema, 'Properties') };
  }
}

function objectShape(schema: Json, context: Context): Json {
  const given = propertiesOf(schema).filter(([, value]) => value !== false);
  if (given.length === 0) return {};
  const properties = Object.fromEntries(given.map(([name, value]) => [name, compile(value, context)]));
  const demanded = new Set(readArray(schema.required) ?? []);
  // `required: true` on a property itself is a common mistake with one meaning only.
  const required = given
    .filter(([name, value]) => demanded.has(name) || readObject(value)?.required === true)
    .map(([name]) => name);
  return {
    properties,
    ...(required.length > 0 ? { required } : {}),
    ...(context.ordered ? { propertyOrdering: Object.keys(properties) } : {}),
  };
}

/** Its properties, and those that only a condition brings in: the model must be able to write them too. */
function propertiesOf(schema: Json): readonly (readonly [string, unknown])[] {
  const maps = [schema, readObject(schema.then), readObject(schema.else)];
  const all = new Map<string, unknown>();
  for (const map of maps)
    for (const [name, value] of Object.entries(readObject(map?.properties) ?? {}))
      if (!all.has(name)) all.set(name, value);
  return [...all];
}

/** The one schema of all items. A tuple's items are any of its places. */
function itemsOf(schema: Json, context: Context, notes: string[]): Json {
  const places = readArray(schema.prefixItems) ?? readArray(schema.items) ?? [];
  if (places.length === 0) return compile(schema.items, context);
  notes.push(`the ${places.length} items in their order: ${brief(places)}`);
  return compile({ anyOf: places }, context);
}

// -------------------------------------------------------------------------------------------------------------- roots

/** Parameters that are one of several objects, as one object with all their properties; only what all require is required. */
function mergedBranches(schema: Json): Json {
  const objects = readObjects(schema.anyOf).filter((branch) => branch.type === 'OBJECT');
  const [first] = objects;
  if (!first) return schema;
  if (objects.length === 1) return first;
  const shapes = objects.map((branch) => Object.entries(readObject(branch.properties) ?? {}));
  if (shapes.every((shape) => shape.length === 0)) return first;
  const demanded = objects.map((branch) => new Set(readArray(branch.required) ?? []));
  const required = [...demanded[0]!].filter((name) => demanded.every((names) => names.has(name)));
  const sets = shapes.map((shape) => shape.map(([name]) => name).join(', '));
  const note = `(one of these sets of fields: ${brief(sets)})`;
  return {
    type: 'OBJECT',
    // Of two that share a name the earlier branch has the word.
    properties: Object.fromEntries(shapes.toReversed().flat()),
    ...(required.length > 0 ? { required } : {}),
    description: sentence(readString(first.description), note),
  };
}
