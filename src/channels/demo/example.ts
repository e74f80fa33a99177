import { type Json, readArray, readNumber, readObject, readObjects, readString } from '../../core/json.ts';

const deepest = 8;

/**
 * A value that a JSON Schema accepts, as plausible as the names of its properties allow. It follows what tools and
 * structured outputs use: types, enums, references, unions, bounds and formats; a pattern is beyond it.
 * @param root the document that `$ref` points into.
 */
export function exampleOf(schema: unknown, root: Json, name = '', depth = 0): unknown {
  const rules = readObject(schema) ?? {};
  const given = rules.const ?? readArray(rules.enum)?.[0] ?? rules.default ?? readArray(rules.examples)?.[0];
  if (given !== undefined || 'const' in rules) return given ?? null;
  const next = depth + 1;
  const reference = readString(rules.$ref);
  if (reference !== undefined)
    return depth > deepest ? null : exampleOf(resolve(reference, root), root, name, next);
  const options = readArray(rules.anyOf) ?? readArray(rules.oneOf);
  if (options) return exampleOf(simplest(options, depth), root, name, next);
  const parts = readObjects(rules.allOf);
  if (parts.length > 0) return exampleOf(merged([rules, ...parts], root), root, name, next);
  switch (typeOf(rules)) {
    case 'object':
      return objectOf(rules, root, depth);
    case 'array':
      return arrayOf(rules, root, name, depth);
    case 'integer':
      return numberOf(rules, 1);
    case 'number':
      return numberOf(rules, 1.5);
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return stringOf(rules, name);
  }
}

function typeOf(rules: Json): string {
  const type = readString(rules.type) ?? readString(readArray(rules.type)?.find((one) => one !== 'null'));
  if (type !== undefined) return type;
  if (readArray(rules.type)?.[0] === 'null') return 'null';
  if (rules.properties) return 'object';
  return rules.items ? 'array' : 'string';
}

/** Unions usually have a null or a leaf; far down it ends a recursion, near the top it would say nothing. */
function simplest(options: readonly unknown[], depth: number): unknown {
  const isNull = (option: unknown) => readObject(option)?.type === 'null';
  const ending = depth >= deepest ? options.find(isNull) : undefined;
  return ending ?? options.find((option) => !isNull(option)) ?? options[0];
}

function resolve(reference: string, root: Json): unknown {
  if (!reference.startsWith('#')) return {};
  const steps = reference.slice(1).split('/').slice(1);
  return steps.reduce<unknown>(
    (at, step) => readObject(at)?.[decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')],
    root,
  );
}

function merged(parts: readonly Json[], root: Json): Json {
  const whole: Record<string, unknown> = {};
  for (const part of parts) {
    const reference = readString(part.$ref);
    const rules = reference === undefined ? part : (readObject(resolve(reference, root)) ?? {});
    for (const [key, value] of Object.entries(rules)) {
      if (key === 'allOf') continue;
      const [before, now] = [whole[key], value];
      if (key === 'properties') whole[key] = { ...readObject(before), ...readObject(now) };
      else if (key === 'required') whole[key] = [...(readArray(before) ?? []), ...(readArray(now) ?? [])];
      else whole[key] = now;
    }
  }
  return whole;
}

function objectOf(rules: Json, root: Json, depth: number): Json {
  const properties = readObject(rules.properties) ?? {};
  const required = (readArray(rules.required) ?? []).filter((key) => typeof key === 'string');
  const keys = required.length > 0 || depth >= deepest ? required : Object.keys(properties);
  return Object.fromEntries(keys.map((key) => [key, exampleOf(properties[key], root, key, depth + 1)]));
}

function arrayOf(rules: Json, root: Json, name: string, depth: number): readonly unknown[] {
  const fixed = readArray(rules.prefixItems);
  if (fixed) return fixed.map((item) => exampleOf(item, root, name, depth + 1));
  const least = readNumber(rules.minItems) ?? 0;
  const length = depth >= deepest ? least : Math.max(least, Math.min(1, readNumber(rules.maxItems) ?? 1));
  const singular = name.replace(/s$/, '');
  return Array.from({ length }, () => exampleOf(rules.items, root, singular, depth + 1));
}

function numberOf(rules: Json, fallback: number): number {
  const step = readNumber(rules.multipleOf) ?? 1;
  const above = readNumber(rules.exclusiveMinimum);
  const below = readNumber(rules.exclusiveMaximum);
  const least = readNumber(rules.minimum) ?? (above === undefined ? -Infinity : above + step);
  const most = readNumber(rules.maximum) ?? (below === undefined ? Infinity : below - step);
  const value = Math.min(Math.max(fallback, least), most);
  return rules.multipleOf === undefined ? value : Math.ceil(value / step) * step;
}

const formats: Readonly<Record<string, string>> = {
  date: '2025-01-31',
  'date-time': '2025-01-31T12:00:00Z',
  time: '12:00:00Z',
  duration: 'PT1H',
  email: 'demo@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  url: 'https://example.com/',
  uuid: '3f2b7c1e-0d4a-4c6b-9a55-7e1d2c3b4a5f',
};

const names: Readonly<Record<string, string>> = {
  city: 'Paris',
  command: 'ls',
  country: 'France',
  date: '2025-01-31',
  email: 'demo@example.com',
  file_path: 'README.md',
  language: 'en',
  location: 'Paris',
  name: 'Ada',
  path: 'README.md',
  query: 'weather in Paris',
  url: 'https://example.com/',
};

function stringOf(rules: Json, name: string): string {
  const value = formats[readString(rules.format) ?? ''] ?? names[name.toLowerCase()] ?? (name || 'demo');
  const padded = value.padEnd(readNumber(rules.minLength) ?? 0, '.');
  return padded.slice(0, readNumber(rules.maxLength) ?? padded.length);
}
