import {
  type Draft,
  type Json,
  noFields,
  readBoolean,
  readObject,
  readObjects,
  readString,
  unread,
} from '../../core/json.ts';
import {
  type ChatRequest,
  type Extra,
  isCall,
  type Message,
  type OutputFormat,
  type Part,
  type Reasoning,
  type Sampling,
  type ToolCallPart,
  type ToolResultPart,
} from '../../core/request.ts';
import type { RouteHint } from '../protocol.ts';
import { decodeSeal } from '../seals.ts';
import { decodeContent, markLast } from './decode-content.ts';
import { decodeToolChoice, decodeTools } from './decode-tools.ts';
import { givenTo } from './decode-pieces.ts';
import { decodeMedia } from './media.ts';
import { decodeThoughts } from './reasoning.ts';
import {
  cacheMark,
  extraOf,
  invalid,
  legacyMark,
  optionalArray,
  optionalBoolean,
  optionalNumber,
  optionalObject,
  optionalString,
  ownExtra,
  protocolId,
  typeName,
} from './wire.ts';

/** The top-level fields that have a place in the hall; all others stay with this protocol. */
const known: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'tools',
  'tool_choice',
  'functions',
  'function_call',
  'web_search_options',
  'parallel_tool_calls',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'n',
  'logprobs',
  'top_logprobs',
  'reasoning_effort',
  'reasoning',
  'response_format',
  'user',
  'service_tier',
  'prompt_cache_key',
]);

/** A client's chat request. */
export function decodeRequest(body: Json, hint: RouteHint): ChatRequest {
  const model = hint.model || hintOf(body).model;
  const { system, messages } = decodeMessages(decodeList(body));
  return {
    model,
    system,
    messages,
    tools: decodeTools(body),
    toolChoice: decodeToolChoice(body),
    sampling: decodeSampling(body),
    stream: hint.stream,
    parallelTools: optionalBoolean(body, 'parallel_tool_calls'),
    reasoning: decodeReasoning(body),
    output: decodeOutput(body),
    user: optionalString(body, 'user') ?? readString(body['safety_identifier']),
    serviceTier: optionalString(body, 'service_tier'),
    cacheKey: optionalString(body, 'prompt_cache_key'),
    extra: decodeExtra(body),
  };
}

function decodeExtra(body: Json): Extra {
  const own = unread(body, known);
  if (Array.isArray(body['functions'])) return { [protocolId]: { ...own, [legacyMark]: true } };
  return own ? { [protocolId]: own } : {};
}

/**
 * The model and whether to stream, which stand in the body; only `true` streams. It is also where bodies of another
 * API are caught, since on the direct lane nobody reads further.
 */
export function hintOf(body: Json): RouteHint {
  const { model, stream } = body;
  if (
    body['messages'] === undefined &&
    body['prompt'] === undefined &&
    ('input' in body || 'instructions' in body)
  )
    throw invalid(
      'messages',
      'is missing, and the body has the fields of the Responses API',
      'Send it to POST /v1/responses, or send messages instead of input.',
    );
  if (typeof model !== 'string' || model.trim() === '')
    throw invalid(
      'model',
      'must be a non-empty string',
      'GET /v1/models lists the models that can be used here.',
    );
  return { model: model.trim(), stream: stream === true };
}

function decodeList({ messages }: Json): readonly Json[] {
  if (!Array.isArray(messages)) throw invalid('messages', `must be an array, but is ${typeName(messages)}`);
  if (messages.length === 0) throw invalid('messages', 'must not be empty');
  for (let index = 0; index < messages.length; index++)
    if (!readObject(messages[index]))
      throw invalid(`messages[${index}]`, `must be an object, but is ${typeName(messages[index])}`);
  return messages;
}

// ----------------------------------------------------------------------------------------------------------- messages

const messageFields: ReadonlySet<string> = new Set(['role', 'content', 'cache_control']);
const assistantFields: ReadonlySet<string> = new Set([
  ...messageFields,
  'refusal',
  'reasoning_content',
  'reasoning',
  'reasoning_text',
  'reasoning_details',
  'tool_calls',
  'function_call',
  'images',
]);
const toolFields: ReadonlySet<string> = new Set([...messageFields, 'tool_call_id', 'name', 'is_error']);

