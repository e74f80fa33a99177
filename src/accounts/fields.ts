import { type Json, readNumber, readObject, readString } from '../core/json.ts';

/**
 * How the fields of a login file are read. Files come from several programs, which spell the same field with `_` and
 * with `-`; the spelling with `_` wins.
 */

/** A field by its name with `_`, in either spelling. */
export function fieldOf(fields: Json, name: string): unknown {
  const value = fields[name];
  return value === undefined ? fields[name.replaceAll('_', '-')] : value;
}

/** A field that is a text, without spaces around it; undefined when it is absent, empty or something else. */
export const textField = (fields: Json, name: string): string | undefined =>
  readString(fieldOf(fields, name))?.trim() || undefined;

/** A field that is a number or a text of one. */
export function numberField(fields: Json, name: string): number | undefined {
  const value = fieldOf(fields, name);
  if (typeof value === 'string' && value.trim() !== '') return readNumber(Number(value));
  return readNumber(value);
}

/** A field that is true, or a text that says so. */
export function flagField(fields: Json, name: string): boolean {
  const value = fieldOf(fields, name);
  return value === true || (typeof value === 'string' && /^(true|yes|1)$/i.test(value.trim()));
}

const expiryNames = ['expired', 'expire', 'expires_at', 'expiresAt', 'expiry', 'expires'];

/**
 * When what a file holds ends, in milliseconds since 1970: under any name in use, at the top or inside `token`, as
 * seconds, milliseconds or RFC 3339. Undefined when the file does not say.
 */
export function expiryOf(fields: Json): number | undefined {
  for (const place of [fields, readObject(fields['token']) ?? {}]) {
    for (const name of expiryNames) {
      const instant = instantOf(place[name]);
      if (instant !== undefined) return instant;
    }
  }
  return undefined;
}

/** Seconds since 1970 stay below this for ten thousand years; milliseconds have been above it since April 1970. */
const secondsLimit = 1e10;

/** A point in time in milliseconds since 1970, from seconds, milliseconds or RFC 3339. Go's zero time is none. */
export function instantOf(value: unknown): number | undefined {
  if (typeof value === 'string' && !/^\d+(\.\d+)?$/.test(value.trim())) {
    const parsed = Date.parse(value);
    return parsed > 0 ? parsed : undefined;
  }
  const number = Number(value ?? NaN);
  if (!Number.isFinite(number) || number <= 0) return undefined;
  return number < secondsLimit ? number * 1000 : number;
}

/** A point in time as files hold it: RFC 3339 in UTC, without fractions. */
export const timeField = (milliseconds: number): string =>
  new Date(milliseconds).toISOString().replace(/\.\d{3}Z$/, 'Z');

/**
 * A text as a part of a file's name: letters, digits and `@ . _ + -`; anything else becomes `-`. It never begins with
 * a dot or leaves the folder, and differs from every other part after the first 64 characters at the latest.
 */
export function fileNamePart(text: string): string {
  const part = text
    .trim()
    .replaceAll(/[^\p{L}\p{N}@._+-]+/gu, '-')
    .replaceAll(/\.{2,}/g, '.')
    .replace(/^[.-]+|[.-]+$/g, '');
  if (part === '') return shortHash(text);
  return part.length > 64 ? `${part.slice(0, 55)}-${shortHash(text)}` : part;
}

/** Eight hex digits that say nothing of the text. */
export const shortHash = (text: string): string =>
  new Bun.CryptoHasher('sha256').update(text).digest('hex').slice(0, 8);
