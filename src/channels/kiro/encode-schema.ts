import { type Json, readObject } from '../../core/json.ts';

/**
 * A tool's schema as the service takes it: an object with properties, and at no depth the two things that it answers with
 * "Improperly formed request", `additionalProperties` and an empty list of required names.
 * @param drop is told when something with a meaning was left out.
 */
export function encodeSchema(schema: Json, drop: () => void): Json {
  const taken = schemaWithout(schema, drop);
  return { ...taken, type: 'object', properties: readObject(taken.properties) ?? {} };
}

/** Keywords whose values are tables of schemas by name, so that no name in them is a keyword. */
const tables: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
]);

/** Keywords whose values are data and no schemas. */
const data: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples', 'required']);

function schemaWithout(schema: Json, drop: () => void): Json {
  const kept = Object.entries(schema).filter(([key, value]) => {
    if (key === 'additionalProperties' && value !== true) drop();
    return (
      key !== 'additionalProperties' && !(key === 'required' && Array.isArray(value) && value.length === 0)
    );
  });
  return Object.fromEntries(
    kept.map(([key, value]) => [key, data.has(key) ? value : valueWithout(key, value, drop)]),
  );
}

function valueWithout(key: string, value: unknown, drop: () => void): unknown {
  if (Array.isArray(value)) return value.map((item) => valueWithout('', item, drop));
  const object = readObject(value);
  if (!object) return value;
  if (!tables.has(key)) return schemaWithout(object, drop);
  return Object.fromEntries(
    Object.entries(object).map(([name, inner]) => [name, valueWithout('', inner, drop)]),
  );
}
