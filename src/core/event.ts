import type { GatewayError } from './error.ts';
import type { Json } from './json.ts';
import type { Tell } from './machine.ts';
import type { Citation, Part, Seal } from './request.ts';

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
  | { readonly type: 'start'; readonly id: string; readonly model: string; readonly usage?: Usage }
  | { readonly type: 'block-start'; readonly block: number; readonly head: Head; readonly choice?: number }
  | {
      readonly type: 'block-delta';
      readonly block: number;
      readonly text: string;
      readonly logprobs?: readonly Json[];
    }
  | {
      readonly type: 'block-end';
      readonly block: number;
      readonly seal?: Seal;
      readonly citations?: readonly Citation[];
    }
  | { readonly type: 'block'; readonly block: number; readonly part: Part; readonly choice?: number }
  | Finish
  | { readonly type: 'error'; readonly error: GatewayError };

export interface Finish {
  readonly type: 'finish';
  readonly reason: FinishReason;
  /** The stop sequence that ended the text. */
  readonly stop?: string;
  readonly usage: Usage;
  /** Reasons of the further choices, in order, when there are any. */
  readonly others?: readonly FinishReason[];
}

/** What a block is, known before its first delta. */
export type Head =
  | { readonly kind: 'text' }
  | { readonly kind: 'refusal' }
  | { readonly kind: 'reasoning' }
  | {
      readonly kind: 'tool-call';
      readonly callId: string;
      readonly name: string;
      readonly custom?: boolean;
      readonly namespace?: string;
    };

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
  readonly extra?: Readonly<Record<string, Json>>;
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
export function folding(): { push(event: ChatEvent): void; reply(): Reply } {
  let start = { id: '', model: '' };
  let finish: Finish = { type: 'finish', reason: 'end', usage: noUsage };
  const choices: Part[][] = [[]];
  let open: { head: Head; text: string; logprobs: Json[]; choice: number } | undefined;
  let failure: GatewayError | undefined;
  const add = (choice: number, part: Part) => (choices[choice] ??= []).push(part);
  return {
    push(event) {
      switch (event.type) {
        case 'start':
          start = { id: event.id, model: event.model };
          return;
        case 'block-start':
          open = { head: event.head, text: '', logprobs: [], choice: event.choice ?? 0 };
          return;
        case 'block-delta':
          if (!open) return;
          open.text += event.text;
          if (event.logprobs) open.logprobs.push(...event.logprobs);
          return;
        case 'block-end':
          if (open)
            add(open.choice, closed(open.head, open.text, open.logprobs, event.seal, event.citations));
          open = undefined;
          return;
        case 'block':
          add(event.choice ?? 0, event.part);
          return;
        case 'finish':
          finish = event;
          return;
        case 'error':
          failure = event.error;
      }
    },
    reply() {
      if (failure) throw failure;
      const further = Math.max(choices.length - 1, finish.others?.length ?? 0);
      const others = Array.from({ length: further }, (_, index) => ({
        parts: choices[index + 1] ?? [],
        reason: finish.others?.[index] ?? finish.reason,
      }));
      return {
        ...start,
        parts: choices[0] ?? [],
        reason: finish.reason,
        ...(finish.stop === undefined ? {} : { stop: finish.stop }),
        usage: finish.usage,
        ...(others.length > 0 ? { others } : {}),
      };
    },
  };
}

function closed(
  head: Head,
  text: string,
  logprobs: readonly Json[],
  seal?: Seal,
  citations?: readonly Citation[],
): Part {
  const sealed = seal ? { seal } : {};
  switch (head.kind) {
    case 'text':
      return {
        kind: 'text',
        text,
        ...(citations?.length ? { citations } : {}),
        ...(logprobs.length > 0 ? { logprobs } : {}),
        ...sealed,
      };
    case 'refusal':
      return { kind: 'refusal', text };
    case 'reasoning':
      return { kind: 'reasoning', text, ...sealed };
    case 'tool-call':
      return { ...head, args: text, ...sealed };
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
  tell({ type: 'start', id: reply.id, model: reply.model, usage: reply.usage });
  let block = 0;
  for (const part of reply.parts) spellPart(block++, part, 0, tell);
  for (const [index, other] of (reply.others ?? []).entries())
    for (const part of other.parts) spellPart(block++, part, index + 1, tell);
  tell({
    type: 'finish',
    reason: reply.reason,
    ...(reply.stop === undefined ? {} : { stop: reply.stop }),
    usage: reply.usage,
    ...(reply.others ? { others: reply.others.map((other) => other.reason) } : {}),
  });
}

/** The events of one part, as the block of this number. */
export function spellPart(block: number, part: Part, choice: number, tell: Tell<ChatEvent>): void {
  const numbered = choice > 0 ? { choice } : {};
  const head = headOf(part);
  if (!head) return tell({ type: 'block', block, part, ...numbered });
  tell({ type: 'block-start', block, head, ...numbered });
  const text = part.kind === 'tool-call' ? part.args : 'text' in part ? part.text : '';
  const logprobs = part.kind === 'text' && part.logprobs ? { logprobs: part.logprobs } : {};
  if (text !== '' || 'logprobs' in logprobs) tell({ type: 'block-delta', block, text, ...logprobs });
  const seal = 'seal' in part && part.seal ? { seal: part.seal } : {};
  const citations = part.kind === 'text' && part.citations ? { citations: part.citations } : {};
  tell({ type: 'block-end', block, ...seal, ...citations });
}

function headOf(part: Part): Head | undefined {
  switch (part.kind) {
    case 'text':
    case 'refusal':
    case 'reasoning':
      return { kind: part.kind };
    case 'tool-call': {
      const { callId, name, custom, namespace } = part;
      return {
        kind: 'tool-call',
        callId,
        name,
        ...(custom ? { custom } : {}),
        ...(namespace === undefined ? {} : { namespace }),
      };
    }
    default:
      return undefined;
  }
}
