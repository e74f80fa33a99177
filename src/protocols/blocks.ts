import { type CallHead, callHead, type ChatEvent, type Head, spokenHeads } from '../core/event.ts';
import { newId } from '../core/id.ts';
import type { Json } from '../core/json.ts';
import type { Tell } from '../core/machine.ts';
import type { Citation, Part, Seal } from '../core/request.ts';

type Spoken = Exclude<Head['kind'], 'tool-call'>;

/** What a wire may tell of a tool call, in any order and in pieces. */
export type CallStart = Partial<Omit<CallHead, 'kind'>>;

/** A block on its way out. Only the first in the queue may speak; the others keep what they have heard. */
interface Block {
  readonly key: string | undefined;
  readonly choice: number;
  readonly kind: Head['kind'] | 'part';
  readonly part: Part | undefined;
  callId: string | undefined;
  name: string | undefined;
  namespace: string | undefined;
  custom: boolean | undefined;
  kept: Delta[] | undefined;
  seal: Seal | undefined;
  citations: Citation[] | undefined;
  /** The number it was opened under, once it was. */
  number: number | undefined;
  ended: boolean;
}

interface Delta {
  readonly text: string;
  readonly logprobs: readonly Json[] | undefined;
}

/**
 * Keeps a decoder's output inside the event grammar: opens blocks lazily, closes them when another kind speaks, holds
 * parallel tool calls back until it is their turn, and never opens a call before its name is known.
 * It knows no wire, and tells every event as soon as it is due.
 */
export class Blocks {
  private readonly queue: Block[] = [];
  private opened = 0;
  private closing = false;
  private readonly tell: Tell<ChatEvent>;
  /** Whether a tool call has been said: then the reason of a stop is `tool`, whatever the upstream claims. */
  called = false;

  constructor(tell: Tell<ChatEvent>) {
    this.tell = tell;
  }

  /** Text of a spoken kind; goes on in the block that is open when it is of that kind. An empty text only opens it. */
  say(kind: Spoken, text: string, choice = 0, logprobs?: readonly Json[]): void {
    let block = this.last(choice);
    if (!block || block.kind !== kind || block.ended) {
      this.endSpoken(choice);
      block = this.add(undefined, choice, kind);
    }
    this.grow(block, text, logprobs);
  }

  /** News of the tool call that the wire knows as `key`. The first non-empty id and name win; late or repeated ones are ignored. */
  call(key: string | number, start: CallStart, choice = 0): void {
    const block = this.find(key, choice) ?? this.openCall(key, choice);
    block.callId ||= start.callId;
    block.name ||= start.name;
    block.namespace ||= start.namespace;
    block.custom ||= start.custom;
    this.flush();
  }

  /** A piece of the arguments of the call known as `key`. */
  args(key: string | number, text: string, choice = 0): void {
    if (text === '') return;
    this.grow(this.find(key, choice) ?? this.openCall(key, choice), text);
  }

  /** Puts a seal on the block that spoke last, or on the call known as `key`. A later seal replaces an earlier one. */
  seal(seal: Seal, key?: string | number, choice = 0): void {
    const block = key === undefined ? this.last(choice) : this.find(key, choice);
    if (block && !block.ended) block.seal = seal;
  }

  /** Adds a citation to the block that spoke last. */
  cite(citation: Citation, choice = 0): void {
    const block = this.last(choice);
    if (block) (block.citations ??= []).push(citation);
  }

  /** A thing that comes whole. */
  whole(part: Part, choice = 0): void {
    this.endSpoken(choice);
    this.add(undefined, choice, 'part', part).ended = true;
    this.flush();
  }

  /** The wire says that the block known as `key`, or the one that spoke last, is over. */
  end(key?: string | number, choice = 0): void {
    const block = key === undefined ? this.last(choice) : this.find(key, choice);
    if (block) block.ended = true;
    this.flush();
  }

  /** Everything is over: closes what is open and says what was held back. */
  close(): void {
    for (const block of this.queue) block.ended = true;
    this.closing = true;
    this.flush();
  }

  /** More of a block: said at once where it is open, which only the first in the queue can be. */
  private grow(block: Block, text: string, logprobs?: readonly Json[]): void {
    if (block.number === undefined) this.flush();
    if (text === '' && !logprobs) return;
    if (block.number !== undefined)
      return this.tell({ type: 'block-delta', block: block.number, text, logprobs });
    (block.kept ??= []).push({ text, logprobs });
    // What a call is given opens it, even where nobody tells its id.
    this.flush();
  }

  private add(key: string | undefined, choice: number, kind: Block['kind'], part?: Part): Block {
    const block: Block = {
      key,
      choice,
      kind,
      part,
      callId: undefined,
      name: undefined,
      namespace: undefined,
      custom: undefined,
      kept: undefined,
      seal: undefined,
      citations: undefined,
      number: undefined,
      ended: false,
    };
    let place = this.queue.length;
    while (place > 0 && this.queue[place - 1]!.choice > choice) place--;
    if (place === this.queue.length) this.queue.push(block);
    else this.queue.splice(place, 0, block);
    return block;
  }

  private openCall(key: string | number, choice: number): Block {
    this.endSpoken(choice);
    return this.add(String(key), choice, 'tool-call');
  }

  private find(key: string | number, choice: number): Block | undefined {
    const name = String(key);
    for (let at = this.queue.length - 1; at >= 0; at--) {
      const block = this.queue[at]!;
      if (block.key === name && block.choice === choice && !block.ended) return block;
    }
    return undefined;
  }

  private last(choice: number): Block | undefined {
    for (let at = this.queue.length - 1; at >= 0; at--)
      if (this.queue[at]!.choice === choice) return this.queue[at];
    return undefined;
  }

  /** Calls may still grow while others speak, so what comes next ends only what is spoken. */
  private endSpoken(choice: number): void {
    for (const block of this.queue)
      if (block.choice === choice && block.kind !== 'tool-call') block.ended = true;
  }

  /** Lets the first block of the queue speak, and those after it once it has ended. A later choice waits for `close`. */
  private flush(): void {
    for (let block = this.queue[0]; block; block = this.queue[0]) {
      if (block.choice > 0 && !this.closing) return;
      this.speak(block);
      if (!block.ended) return;
      this.queue.shift();
    }
  }

  private speak(block: Block): void {
    const choice = block.choice > 0 ? block.choice : undefined;
    if (block.part) return this.tell({ type: 'block', block: this.opened++, part: block.part, choice });
    if (block.number === undefined) {
      const head = this.head(block);
      if (!head) return;
      block.number = this.opened++;
      this.tell({ type: 'block-start', block: block.number, head, choice });
    }
    const { number, kept, seal, citations } = block;
    if (kept)
      for (const { text, logprobs } of kept)
        this.tell({ type: 'block-delta', block: number, text, logprobs });
    block.kept = undefined;
    if (block.ended) this.tell({ type: 'block-end', block: number, seal, citations });
  }

  /** The head of a block that may open now. A call without a name waits for it, and is left out if it never comes. */
  private head(block: Block): Head | undefined {
    if (block.kind === 'part') return undefined;
    if (block.kind !== 'tool-call') return spokenHeads[block.kind];
    const { name, callId, namespace, custom } = block;
    if (!name || (!callId && !block.ended && !block.kept)) return undefined;
    this.called = true;
    return callHead(callId || newId('call_'), name, custom, namespace || undefined);
  }
}
