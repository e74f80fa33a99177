import type { FinishReason } from '../../core/event.ts';

/** Why Gemini stopped. The numbers are the same reasons as `enum-encoding=int` spells them. */
const reasons: Readonly<Record<string, FinishReason>> = {
  STOP: 'end',
  '1': 'end',
  MAX_TOKENS: 'length',
  '2': 'length',
  SAFETY: 'filter',
  '3': 'filter',
  RECITATION: 'filter',
  '4': 'filter',
  LANGUAGE: 'filter',
  BLOCKLIST: 'filter',
  PROHIBITED_CONTENT: 'filter',
  SPII: 'filter',
  // The Gemini API and Vertex number differently from 6 on; 6 to 8 are filters with both.
  '6': 'filter',
  '7': 'filter',
  '8': 'filter',
  IMAGE_SAFETY: 'filter',
  IMAGE_PROHIBITED_CONTENT: 'filter',
  IMAGE_RECITATION: 'filter',
  IMAGE_OTHER: 'filter',
  MODEL_ARMOR: 'filter',
  MALFORMED_FUNCTION_CALL: 'malformed',
  UNEXPECTED_TOOL_CALL: 'malformed',
  TOO_MANY_TOOL_CALLS: 'malformed',
  MISSING_THOUGHT_SIGNATURE: 'malformed',
  MALFORMED_RESPONSE: 'malformed',
};

/** A `finishReason` in the hall's words; undefined when it says none. A reason nobody knows is an end. */
export function readReason(reason: unknown): FinishReason | undefined {
  if (reason === undefined || reason === null || reason === '' || reason === 0) return undefined;
  if (reason === 'FINISH_REASON_UNSPECIFIED') return undefined;
  return reasons[String(reason)] ?? 'end';
}

/** The names that clients are told. A call is an end like any other to them. */
const names: Readonly<Record<FinishReason, string>> = {
  end: 'STOP',
  stop: 'STOP',
  tool: 'STOP',
  pause: 'STOP',
  length: 'MAX_TOKENS',
  filter: 'SAFETY',
  malformed: 'MALFORMED_FUNCTION_CALL',
};

/** @param refused the model said in words of its own kind that it will not answer, which is no word of its own here. */
export const reasonName = (reason: FinishReason, refused: boolean): string =>
  names[refused && reason === 'end' ? 'filter' : reason];
