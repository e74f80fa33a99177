import { type Json, readString } from '../../core/json.ts';
import type {
  ChatRequest,
  Message,
  Part,
  ReasoningPart,
  ToolCallPart,
  ToolResultPart,
} from '../../core/request.ts';
import type { Drop } from '../protocol.ts';
import { encodeSeal } from '../seals.ts';
import { callIds, type CallIds, hashed } from './call-ids.ts';
import { encodeAnnotations, inputContent, type Listener, outputText, refusalPart } from './encode-content.ts';
import { callItem, imageItem, searchItem, summaryOf } from './encode-item.ts';
import { nativeFields, ownExtra, ownForeign, writtenItem } from './wire.ts';

/** Whom the items are for. */
export interface Reader extends Listener {
  /** Whose encrypted reasoning can be read there. */
  readonly reads: ReadonlySet<string>;
}

interface Scribe extends Reader {
  readonly ids: CallIds;
}

/** A conversation as `instructions` and the items of `input`. */
export function encodeInput(
  request: ChatRequest,
  reader: Reader,
): { instructions: string; input: readonly Json[] } {
  const scribe: Scribe = { ...reader, ids: callIds(request.messages, isContinued(request)) };
  const first = request.system.findIndex((part) => writtenItem(part) !== undefined);
  const own = first < 0 ? request.system.length : first;
  const texts = request.system.slice(0, own).flatMap((part) => ('text' in part ? [part.text] : []));
  const lead = instructionItems(request.system.slice(own), 'system', scribe);
  const input = request.messages.flatMap((message, index) =>
    encodeMessage(message, `messages[${index}]`, scribe),
  );
  return { instructions: texts.join('\n\n'), input: [...lead, ...input] };
}

/** The server holds what came before, so results may answer calls that are not in this request. */
function isContinued(request: ChatRequest): boolean {
  const own = nativeFields(request);
  return own?.previous_response_id !== undefined || own?.conversation !== undefined;
}

function encodeMessage(message: Message, path: string, scribe: Scribe): readonly Json[] {
  if (message.role === 'system') return instructionItems(message.parts, path, scribe);
  if (message.role === 'user') return encodeUserTurn(message.parts, path, scribe);
  return encodeAssistantTurn(message.parts, path, scribe);
}

/** Parts by the message they came in; those of other wires are one message. */
function byItem(parts: readonly Part[]): readonly { readonly item: Json; readonly parts: readonly Part[] }[] {
  const out: { item: Json; parts: Part[] }[] = [];
  for (const part of parts) {
    const item = writtenItem(part);
    const last = out.at(-1);
    if (item || !last) out.push({ item: item ?? {}, parts: [part] });
    else last.parts.push(part);
  }
  return out;
}

/** `developer` is what instructions are called here, unless the client said `system`. */
function instructionItems(parts: readonly Part[], path: string, listener: Listener): readonly Json[] {
  return byItem(parts).map(({ item, parts: said }) => ({
    type: 'message',
    role: 'developer',
    ...item,
    content: said.flatMap((part) => inputContent(part, path, listener)),
  }));
}

// ----------------------------------------------------------------------------------------------------- the user

/** Results come before whatever else the user says, because they belong to the calls just made. */
function encodeUserTurn(parts: readonly Part[], path: string, scribe: Scribe): readonly Json[] {
  const results: Json[] = [];
  const content: Json[] = [];
  let item: Json = {};
  for (const [index, part] of latestResults(parts).entries()) {
    const here = `${path}.content[${index}]`;
    if (part.kind === 'tool-result') {
      const callId = scribe.ids.answer(part.callId);
      if (callId === undefined) content.push(...orphan(part, here, scribe));
      else results.push(resultItem(part, callId, here, scribe));
      continue;
    }
    item = { ...item, ...writtenItem(part) };
    content.push(...inputContent(part, here, scribe));
  }
  if (content.length > 0) results.push({ type: 'message', role: 'user', ...item, content });
  return results;
}

/** Of several results of one call the last one counts; it stands where the first one stood. */
function latestResults(parts: readonly Part[]): readonly Part[] {
  const latest = new Map<string, ToolResultPart>();
  for (const part of parts) if (part.kind === 'tool-result') latest.set(part.callId, part);
  return parts.flatMap((part): readonly Part[] => {
    if (part.kind !== 'tool-result') return [part];
    const result = latest.get(part.callId);
    latest.delete(part.callId);
    return result ? [result] : [];
  });
}

/** OpenAI answers 400 to the result of a call that it does not know, so its words are the user's. */
const orphan = (result: ToolResultPart, path: string, listener: Listener): readonly Json[] => [
  { type: 'input_text', text: `[Result of the tool call ${result.callId}]` },
  ...result.parts.flatMap((part) => inputContent(part, path, listener)),
];

function resultItem(result: ToolResultPart, callId: string, path: string, listener: Listener): Json {
  const content = result.parts.flatMap((part) => inputContent(part, path, listener));
  const failed = result.failed ? [{ type: 'input_text', text: 'Error: ' }] : [];
  return {
    type: result.custom ? 'custom_tool_call_output' : 'function_call_output',
    ...writtenItem(result),
    call_id: callId,
    output: outputOf(content, failed),
  };
}

