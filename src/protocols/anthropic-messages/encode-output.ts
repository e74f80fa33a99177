import { type Json, readArray, readObject, readObjects } from '../../core/json.ts';
import type { OutputFormat } from '../../core/request.ts';
import type { Drop } from '../protocol.ts';

/** How the answer is to be formed: by a format, or by a sentence. */
interface Form {
  readonly format?: Json;
  readonly instruction?: string;
}

const freely: Form = {};

/** What this wire says of structured output: a format, or for plain JSON a sentence of the system prompt. */
export function encodeOutput(output: OutputFormat | undefined, drop: Drop): Form {
  if (!output) return freely;
  if (output.kind === 'json') {
    drop('response_format: json object by instruction');
    return {
      instruction: 'Answer with exactly one valid JSON object and nothing else: no prose, no code fence.',
    };
  }
  const worded = new Set<string>();
  const schema = strictSchema(output.schema, worded);
  if (worded.size > 0) drop(`response_format: ${[...worded].join(', ')} by description`);
  return { format: { type: 'json_schema', schema } };
}

/**
 * Keywords that structured outputs refuse (vendor's list of limits; its own SDKs move them into the description too).
 * `minItems` of 0 or 1 is fine.
 */
const refused = new Set([
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
]);

/** A schema with objects closed, as the API demands, and with what it refuses said in words. */
function strictSchema(schema: Json, worded: Set<string>): Json {
  const out: Record<string, unknown> = {};
  const words: string[] = [];
  for (const [key, value] of Object.entries(schema)) {
    if (refused.has(key) && !(key === 'minItems' && (value === 0 || value === 1))) {
      words.push(`${key}: ${JSON.stringify(value)}`);
      worded.add(key);
      continue;
    }
    out[key === 'oneOf' ? 'anyOf' : key] = strictValue(key, value, worded);
  }
  if (out.type === 'object' || out.properties) {
    if (out.additionalProperties !== undefined && out.additionalProperties !== false)
      worded.add('additionalProperties');
    out.additionalProperties = false;
  }
  if (words.length > 0)
    out.description = [out.description, `{${words.join(', ')}}`].filter(Boolean).join(' ');
  return out;
}

const schemaMaps = new Set(['properties', '$defs', 'definitions']);
const schemaLists = new Set(['anyOf', 'oneOf', 'allOf']);

function strictValue(key: string, value: unknown, worded: Set<string>): unknown {
  const object = readObject(value);
  if (schemaLists.has(key) && readArray(value))
    return readObjects(value).map((item) => strictSchema(item, worded));
  if (key === 'items' && object) return strictSchema(object, worded);
  if (!schemaMaps.has(key) || !object) return value;
  return Object.fromEntries(
    Object.entries(object).map(([name, item]) => [name, strictSchema(readObject(item) ?? {}, worded)]),
  );
}
