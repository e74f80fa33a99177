import { GatewayError } from './error.ts';

/** A JSON object whose fields nobody has checked yet. Read it with the `read…` functions below. */
export type Json = Readonly<Record<string, unknown>>;

/**
 * Parses one JSON object, such as a request body.
 * @throws GatewayError `invalid-request` when the text is not JSON or is not an object.
 */
export function parseObject(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GatewayError({ kind: 'invalid-request' }, `The request body is not valid JSON: ${why}.`, {
      remedy: 'Send one JSON object with Content-Type: application/json.',
    });
  }
  const object = readObject(value);
  if (object) return object;
  throw new GatewayError({ kind: 'invalid-request' }, 'The request body must be a JSON object.', {
    remedy: 'Send an object such as {"model": "…", "messages": […]}.',
  });
}

/** The parsed object, or undefined for anything else, broken JSON included. Never throws. */
export function tryParseObject(text: string): Json | undefined {
  try {
    return readObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export const readObject = (value: unknown): Json | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;

export const readArray = (value: unknown): readonly unknown[] | undefined =>
  Array.isArray(value) ? value : undefined;

export const readString = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined;

export const readNumber = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

export const readBoolean = (value: unknown): boolean | undefined =>
  typeof value === 'boolean' ? value : undefined;

/** The objects of an array, anything else in it left out; empty when it is no array. */
export function readObjects(value: unknown): readonly Json[] {
  if (!Array.isArray(value)) return noObjects;
  return value.every(isObject) ? value : value.filter(isObject);
}

const noObjects: readonly Json[] = [];
const isObject = (value: unknown): value is Json => readObject(value) !== undefined;

/** An object that says nothing. */
export const noFields: Json = Object.freeze({});

/** An object that is still being put together by whoever made it. */
export type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** A copy without the named keys and without undefined values: what an open set of unknown fields becomes. */
export function omit(object: Json, keys: ReadonlySet<string>): Json {
  const rest: Record<string, unknown> = {};
  for (const key in object) if (!keys.has(key) && object[key] !== undefined) rest[key] = object[key];
  return rest;
}

/** What an object says besides the named keys; undefined when it says nothing more. Null says nothing. */
export function unread(object: Json, keys: ReadonlySet<string>): Json | undefined {
  let rest: Record<string, unknown> | undefined;
  for (const key in object) {
    const value = object[key];
    if (keys.has(key) || value === undefined || value === null) continue;
    rest ??= {};
    rest[key] = value;
  }
  return rest;
}

/** The same object without its undefined values, so that optional fields stay absent instead of undefined. */
export function compact<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const out: Record<string, unknown> = {};
  const given = object as Record<string, unknown>;
  for (const key in given) if (given[key] !== undefined) out[key] = given[key];
  return out as { [K in keyof T]: Exclude<T[K], undefined> };
}

/**
 * Replaces the value of one top-level key in the text of a JSON object and leaves every other byte as it is.
 * The text must be valid JSON. Returns it unchanged when the key is absent.
 * A repeated key is replaced everywhere, because parsers disagree on which one wins.
 */
export function replaceTopLevel(text: string, key: string, value: unknown): string {
  const encoded = JSON.stringify(value);
  let out = '';
  let from = 0;
  for (const span of topLevelSpans(text, key)) {
    out += text.slice(from, span.start) + encoded;
    from = span.end;
  }
  return from === 0 ? text : out + text.slice(from);
}

/**
 * The text of the value of one top-level key in the text of a JSON object, as it stands there; undefined when the key is
 * absent. The text must be valid JSON.
 */
export function topLevelText(text: string, key: string): string | undefined {
  for (const { start, end } of topLevelSpans(text, key)) return text.slice(start, end);
  return undefined;
}

/**
 * Changes top-level fields in the text of a JSON object: each gets its new value, undefined takes it out, and a new one
 * comes last. Every other field keeps its bytes. The text must be valid JSON.
 */
export function editTopLevel(text: string, edits: ReadonlyMap<string, unknown>): string {
  const fields: string[] = [];
  const fresh = new Map(edits);
  for (const { at, start, end, name } of topLevelFields(text)) {
    const key = JSON.parse(name) as string;
    fresh.delete(key);
    if (!edits.has(key)) fields.push(text.slice(at, end));
    else if (edits.get(key) !== undefined)
      fields.push(text.slice(at, start) + JSON.stringify(edits.get(key)));
  }
  for (const [key, value] of fresh)
    if (value !== undefined) fields.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return `{${fields.join(',')}}`;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where the values of a top-level key stand, in characters of the text. */
function* topLevelSpans(text: string, key: string): Iterable<Span> {
  for (const { name, start, end } of topLevelFields(text))
    if (name.includes('\\') ? JSON.parse(name) === key : name === `"${key}"`) yield { start, end };
}

/** Every top-level field: where it and its value stand, and its name as it is quoted there. */
function* topLevelFields(text: string): Iterable<Span & { readonly at: number; readonly name: string }> {
  let at = skipSpace(text, 0);
  if (text[at] !== '{') return;
  at = skipSpace(text, at + 1);
  while (at < text.length && text[at] === '"') {
    const nameEnd = skipString(text, at);
    const name = text.slice(at, nameEnd);
    const start = skipSpace(text, skipSpace(text, nameEnd) + 1);
    const end = skipValue(text, start);
    yield { at, name, start, end };
    at = skipSpace(text, end);
    if (text[at] !== ',') return;
    at = skipSpace(text, at + 1);
  }
}

function skipSpace(text: string, at: number): number {
  while (at < text.length && text.charCodeAt(at) <= 32) at++;
  return at;
}

function skipString(text: string, at: number): number {
  for (let from = at + 1; ;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) return text.length;
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === 92) slashes++;
    if (slashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

function skipValue(text: string, at: number): number {
  if (text[at] === '"') return skipString(text, at);
  let depth = 0;
  while (at < text.length) {
    const char = text[at];
    if (char === '"') {
      at = skipString(text, at);
      continue;
    }
    if (char === '{' || char === '[') depth++;
    if (char === '}' || char === ']') {
      if (depth === 0) return at;
      depth--;
      if (depth === 0) return at + 1;
    }
    if (depth === 0 && (char === ',' || text.charCodeAt(at) <= 32)) return at;
    at++;
  }
  return at;
}
