import { GatewayError } from '../../core/error.ts';
import { type Json, omit, readArray, readObject, readObjects, readString } from '../../core/json.ts';
import type { Message, Part, ReasoningPart } from '../../core/request.ts';
import { decodeContent } from './decode-content.ts';
import { decodeCall, decodeOther, decodeReasoning } from './decode-item.ts';
import { asWritten } from './wire.ts';

/** What was asked, and under which instructions. */
export interface Conversation {
  readonly system: readonly Part[];
  readonly messages: readonly Message[];
}

export function invalid(field: string, why: string, remedy?: string): GatewayError {
  return new GatewayError({ kind: 'invalid-request', field }, `${field} ${why}.`, {
    remedy: remedy ?? 'Compare the body with the Responses reference, or with the example in /openapi.json.',
  });
}

/**
 * `instructions` and the items: those that lead the input with instructions belong to the system, later ones stay in
 * their place.
 * @throws GatewayError `invalid-request` naming the item.
 */
export function decodeInput(body: Json): Conversation {
  const instructions = readString(body.instructions);
  const system: Part[] = instructions ? [{ kind: 'text', text: instructions }] : [];
  const turns = new Turns();
  for (const [index, item] of itemsOf(body).entries()) {
    const leads = turns.messages.length === 0 && (item.role === 'system' || item.role === 'developer');
    if (leads) system.push(...decodeMessage(item, index));
    else addItem(turns, item, index);
  }
  return { system, messages: turns.messages };
}

function itemsOf(body: Json): readonly Json[] {
  const { input } = body;
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  if (input === undefined || input === null) {
    if (body.messages === undefined) return [];
    throw invalid(
      'input',
      'is missing, but there are `messages`',
      'Send this body to /v1/chat/completions, or name the list `input`.',
    );
  }
  const items = readArray(input);
  if (!items) throw invalid('input', 'must be a string or an array of items');
  return items.map((item, index) => {
    if (typeof item === 'string') return { role: 'user', content: item };
    const object = readObject(item);
    if (!object) throw invalid(`input[${index}]`, 'must be an object');
    return object;
  });
}

/** Messages as they grow: what the model said in a row is one message, and so are tool results in a row. */
class Turns {
  readonly messages: { role: Message['role']; parts: Part[] }[] = [];
  private joinable = false;

  add(role: Message['role'], parts: readonly Part[], joins: boolean): void {
    const last = this.messages.at(-1);
    if (joins && this.joinable && last?.role === role) last.parts.push(...parts);
    else this.messages.push({ role, parts: [...parts] });
    this.joinable = joins;
  }
}

function addItem(turns: Turns, item: Json, index: number): void {
  switch (readString(item.type) ?? 'message') {
    case 'message':
      return addMessage(turns, item, index);
    case 'reasoning':
      return addThought(turns, decodeReasoning(item));
    case 'function_call':
    case 'custom_tool_call':
      return turns.add('assistant', [decodeCall(item)], true);
    case 'function_call_output':
    case 'custom_tool_call_output':
      return turns.add('user', [decodeResult(item, index)], true);
    default:
      return turns.add('assistant', decodeOther(item), true);
  }
}

/** Gemini signs its calls. Where the thought of a call is nothing but that signature, it is the call's (see `encode-stream.ts`). */
function addThought(turns: Turns, thought: ReasoningPart): void {
  const parts = turns.messages.at(-1)?.parts ?? [];
  const last = parts.at(-1);
  const signs = thought.text === '' && thought.seal?.issuer === 'gemini';
  if (signs && last?.kind === 'tool-call' && !last.seal)
    parts[parts.length - 1] = { ...last, seal: thought.seal };
  else turns.add('assistant', [thought], true);
}

function addMessage(turns: Turns, item: Json, index: number): void {
  const role = readString(item.role) ?? 'user';
  const parts = decodeMessage(item, index);
  if (role === 'assistant') return turns.add('assistant', parts, true);
  if (role === 'user') return turns.add('user', parts, false);
  if (role === 'system' || role === 'developer') return turns.add('system', parts, false);
  throw invalid(`input[${index}].role`, `is "${role}"; it must be user, assistant, system or developer`);
}

const messageNamed = new Set(['type', 'content']);

/** The content of a message; its first part says that a message begins there, and what it is besides its content. */
function decodeMessage(item: Json, index: number): readonly Part[] {
  const [first, ...rest] = contentOf(item, index);
  return first ? [asWritten(first, omit(item, messageNamed)), ...rest] : [];
}

function contentOf({ content }: Json, index: number): readonly Part[] {
  if (typeof content === 'string') return [{ kind: 'text', text: content }];
  if (content === undefined || content === null) return [];
  const parts = readArray(content);
  if (!parts) throw invalid(`input[${index}].content`, 'must be a string or an array of parts');
  return readObjects(parts).map(decodeContent);
}

const resultNamed = new Set(['type', 'call_id', 'output']);

function decodeResult(item: Json, index: number): Part {
  const callId = readString(item.call_id);
  if (!callId) throw invalid(`input[${index}].call_id`, 'is missing');
  const custom = item.type === 'custom_tool_call_output';
  return asWritten(
    {
      kind: 'tool-result',
      callId,
      parts: decodeOutput(item.output),
      failed: false,
      ...(custom ? { custom } : {}),
    },
    omit(item, resultNamed),
  );
}

/** A text, or content parts; anything else that a client took for an output is its JSON. */
function decodeOutput(output: unknown): readonly Part[] {
  if (readArray(output)) return readObjects(output).map(decodeContent);
  return [{ kind: 'text', text: typeof output === 'string' ? output : JSON.stringify(output ?? '') }];
}
