import type { Machine } from '../../core/machine.ts';
import type { Frame } from '../../wire/sse.ts';

/**
 * Frames as one JSON array, which is how Gemini streams to clients that do not ask for `alt=sse`. It is well-formed
 * wherever the stream ends: an error is its last element. White space may be written between any two pieces.
 */
export function jsonArray(): Machine<Frame, string> {
  let begun = false;
  return {
    push({ data }) {
      const opening = begun ? ',\n' : '[';
      begun = true;
      return [opening + data];
    },
    end: () => [begun ? ']' : '[]'],
  };
}
