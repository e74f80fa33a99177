import { type Draft, type Json, readObject } from '../../core/json.ts';
import {
  type ChatRequest,
  isCall,
  isPlain,
  type MediaPart,
  type Message,
  type Part,
  type ReasoningPart,
  type RefusalPart,
  type TextPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../../core/request.ts';
import type { Drop } from '../protocol.ts';
import { encodeMedia } from './media.ts';
import { encodeDetail } from './reasoning.ts';
import { encodeCall, encodeImage } from './reply.ts';
import {
  dropForeign,
  encodeCacheMark,
  isOpenAi,
  ownExtra,
  protocolId,
  takesCacheMarks,
  takesCallSeals,
} from './wire.ts';

/**
 * The conversation as chat messages: instructions first, every tool call followed at once by its one result, as this
 * wire demands, whatever order the client's wire allowed.
 */
export function encodeMessages(request: ChatRequest, speaker: Speaker): readonly Json[] {
  const { answers, claimed } = pairResults(request.messages);
  const messages: Json[] = [];
  addSystem(messages, request.system, 'system', speaker);
  for (let index = 0; index < request.messages.length; index++) {
    const message = request.messages[index]!;
    const path = `messages[${index}]`;
    dropForeign(message.extra, path, speaker.drop);
    if (message.role === 'system') addSystem(messages, message.parts, path, speaker);
    if (message.role === 'user') add(messages, encodeUser(message, path, claimed, speaker));
    if (message.role === 'assistant') {
      add(messages, encodeAssistant(message, path, speaker));
      addResults(messages, message, path, answers, speaker);
    }
  }
  return messages;
}

function add(messages: Json[], message: Json | undefined): void {
  if (message) messages.push(message);
}

/** What an encoder of parts must know of the target. */
interface Speaker {
  readonly model: string;
  readonly dialect: string | undefined;
  readonly drop: Drop;
}

// -------------------------------------------------------------------------------------------------------- instructions

/** Instructions in a row are one message as long as they have the same role, `system` or `developer`. */
function addSystem(messages: Json[], parts: readonly Part[], path: string, speaker: Speaker): void {
  for (let at = 0; at < parts.length;) {
    const { role = 'system', name } = ownExtra(parts[at]!.extra);
    const content: Part[] = [];
    for (; at < parts.length; at++) {
      const part = parts[at]!;
      const own = ownExtra(part.extra);
      if ((own['role'] ?? 'system') !== role || own['name'] !== name) break;
      content.push(part.extra?.[protocolId] ? unaddressed(part) : part);
    }
    const message: Draft<Json> = { role, content: encodeContent(content, path, speaker) };
    if (name !== undefined) message['name'] = name;
    messages.push(message);
  }
}

/** A part without what its message says of itself. */
function unaddressed(part: Part): Part {
  const { role: _role, name: _name, ...rest } = ownExtra(part.extra);
  return { ...part, extra: { ...part.extra, [protocolId]: rest } };
}

// ------------------------------------------------------------------------------------------------------------- content

/** A lone plain text as a string, which every server reads; anything else as a list of parts. */
function encodeContent(parts: readonly Part[], path: string, speaker: Speaker): string | readonly Json[] {
  const [only] = parts;
  if (only && parts.length === 1 && isPlain(only)) return only.text;
  const encoded: Json[] = [];
  for (const [index, part] of parts.entries()) {
    const one = encodePart(part, `${path}.content[${index}]`, speaker);
    if (one) encoded.push(one);
  }
  const [first] = encoded;
  if (!first) return '';
  const lone = encoded.length === 1 && first['type'] === 'text' && Object.keys(first).length === 2;
  return lone ? String(first['text']) : encoded;
}

function encodePart(part: Part, path: string, speaker: Speaker): Json | undefined {
  const { drop } = speaker;
  dropForeign(part.extra, path, drop);
  switch (part.kind) {
    case 'text':
    case 'refusal':
      return encodeText(part, path, speaker);
    case 'media': {
      const media = encodeMedia(part);
      if (media) return { ...media, ...ownExtra(part.extra), ...markOf(part, speaker) };
      drop(`${path}: ${part.media} by ${part.source.kind}`);
      return undefined;
    }
    case 'tool-result':
      return { type: 'text', text: orphanText(part) };
    default:
      if (part.kind === 'foreign' && part.foreign.protocol === protocolId)
        return readObject(part.foreign.value);
      drop(`${path}: ${'tool' in part ? part.tool : part.kind}`);
      return undefined;
  }
}

function encodeText(part: TextPart | RefusalPart, path: string, speaker: Speaker): Json {
  if (part.kind === 'text' && part.citations?.length) speaker.drop(`${path}.citations`);
  if (part.kind === 'text' && part.seal) speaker.drop(`${path}: signature of ${part.seal.issuer}`);
  const text = { type: 'text', text: part.text };
  return part.extra || part.cache ? { ...text, ...ownExtra(part.extra), ...markOf(part, speaker) } : text;
}

/** Cache marks are told only to who understands them: OpenAI and many others refuse unknown fields. */
function markOf(part: Part, { model, drop }: Speaker): Json {
  if (!part.cache) return {};
  if (takesCacheMarks(model)) return encodeCacheMark(part.cache);
  drop('cache_control');
  return {};
}

// ----------------------------------------------------------------------------------------------------- the user's turns

function encodeUser(
  { parts, extra }: Message,
  path: string,
  claimed: ReadonlySet<Part>,
  speaker: Speaker,
): Json | undefined {
  const said = parts.some(isResult) ? unclaimed(parts, claimed) : parts;
  if (said.length === 0 && parts.length > 0) return undefined;
  return { role: 'user', content: encodeContent(said, path, speaker), ...ownExtra(extra) };
}

const isResult = (part: Part): part is ToolResultPart => part.kind === 'tool-result';

/** What the user says besides the results that some call has asked for. */
function unclaimed(parts: readonly Part[], claimed: ReadonlySet<Part>): readonly Part[] {
  const said: Part[] = [];
  for (const part of parts) {
    if (claimed.has(part)) continue;
    said.push(part);
    // A result nobody asked for may hold images; it is told as what the user says.
    if (part.kind === 'tool-result') said.push(...part.parts.filter(isMoved));
  }
  return said;
}

/** Media that a text cannot hold. */
const isMoved = (part: Part): part is MediaPart => part.kind === 'media' && part.source.kind !== 'text';

const orphanText = (part: ToolResultPart): string =>
  `Result of the tool call ${part.callId}:\n${resultText(part)}`;

function resultText({ parts, failed }: ToolResultPart): string {
  const text = parts.flatMap((part) => ('text' in part ? [part.text] : [])).join('\n');
  return failed ? failedText(text) : text;
}

/** Chat has no flag for a failed tool; models read the word. */
const failedText = (text: string): string => (/^error\b/i.test(text) ? text : `Error: ${text}`);

// ------------------------------------------------------------------------------------------------ the assistant's turns

/** One turn is one message: what was said, what was thought where that is wanted, what was called. */
function encodeAssistant({ parts, extra }: Message, path: string, speaker: Speaker): Json | undefined {
  const { model, drop } = speaker;
  const spoken: TextPart[] = [];
  let refusal: string | undefined;
  let thoughts: ReasoningPart[] | undefined;
  let images: Json[] | undefined;
  let calls: Json[] | undefined;
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!;
    if (part.kind === 'text') spoken.push(part);
    else if (part.kind === 'tool-call')
      (calls ??= []).push(encodeHistoryCall(part, `${path}.content[${index}]`, speaker));
    else if (part.kind === 'refusal' && isOpenAi(model)) refusal = (refusal ?? '') + part.text;
    else if (part.kind === 'refusal') spoken.push({ ...part, kind: 'text' });
    else if (part.kind === 'reasoning') (thoughts ??= []).push(part);
    else if (part.kind === 'media' && !isOpenAi(model)) {
      const image = encodeImage(part, drop);
      if (image) (images ??= []).push(image);
    } else drop(`${path}.content[${index}]: ${'tool' in part ? part.tool : part.kind}`);
  }
  const thought = thoughts && encodeThoughts(thoughts, speaker);
  const called = calls !== undefined || refusal !== undefined;
  const said = called || thought !== undefined || images !== undefined || spoken.length > 0;
  if (!said && parts.length > 0) return undefined;
  const message: Draft<Json> = {
    role: 'assistant',
    content: spoken.length === 0 && called ? null : assistantContent(spoken, path, speaker),
  };
  if (refusal !== undefined) message['refusal'] = refusal;
  Object.assign(message, thought);
  if (images) message['images'] = images;
  if (calls) message['tool_calls'] = calls;
  return Object.assign(message, ownExtra(extra));
}

