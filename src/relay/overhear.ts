import { type ChatEvent, folding, type Reply } from '../core/event.ts';
import type { Part, Seal } from '../core/request.ts';
import { anchorsOf } from './anchors.ts';
import type { Errand } from './errand.ts';
import type { Attempt } from './plan.ts';
import { fingerprint, type Kept } from './recall.ts';
import { wantsWords } from './replay.ts';
import { openingOf } from './session.ts';

/** Listens to an answer: every seal is told whose it is, and what the client may drop before its next turn is kept. */
export interface Listener {
  /** The next event, its seal with its origin. */
  hear(event: ChatEvent): ChatEvent;
  /** The same for an answer that came whole. */
  hearAll(reply: Reply): Reply;
}

/** A listener for the one answer of an attempt. */
export function overhear(errand: Errand, attempt: Attempt): Listener {
  const origin = { model: attempt.model, account: attempt.account.id };
  const folder = folding();

  const stamped = (seal: Seal): Seal => ({ ...seal, ...origin });
  const stampedPart = (part: Part): Part =>
    'seal' in part && part.seal ? { ...part, seal: stamped(part.seal) } : part;

  function stampedEvent(event: ChatEvent): ChatEvent {
    if (event.type === 'block-end' && event.seal) return { ...event, seal: stamped(event.seal) };
    return event.type === 'block' ? { ...event, part: stampedPart(event.part) } : event;
  }

  return {
    hear(event) {
      const told = stampedEvent(event);
      folder.push(told);
      if (told.type === 'finish') keep(errand, attempt, folder.reply());
      return told;
    },
    hearAll(reply) {
      const told = { ...reply, parts: reply.parts.map(stampedPart) };
      keep(errand, attempt, told);
      return told;
    },
  };
}

/** Keeps what is worth it. Of several choices nobody knows which one the client goes on with. */
function keep(errand: Errand, attempt: Attempt, { parts, others }: Reply): void {
  const words = wantsWords(attempt);
  if (others || !parts.some((part) => isDroppable(part, words))) return;
  const { exchange, tools } = errand;
  const anchors = anchorsOf(parts, {
    session: () => errand.session(),
    opening: openingOf(errand.chat().messages),
  });
  tools.recall.remember(exchange.tenant ?? '', anchors, {
    model: attempt.model,
    account: attempt.account.id,
    parts: parts.flatMap((part) => keptOf(part, words)),
  });
}

/**
 * Whether the upstream may miss it in the next turn.
 * @param words it also wants thoughts that nobody sealed.
 */
const isDroppable = (part: Part, words: boolean): boolean =>
  ('seal' in part && part.seal !== undefined) || (words && part.kind === 'reasoning' && part.text !== '');

function keptOf(part: Part, words: boolean): readonly Kept[] {
  const sealed = 'seal' in part && part.seal ? { seal: part.seal } : {};
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
