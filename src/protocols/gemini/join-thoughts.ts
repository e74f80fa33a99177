import type { Message, Part, ReasoningPart } from '../../core/request.ts';
import { issuer } from './wire.ts';

/**
 * Puts the thoughts of other vendors together again. Clients of Gemini keep a streamed answer in the pieces it came in,
 * each in a turn of its own if need be, and the signature in an empty piece at the end; its vendor takes them back in
 * one only. Gemini's own thoughts stay in the pieces that it signed.
 */
export function joinThoughts(messages: readonly Message[]): readonly Message[] {
  const joined = new Map<Part, Part | undefined>();
  let open: ReasoningPart[] = [];
  for (const { role, parts } of messages)
    for (const part of parts) {
      const thought = role === 'assistant' && part.kind === 'reasoning' ? part : undefined;
      if (thought && !thought.seal) {
        open.push(thought);
        continue;
      }
      if (thought?.seal && thought.seal.issuer !== issuer && open.length > 0) {
        for (const piece of open) joined.set(piece, undefined);
        joined.set(part, { ...thought, text: [...open, thought].map(({ text }) => text).join('') });
      }
      open = [];
    }
  if (joined.size === 0) return messages;
  return messages
    .map((message) => ({
      ...message,
      parts: message.parts.flatMap((part) => (joined.has(part) ? (joined.get(part) ?? []) : part)),
    }))
    .filter(({ parts }) => parts.length > 0);
}
