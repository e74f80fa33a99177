import type { Json } from '../../core/json.ts';
import type { Message, Part, ToolCallPart, ToolResultPart } from '../../core/request.ts';
import type { Drop } from '../protocol.ts';
import { encodePart, foreignSeal } from './encode-content.ts';
import { encodeCache, encodeExtra, inputOf } from './wire.ts';

/** A content block, or a call or result that still waits for its pair. */
type Piece =
  | { readonly kind: 'block'; readonly block: Json }
  | { readonly kind: 'call'; readonly part: ToolCallPart; readonly path: string }
  | { readonly kind: 'result'; readonly part: ToolResultPart; readonly path: string };

/** All that one side says before the other speaks. */
interface Turn {
  readonly role: 'user' | 'assistant';
  readonly pieces: Piece[];
  extra: Json;
}

/** A message of the wire. */
export interface WireMessage {
  readonly role: 'user' | 'assistant';
  readonly content: Json[];
}

/**
 * A conversation as Anthropic accepts it: turns alternate and the user has the first one; all results of a turn's
 * calls stand together at the head of the next; every call has one; ids are of its alphabet and unique.
 */
export function encodeMessages(messages: readonly Message[], drop: Drop): WireMessage[] {
  const out: WireMessage[] = [];
  const fresh = wireIds();
  let open: Call[] = [];
  for (const turn of turnsOf(messages, drop)) {
    if (turn.role === 'assistant') {
      if (out.length === 0) out.push(opening());
      open = [];
      const content = turn.pieces.flatMap((piece) => assistantBlock(piece, open, fresh, drop));
      out.push({ ...turn.extra, role: 'assistant', content });
      continue;
    }
    out.push({ ...turn.extra, role: 'user', content: answered(turn.pieces, open, drop) });
    open = [];
  }
  if (out.length === 0) out.push(opening());
  if (open.length > 0) out.push({ role: 'user', content: answered([], open, drop) });
  const last = out.at(-1)!;
  return last.role === 'assistant' ? [...out.slice(0, -1), prefill(last)] : out;
}

/** What stands where the user said nothing: at least one message is required, and blank text is refused. */
const opening = (): WireMessage => ({ role: 'user', content: [{ type: 'text', text: 'Begin.' }] });

/** The answer to go on with may not end in white space. */
function prefill(message: WireMessage): WireMessage {
  const last = message.content.at(-1)!;
  if (last.type !== 'text') return message;
  return {
    ...message,
    content: [...message.content.slice(0, -1), { ...last, text: String(last.text).trimEnd() }],
  };
}

// ---------------------------------------------------------------------------------------------------- turns

function turnsOf(messages: readonly Message[], drop: Drop): readonly Turn[] {
  const turns: Turn[] = [];
  for (const [index, message] of messages.entries()) {
    const path = `messages[${index}]`;
    const extra = encodeExtra(message.extra, path, drop);
    for (const piece of piecesOf(message, `${path}.content`, drop)) {
      const role = roleOf(piece, message.role);
      let turn = turns.at(-1);
      if (turn?.role !== role) turns.push((turn = { role, pieces: [], extra: {} }));
      turn.pieces.push(piece);
      if (message.extra && message.role === role) turn.extra = { ...turn.extra, ...extra };
    }
  }
  return turns;
}

function roleOf(piece: Piece, role: Message['role']): Turn['role'] {
  if (piece.kind === 'call') return 'assistant';
  return piece.kind === 'block' && role === 'assistant' ? 'assistant' : 'user';
}

function piecesOf(message: Message, path: string, drop: Drop): readonly Piece[] {
  const pieces: Piece[] = [];
  const parts = message.role === 'system' ? reminded(message.parts) : message.parts;
  for (const [index, part] of parts.entries()) {
    const at = `${path}[${index}]`;
    if (part.kind === 'tool-call') pieces.push({ kind: 'call', part, path: at });
    if (part.kind === 'tool-result') pieces.push({ kind: 'result', part, path: at });
    if (part.kind === 'tool-call' || part.kind === 'tool-result') continue;
    // Only the model thinks; thoughts in anyone else's mouth are an attempt to lead it.
    if (part.kind === 'reasoning' && message.role !== 'assistant') {
      drop(at);
      continue;
    }
    const block = encodePart(part, at, drop);
    if (block) pieces.push({ kind: 'block', block });
  }
  return pieces;
}

/** An instruction in the middle of a conversation, in the words that Claude is trained to read as one. */
const reminded = (parts: readonly Part[]): readonly Part[] =>
  parts.map((part) =>
    part.kind === 'text' && part.text.trim() !== ''
      ? { ...part, text: `<system-reminder>\n${part.text}\n</system-reminder>` }
      : part,
  );

