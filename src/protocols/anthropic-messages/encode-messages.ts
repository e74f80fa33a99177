import type { Draft, Json } from '../../core/json.ts';
import type { Message, Part, ToolCallPart, ToolResultPart } from '../../core/request.ts';
import type { Drop } from '../protocol.ts';
import { encodePart, encodeParts, foreignSeal } from './encode-content.ts';
import { encodeCache, encodeExtra, inputOf } from './wire.ts';

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
  const turns = new Turns(drop);
  for (let index = 0; index < messages.length; index++) turns.add(messages[index]!, index);
  return turns.end();
}

/** What stands where the user said nothing: at least one message is required, and blank text is refused. */
const opening = (): WireMessage => ({ role: 'user', content: [{ type: 'text', text: 'Begin.' }] });

/** A call that was made, by the id the client knows and the one on the wire. */
interface Call {
  readonly callId: string;
  readonly wireId: string;
  /** Where its result stands in the turn that follows, once it has one. */
  place: number | undefined;
}

/** The turns of a conversation. All that one side says before the other speaks is one of them. */
class Turns {
  private readonly drop: Drop;
  private readonly turns: WireMessage[] = [];
  /** The calls of the assistant's last turn. */
  private calls: Call[] = [];
  /** How many results stand at the head of the turn that follows it. */
  private results = 0;
  private readonly ids = new Set<string>();

  constructor(drop: Drop) {
    this.drop = drop;
  }

  add(message: Message, index: number): void {
    const list = `messages[${index}].content`;
    const extra = message.extra && encodeExtra(message.extra, `messages[${index}]`, this.drop);
    const parts = message.role === 'system' ? reminded(message.parts) : message.parts;
    for (let at = 0; at < parts.length; at++) {
      const turn = this.addPart(parts[at]!, message.role, list, at);
      if (extra && turn?.role === message.role) Object.assign(turn, extra);
    }
  }

  end(): WireMessage[] {
    this.settle();
    if (this.turns.length === 0) this.turns.push(opening());
    const last = this.turns.at(-1)!;
    if (last.role === 'assistant') trimEnd(last.content);
    return this.turns;
  }

  /** The turn that the part belongs to; undefined when nothing is left to say. */
  private addPart(part: Part, role: Message['role'], list: string, at: number): WireMessage | undefined {
    if (part.kind === 'tool-call') return this.addCall(part, `${list}[${at}]`);
    if (part.kind === 'tool-result') return this.addResult(part, `${list}[${at}]`);
    // Only the model thinks; thoughts in anyone else's mouth are an attempt to lead it.
    if (part.kind === 'reasoning' && role !== 'assistant') {
      this.drop(`${list}[${at}]`);
      return undefined;
    }
    const block = encodePart(part, list, at, this.drop);
    if (!block) return undefined;
    const turn = this.turnOf(role === 'assistant' ? 'assistant' : 'user');
    turn.content.push(block);
    return turn;
  }

  /** The turn in which a side speaks: the last one, or a new one when the other side had the word. */
  private turnOf(role: WireMessage['role']): WireMessage {
    const last = this.turns.at(-1);
    if (last?.role === role) return last;
    if (role === 'assistant') {
      this.settle();
      if (!last) this.turns.push(opening());
      this.results = 0;
    }
    const turn: WireMessage = { role, content: [] };
    this.turns.push(turn);
    return turn;
  }

  private addCall(part: ToolCallPart, path: string): WireMessage {
    const turn = this.turnOf('assistant');
    const wireId = this.freshId(part.callId);
    this.calls.push({ callId: part.callId, wireId, place: undefined });
    if (part.seal) this.drop(foreignSeal);
    turn.content.push({
      type: 'tool_use',
      id: wireId,
      name: qualifiedName(part),
      input: part.custom ? { input: part.args } : inputOf(part.args),
      ...encodeExtra(part.extra, path, this.drop),
      ...encodeCache(part.cache),
    });
    return turn;
  }

  /** A second result for a call replaces the first; one without a call becomes text. */
  private addResult(part: ToolResultPart, path: string): WireMessage {
    const { callId } = part;
    const call =
      this.calls.find((made) => made.callId === callId && made.place === undefined) ??
      this.calls.findLast((made) => made.callId === callId);
    if (call) return this.answer(call, encodeResult(part, call.wireId, path, this.drop));
    const turn = this.turnOf('user');
    turn.content.push(...orphan(part, path, this.drop));
    return turn;
  }

  private answer(call: Call, result: Json): WireMessage {
    const turn = this.turnOf('user');
    if (call.place === undefined) {
      call.place = this.results++;
      turn.content.splice(call.place, 0, result);
    } else turn.content[call.place] = result;
    return turn;
  }

  /** The calls are over: one without a result gets a note that says so. */
  private settle(): void {
    if (this.calls.length === 0) return;
    for (const call of this.calls) if (call.place === undefined) this.answer(call, unanswered(call));
    this.calls = [];
  }

  /** Ids of the wire's alphabet, each given out once; the same conversation always gets the same ids. */
  private freshId(id: string): string {
    const base = id.replaceAll(/[^A-Za-z0-9_-]/g, '_') || 'toolu';
    let candidate = base;
    for (let count = 2; this.ids.has(candidate); count++) candidate = `${base}_${count}`;
    this.ids.add(candidate);
    return candidate;
  }
}

/** The answer to go on with may not end in white space. */
function trimEnd(content: Json[]): void {
  const last = content.at(-1)!;
  if (last.type === 'text') content[content.length - 1] = { ...last, text: String(last.text).trimEnd() };
}

/** An instruction in the middle of a conversation, in the words that Claude is trained to read as one. */
const reminded = (parts: readonly Part[]): readonly Part[] =>
  parts.map((part) =>
    part.kind === 'text' && part.text.trim() !== ''
      ? { ...part, text: `<system-reminder>\n${part.text}\n</system-reminder>` }
      : part,
  );

// ------------------------------------------------------------------------------------------ calls and their results

/** Namespaces are flattened into the name, because this wire has none. */
export const qualifiedName = ({ name, namespace }: { name: string; namespace?: string }): string =>
  namespace === undefined ? name : `${namespace}__${name}`;

function encodeResult(part: ToolResultPart, wireId: string, path: string, drop: Drop): Json {
  const content = encodeParts(part.parts, `${path}.content`, drop);
  const result: Draft<Json> = { type: 'tool_result', tool_use_id: wireId };
  if (content.length > 0) result.content = onlyText(content) ?? content;
  if (part.failed) result.is_error = true;
  return Object.assign(result, encodeExtra(part.extra, path, drop), encodeCache(part.cache));
}

/** The one plain text that content is made of, which the wire can say as a string. */
function onlyText(content: readonly Json[]): unknown {
  const [block] = content;
  const plain = content.length === 1 && block!.type === 'text' && Object.keys(block!).length === 2;
  return plain ? block!.text : undefined;
}

const unanswered = ({ wireId }: Call): Json => ({
  type: 'tool_result',
  tool_use_id: wireId,
  content: 'No result was recorded for this call.',
  is_error: true,
});

function orphan(part: ToolResultPart, path: string, drop: Drop): Json[] {
  const label = `${part.failed ? 'Error' : 'Result'} of tool call ${part.callId}:`;
  return [{ type: 'text', text: label }, ...encodeParts(part.parts, `${path}.content`, drop)];
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
