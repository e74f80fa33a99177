import { type TSchema, Type } from '@sinclair/typebox';
import { isAlias, isMap, isScalar, isSeq, type Document, type Node, type Scalar, type YAMLMap } from 'yaml';
import { describe, describeFound } from './describe.ts';
import type { Environment } from './environment.ts';
import { pathOf } from './fault.ts';
import type { KeyOptions } from './keys.ts';
import { nearest } from './nearest.ts';
import type { Shape } from './schema.ts';
import { isSecretName } from './secrets.ts';
import { expandVariables, trimmed } from './text.ts';

/** What decoding needs, and where it reports to. Offsets count characters of the text. */
export interface Reader {
  readonly document: Document;
  readonly environment: Environment;
  /** How many aliases may still be followed: nested ones can grow a small text without bounds. */
  readonly aliases: { left: number };
  /** Another place of the document where a key of this name belongs. */
  elsewhere(name: string): string | undefined;
  fault(at: Place, message: string, expected: string): void;
  warn(at: Place, message: string): void;
  withoutEffect(at: Place, reason: string): void;
  /** Called for every value that is present, so that later faults find their line. */
  seen(at: Place): void;
}

/** Where a value stands. */
export interface Place {
  readonly path: string;
  /** The nearest key, also for the items of a list: it tells whether the value is a secret. */
  readonly name: string;
  readonly offset: number;
}

/** The schema of a value that nobody describes. */
const anything = Type.Unknown();

type Given = Node | null | undefined;

/**
 * Reads a value as its schema wants it, with defaults filled in. It forgives what has one meaning only, such as a
 * number in quotes, with a warning; everything else is reported as a fault, and undefined stands in for it.
 */
export function decode(schema: TSchema & KeyOptions, given: Given, from: Place, reader: Reader): unknown {
  const node = resolved(given, from, reader);
  if (node === undefined || (isScalar(node) && node.value === null)) return absent(schema, from, reader);
  const at = { ...from, offset: given?.range?.[0] ?? from.offset };
  reader.seen(at);
  const value = decodePresent(schema, node, at, reader);
  if (schema.withoutEffect !== undefined && !Bun.deepEquals(value, schema.default))
    reader.withoutEffect(at, schema.withoutEffect);
  return value;
}

function decodePresent(schema: TSchema, node: Node, at: Place, reader: Reader): unknown {
  const shape = schema as Shape;
  if (shape.anyOf) return decodeUnion(schema, shape.anyOf, node, at, reader);
  if (shape.allOf) return decodeObject(intersection(shape.allOf), node, at, reader);
  if (shape.type === 'object') return decodeObject(shape, node, at, reader);
  if (shape.type === 'array') return decodeArray(schema, shape.items ?? anything, node, at, reader);
  if (shape.type === undefined) return decodeUnknown(node, at, reader);
  if (!isScalar(node)) return refuse(schema, node, at, reader);
  if (shape.const !== undefined) return decodeUnion(schema, [schema], node, at, reader);
  if (shape.type === 'boolean') return decodeBoolean(schema, node, at, reader);
  if (shape.type === 'string') return decodeString(schema, node, at, reader);
  return decodeNumber(schema, node, at, reader);
}

/** The node an alias stands for; undefined, with a fault, when there is none. */
function resolved(given: Given, from: Place, reader: Reader): Node | undefined {
  if (!isAlias(given)) return given ?? undefined;
  const at = { ...from, offset: given.range?.[0] ?? from.offset };
  const target = given.resolve(reader.document);
  if (target === undefined)
    reader.fault(at, `*${given.source} refers to nothing`, 'an anchor of that name written before it');
  else if (reader.aliases.left-- > 0) return target;
  else if (reader.aliases.left === -1) reader.fault(at, 'too many aliases', 'at most 1000');
  return undefined;
}