const noCalls: readonly ToolCallPart[] = [];

/** Instructions before anybody speaks are the system's; later ones stay where they are. */
function decodeMessages(list: readonly Json[]): Pick<ChatRequest, 'system' | 'messages'> {
  let system: readonly Part[] = [];
  const messages: Message[] = [];
  /** Calls that wait for their results, so that results without an id find theirs. */
  let waiting = noCalls;
  for (let index = 0; index < list.length; index++) {
    const message = list[index]!;
    const path = `messages[${index}]`;
    switch (message['role']) {
      case 'system':
      case 'developer': {
        const parts = decodeSystem(message, path);
        if (messages.length > 0) messages.push({ role: 'system', parts });
        else system = system.length > 0 ? [...system, ...parts] : parts;
        break;
      }
      case 'user':
        messages.push(decodeUser(message, path));
        break;
      case 'assistant': {
        const said = decodeAssistant(message, path, index);
        waiting = said.parts.filter(isCall);
        messages.push(said);
        break;
      }
      case 'tool':
      case 'function': {
        const result = decodeResult(message, path, waiting);
        waiting = waiting.filter((call) => call.callId !== result.callId);
        addResult(messages, result, list[index - 1]?.['role']);
        break;
      }
      default:
        throw invalid(
          `${path}.role`,
          `must be system, developer, user, assistant or tool, but is ${JSON.stringify(message['role'] ?? null).slice(0, 40)}`,
        );
    }
  }
  return { system, messages };
}

/** The parts of an instruction; each knows that its role was `developer`, and whatever else its message said. */
function decodeSystem(message: Json, path: string): readonly Part[] {
  const parts = markLast(decodeContent(message['content'], 'system', path), message);
  const own = unread(message, messageFields);
  const role = message['role'] === 'developer' ? { role: 'developer' } : undefined;
  if (!own && !role) return parts;
  return parts.map((part) => ({
    ...part,
    extra: { [protocolId]: { ...ownExtra(part.extra), ...own, ...role } },
  }));
}

function decodeUser(message: Json, path: string): Message {
  const parts = markLast(decodeContent(message['content'], 'user', path), message);
  return { role: 'user', parts, extra: extraOf(message, messageFields) };
}

/** Thoughts first, then what was said, then what was called: all of one turn in one message. */
function decodeAssistant(message: Json, path: string, index: number): Message {
  const parts: Part[] = [...decodeThoughts(message), ...decodeContent(message['content'], 'assistant', path)];
  const refusal = readString(message['refusal']);
  if (refusal) parts.push({ kind: 'refusal', text: refusal });
  for (const [at, image] of readObjects(message['images']).entries())
    parts.push(decodeMedia(image, `${path}.images[${at}]`));
  addCalls(parts, message, path, index);
  return {
    role: 'assistant',
    parts: markLast(parts, message),
    extra: extraOf(message, assistantFields),
  };
}

const callFields: ReadonlySet<string> = new Set([
  'id',
  'type',
  'function',
  'custom',
  'index',
  'cache_control',
  'extra_content',
]);

function addCalls(parts: Part[], message: Json, path: string, index: number): void {
  const calls = optionalArray(message, 'tool_calls', path);
  calls?.forEach((value, at) => {
    const here = `${path}.tool_calls[${at}]`;
    const call = readObject(value);
    if (!call) throw invalid(here, `must be an object, but is ${typeName(value)}`);
    parts.push(decodeCall(call, here, madeUpId(index, at)));
  });
  const legacy = optionalObject(message, 'function_call', path);
  if (legacy)
    parts.push(
      decodeCall({ function: legacy }, `${path}.function_call`, madeUpId(index, calls?.length ?? 0)),
    );
}

/** Stands in for an id nobody gave; the same for the same history, so that prompt caches keep hitting. */
const madeUpId = (message: number, call: number): string => `call_${message}_${call}`;

