import { type Json, readArray, readNumber, readString } from '../../core/json.ts';
import { branchesOf } from './schema-words.ts';

/**
 * What a schema of one type says besides its shape. Each function gives the keywords that Gemini has, and adds to
 * `notes` what it must be told in words instead.
 */

/** The values of a type that a schema names; all of them when none is of that type, which is a mistake. */
function valuesOf(schema: Json, type: string): readonly unknown[] {
  const all = 'const' in schema ? [schema.const] : (readArray(schema.enum) ?? []);
  const values = all.filter((value) => value !== null);
  const fitting = values.filter((value) => typeof value === type);
  return fitting.length > 0 ? fitting : values;
}

/** Its enum is a list of texts, none of them empty ("enum[0]: cannot be empty"). */
export function wordsOf(schema: Json, notes: string[]): Json {
  const values = valuesOf(schema, 'string');
  const words = new Set(values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))));
  if (words.size === 0) return {};
  if (!words.delete('')) return { enum: [...words] };
  notes.push(words.size === 0 ? 'always empty' : `empty, or one of ${brief([...words])}`);
  return {};
}

/** The values of what is no text are told: in its enum they would turn into texts, and so would the arguments. */
export function noteValues(schema: Json, type: string, notes: string[]): void {
  const values = valuesOf(schema, type);
  if (values.length > 0)
    notes.push(values.length === 1 ? `always ${brief(values[0])}` : `one of ${brief(values)}`);
}

/** The bounds of a number. */
export function bounds(schema: Json): Json {
  const [minimum, maximum] = [readNumber(schema.minimum), readNumber(schema.maximum)];
  return { ...(minimum === undefined ? {} : { minimum }), ...(maximum === undefined ? {} : { maximum }) };
}

/** Length, pattern and format of a text. */
export function textLimits(schema: Json, notes: string[]): Json {
  const pattern = readString(schema.pattern);
  return {
    ...counts(schema, 'Length'),
    ...(pattern === undefined ? {} : { pattern }),
    ...formatOf(schema, 'string', notes),
  };
}

/** `minItems` and `maxItems`, or those of another noun; only whole numbers from 0 are counts. */
export function counts(schema: Json, noun: 'Items' | 'Length' | 'Properties'): Json {
  const out: Record<string, number> = {};
  for (const name of [`min${noun}`, `max${noun}`]) {
    const count = readNumber(schema[name]);
    if (count !== undefined && Number.isSafeInteger(count) && count >= 0) out[name] = count;
  }
  return out;
}

/** The formats its server accepts, by type; any other one is told in the description. */
const formats: Readonly<Record<string, readonly string[]>> = {
  string: ['enum', 'date-time'],
  number: ['float', 'double'],
  integer: ['int32', 'int64'],
};

/** The format of a type, when its server knows it. */
export function formatOf(schema: Json, type: string, notes: string[]): Json {
  const format = readString(schema.format);
  if (format === undefined) return {};
  const enumless = format === 'enum' && valuesOf(schema, 'string').length === 0;
  if (formats[type]?.includes(format) && !enumless) return { format };
  notes.push(`format: ${format}`);
  return {};
}

// ------------------------------------------------------------------------------------------------------------- notes

/** Keywords that constrain and that Gemini has no word for: their meaning goes into the description. */
const told = new Set(
  (
    'exclusiveMinimum exclusiveMaximum multipleOf uniqueItems contains minContains maxContains patternProperties ' +
    'propertyNames additionalProperties dependentRequired dependentSchemas dependencies if then else not default ' +
    'contentEncoding contentMediaType unevaluatedItems'
  ).split(' '),
);

/** What is told of a schema, one note for each keyword. */
export function notesOf(schema: Json): string[] {
  const notes: string[] = [];
  for (const [key, value] of Object.entries(schema))
    // `additionalProperties: false` is what Gemini keeps to anyway, `true` and `{}` say nothing.
    if (told.has(key) && (says(value) || (key === 'default' && value === false)))
      notes.push(`${key}: ${brief(value)}`);
  if (schema.uniqueItems === true) notes.push('no item twice');
  for (const union of [schema.anyOf, schema.oneOf])
    if (branchesOf(union).some(({ required, not }) => required ?? not)) notes.push(`any of: ${brief(union)}`);
  return notes;
}

function says(value: unknown): boolean {
  if (value === null || typeof value === 'boolean') return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

const noteLimit = 200;

/** A value in few words. */
export function brief(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.length <= noteLimit ? text : `${text.slice(0, noteLimit - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