function absent(schema: TSchema, at: Place, reader: Reader): unknown {
  if (schema.default !== undefined) return structuredClone(schema.default);
  const shape = schema as Shape;
  return shape.type === 'object' ? decodeObject(shape, undefined, at, reader) : undefined;
}

function refuse(schema: TSchema, node: Node, at: Place, reader: Reader): undefined {
  reader.fault(at, `found ${describeFound(node, isSecretName(at.name))}`, describe(schema));
  return undefined;
}

interface Entry {
  readonly value: Given;
  readonly offset: number;
}

function decodeObject(shape: Shape, node: Node | undefined, at: Place, reader: Reader): unknown {
  if (node !== undefined && !isMap(node)) return refuse(shape as TSchema, node, at, reader);
  const entries = node === undefined ? new Map<string, Entry>() : entriesOf(node, at, reader);
  const decoded: Record<string, unknown> = {};
  const properties = shape.properties ?? {};
  for (const [name, schema] of Object.entries(properties)) {
    const { value, offset = at.offset } = entries.get(name) ?? {};
    const place = { path: pathOf(at.path, name), name, offset };
    const nothing = value === undefined || value === null || (isScalar(value) && value.value === null);
    const required = shape.required?.includes(name) ?? false;
    if (nothing && !required) continue;
    const result = decode(schema, value, place, reader);
    if (result === undefined && nothing) reader.fault(place, 'is missing', describe(schema));
    // The fault is told; the default stands in, so that what holds between keys can still be checked.
    decoded[name] = result ?? attempt(schema, undefined, place, reader).value;
  }
  const free = freeValues(shape);
  for (const [name, { value, offset }] of entries) {
    if (Object.hasOwn(properties, name)) continue;
    const place = { path: pathOf(at.path, name), name, offset };
    if (free) decoded[name] = decode(free, value, place, reader);
    else warnUnknown(name, Object.keys(properties), place, reader);
  }
  return decoded;
}

/** The schema of values under names that nobody listed, where such are allowed. */
function freeValues(shape: Shape): TSchema | undefined {
  const [pattern] = Object.values(shape.patternProperties ?? {});
  if (pattern) return pattern;
  if (shape.additionalProperties === true) return anything;
  return typeof shape.additionalProperties === 'object' ? shape.additionalProperties : undefined;
}

/** The pairs of a mapping by trimmed name; what `<<` merges in comes last and never wins. */
function entriesOf(map: YAMLMap, at: Place, reader: Reader): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  const merged: Node[] = [];
  for (const { key, value } of map.items as { key: Node | null; value: Node | null }[]) {
    const offset = key?.range?.[0] ?? at.offset;
    if (isScalar(key) && (typeof key.value === 'symbol' || key.source === '<<')) {
      const source = resolved(value, { ...at, offset }, reader);
      if (source) merged.push(...(isSeq(source) ? (source.items as Node[]) : [source]));
      continue;
    }
    const written = isScalar(key) && typeof key.value !== 'string' ? (key.source ?? '') : String(key ?? '');
    const name = trimmed(written);
    if (name !== written)
      reader.warn({ path: pathOf(at.path, name), name, offset }, 'spaces around the key were removed');
    entries.set(name, { value, offset });
  }
  for (const item of merged) {
    const source = resolved(item, at, reader);
    if (!isMap(source) || source === map) continue;
    for (const [name, entry] of entriesOf(source, at, reader))
      if (!entries.has(name)) entries.set(name, entry);
  }
  return entries;
}

function warnUnknown(name: string, known: readonly string[], at: Place, reader: Reader): void {
  // Names beginning with x- are a common place for anchors.
  if (at.path === name && name.startsWith('x-')) return;
  const meant = nearest(name, known) ?? reader.elsewhere(name);
  reader.warn(at, `unknown key, ignored${meant === undefined ? '' : `; did you mean ${meant}?`}`);
}

