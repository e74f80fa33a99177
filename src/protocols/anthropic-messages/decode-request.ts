import {
  type Draft,
  type Json,
  noFields,
  readArray,
  readBoolean,
  readNumber,
  readObject,
  readString,
  unread,
} from '../../core/json.ts';
import type {
  ChatRequest,
  Extra,
  Message,
  OutputFormat,
  Part,
  Reasoning,
  Sampling,
  TextPart,
} from '../../core/request.ts';
import type { RouteHint } from '../protocol.ts';
import { decodeContent, decodeHosted } from './decode-content.ts';
import { decodeToolChoice, decodeTools } from './decode-tools.ts';
import { decodeExtra, encodeCache, id, invalid } from './wire.ts';

/** The top-level fields that have a place in the hall; all others stay this wire's own. */
const known = new Set([
  'model',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop_sequences',
  'stream',
  'thinking',
  'output_config',
  'output_format',
  'metadata',
  'service_tier',
]);

/**
 * A Messages body, or one of count_tokens, in the hall's words.
 * @throws GatewayError `invalid-request` naming the field.
 */
export function decodeRequest(body: Json, hint: RouteHint): ChatRequest {
  const toolChoice = decodeToolChoice(body.tool_choice);
  const config = optional(body, 'output_config', readObject, 'an object') ?? noFields;
  const metadata = optional(body, 'metadata', readObject, 'an object') ?? noFields;
  return {
    model: hint.model,
    system: decodeSystem(body.system),
    messages: decodeMessages(body.messages),
    tools: decodeTools(body.tools),
    toolChoice,
    parallelTools: decodeParallel(body.tool_choice),
    sampling: decodeSampling(body),
    reasoning: decodeReasoning(body.thinking, readString(config.effort)),
    output: decodeFormat(config.format ?? body.output_format),
    stream: hint.stream,
    user: readString(metadata.user_id),
    serviceTier: readString(body.service_tier),
    extra: extraOf(body, config, metadata),
  };
}

/** An optional field of one type; null is absent. */
function optional<T>(
  body: Json,
  key: string,
  read: (value: unknown) => T | undefined,
  what: string,
): T | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  const found = read(value);
  if (found === undefined) throw invalid(key, `must be ${what}`);
  return found;
}

const knownOfConfig: ReadonlySet<string> = new Set(['effort', 'format']);
const knownOfMetadata: ReadonlySet<string> = new Set(['user_id']);

/** What only this wire says, in the request and in the objects of which the hall knows a part. */
function extraOf(body: Json, config: Json, metadata: Json): Extra {
  let own: Draft<Json> | undefined = unread(body, known);
  const output = unread(config, knownOfConfig);
  const caller = unread(metadata, knownOfMetadata);
  if (output) (own ??= {}).output_config = output;
  if (caller) (own ??= {}).metadata = caller;
  if (!isKnownThinking(body.thinking)) (own ??= {}).thinking = body.thinking;
  return own ? { [id]: own } : {};
}

// -------------------------------------------------------------------------------------------------- conversation

/**
 * Claude Code puts a line about itself, with a hash that changes on every request, into its system prompt. It means
 * something to Anthropic only, and elsewhere it would spoil the prompt cache, so it stays this wire's own.
 */
const attribution = /^x-anthropic-billing-header:[^\n]*$/;

function decodeSystem(system: unknown): readonly Part[] {
  if (system === undefined || system === null || system === '') return [];
  const parts = decodeContent(system, 'system', 'system');
  return parts.some(isAttribution) ? parts.map(ownAttribution) : parts;
}

const isAttribution = (part: Part): part is TextPart => part.kind === 'text' && attribution.test(part.text);

const ownAttribution = (part: Part): Part =>
  isAttribution(part) ? decodeHosted({ type: 'text', text: part.text, ...encodeCache(part.cache) }) : part;

const messageFields = new Set(['role', 'content']);

function decodeMessages(messages: unknown): readonly Message[] {
  const list = readArray(messages);
  if (!list || list.length === 0) throw invalid('messages', 'must be an array with at least one message');
  return list.map(decodeMessage);
}

function decodeMessage(value: unknown, index: number): Message {
  const path = `messages[${index}]`;
  const message = readObject(value);
  if (!message) throw invalid(path, 'must be an object with role and content');
  const { role } = message;
  if (role !== 'user' && role !== 'assistant' && role !== 'system')
    throw invalid(`${path}.role`, 'must be "user", "assistant" or "system"');
  const parts = decodeContent(message.content, `${path}.content`, role);
  return { role, parts, extra: decodeExtra(message, messageFields) };
}

// -------------------------------------------------------------------------------------------------- settings

function decodeSampling(body: Json): Sampling {
  const stop = optional(body, 'stop_sequences', readArray, 'an array of strings');
  if (stop?.some((sequence) => typeof sequence !== 'string'))
    throw invalid('stop_sequences', 'must be an array of strings');
  return {
    maxTokens: optionalNumber(body, 'max_tokens'),
    temperature: optionalNumber(body, 'temperature'),
    topP: optionalNumber(body, 'top_p'),
    topK: optionalNumber(body, 'top_k'),
    stop: stop as readonly string[] | undefined,
  };
}

const optionalNumber = (body: Json, key: string): number | undefined =>
  optional(body, key, readNumber, 'a number');

const decodeParallel = (choice: unknown): boolean | undefined => {
  const disabled = readBoolean(readObject(choice)?.disable_parallel_tool_use);
  return disabled === undefined ? undefined : !disabled;
};

const thinkingTypes: ReadonlySet<unknown> = new Set(['enabled', 'adaptive', 'disabled']);

/** A kind of thinking that is newer than this program goes through to Anthropic as it is, and nowhere else. */
const isKnownThinking = (thinking: unknown): boolean =>
  thinking === undefined || thinking === null || thinkingTypes.has(readObject(thinking)?.type);

/** `adaptive`, and `enabled` without a budget, leave the depth to the model unless an effort is named. */
function decodeReasoning(wire: unknown, effort: string | undefined): Reasoning | undefined {
  const thinking = readObject(wire);
  if (!thinking && wire !== undefined && wire !== null) throw invalid('thinking', 'must be an object');
  if (!thinking || !isKnownThinking(wire)) return effort === undefined ? undefined : { effort };
  if (thinking.type === 'disabled') return { effort: 'none' };
  const budget = thinking.type === 'enabled' ? decodeBudget(thinking.budget_tokens) : undefined;
  return {
    effort: effort ?? (budget === undefined ? 'auto' : undefined),
    budget,
    summary: displays[readString(thinking.display) ?? ''],
  };
}

const displays: Readonly<Record<string, string>> = { summarized: 'auto', omitted: 'none' };

function decodeBudget(budget: unknown): number | undefined {
  if (budget === undefined || budget === null) return undefined;
  const tokens = readNumber(budget);
  if (tokens === undefined || tokens < 0)
    throw invalid('thinking.budget_tokens', 'must be a number of tokens');
  return tokens;
}

/** `output_config.format`, which was `output_format` in its beta. */
function decodeFormat(wire: unknown): OutputFormat | undefined {
  const format = readObject(wire);
  if (!format) return undefined;
  const schema = readObject(format.schema);
  if (format.type !== 'json_schema' || !schema)
    throw invalid('output_config.format', 'must be {"type": "json_schema", "schema": {…}}');
  return { kind: 'schema', schema };
}
