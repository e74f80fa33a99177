import type { GatewayError } from './error.ts';
import type { Draft, Json } from './json.ts';
import type { Tell } from './machine.ts';
import type { Citation, Part, Seal, TextPart } from './request.ts';

/**
 * What a model says, as it says it. Every stream obeys one grammar:
 *
 *   start  ( block-start block-delta* block-end | block )*  ( finish | error )
 *
 * Blocks never nest, numbers rise from 0 in opening order, and exactly one `finish` or `error` comes last.
 * A stream that fails before it says anything is a lone `error`.
 * Blocks of a further choice (n > 1) carry its number and come after all blocks of the choice before.
 */
export type ChatEvent =
  | {
      readonly type: 'start';
      readonly id: string;
      readonly model: string;
      readonly usage?: Usage | undefined;
    }
  | {
      readonly type: 'block-start';
      readonly block: number;
      readonly head: Head;
      readonly choice?: number | undefined;
    }
  | {
      readonly type: 'block-delta';
      readonly block: number;
      readonly text: string;
      readonly logprobs?: readonly Json[] | undefined;
    }
  | {
      readonly type: 'block-end';
      readonly block: number;
      readonly seal?: Seal | undefined;
      readonly citations?: readonly Citation[] | undefined;
    }
  | {
      readonly type: 'block';
      readonly block: number;
      readonly part: Part;
      readonly choice?: number | undefined;
    }
  | Finish
  | { readonly type: 'error'; readonly error: GatewayError };

export interface Finish {
  readonly type: 'finish';
  readonly reason: FinishReason;
  /** The stop sequence that ended the text. */
  readonly stop?: string | undefined;
  readonly usage: Usage;
  /** Reasons of the further choices, in order, when there are any. */
  readonly others?: readonly FinishReason[] | undefined;
}

/** What a block is, known before its first delta. */
export type Head =
  { readonly kind: 'text' } | { readonly kind: 'refusal' } | { readonly kind: 'reasoning' } | CallHead;

export interface CallHead {
  readonly kind: 'tool-call';
  readonly callId: string;
  readonly name: string;
  readonly custom?: boolean;
  readonly namespace?: string;
}

/**
 * Why the model stopped: its own end, a token limit, a tool call to run, a stop sequence, a filter or refusal,
 * a pause the client should resume, a tool call it could not form.
 */
export type FinishReason = 'end' | 'length' | 'tool' | 'stop' | 'filter' | 'pause' | 'malformed';

/** Token counts. Totals include their parts: `input` counts cached tokens, `output` counts reasoning tokens. */
export interface Usage {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly reasoning: number;
  /** True when the gateway counted, because the upstream did not say. */
  readonly estimated?: boolean;
  /** Counts only one protocol knows (audio tokens, server tool use), by its id. */
  readonly extra?: Readonly<Record<string, Json>> | undefined;
}

export const noUsage: Usage = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0 };

/** A whole answer. */
export interface Reply {
  readonly id: string;
  readonly model: string;
  readonly parts: readonly Part[];
  readonly reason: FinishReason;
  readonly stop?: string;
  readonly usage: Usage;
  /** The further choices, when n > 1. */
  readonly others?: readonly { readonly parts: readonly Part[]; readonly reason: FinishReason }[];
}

/**
 * Collects a whole stream into the reply it spells.
 * @throws GatewayError when the stream ends in an error event.
 */
export function fold(events: Iterable<ChatEvent>): Reply {
  const folder = folding();
  for (const event of events) folder.push(event);
  return folder.reply();
}

/** `fold`, one event at a time. `reply` may be called once the stream is over. */
export const folding = (): { readonly push: Tell<ChatEvent>; reply(): Reply } => new Folder();

class Folder {
  private id = '';
  private model = '';
  private finish: Finish | undefined;
  private failure: GatewayError | undefined;
  /** The block that speaks, and what it has said. */
  private head: Head | undefined;
  private text = '';
  private logprobs: Json[] | undefined;
  private choice = 0;
  private readonly parts: Part[] = [];
  /** Parts of the further choices, by their number; there is none of number 0. */
  private others: Part[][] | undefined;

  readonly push = (event: ChatEvent): void => {
    switch (event.type) {
      case 'start':
        this.id = event.id;
        this.model = event.model;
        return;
      case 'block-start':
        this.head = event.head;
        this.text = '';
        this.logprobs = undefined;
        this.choice = event.choice ?? 0;
        return;
      case 'block-delta':
        this.text += event.text;
        if (event.logprobs) (this.logprobs ??= []).push(...event.logprobs);
        return;
      case 'block-end':
        if (this.head) this.add(this.choice, closed(this.head, this.text, event, this.logprobs));
        this.head = undefined;
        return;
      case 'block':
        this.add(event.choice ?? 0, event.part);
        return;
      case 'finish':
        this.finish = event;
        return;
      case 'error':
        this.failure = event.error;
    }
  };