function decodeArray(schema: TSchema, items: TSchema, node: Node, at: Place, reader: Reader): unknown {
  if (!isSeq(node)) return refuse(schema, node, at, reader);
  const decoded: unknown[] = [];
  let index = 0;
  for (const item of node.items as Given[]) {
    const place = { path: pathOf(at.path, index), name: at.name, offset: item?.range?.[0] ?? at.offset };
    if (item === null || (isScalar(item) && item.value === null)) {
      reader.warn({ ...place, path: at.path }, 'empty item, ignored');
      continue;
    }
    index++;
    const result = decode(items, item, place, reader);
    if (result !== undefined) decoded.push(result);
  }
  return decoded;
}

/** The first member that fits without a word, else the first that fits with warnings, else one fault for all. */
function decodeUnion(
  schema: TSchema,
  members: readonly TSchema[],
  node: Node,
  at: Place,
  reader: Reader,
): unknown {
  const words = members.flatMap((member) => ('const' in member ? [member.const as unknown] : []));
  if (isScalar(node)) {
    const written = scalarText(node, at, reader);
    if (written === undefined) return undefined;
    const exact = words.find((word) => String(word) === written);
    if (exact !== undefined) return exact;
    const { spellings = {} } = schema as KeyOptions;
    if (Object.hasOwn(spellings, plainWord(written))) return spellings[plainWord(written)];
    const alike = words.find((word) => plainWord(String(word)) === plainWord(written));
    if (alike !== undefined) {
      reader.warn(at, `"${written}" was read as ${String(alike)}`);
      return alike;
    }
  }
  const others = members.filter((member) => !('const' in member) && isLike(node, member));
  const attempts = others.map((member) => attempt(member, node, at, reader));
  const good = attempts.filter(({ faults }) => faults.length === 0);
  const chosen =
    good.find(({ told }) => told.length === 0) ?? good[0] ?? (isScalar(node) ? undefined : only(attempts));
  if (chosen) {
    for (const tell of [...chosen.faults, ...chosen.told]) tell();
    return chosen.value;
  }
  const meant = isScalar(node) ? nearest(String(node.value), words.map(String)) : undefined;
  const found = describeFound(node, isSecretName(at.name));
  reader.fault(
    at,
    `found ${found}`,
    describe(schema) + (meant === undefined ? '' : `; did you mean ${meant}?`),
  );
  return undefined;
}

interface Attempt {
  readonly value: unknown;
  readonly faults: readonly (() => void)[];
  readonly told: readonly (() => void)[];
}

/** Decodes while keeping back what there is to say about it. */
function attempt(schema: TSchema, node: Node | undefined, at: Place, reader: Reader): Attempt {
  const faults: (() => void)[] = [];
  const told: (() => void)[] = [];
  const value = decode(schema, node, at, {
    ...reader,
    fault: (...fault) => faults.push(() => reader.fault(...fault)),
    warn: (...warning) => told.push(() => reader.warn(...warning)),
    withoutEffect: (...reason) => told.push(() => reader.withoutEffect(...reason)),
  });
  return { value, faults, told };
}

/** Whether a member of a union is of the same kind as the value. */
function isLike(node: Node, member: TSchema): boolean {
  const { type } = member as Shape;
  if (isMap(node)) return type === undefined || type === 'object';
  return isSeq(node) ? type === undefined || type === 'array' : type !== 'object' && type !== 'array';
}

/** The faults of the one member that could have been meant. */
const only = (attempts: readonly Attempt[]) => (attempts.length === 1 ? attempts[0] : undefined);

const plainWord = (word: string) => word.trim().toLowerCase().replaceAll(/[\s_]/g, '-');

const intersection = (parts: readonly TSchema[]): Shape => ({
  type: 'object',
  properties: Object.assign({}, ...parts.map((part) => (part as Shape).properties ?? {})),
  required: parts.flatMap((part) => (part as Shape).required ?? []),
});

