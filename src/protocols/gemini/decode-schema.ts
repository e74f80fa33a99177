import { type Json, readArray, readNumber, readObject, readObjects, readString } from '../../core/json.ts';
import { camel } from './wire.ts';

/**
 * Gemini's own schema dialect as JSON Schema: types in upper case, `nullable`, `example`, counts as text (they are
 * int64 in its proto) and an order of properties, which is the order they are written in here.
 */
export function decodeSchema(wire: Json): Json {
  const { type, nullable, properties, items, anyOf, example, propertyOrdering, ...rest } = camel(wire);
  const out: Record<string, unknown> = { ...typed(type, nullable === true) };
  for (const [key, value] of Object.entries(rest)) out[key] = counts.has(key) ? numeric(value) : value;
  const values = readArray(out.enum);
  if (values && nullable === true && !values.includes(null)) out.enum = [...values, null];
  const named = readObject(properties);
  if (named) out.properties = ordered(named, readArray(propertyOrdering) ?? []);
  if (items !== undefined) out.items = decodeSchema(readObject(items) ?? {});
  if (anyOf !== undefined) {
    const branches = readObjects(anyOf).map(decodeSchema);
    out.anyOf = nullable === true && type === undefined ? [...branches, { type: 'null' }] : branches;
  }
  if (example !== undefined) out.examples = [example];
  return out;
}

const counts = new Set(['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties']);

const numeric = (value: unknown): unknown =>
  typeof value === 'string' && value.trim() !== '' ? (readNumber(Number(value)) ?? value) : value;

function typed(type: unknown, nullable: boolean): Json {
  const name = readString(type)?.toLowerCase();
  if (name === undefined || name === 'type_unspecified') return {};
  return { type: nullable && name !== 'null' ? [name, 'null'] : name };
}

function ordered(properties: Json, order: readonly unknown[]): Json {
  const first = order.filter(
    (name): name is string => typeof name === 'string' && Object.hasOwn(properties, name),
  );
  const names = new Set([...first, ...Object.keys(properties)]);
  return Object.fromEntries(
    [...names].map((name) => [name, decodeSchema(readObject(properties[name]) ?? {})]),
  );
}
