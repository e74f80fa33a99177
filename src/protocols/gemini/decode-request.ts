import { GatewayError } from '../../core/error.ts';
import {
  compact,
  type Json,
  omit,
  readArray,
  readBoolean,
  readNumber,
  readObject,
  readObjects,
  readString,
} from '../../core/json.ts';
import type { ChatRequest, Message, OutputFormat, Part, Reasoning, Sampling } from '../../core/request.ts';
import type { RouteHint } from '../protocol.ts';
import { decodeCall, decodePart, sealOf } from './decode-part.ts';
import { decodeToolChoice, decodeTools } from './decode-tools.ts';
import { jsonSchema } from './schema-dialect.ts';
import { camel, field, id, objectField } from './wire.ts';

/** A GenerateContent body in the hall's words. Camel and snake case are read alike. */
export function decodeRequest(body: Json, hint: RouteHint): ChatRequest {
  const contents = contentsOf(body);
  const config = camel(objectField(body, 'generationConfig') ?? {});
  const toolConfig = camel(objectField(body, 'toolConfig') ?? {});
  return compact({
    model: hint.model,
    system: systemOf(body),
    messages: decodeContents(contents),
    tools: decodeTools(readObjects(body.tools)),
    toolChoice: decodeToolChoice(objectField(toolConfig, 'functionCallingConfig')),
    sampling: decodeSampling(config),
    reasoning: decodeReasoning(camel(objectField(config, 'thinkingConfig') ?? {})),
    output: decodeOutput(config),
    stream: hint.stream,
    serviceTier: readString(field(body, 'serviceTier')),
    extra: extraOf(body, config, toolConfig),
  }) as ChatRequest;
}

/** The one field every request needs. A bare string or object is what some clients send. */
function contentsOf(body: Json): readonly Json[] {
  const { contents } = body;
  const text = readString(contents);
  if (text !== undefined) return [{ role: 'user', parts: [{ text }] }];
  const list = readArray(contents) ?? (readObject(contents) ? [contents] : undefined);
  if (!list) throw invalid('contents', 'must be an array of {role, parts}');
  return list.map((content, index) => {
    const object =
      readObject(content) ?? (typeof content === 'string' ? { parts: [{ text: content }] } : undefined);
    if (!object) throw invalid(`contents[${index}]`, 'must be an object with role and parts');
    if (object.parts !== undefined && !readArray(object.parts) && !readObject(object.parts))
      throw invalid(`contents[${index}].parts`, 'must be an array of parts');
    return object;
  });
}

function invalid(path: string, why: string): GatewayError {
  return new GatewayError({ kind: 'invalid-request', field: path }, `${path} ${why}.`, {
    remedy: 'Compare the body with the GenerateContent reference, or with the example in /openapi.json.',
  });
}

function systemOf(body: Json): readonly Part[] {
  const system = field(body, 'systemInstruction');
  const text = readString(system);
  if (text !== undefined) return [{ kind: 'text', text }];
  return partsOf(readObject(system) ?? {}).map(decodePart);
}

function partsOf(content: Json): readonly Json[] {
  const single = readObject(content.parts);
  return single ? [single] : readObjects(content.parts);
}

/** A call that waits for its result. Gemini pairs them by place and name where it gives no id. */
interface OpenCall {
  readonly callId: string;
  readonly name: string;
}

function decodeContents(contents: readonly Json[]): readonly Message[] {
  const open: OpenCall[] = [];
  let made = 0;
  const freshId = () => `call_${++made}`;

  function onPart(part: Json): Part {
    const call = objectField(part, 'functionCall');
    if (call) {
      const { callId = freshId(), name, args } = decodeCall(call);
      open.push({ callId, name });
      const seal = sealOf(part);
      return { kind: 'tool-call', callId, name, args, ...(seal ? { seal } : {}) };
    }
    const result = objectField(part, 'functionResponse');
    return result ? decodeResult(result) : decodePart(part);
  }

  function decodeResult(result: Json): Part {
    const name = readString(result.name) ?? '';
    const given = readString(result.id);
    const place = open.findIndex((call) =>
      given === undefined ? call.name === name : call.callId === given,
    );
    const [call] = place < 0 ? [] : open.splice(place, 1);
    const response = readObject(result.response) ?? {};
    return {
      kind: 'tool-result',
      callId: given ?? call?.callId ?? freshId(),
      name: call?.name ?? name,
      ...readResponse(response),
      extra: { [id]: omit(result, resultNamed) },
    };
  }

  return contents.map((content): Message => ({
    role: content.role === 'model' ? 'assistant' : 'user',
    parts: partsOf(content).map(onPart),
  }));
}

const resultNamed = new Set(['id', 'name']);

/** A lone `result` or `output` string is the text of a result, a lone `error` the text of a failure; all else is JSON. */
function readResponse(response: Json): { parts: readonly Part[]; failed: boolean } {
  const [key, ...others] = Object.keys(response);
  const text = others.length === 0 && key !== undefined ? readString(response[key]) : undefined;
  if (text !== undefined && (key === 'result' || key === 'output'))
    return { parts: said(text), failed: false };
  if (text !== undefined && key === 'error') return { parts: said(text), failed: true };
  return { parts: said(JSON.stringify(response)), failed: false };
}

const said = (text: string): readonly Part[] => (text === '' ? [] : [{ kind: 'text', text }]);

function decodeSampling(config: Json): Sampling {
  const stop = (readArray(config.stopSequences) ?? []).filter(
    (item): item is string => typeof item === 'string',
  );
  const logprobs = readBoolean(config.responseLogprobs)
    ? compact({ top: readNumber(config.logprobs) })
    : undefined;
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
    logprobs,
  }) as Sampling;
}

function decodeReasoning(config: Json): Reasoning | undefined {
  const budget = readNumber(config.thinkingBudget);
  const level = readString(config.thinkingLevel)?.toLowerCase();
  const shown = readBoolean(config.includeThoughts);
  if (budget === undefined && level === undefined && shown === undefined) return undefined;
  return compact({
    effort: level === undefined || level === 'thinking_level_unspecified' ? undefined : level,
    budget,
    summary: shown ? 'auto' : 'none',
  }) as Reasoning;
}

function decodeOutput(config: Json): OutputFormat | undefined {
  const schema = readObject(config.responseJsonSchema) ?? readObject(config._responseJsonSchema);
  if (schema) return { kind: 'schema', schema };
  const declared = readObject(config.responseSchema);
  if (declared) return { kind: 'schema', schema: jsonSchema(declared) };
  return readString(config.responseMimeType) === 'application/json' ? { kind: 'json' } : undefined;
}

const topLevelNamed = new Set(
  [
    'contents',
    'model',
    'stream',
    'tools',
    'system_instruction',
    'systemInstruction',
    'generation_config',
  ].concat(['generationConfig', 'tool_config', 'toolConfig', 'service_tier', 'serviceTier']),
);
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
]);

function extraOf(body: Json, config: Json, toolConfig: Json): ChatRequest['extra'] {
  const rest: Record<string, unknown> = camel(omit(body, topLevelNamed));
  const generationConfig = omit(config, configNamed);
  const mime = readString(config.responseMimeType);
  const held =
    mime !== undefined && mime !== 'application/json'
      ? { ...generationConfig, responseMimeType: mime }
      : generationConfig;
  if (Object.keys(held).length > 0) rest.generationConfig = held;
  const tooling = omit(toolConfig, new Set(['functionCallingConfig']));
  if (Object.keys(tooling).length > 0) rest.toolConfig = tooling;
  return Object.keys(rest).length > 0 ? { [id]: rest } : {};
}
