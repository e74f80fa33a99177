import { noUsage, type Usage } from '../core/event.ts';
import { type Json, tryParseObject } from '../core/json.ts';

/** How the direct lane finds out what a whole answer of a wire cost. */
export interface Look {
  /** The field that counts, where a sound answer says it last or nearly so and a failed one does not. */
  readonly field?: string;
  /** What the answer cost, from its fields; undefined when they count nothing. */
  usageOf(fields: Json): Usage | undefined;
  /** Whether a body is an answer at all, and no failure. */
  isSound(body: Json): boolean;
}

/**
 * Looks at a whole answer that passes as bytes: at its end alone where that counts what was said, at all of it otherwise.
 * Undefined for whatever is no sound answer.
 */
export const glancing =
  ({ field, usageOf, isSound }: Look) =>
  (answer: Uint8Array): Usage | undefined => {
    const end = field === undefined ? undefined : fieldsFrom(answer, field);
    const counted = end && usageOf(end);
    if (counted && counted.output > 0) return counted;
    const body = tryParseObject(decoder.decode(answer));
    return body && isSound(body) ? (usageOf(body) ?? noUsage) : undefined;
  };

const decoder = new TextDecoder();

/** A usage with what may follow it takes no more bytes; for one that does, the whole answer is read. */
const endBytes = 1_024;

/**
 * The last fields of a JSON object, from the named one on. A quoted name cannot occur inside a string of JSON, and what
 * follows one that is nested deeper closes more braces than are put back.
 */
function fieldsFrom(answer: Uint8Array, field: string): Json | undefined {
  const end = decoder.decode(answer.length > endBytes ? answer.subarray(-endBytes) : answer);
  const at = end.lastIndexOf(`"${field}"`);
  return at < 0 ? undefined : tryParseObject(`{${end.slice(at)}`);
}
