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
  const fields = new Fields(text);
  while (fields.next()) {
    if (!fields.isNamed(key)) continue;
    out += text.slice(from, fields.start) + encoded;
    from = fields.end;
  }
  return from === 0 ? text : out + text.slice(from);
}

/**
 * The text of the value of one top-level key in the text of a JSON object, as it stands there; undefined when the key is
 * absent. The text must be valid JSON.
 */
export function topLevelText(text: string, key: string): string | undefined {
  const fields = new Fields(text);
  while (fields.next()) if (fields.isNamed(key)) return text.slice(fields.start, fields.end);
  return undefined;
}

/**
 * Changes top-level fields in the text of a JSON object: each gets its new value, undefined takes it out, and a new one
 * comes last. Every other field keeps its bytes. The text must be valid JSON.
 */
export function editTopLevel(text: string, edits: ReadonlyMap<string, unknown>): string {
  const edited: string[] = [];
  const fresh = new Map(edits);
  const fields = new Fields(text);
  while (fields.next()) {
    const key = fields.name();
    fresh.delete(key);
    if (!edits.has(key)) edited.push(text.slice(fields.at, fields.end));
    else if (edits.get(key) !== undefined)
      edited.push(text.slice(fields.at, fields.start) + JSON.stringify(edits.get(key)));
  }
  for (const [key, value] of fresh)
    if (value !== undefined) edited.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return `{${edited.join(',')}}`;
}

/** Goes through the top-level fields in the text of a JSON object, and tells where each stands in it. */
class Fields {
  /** Where the field begins, with its name. */
  at = 0;
  /** Where its value begins and ends. */
  start = 0;
  end = 0;
  private nameEnd = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** Goes on to the next field; false when there is none. */
  next(): boolean {
    const { text } = this;
    const before = skipSpace(text, this.end);
    if (text[before] !== (this.end === 0 ? '{' : ',')) return false;
    this.at = skipSpace(text, before + 1);
    if (text[this.at] !== '"') return false;
    this.nameEnd = skipString(text, this.at);
    this.start = skipSpace(text, skipSpace(text, this.nameEnd) + 1);
    this.end = skipValue(text, this.start);
    return true;
  }

  name(): string {
    return JSON.parse(this.text.slice(this.at, this.nameEnd)) as string;
  }

  /** A name may be written with escapes. */
  isNamed(key: string): boolean {
    const written = this.text.slice(this.at + 1, this.nameEnd - 1);
    return written.includes('\\') ? this.name() === key : written === key;
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