// ------------------------------------------------------------------------------------------ calls and their results

/** A call that was made, by the id the client knows and the one on the wire. */
interface Call {
  readonly callId: string;
  readonly wireId: string;
}

function assistantBlock(piece: Piece, open: Call[], fresh: (id: string) => string, drop: Drop): Json[] {
  if (piece.kind === 'block') return [piece.block];
  if (piece.kind === 'result') return [];
  const { part, path } = piece;
  const wireId = fresh(part.callId);
  open.push({ callId: part.callId, wireId });
  if (part.seal) drop(foreignSeal);
  return [
    {
      type: 'tool_use',
      id: wireId,
      name: qualifiedName(part),
      input: part.custom ? { input: part.args } : inputOf(part.args),
      ...encodeExtra(part.extra, path, drop),
      ...encodeCache(part.cache),
    },
  ];
}

/** Namespaces are flattened into the name, because this wire has none. */
export const qualifiedName = ({ name, namespace }: { name: string; namespace?: string }): string =>
  namespace === undefined ? name : `${namespace}__${name}`;

/**
 * The blocks of a user turn: first one result for each call of the turn before, then everything else. A second result
 * for a call replaces the first; a call without one gets a note that says so, a result without a call becomes text.
 */
function answered(pieces: readonly Piece[], open: readonly Call[], drop: Drop): Json[] {
  const results = new Map<Call, Json>();
  const rest: Json[] = [];
  for (const piece of pieces) {
    if (piece.kind === 'block') rest.push(piece.block);
    if (piece.kind !== 'result') continue;
    const { part, path } = piece;
    const same = open.filter(({ callId }) => callId === part.callId);
    const call = same.find((candidate) => !results.has(candidate)) ?? same.at(-1);
    if (call) results.set(call, encodeResult(part, call.wireId, path, drop));
    if (!call) rest.push(...orphan(part, path, drop));
  }
  for (const call of open) if (!results.has(call)) results.set(call, unanswered(call));
  return [...results.values(), ...rest];
}

function encodeResult(part: ToolResultPart, wireId: string, path: string, drop: Drop): Json {
  const content = encodeResultContent(part, path, drop);
  return {
    type: 'tool_result',
    tool_use_id: wireId,
    ...(content.length > 0 ? { content: onlyText(content) ?? content } : {}),
    ...(part.failed ? { is_error: true } : {}),
    ...encodeExtra(part.extra, path, drop),
    ...encodeCache(part.cache),
  };
}

function encodeResultContent({ parts }: ToolResultPart, path: string, drop: Drop): Json[] {
  const blocks = parts.map((part, index) => encodePart(part, `${path}.content[${index}]`, drop));
  return blocks.filter((block) => block !== undefined);
}

/** The one plain text that content is made of, which the wire can say as a string. */
function onlyText([block, ...more]: readonly Json[]): unknown {
  return more.length === 0 && block?.type === 'text' && Object.keys(block).length === 2
    ? block.text
    : undefined;
}

const unanswered = ({ wireId }: Call): Json => ({
  type: 'tool_result',
  tool_use_id: wireId,
  content: 'No result was recorded for this call.',
  is_error: true,
});

function orphan(part: ToolResultPart, path: string, drop: Drop): Json[] {
  const label = `${part.failed ? 'Error' : 'Result'} of tool call ${part.callId}:`;
  return [{ type: 'text', text: label }, ...encodeResultContent(part, path, drop)];
}

/** Ids of the wire's alphabet, each given out once; the same conversation always gets the same ids. */
function wireIds(): (id: string) => string {
  const used = new Set<string>();
  return (id) => {
    const base = id.replaceAll(/[^A-Za-z0-9_-]/g, '_') || 'toolu';
    let candidate = base;
    for (let count = 2; used.has(candidate); count++) candidate = `${base}_${count}`;
    used.add(candidate);
    return candidate;
  };
}

// ---------------------------------------------------------------------------------------------------- thinking

const isThinking = (block: Json | undefined): boolean =>
  block?.type === 'thinking' || block?.type === 'redacted_thinking';

/**
 * Whether the assistant's turn that the model is to go on with begins with a thought, as Anthropic demands when
 * thinking has a budget. A loop of calls and results is one such turn. True when there is nothing to go on with.
 */
export function beginsWithThought(messages: readonly WireMessage[]): boolean {
  const asked = messages.findLastIndex(
    ({ role, content }) => role === 'user' && !content.some(({ type }) => type === 'tool_result'),
  );
  const next = messages[asked + 1];
  return next?.role !== 'assistant' || isThinking(next.content[0]);
}
