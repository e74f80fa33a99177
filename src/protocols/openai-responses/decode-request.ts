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
import { decodeContent, decodeOtherItem, decodeReasoning, extraOf } from './decode-item.ts';
import { decodeToolChoice, decodeTools } from './decode-tools.ts';
import { id } from './wire.ts';

/** A Responses body in the hall's words. */
export function decodeRequest(body: Json, hint: RouteHint): ChatRequest {
  const { system, messages } = decodeInput(body);
  return compact({
    model: hint.model,
    system,
    messages,
    tools: decodeTools(readObjects(body.tools)),
    toolChoice: decodeToolChoice(body.tool_choice),
    parallelTools: readBoolean(body.parallel_tool_calls),
    sampling: decodeSampling(body),
    reasoning: decodeEffort(readObject(body.reasoning)),
    output: decodeOutput(readObject(readObject(body.text)?.format)),
    stream: hint.stream,
    user: readString(body.user) ?? readString(body.safety_identifier),
    serviceTier: readString(body.service_tier),
    cacheKey: readString(body.prompt_cache_key),
    extra: extraFields(body),
  }) as ChatRequest;
}

function invalid(field: string, why: string, remedy?: string): GatewayError {
  return new GatewayError({ kind: 'invalid-request', field }, `${field} ${why}.`, {
    remedy: remedy ?? 'Compare the body with the Responses reference, or with the example in /openapi.json.',
  });
}

/** `instructions`, then the items: instructions that lead the input belong to the system, later ones to their place. */
function decodeInput(body: Json): { system: readonly Part[]; messages: readonly Message[] } {
  const instructions = readString(body.instructions);
  const system: Part[] = instructions ? [{ kind: 'text', text: instructions }] : [];
  const messages: Turns = turns();
  for (const [index, item] of itemsOf(body).entries()) {
    const role = readString(item.role);
    const leads = (role === 'system' || role === 'developer') && messages.list.length === 0;
    if (leads) system.push(...contentOf(item, index).map((part) => marked(part, role)));
    else addItem(messages, item, index);
  }
  return { system, messages: messages.list };
}

function itemsOf(body: Json): readonly Json[] {
  const { input } = body;
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  if (input === undefined || input === null) {
    if (body.messages !== undefined)
      throw invalid(
        'input',
        'is missing, but there are `messages`',
        'Send this body to /v1/chat/completions, or name the list `input`.',
      );
    return [];
  }
  const items = readArray(input);
  if (!items) throw invalid('input', 'must be a string or an array of items');
  return items.map((item, index) => {
    const object =
      readObject(item) ?? (typeof item === 'string' ? { role: 'user', content: item } : undefined);
    if (!object) throw invalid(`input[${index}]`, 'must be an object');
    return object;
  });
}

/** Which of the two words for instructions was used is told back to this protocol only. */
const marked = (part: Part, role: string): Part => ({
  ...part,
  extra: { ...part.extra, [id]: { ...part.extra?.[id], role } },
});

/** Messages as they grow: items of one side that follow each other make one message. */
interface Turns {
  readonly list: Message[];
  add(role: Message['role'], parts: readonly Part[], joins: boolean, extra?: Message['extra']): void;
}

function turns(): Turns {
  const list: { role: Message['role']; parts: Part[]; extra?: NonNullable<Message['extra']> }[] = [];
  let joinable = false;
  return {
    list,
    add(role, parts, joins, extra) {
      const last = list.at(-1);
      if (joins && joinable && last?.role === role) last.parts.push(...parts);
      else list.push({ role, parts: [...parts], ...(extra ? { extra } : {}) });
      joinable = joins;
    },
  };
}

const callNamed = new Set(['type', 'call_id', 'name', 'arguments', 'input', 'namespace', 'status']);
const outputNamed = new Set(['type', 'call_id', 'output', 'status']);
const messageNamed = new Set(['type', 'role', 'content', 'status']);

function addItem(messages: Turns, item: Json, index: number): void {
  const type = readString(item.type) ?? 'message';
  switch (type) {
    case 'message':
      return addMessage(messages, item, index);
    case 'reasoning':
      return messages.add('assistant', [decodeReasoning(item)], true);
    case 'function_call':
    case 'custom_tool_call':
      return messages.add('assistant', [decodeCall(item, type === 'custom_tool_call')], true);
    case 'function_call_output':
    case 'custom_tool_call_output':
      return messages.add('user', [decodeResult(item, index, type === 'custom_tool_call_output')], true);
    default:
      return messages.add('assistant', [decodeOtherItem(item)], true);
  }
}