/** A text alone is said as a string, which every server reads. */
function outputOf(content: readonly Json[], failed: readonly Json[]): string | readonly Json[] {
  const [first] = content;
  const lone = content.length === 0 || (content.length === 1 && first?.type === 'input_text');
  if (!lone) return [...failed, ...content];
  return [...failed, ...content].map(({ text }) => readString(text) ?? '').join('');
}

// ---------------------------------------------------------------------------------------------------- the model

function encodeAssistantTurn(parts: readonly Part[], path: string, scribe: Scribe): readonly Json[] {
  const items: Json[] = [];
  let said: { item: Json; content: Json[] } | undefined;
  const close = () => {
    if (said && said.content.length > 0) items.push(messageItem(said.item, said.content));
    said = undefined;
  };
  for (const [index, part] of parts.entries()) {
    const here = `${path}.content[${index}]`;
    const content = spokenContent(part, here, scribe.drop);
    if (!content) {
      close();
      items.push(...assistantItems(part, parts, here, scribe));
      continue;
    }
    const item = writtenItem(part);
    if (item) close();
    said ??= { item: item ?? {}, content: [] };
    said.content.push(...content);
  }
  close();
  return items;
}

/** Unknown parts of a message and unknown items are both kept as they are; only the former are `input_…` or `output_…`. */
const isContent = (own: Json | undefined) => own !== undefined && /^(input|output)_/.test(String(own.type));

/** What is said in a message; undefined for what is an item of its own. */
function spokenContent(part: Part, path: string, drop: Drop): readonly Json[] | undefined {
  const own = ownForeign(part);
  if (isContent(own)) return own && [own];
  if (part.kind === 'refusal') return [refusalPart(part.text)];
  if (part.kind !== 'text') return undefined;
  if (part.text === '') return [];
  const annotations = encodeAnnotations(part.citations ?? [], part.text, drop);
  const { logprobs: _, ...text } = outputText(part.text, annotations);
  return [{ ...text, ...(part.logprobs ? { logprobs: part.logprobs } : {}), ...ownExtra(part) }];
}

/**
 * A message of the model. A text alone goes as a string; anything richer is an output message, which has an id: one made
 * from the content where the client gave none, so that the same history is always written the same.
 */
function messageItem(item: Json, content: readonly Json[]): Json {
  const common = { type: 'message', role: 'assistant' };
  const [first] = content;
  const plain =
    content.length === 1 && first?.type === 'output_text' && (first.annotations as []).length === 0;
  if (plain && item.id === undefined && first.logprobs === undefined)
    return { ...common, ...item, content: first.text };
  return { ...common, id: `msg_${hashed(JSON.stringify(content))}`, status: 'completed', ...item, content };
}

function assistantItems(part: Part, all: readonly Part[], path: string, scribe: Scribe): readonly Json[] {
  const own = ownForeign(part);
  if (own) return [own];
  switch (part.kind) {
    case 'reasoning':
      return reasoningHistory(part, scribe);
    case 'tool-call':
      return callHistory(part, path, scribe);
    case 'hosted-call':
      if (part.tool === 'web-search') return [searchHistory(part, all)];
      break;
    case 'hosted-result':
      // It stands in the item of its call.
      if (part.tool === 'web-search') return [];
      break;
    case 'media':
      // Only what this wire made can be named on it again.
      if (writtenItem(part)) return [imageItem(part, '')];
      break;
  }
  scribe.drop(`${path}: ${'tool' in part ? part.tool : part.kind}`);
  return [];
}

function searchHistory(call: Extract<Part, { kind: 'hosted-call' }>, all: readonly Part[]): Json {
  const result = all.find((part) => part.kind === 'hosted-result' && part.callId === call.callId);
  return searchItem(call, result?.kind === 'hosted-result' ? result : undefined, `ws_${hashed(call.callId)}`);
}

/** A thought goes back only to those who can read it; of one that is not sealed, only what OpenAI itself stored. */
function reasoningHistory(part: ReasoningPart, { reads, drop }: Scribe): readonly Json[] {
  const { seal } = part;
  const item = writtenItem(part);
  if (seal ? !reads.has(seal.issuer) : item?.id === undefined) {
    drop('reasoning of another provider in the history');
    return [];
  }
  const sealed = seal ? { encrypted_content: encodeSeal(seal, seal.issuer) } : {};
  return [{ type: 'reasoning', summary: summaryOf(part.text), ...item, ...sealed }];
}

/** A call with the result it must have: one that was never answered would be refused with all the rest. */
function callHistory(part: ToolCallPart, path: string, { ids, drop }: Scribe): readonly Json[] {
  const call = ids.open(part.callId);
  if (!call) {
    drop(`${path}: a second call with the id ${part.callId}`);
    return [];
  }
  const item = callItem({ ...part, callId: call.id }, writtenItem(part) ?? {});
  if (call.answered) return [item];
  const type = part.custom ? 'custom_tool_call_output' : 'function_call_output';
  return [item, { type, call_id: call.id, output: 'No result was given.' }];
}
