import { readArray, readObject, readObjects, type Json } from '../../src/core/json.ts';

/**
 * What Google's server has against a Schema, by its published proto and the errors it answers with; undefined when it
 * has nothing. Stricter than the published JSON Schema of the API, which knows no rules between fields.
 */
export function geminiSchemaFault(schema: unknown, path = 'schema', depth = 0): string | undefined {
  const object = readObject(schema);
  if (!object) return `${path}: must be an object`;
  if (depth > 64) return `${path}: nested too deeply`;
  const unknown = Object.keys(object).find((key) => !fields.has(key));
  if (unknown !== undefined) return `Unknown name "${unknown}" at '${path}': Cannot find field.`;
  return (
    wordsFault(object, path) ??
    (object.anyOf === undefined ? typedFault(object, path, depth) : unionFault(object, path, depth))
  );
}

const fields = new Set(
  (
    'type nullable description title enum format properties required propertyOrdering items anyOf minItems maxItems ' +
    'minLength maxLength minProperties maxProperties minimum maximum pattern default example'
  ).split(' '),
);
const types = new Set(['STRING', 'NUMBER', 'INTEGER', 'BOOLEAN', 'ARRAY', 'OBJECT']);
const formats: Readonly<Record<string, readonly string[]>> = {
  STRING: ['enum', 'date-time'],
  NUMBER: ['float', 'double'],
  INTEGER: ['int32', 'int64'],
};

function wordsFault(schema: Json, path: string): string | undefined {
  for (const name of ['description', 'title', 'pattern', 'format'])
    if (schema[name] !== undefined && typeof schema[name] !== 'string')
      return `${path}.${name}: must be a string`;
  for (const name of ['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties'])
    if (schema[name] !== undefined && !(Number.isSafeInteger(schema[name]) && Number(schema[name]) >= 0))
      return `${path}.${name}: must be a count`;
  for (const name of ['minimum', 'maximum'])
    if (schema[name] !== undefined && !Number.isFinite(schema[name]))
      return `${path}.${name}: must be a number`;
  if (schema.nullable !== undefined && typeof schema.nullable !== 'boolean')
    return `${path}.nullable: must be a boolean`;
  return undefined;
}

function unionFault(schema: Json, path: string, depth: number): string | undefined {
  if (Object.keys(schema).length > 1)
    return `${path} schema specified other fields alongside any_of. When using any_of, it must be the only fields set.`;
  const branches = readArray(schema.anyOf) ?? [];
  if (branches.length < 2) return `${path}.anyOf: needs at least two branches`;
  return firstFault(
    branches.map((branch, index) => [`${path}.anyOf[${index}]`, branch]),
    depth,
  );
}

function typedFault(schema: Json, path: string, depth: number): string | undefined {
  const type = String(schema.type);
  if (!types.has(type)) return `${path} schema didn't specify the schema type field.`;
  if (schema.format !== undefined && !formats[type]?.includes(String(schema.format)))
    return `${path}.format: only '${formats[type]?.join("' and '")}' are supported for ${type} type`;
  if (type === 'ARRAY' ? schema.items === undefined : schema.items !== undefined)
    return `${path}.items: ${type === 'ARRAY' ? 'missing field.' : 'only allowed for ARRAY type'}`;
  const values = readArray(schema.enum);
  if (schema.enum !== undefined && (type !== 'STRING' || !values?.length))
    return `${path}.enum: only allowed for STRING type`;
  if (values?.some((value) => typeof value !== 'string' || value === ''))
    return `${path}.enum: cannot be empty`;
  if (values && new Set(values).size < values.length) return `${path}.enum: must be unique`;
  if (type !== 'OBJECT')
    return schema.properties === undefined && schema.required === undefined
      ? schema.items === undefined
        ? undefined
        : geminiSchemaFault(schema.items, `${path}.items`, depth + 1)
      : `${path}.properties: only allowed for OBJECT type`;
  return objectFault(schema, path, depth);
}

function objectFault(schema: Json, path: string, depth: number): string | undefined {
  const properties = readObject(schema.properties);
  if (schema.properties !== undefined && (!properties || Object.keys(properties).length === 0))
    return `${path}.properties: should be non-empty for OBJECT type`;
  const required = readArray(schema.required) ?? [];
  const undefinedName = required.findIndex((name) => !Object.hasOwn(properties ?? {}, String(name)));
  if (undefinedName >= 0) return `${path}.required[${undefinedName}]: property is not defined`;
  if (new Set(required).size < required.length) return `${path}.required: must be unique`;
  const order = readArray(schema.propertyOrdering);
  if (order && order.join() !== Object.keys(properties ?? {}).join())
    return `${path}.propertyOrdering: differs`;
  return firstFault(
    Object.entries(properties ?? {}).map(([name, child]) => [`${path}.properties[${name}]`, child]),
    depth,
  );
}

function firstFault(children: readonly (readonly [string, unknown])[], depth: number): string | undefined {
  for (const [path, child] of children) {
    const fault = geminiSchemaFault(child, path, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** What Google has against the tools of a request. */
export function declarationsFault(tools: readonly Json[]): string | undefined {
  for (const [at, tool] of tools.entries())
    for (const [index, declaration] of readObjects(tool.functionDeclarations).entries()) {
      const path = `tools[${at}].function_declarations[${index}]`;
      if (!/^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/.test(String(declaration.name)))
        return `GenerateContentRequest.${path}.name: Invalid function name.`;
      if (declaration.parameters === undefined) continue;
      const type = readObject(declaration.parameters)?.type;
      if (type !== 'OBJECT') return `${path}.parameters schema should be of type OBJECT.`;
      const fault = geminiSchemaFault(declaration.parameters, `${path}.parameters`);
      if (fault !== undefined) return fault;
    }
  return undefined;
}
