import {
  compact,
  type Json,
  omit,
  readArray,
  readBoolean,
  readNumber,
  readObject,
  readString,
} from '../../core/json.ts';
import type { ChatRequest, OutputFormat, Reasoning, Sampling } from '../../core/request.ts';
import { spelling } from '../foreign.ts';
import { decodeSchema } from './decode-schema.ts';
import { camel, id } from './wire.ts';

/** What `generationConfig` says of sampling. @param config with its keys in camelCase, as for all below. */
export function decodeSampling(config: Json): Sampling {
  const stop = (readArray(config.stopSequences) ?? []).filter((item) => typeof item === 'string');
  const choices = readNumber(config.candidateCount);
  return compact({
    maxTokens: readNumber(config.maxOutputTokens),
    temperature: readNumber(config.temperature),
    topP: readNumber(config.topP),
    topK: readNumber(config.topK),
    stop: stop.length > 0 ? stop : undefined,
    seed: readNumber(config.seed),
    presencePenalty: readNumber(config.presencePenalty),
    frequencyPenalty: readNumber(config.frequencyPenalty),
    choices: choices !== undefined && choices > 1 ? choices : undefined,
    logprobs: readBoolean(config.responseLogprobs)
      ? compact({ top: readNumber(config.logprobs) })
      : undefined,
  }) as Sampling;
}

/** `thinkingConfig`. Thoughts stay hidden unless the client asks for them, as Gemini keeps it. */
export function decodeReasoning(config: Json): Reasoning | undefined {
  const budget = readNumber(config.thinkingBudget);
  const level = readString(config.thinkingLevel)?.toLowerCase();
  const shown = readBoolean(config.includeThoughts);
  if (budget === undefined && level === undefined && shown === undefined) return undefined;
  return compact({
    effort: level === 'thinking_level_unspecified' ? undefined : level,
    budget,
    summary: shown ? 'auto' : 'none',
  }) as Reasoning;
}

export function decodeOutput(config: Json): OutputFormat | undefined {
  const schema = readObject(config.responseJsonSchema) ?? readObject(config._responseJsonSchema);
  if (schema) return { kind: 'schema', schema };
  const declared = readObject(config.responseSchema);
  if (declared) return { kind: 'schema', schema: decodeSchema(declared) };
  return readString(config.responseMimeType) === 'application/json' ? { kind: 'json' } : undefined;
}

/** What the hall has words for, and what has no meaning here (`model`, `stream`). */
const bodyNamed = new Set([
  'contents',
  'model',
  'stream',
  'tools',
  'systemInstruction',
  'generationConfig',
  'toolConfig',
  'serviceTier',
]);
const configNamed = new Set([
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'stopSequences',
  'seed',
  'presencePenalty',
  'frequencyPenalty',
  'candidateCount',
  'responseLogprobs',
  'logprobs',
  'thinkingConfig',
  'responseMimeType',
  'responseSchema',
  'responseJsonSchema',
  '_responseJsonSchema',
]);
const toolConfigNamed = new Set(['functionCallingConfig']);

/** The fields only Gemini understands. A response schema is kept beside them, to go back in its own words. */
export function extraOf(body: Json, config: Json, toolConfig: Json): ChatRequest['extra'] {
  const mime = readString(config.responseMimeType);
  const tooling = { ...omit(toolConfig, toolConfigNamed), ...ownCalling(toolConfig) };
  const generationConfig = {
    ...omit(config, configNamed),
    ...(mime === undefined || mime === 'application/json' ? {} : { responseMimeType: mime }),
  };
  const { responseSchema, responseJsonSchema, _responseJsonSchema } = config;
  const schema = compact({ responseSchema, responseJsonSchema, _responseJsonSchema });
  const rest = {
    ...omit(camel(body), bodyNamed),
    ...(filled(schema) ? { [spelling]: schema } : {}),
    ...(filled(generationConfig) ? { generationConfig } : {}),
    ...(filled(tooling) ? { toolConfig: tooling } : {}),
  };
  return filled(rest) ? { [id]: rest } : {};
}

/**
 * What of `functionCallingConfig` no other wire says. VALIDATED without names is AUTO to the hall; that the arguments
 * are to be checked is kept for Gemini.
 */
function ownCalling(toolConfig: Json): Json {
  const { mode, allowedFunctionNames, ...rest } = camel(readObject(toolConfig.functionCallingConfig) ?? {});
  const checked = readString(mode)?.toUpperCase() === 'VALIDATED' && !allowedFunctionNames;
  const own = { ...rest, ...(checked ? { mode: 'VALIDATED' } : {}) };
  return filled(own) ? { functionCallingConfig: own } : {};
}

const filled = (object: Json): boolean => Object.keys(object).length > 0;
