import { type ChatEvent, folding, type Reply } from '../../core/event.ts';
import type { Part, Seal } from '../../core/request.ts';
import { anchorsOf } from './anchors.ts';
import type { Errand } from '../errand.ts';
import type { Attempt } from '../routing/plan.ts';
import { fingerprint, type Kept } from './recall.ts';
import { wantsWords } from './replay.ts';
import { openingOf } from '../session.ts';

/** Listens to an answer: every seal is told whose it is, and what the client may drop before its next turn is kept. */
export interface Listener {
  /** The next event, its seal with its origin. */
  hear(event: ChatEvent): ChatEvent;
  /** The same for an answer that came whole. */
  hearAll(reply: Reply): Reply;
}

/** A listener for the one answer of an attempt. */
export const overhear = (errand: Errand, attempt: Attempt): Listener => new Overhearing(errand, attempt);

class Overhearing implements Listener {
  /** What a stream has said so far. */
  private folder: ReturnType<typeof folding> | undefined;

  constructor(
    private readonly errand: Errand,
    private readonly attempt: Attempt,
  ) {}

  hear(event: ChatEvent): ChatEvent {
    const told = stampedEvent(event, this.attempt);
    this.folder ??= folding();
    this.folder.push(told);
    if (told.type === 'finish') this.keep(this.folder.reply());
    return told;
  }

  hearAll(reply: Reply): Reply {
    const told = reply.parts.some(isSealed) ? stampedReply(reply, this.attempt) : reply;
    this.keep(told);
    return told;
  }

  /** Keeps what is worth it. Of several choices nobody knows which one the client goes on with. */
  private keep({ parts, others }: Reply): void {
    const words = wantsWords(this.attempt);
    if (!others && holdsDroppable(parts, words)) remember(this.errand, this.attempt, parts, words);
  }
}

// ---------------------------------------------------------------------------------------------- whose the seals are

type Sealed = Extract<Part, { readonly seal?: Seal }> & { readonly seal: Seal };

const isSealed = (part: Part): part is Sealed => 'seal' in part && part.seal !== undefined;

const stamped = (seal: Seal, { model, account }: Attempt): Seal => ({ ...seal, model, account: account.id });

const stampedPart = (part: Part, attempt: Attempt): Part =>
  isSealed(part) ? { ...part, seal: stamped(part.seal, attempt) } : part;

const stampedReply = (reply: Reply, attempt: Attempt): Reply => ({
  ...reply,
  parts: reply.parts.map((part) => stampedPart(part, attempt)),
});

function stampedEvent(event: ChatEvent, attempt: Attempt): ChatEvent {
  if (event.type === 'block-end' && event.seal) return { ...event, seal: stamped(event.seal, attempt) };
  if (event.type !== 'block') return event;
  const part = stampedPart(event.part, attempt);
  return part === event.part ? event : { ...event, part };
}

// ------------------------------------------------------------------------------------------------- what is worth it

function remember(errand: Errand, attempt: Attempt, parts: readonly Part[], words: boolean): void {
  const { exchange, tools } = errand;
  const place = { session: () => errand.session(), opening: openingOf(errand.chat().messages) };
  tools.recall.remember(exchange.tenant ?? '', anchorsOf(parts, place), {
    model: attempt.model,
    account: attempt.account.id,
    parts: parts.flatMap((part) => keptOf(part, words)),
  });
}

function holdsDroppable(parts: readonly Part[], words: boolean): boolean {
  for (const part of parts) if (isDroppable(part, words)) return true;
  return false;
}

/**
 * Whether the upstream may miss it in the next turn.
 * @param words it also wants thoughts that nobody sealed.
 */
const isDroppable = (part: Part, words: boolean): boolean =>
  isSealed(part) || (words && part.kind === 'reasoning' && part.text !== '');

function keptOf(part: Part, words: boolean): readonly Kept[] {
  const sealed = isSealed(part) ? { seal: part.seal } : {};
  switch (part.kind) {
    case 'reasoning':
      return isDroppable(part, words) ? [{ kind: 'reasoning', text: part.text, ...sealed }] : [];
    case 'tool-call':
      return [{ kind: 'call', callId: part.callId, ...sealed }];
    case 'text':
      return part.text.trim() === '' ? [] : [{ kind: 'said', hash: fingerprint(part.text), ...sealed }];
    default:
      return [];
  }
}