/** A scalar as it was written, `${NAME}` replaced; numbers keep their digits. Undefined when a variable is missing. */
function scalarText(node: Scalar, at: Place, reader: Reader): string | undefined {
  const written = typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  let complete = true;
  const text = expandVariables(written, reader.environment, (name) => {
    complete = false;
    const expected = `${name} in the environment, \${${name}:-default}, or $\${ for a plain \${`;
    reader.fault(at, `the environment variable ${name} is not set`, expected);
  });
  return complete ? text : undefined;
}

const placeholder = /^<.*>$|^your[-_ ]|^sk-your|\.\.\.|…/i;

function decodeString(schema: TSchema, node: Scalar, at: Place, reader: Reader): unknown {
  const written = scalarText(node, at, reader);
  if (written === undefined) return undefined;
  const value = trimmed(written);
  if (value !== written) reader.warn(at, 'spaces around the value were removed');
  const secret = isSecretName(at.name);
  if (secret) checkSecret(value, at, reader);
  const tooShort = value.length < (schema.minLength ?? 0);
  const unlike = schema.pattern !== undefined && !new RegExp(schema.pattern as string, 'u').test(value);
  if (!tooShort && !(unlike && value !== schema.default)) return value;
  return refuse(schema, node, at, reader);
}

/** Keys travel in HTTP headers, which carry no line breaks and nothing beyond Latin-1. */
function checkSecret(value: string, at: Place, reader: Reader): void {
  const strange = /[^\u0020-\u007e\u00a0-\u00ff]/u.exec(value)?.[0];
  if (strange !== undefined) {
    const code = (strange.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    reader.fault(
      at,
      `holds the character U+${code}`,
      'a key of plain characters, because it travels in a header',
    );
  }
  if (placeholder.test(value) && !at.path.startsWith('api-keys'))
    reader.warn(at, 'looks like a placeholder, not like a real secret');
}

/** The words of YAML 1.1, which the reference's parser takes where a switch is wanted. */
const booleans: ReadonlyMap<string, boolean> = new Map([
  ...['true', 'yes', 'on', 'y'].map((word) => [word, true] as const),
  ...['false', 'no', 'off', 'n'].map((word) => [word, false] as const),
]);

function decodeBoolean(schema: TSchema, node: Scalar, at: Place, reader: Reader): unknown {
  if (typeof node.value === 'boolean') return node.value;
  const written = scalarText(node, at, reader);
  if (written === undefined) return undefined;
  const value = typeof node.value === 'string' ? booleans.get(written.trim().toLowerCase()) : undefined;
  if (value === undefined) return refuse(schema, node, at, reader);
  if (written === node.value) reader.warn(at, `"${written}" was read as ${value}`);
  return value;
}

function decodeNumber(schema: TSchema, node: Scalar, at: Place, reader: Reader): unknown {
  if (typeof node.value === 'number')
    return inRange(schema, node.value) ? node.value : refuse(schema, node, at, reader);
  const written = scalarText(node, at, reader);
  if (written === undefined) return undefined;
  const numeric = typeof node.value === 'string' && /^\s*[+-]?\d+(\.\d+)?\s*$/.test(written);
  const value = Number(written);
  if (!numeric || !inRange(schema, value)) return refuse(schema, node, at, reader);
  if (written === node.value) reader.warn(at, `the text "${written}" was read as a number`);
  return value;
}

function inRange({ type, minimum = -Infinity, maximum = Infinity }: TSchema, value: number): boolean {
  return (type !== 'integer' || Number.isSafeInteger(value)) && value >= minimum && value <= maximum;
}

/** A value nobody describes, as plain data; variables are replaced in its strings. */
function decodeUnknown(node: Node, at: Place, reader: Reader): unknown {
  if (isScalar(node)) return typeof node.value === 'string' ? scalarText(node, at, reader) : node.value;
  const shape: Shape = { type: 'object', additionalProperties: true };
  return isMap(node)
    ? decodeObject(shape, node, at, reader)
    : decodeArray(anything, anything, node, at, reader);
}