function addMessage(messages: Turns, item: Json, index: number): void {
  const role = readString(item.role) ?? 'user';
  const parts = contentOf(item, index);
  if (role === 'assistant') return messages.add('assistant', parts, true, extraOf(item, messageNamed)?.extra);
  if (role === 'user') return messages.add('user', parts, false, extraOf(item, messageNamed)?.extra);
  if (role === 'system' || role === 'developer')
    return messages.add(
      'system',
      parts.map((part) => marked(part, role)),
      false,
    );
  throw invalid(`input[${index}].role`, `is "${role}"; it must be user, assistant, system or developer`);
}

function contentOf(item: Json, index: number): readonly Part[] {
  const { content } = item;
  if (typeof content === 'string') return [{ kind: 'text', text: content }];
  if (content === undefined || content === null) return [];
  const parts = readArray(content);
  if (!parts) throw invalid(`input[${index}].content`, 'must be a string or an array of parts');
  return readObjects(parts).map(decodeContent);
}

function decodeCall(item: Json, custom: boolean): Part {
  return compact({
    kind: 'tool-call' as const,
    callId: readString(item.call_id) ?? readString(item.id) ?? '',
    name: readString(item.name) ?? '',
    args: readString(custom ? item.input : item.arguments) ?? '',
    namespace: readString(item.namespace),
    ...(custom ? { custom } : {}),
    ...extraOf(item, callNamed),
  }) as Part;
}

function decodeResult(item: Json, index: number, custom: boolean): Part {
  const callId = readString(item.call_id);
  if (callId === undefined) throw invalid(`input[${index}].call_id`, 'is missing');
  const { output } = item;
  const text =
    typeof output === 'string' ? output : readArray(output) ? undefined : JSON.stringify(output ?? '');
  return {
    kind: 'tool-result',
    callId,
    parts: text === undefined ? readObjects(output).map(decodeContent) : [{ kind: 'text', text }],
    failed: item.status === 'incomplete',
    ...(custom ? { custom } : {}),
    ...extraOf(item, outputNamed),
  };
}

function decodeSampling(body: Json): Sampling {
  const asked = (readArray(body.include) ?? []).includes('message.output_text.logprobs');
  const top = readNumber(body.top_logprobs);
  return compact({
    maxTokens: readNumber(body.max_output_tokens),
    temperature: readNumber(body.temperature),
    topP: readNumber(body.top_p),
    logprobs: asked || top !== undefined ? compact({ top }) : undefined,
  }) as Sampling;
}

function decodeEffort(wire: Json | undefined): Reasoning | undefined {
  if (!wire) return undefined;
  const reasoning = compact({
    effort: readString(wire.effort),
    summary: readString(wire.summary) ?? readString(wire.generate_summary),
  });
  return Object.keys(reasoning).length > 0 ? (reasoning as Reasoning) : undefined;
}

function decodeOutput(format: Json | undefined): OutputFormat | undefined {
  if (format?.type === 'json_object') return { kind: 'json' };
  if (format?.type !== 'json_schema') return undefined;
  return compact({
    kind: 'schema' as const,
    name: readString(format.name),
    description: readString(format.description),
    schema: readObject(format.schema) ?? {},
    strict: readBoolean(format.strict),
  }) as OutputFormat;
}

const named = new Set(
  [
    'model',
    'input',
    'instructions',
    'tools',
    'tool_choice',
    'parallel_tool_calls',
    'max_output_tokens',
    'temperature',
  ].concat([
    'top_p',
    'top_logprobs',
    'reasoning',
    'stream',
    'user',
    'safety_identifier',
    'service_tier',
    'prompt_cache_key',
    'text',
    'type',
  ]),
);

/** Always there, so that the encoder knows its own requests and adds nothing to them. */
function extraFields(body: Json): ChatRequest['extra'] {
  const text = omit(readObject(body.text) ?? {}, new Set(['format']));
  const rest = { ...omit(body, named), ...(Object.keys(text).length > 0 ? { text } : {}) };
  return { [id]: rest };
}