function decodeCall(call: Json, path: string, fallbackId: string): ToolCallPart {
  const custom = readObject(call['custom']);
  const said = custom ?? readObject(call['function']) ?? noFields;
  const name = readString(said['name']);
  if (!name) throw invalid(`${path}.${custom ? 'custom' : 'function'}.name`, 'must be a non-empty string');
  const google = readObject(readObject(call['extra_content'])?.['google']);
  const seal = decodeSeal(readString(google?.['thought_signature']), 'gemini');
  const part: Draft<ToolCallPart> = {
    kind: 'tool-call',
    callId: readString(call['id']) || fallbackId,
    name,
    args: givenTo(said, custom !== undefined),
    custom: custom ? true : undefined,
    cache: cacheMark(call),
    extra: extraOf(call, callFields),
  };
  if (seal) part.seal = seal;
  return part;
}

function decodeResult(message: Json, path: string, waiting: readonly ToolCallPart[]): ToolResultPart {
  const name = optionalString(message, 'name', path);
  const id = readString(message['tool_call_id']);
  const call = id
    ? waiting.find(({ callId }) => callId === id)
    : waiting.find((one) => !name || one.name === name);
  const callId = id || call?.callId;
  if (!callId) throw invalid(`${path}.tool_call_id`, 'must be the id of a tool call before it');
  return {
    kind: 'tool-result',
    callId,
    parts: decodeContent(message['content'], 'user', path),
    failed: message['is_error'] === true,
    name,
    custom: call?.custom,
    cache: cacheMark(message),
    extra: extraOf(message, toolFields),
  };
}

/** Results in a row are one turn of the user. */
function addResult(messages: Message[], result: ToolResultPart, before: unknown): void {
  const last = messages.at(-1);
  const follows = before === 'tool' || before === 'function';
  if (follows && last) messages[messages.length - 1] = { ...last, parts: [...last.parts, result] };
  else messages.push({ role: 'user', parts: [result] });
}

// ------------------------------------------------------------------------------------------------------------ settings

/** How to sample; `max_completion_tokens` is the newer name and wins. */
export function decodeSampling(body: Json): Sampling {
  const top = optionalNumber(body, 'top_logprobs');
  return {
    maxTokens: optionalNumber(body, 'max_completion_tokens') ?? optionalNumber(body, 'max_tokens'),
    temperature: optionalNumber(body, 'temperature'),
    topP: optionalNumber(body, 'top_p'),
    topK: optionalNumber(body, 'top_k'),
    stop: decodeStop(body['stop']),
    seed: optionalNumber(body, 'seed'),
    presencePenalty: optionalNumber(body, 'presence_penalty'),
    frequencyPenalty: optionalNumber(body, 'frequency_penalty'),
    choices: optionalNumber(body, 'n'),
    logprobs: body['logprobs'] === true ? { top } : undefined,
  };
}

function decodeStop(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return [value];
  if (Array.isArray(value) && value.every((one) => typeof one === 'string'))
    return value.length > 0 ? value : undefined;
  throw invalid('stop', `must be a string or an array of strings, but is ${typeName(value)}`);
}

/** `reasoning_effort`, or OpenRouter's `reasoning: {effort, max_tokens, enabled, exclude}`. */
function decodeReasoning(body: Json): Reasoning | undefined {
  const router = optionalObject(body, 'reasoning') ?? noFields;
  const enabled = optionalBoolean(router, 'enabled', 'reasoning');
  const budget = optionalNumber(router, 'max_tokens', 'reasoning');
  const effort =
    optionalString(body, 'reasoning_effort') ??
    optionalString(router, 'effort', 'reasoning') ??
    (budget === undefined && enabled !== undefined ? (enabled ? 'auto' : 'none') : undefined);
  const summary = router['exclude'] === true ? 'none' : readString(router['summary']);
  const silent = effort === undefined && budget === undefined && summary === undefined;
  return silent ? undefined : { effort, budget, summary };
}

/** A schema that is missing leaves plain JSON mode; `text` is the default and says nothing. */
function decodeOutput(body: Json): OutputFormat | undefined {
  const format = optionalObject(body, 'response_format');
  if (format?.['type'] === 'json_object') return { kind: 'json' };
  if (format?.['type'] !== 'json_schema') return undefined;
  const wrapped = readObject(format['json_schema']) ?? format;
  const schema = readObject(wrapped['schema']);
  if (!schema) return { kind: 'json' };
  return {
    kind: 'schema',
    schema,
    name: readString(wrapped['name']),
    description: readString(wrapped['description']),
    strict: readBoolean(wrapped['strict']),
  };
}