/** Many servers want the assistant's words as one string; parts are kept only for their cache marks. */
function assistantContent(
  texts: readonly TextPart[],
  path: string,
  speaker: Speaker,
): string | readonly Json[] {
  const parts = encodeContent(texts, path, speaker);
  const plain = typeof parts !== 'string' && parts.every((part) => Object.keys(part).length === 2);
  return plain ? texts.map(({ text }) => text).join('') : parts;
}

/** A call of the history. Only Gemini gets its signature back. */
function encodeHistoryCall(part: ToolCallPart, path: string, { model, drop }: Speaker): Json {
  dropForeign(part.extra, path, drop);
  const { seal, ...bare } = part;
  const returns = seal?.issuer === 'gemini' && takesCallSeals(model);
  if (seal && !returns) drop(`tool_calls: signature of ${seal.issuer}`);
  return { ...encodeCall(returns ? part : bare, drop), ...ownExtra(part.extra) };
}

/**
 * Thoughts of earlier turns go only where the server wants them: as `reasoning_content` (DeepSeek, Kimi) or, with their
 * seals, as `reasoning_details` (OpenRouter).
 */
function encodeThoughts(thoughts: readonly ReasoningPart[], { dialect, drop }: Speaker): Json | undefined {
  const text = thoughts.map((thought) => thought.text).join('');
  if (dialect === 'reasoning-history') {
    if (thoughts.some(({ seal }) => seal)) drop('reasoning: signatures of earlier turns');
    return text === '' ? undefined : { reasoning_content: text };
  }
  const sealed = thoughts.flatMap((thought) =>
    thought.seal ? [encodeDetail(thought.text, thought.seal)] : [],
  );
  if (dialect === 'reasoning-details' && sealed.length > 0)
    return { ...(text === '' ? {} : { reasoning: text }), reasoning_details: sealed };
  drop('reasoning of earlier turns');
  return undefined;
}

