import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readObject } from '../../src/core/json.ts';

/** JSON Schemas of the wires, made from the vendors' published specifications. Shared between projects, never copied here. */
const folder = join(import.meta.dir, '../../../shared/schemas');

/** Why nothing is validated; undefined when the schemas are here. */
export const schemasMissing = existsSync(folder)
  ? undefined
  : 'the vendors’ schemas are not here: ../shared/schemas is absent';

type What = 'request' | 'reply' | 'event';

const files: Readonly<Record<string, Readonly<Record<What, string>>>> = {
  'openai-chat': {
    request: 'openai.chat.request.relaxed',
    reply: 'openai.chat.response.relaxed',
    event: 'openai.chat.chunk.relaxed',
  },
  'anthropic-messages': {
    request: 'anthropic.beta.request.relaxed',
    reply: 'anthropic.beta.message.relaxed',
    event: 'anthropic.beta.event.relaxed',
  },
  'openai-responses': {
    request: 'openai.responses.request.relaxed',
    reply: 'openai.responses.response.relaxed',
    event: 'openai.responses.event.relaxed',
  },
  gemini: { request: 'gemini.request', reply: 'gemini.response', event: 'gemini.response' },
};

type Validate = ((value: unknown) => boolean) & { errors?: unknown };
const compiled = new Map<string, Validate>();

/** What a vendor's schema has against a value, as text; undefined when it has nothing, or when there is no schema. */
export function schemaFault(protocol: string, what: What, value: unknown): string | undefined {
  const name = files[protocol]?.[what];
  if (schemasMissing || !name || isPing(value)) return undefined;
  const validate = compiled.get(name) ?? compile(name);
  compiled.set(name, validate);
  return validate(value) ? undefined : JSON.stringify(validate.errors, null, 1).slice(0, 2_000);
}

/** The published schema of Anthropic's events leaves `ping` out. */
const isPing = (value: unknown): boolean => readObject(value)?.type === 'ping';

function compile(name: string): Validate {
  const schema = JSON.parse(readFileSync(join(folder, `${name}.schema.json`), 'utf8')) as object;
  const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false });
  addFormats(ajv);
  return ajv.compile(schema) as Validate;
}
