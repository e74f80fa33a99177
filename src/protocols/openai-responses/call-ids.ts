import type { Message } from '../../core/request.ts';

/** The longest call id, item id and cache key that OpenAI takes. */
const longest = 64;

/** 24 hex digits that stand for a text, the same every time. */
export const hashed = (text: string): string =>
  new Bun.CryptoHasher('sha256').update(text).digest('hex').slice(0, 24);

/** An id that OpenAI takes; a longer one ends in a hash of itself, so that calls and results still agree on it. */
export const shortened = (id: string): string =>
  id.length <= longest ? id : `${id.slice(0, longest - 17)}_${hashed(id).slice(0, 16)}`;

/** Pairs the calls of a conversation with their results, under ids that OpenAI takes. */
export interface CallIds {
  /** The id of a call that is made; undefined when a call with that id still waits for its result. */
  open(callId: string): { readonly id: string; readonly answered: boolean } | undefined;
  /** The id of the call that a result is for; undefined when no call waits for it. */
  answer(callId: string): string | undefined;
}

/**
 * @param continued the server knows earlier calls, so that a result may answer one that is not here, and a call of here
 * may be answered later.
 */
export function callIds(messages: readonly Message[], continued: boolean): CallIds {
  /** How many results there are for each id, and how many calls have been made. */
  const results = new Map<string, number>();
  for (const { parts } of messages)
    for (const id of new Set(parts.flatMap((part) => (part.kind === 'tool-result' ? [part.callId] : []))))
      results.set(id, (results.get(id) ?? 0) + 1);
  const made = new Map<string, number>();
  const waiting = new Map<string, string>();
  return {
    open(callId) {
      if (waiting.has(callId)) return undefined;
      const count = (made.get(callId) ?? 0) + 1;
      made.set(callId, count);
      // Wires without call ids of their own may use one again in a later turn.
      const id = shortened(count === 1 ? callId : `${callId}_${count}`);
      const left = results.get(callId) ?? 0;
      if (left > 0) waiting.set(callId, id);
      return { id, answered: left > 0 || continued };
    },
    answer(callId) {
      const left = results.get(callId) ?? 0;
      results.set(callId, left - 1);
      const id = waiting.get(callId);
      waiting.delete(callId);
      return id ?? (continued ? shortened(callId) : undefined);
    },
  };
}