// ----------------------------------------------------------------------------------------------------------- results

interface Pairs {
  /** The result of each call that has one; of several the last, at the place of the first. */
  readonly answers: ReadonlyMap<ToolCallPart, { readonly place: number; readonly result: ToolResultPart }>;
  /** Results that some call has asked for. */
  readonly claimed: ReadonlySet<Part>;
}

const unpaired: Pairs = { answers: new Map(), claimed: new Set() };

const hasCalls = ({ parts }: Message): boolean => parts.some(isCall);

function pairResults(messages: readonly Message[]): Pairs {
  if (!messages.some(hasCalls)) return unpaired;
  const asked = new Map<string, ToolCallPart>();
  const answers = new Map<ToolCallPart, { place: number; result: ToolResultPart }>();
  const claimed = new Set<Part>();
  for (const { parts } of messages)
    for (const part of parts) {
      if (part.kind === 'tool-call') asked.set(part.callId, part);
      const call = part.kind === 'tool-result' && asked.get(part.callId);
      if (!call) continue;
      claimed.add(part);
      answers.set(call, { place: answers.get(call)?.place ?? claimed.size, result: part });
    }
  return { answers, claimed };
}

/** The results of a turn's calls in the order they were given; calls without one get a word, for servers insist on it. */
function addResults(
  messages: Json[],
  message: Message,
  path: string,
  answers: Pairs['answers'],
  speaker: Speaker,
): void {
  if (!hasCalls(message)) return;
  const place = (call: ToolCallPart) => answers.get(call)?.place ?? Number.MAX_SAFE_INTEGER;
  const media: { callId: string; parts: readonly MediaPart[] }[] = [];
  for (const call of message.parts.filter(isCall).sort((a, b) => place(a) - place(b))) {
    const result = answers.get(call)?.result;
    if (!result) {
      messages.push({ role: 'tool', tool_call_id: call.callId, content: 'No result was given.' });
      continue;
    }
    messages.push(encodeResult(result, path, speaker));
    const shown = result.parts.filter(isMoved);
    if (shown.length > 0) media.push({ callId: call.callId, parts: shown });
  }
  for (const { callId, parts } of media) {
    const title: TextPart = { kind: 'text', text: `Content of the result of tool call ${callId}:` };
    messages.push({ role: 'user', content: encodeContent([title, ...parts], path, speaker) });
  }
}

/** Tool messages take text only; media follow in a message of the user. */
function encodeResult(result: ToolResultPart, path: string, speaker: Speaker): Json {
  const { drop } = speaker;
  const here = `${path}.tool_result`;
  dropForeign(result.extra, here, drop);
  if (result.failed) drop(`${here}.is_error: told in words`);
  const texts = result.parts.filter((part) => !isMoved(part));
  const marked = result.cache
    ? texts.map((part, index) => (index === texts.length - 1 ? { ...part, cache: result.cache! } : part))
    : texts;
  const content = encodeContent(marked, here, speaker);
  const empty = content === '' && result.parts.length > 0 ? 'The result is in the next message.' : content;
  return {
    role: 'tool',
    tool_call_id: result.callId,
    content: result.failed ? failedContent(empty) : empty,
    ...ownExtra(result.extra),
  };
}

function failedContent(content: string | readonly Json[]): string | readonly Json[] {
  if (typeof content === 'string') return failedText(content);
  const [first, ...rest] = content;
  if (first?.['type'] !== 'text') return [{ type: 'text', text: 'Error:' }, ...content];
  return [{ ...first, text: failedText(String(first['text'])) }, ...rest];
}
