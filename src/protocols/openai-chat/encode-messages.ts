import { compact, type Json, readObject } from '../../core/json.ts';
import type {
  ChatRequest,
  MediaPart,
  Message,
  Part,
  RefusalPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from '../../core/request.ts';
import type { Drop, Target } from '../protocol.ts';
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
export function encodeMessages(request: ChatRequest, target: Target): readonly Json[] {
  const { answers, claimed } = pairResults(request.messages);
  const speaker = speakerOf(target);
  const messages = [...encodeSystem(request.system, 'system', speaker)];
  for (const [index, message] of request.messages.entries()) {
    const path = `messages[${index}]`;
    dropForeign(message.extra, path, target.drop);
    if (message.role === 'system') messages.push(...encodeSystem(message.parts, path, speaker));
    if (message.role === 'user') add(messages, encodeUser(message, path, claimed, speaker));
    if (message.role === 'assistant') {
      add(messages, encodeAssistant(message, path, speaker));
      messages.push(...encodeResults(message, path, answers, speaker));
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

const speakerOf = ({ model, dialect, drop }: Target): Speaker => ({ model, dialect, drop });

// -------------------------------------------------------------------------------------------------------- instructions

/** Instructions in a row are one message as long as they have the same role, `system` or `developer`. */
function encodeSystem(parts: readonly Part[], path: string, speaker: Speaker): readonly Json[] {
  const turns: { readonly role: unknown; readonly name: unknown; readonly content: Part[] }[] = [];
  for (const part of parts) {
    const { role = 'system', name } = ownExtra(part.extra);
    const last = turns.at(-1);
    const bare = part.extra?.[protocolId] ? unaddressed(part) : part;
    if (last && last.role === role && last.name === name) last.content.push(bare);
    else turns.push({ role, name, content: [bare] });
  }
  return turns.map(({ role, name, content }) =>
    compact({ role, content: encodeContent(content, path, speaker), name }),
  );
}

/** A part without what its message says of itself. */
function unaddressed(part: Part): Part {
  const { role: _role, name: _name, ...rest } = ownExtra(part.extra);
  return { ...part, extra: { ...part.extra, [protocolId]: rest } };
}

// ------------------------------------------------------------------------------------------------------------- content

/** A lone plain text as a string, which every server reads; anything else as a list of parts. */
function encodeContent(parts: readonly Part[], path: string, speaker: Speaker): string | readonly Json[] {
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
  const said: Part[] = [];
  for (const part of parts) {
    if (claimed.has(part)) continue;
    said.push(part);
    // A result nobody asked for may hold images; it is told as what the user says.
    if (part.kind === 'tool-result') said.push(...part.parts.filter(isMoved));
  }
  if (said.length === 0 && parts.length > 0) return undefined;
  return { role: 'user', content: encodeContent(said, path, speaker), ...ownExtra(extra) };
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
  const refusals: string[] = [];
  const images: Json[] = [];
  const calls: Json[] = [];
  for (const [index, part] of parts.entries()) {
    const here = `${path}.content[${index}]`;
    if (part.kind === 'text') spoken.push(part);
    else if (part.kind === 'tool-call') calls.push(encodeHistoryCall(part, here, speaker));
    else if (part.kind === 'refusal' && isOpenAi(model)) refusals.push(part.text);
    else if (part.kind === 'refusal') spoken.push({ ...part, kind: 'text' });
    else if (part.kind === 'media' && !isOpenAi(model)) images.push(...encodeImages(part, drop));
    else if (part.kind !== 'reasoning') drop(`${here}: ${'tool' in part ? part.tool : part.kind}`);
  }
  const thoughts = encodeThoughts(parts, speaker);
  const said = spoken.length + refusals.length + images.length + calls.length + Object.keys(thoughts).length;
  if (said === 0 && parts.length > 0) return undefined;
  const silent = spoken.length === 0 && refusals.length + calls.length > 0;
  return compact({
    role: 'assistant',
    content: silent ? null : assistantContent(spoken, path, speaker),
    refusal: refusals.length > 0 ? refusals.join('') : undefined,
    ...thoughts,
    images: images.length > 0 ? images : undefined,
    tool_calls: calls.length > 0 ? calls : undefined,
    ...ownExtra(extra),
  });
}

function encodeImages(part: MediaPart, drop: Drop): readonly Json[] {
  const image = encodeImage(part, drop);
  return image ? [image] : [];
}

/** Many servers want the assistant's words as one string; parts are kept only for their cache marks. */
function assistantContent(
  texts: readonly TextPart[],
  path: string,
  speaker: Speaker,
): string | readonly Json[] {
  const parts = encodeContent(texts, path, speaker);
  const plain = typeof parts === 'string' || parts.every((part) => Object.keys(part).length === 2);
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
function encodeThoughts(parts: readonly Part[], { dialect, drop }: Speaker): Json {
  const thoughts = parts.filter((part) => part.kind === 'reasoning');
  if (thoughts.length === 0) return {};
  const text = thoughts.map((thought) => thought.text).join('');
  if (dialect === 'reasoning-history') {
    if (thoughts.some(({ seal }) => seal)) drop('reasoning: signatures of earlier turns');
    return text === '' ? {} : { reasoning_content: text };
  }
  const sealed = thoughts.flatMap((thought) =>
    thought.seal ? [encodeDetail(thought.text, thought.seal)] : [],
  );
  if (dialect === 'reasoning-details' && sealed.length > 0)
    return { ...(text === '' ? {} : { reasoning: text }), reasoning_details: sealed };
  drop('reasoning of earlier turns');
  return {};
}

// ----------------------------------------------------------------------------------------------------------- results

interface Pairs {
  /** The result of each call that has one; of several the last, at the place of the first. */
  readonly answers: ReadonlyMap<ToolCallPart, { readonly place: number; readonly result: ToolResultPart }>;
  /** Results that some call has asked for. */
  readonly claimed: ReadonlySet<Part>;
}

function pairResults(messages: readonly Message[]): Pairs {
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
function encodeResults(
  { parts }: Message,
  path: string,
  answers: Pairs['answers'],
  speaker: Speaker,
): readonly Json[] {
  const calls = parts.filter((part) => part.kind === 'tool-call');
  const results: Json[] = [];
  const place = (call: ToolCallPart) => answers.get(call)?.place ?? Number.MAX_SAFE_INTEGER;
  const media: { callId: string; parts: readonly MediaPart[] }[] = [];
  for (const call of calls.toSorted((a, b) => place(a) - place(b))) {
    const result = answers.get(call)?.result;
    if (!result) {
      results.push({ role: 'tool', tool_call_id: call.callId, content: 'No result was given.' });
      continue;
    }
    results.push(encodeResult(result, path, speaker));
    const shown = result.parts.filter(isMoved);
    if (shown.length > 0) media.push({ callId: call.callId, parts: shown });
  }
  for (const { callId, parts: shown } of media) {
    const title: TextPart = { kind: 'text', text: `Content of the result of tool call ${callId}:` };
    results.push({ role: 'user', content: encodeContent([title, ...shown], path, speaker) });
  }
  return results;
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