  reply(): Reply {
    if (this.failure) throw this.failure;
    const { id, model, parts, finish } = this;
    const reason = finish?.reason ?? 'end';
    const reply: Draft<Reply> = { id, model, parts, reason, usage: finish?.usage ?? noUsage };
    if (finish?.stop !== undefined) reply.stop = finish.stop;
    const further = Math.max((this.others?.length ?? 1) - 1, finish?.others?.length ?? 0);
    if (further > 0)
      reply.others = Array.from({ length: further }, (_, index) => ({
        parts: this.others?.[index + 1] ?? [],
        reason: finish?.others?.[index] ?? reason,
      }));
    return reply;
  }

  private add(choice: number, part: Part): void {
    if (choice === 0) this.parts.push(part);
    else ((this.others ??= [])[choice] ??= []).push(part);
  }
}

type BlockEnd = Extract<ChatEvent, { type: 'block-end' }>;

function closed(head: Head, text: string, { seal, citations }: BlockEnd, logprobs?: readonly Json[]): Part {
  switch (head.kind) {
    case 'text': {
      const part: Draft<TextPart> = { kind: 'text', text };
      if (citations?.length) part.citations = citations;
      if (logprobs?.length) part.logprobs = logprobs;
      if (seal) part.seal = seal;
      return part;
    }
    case 'refusal':
      return { kind: 'refusal', text };
    case 'reasoning':
      return seal ? { kind: 'reasoning', text, seal } : { kind: 'reasoning', text };
    case 'tool-call':
      return seal ? { ...head, args: text, seal } : { ...head, args: text };
  }
}

/** Spells a whole reply as the stream it could have been. `fold(unfold(reply))` is the reply. */
export function unfold(reply: Reply): readonly ChatEvent[] {
  const events: ChatEvent[] = [];
  spell(reply, (event) => {
    events.push(event);
  });
  return events;
}

/** `unfold`, one event at a time. */
export function spell(reply: Reply, tell: Tell<ChatEvent>): void {
  const { id, model, parts, reason, stop, usage, others } = reply;
  tell({ type: 'start', id, model, usage });
  let block = 0;
  for (const part of parts) spellPart(block++, part, 0, tell);
  let choice = 0;
  for (const other of others ?? nobody) {
    choice++;
    for (const part of other.parts) spellPart(block++, part, choice, tell);
  }
  tell({ type: 'finish', reason, stop, usage, others: others?.map((other) => other.reason) });
}

const nobody: readonly never[] = [];

/** The events of one part, as the block of this number. */
export function spellPart(block: number, part: Part, number: number, tell: Tell<ChatEvent>): void {
  const choice = number > 0 ? number : undefined;
  const head = headOf(part);
  if (!head) return tell({ type: 'block', block, part, choice });
  tell({ type: 'block-start', block, head, choice });
  const text = part.kind === 'tool-call' ? part.args : 'text' in part ? part.text : '';
  const words = part.kind === 'text' ? part : undefined;
  if (text !== '' || words?.logprobs) tell({ type: 'block-delta', block, text, logprobs: words?.logprobs });
  const seal = 'seal' in part ? part.seal : undefined;
  tell({ type: 'block-end', block, seal, citations: words?.citations });
}

/** The heads of what is spoken, which are all alike. */
export const spokenHeads = {
  text: { kind: 'text' },
  refusal: { kind: 'refusal' },
  reasoning: { kind: 'reasoning' },
} as const satisfies Readonly<Record<string, Head>>;

function headOf(part: Part): Head | undefined {
  switch (part.kind) {
    case 'text':
    case 'refusal':
    case 'reasoning':
      return spokenHeads[part.kind];
    case 'tool-call':
      return callHead(part.callId, part.name, part.custom, part.namespace);
    default:
      return undefined;
  }
}

/** The head of a tool call. */
export function callHead(
  callId: string,
  name: string,
  custom: boolean | undefined,
  namespace: string | undefined,
): CallHead {
  const head: Draft<CallHead> = { kind: 'tool-call', callId, name };
  if (custom) head.custom = custom;
  if (namespace !== undefined) head.namespace = namespace;
  return head;
}
