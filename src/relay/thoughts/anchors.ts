import type { Part, ToolCallPart } from '../../core/request.ts';
import { fingerprint } from './recall.ts';
import { textOf } from '../session.ts';

/** Where in a conversation something was said: what tells two places apart that look alike. */
export interface Place {
  /** What names the conversation; see `session.ts`. */
  readonly session: () => string;
  /** What the user had said last. */
  readonly opening: string;
}

/** The names under which the answer that these parts come from is kept: those of its calls, or else that of its words. */
export function anchorsOf(parts: readonly Part[], place: Place): readonly string[] {
  const anchors: string[] = [];
  for (const part of parts) if (part.kind === 'tool-call') anchors.push(callAnchor(part, place));
  if (anchors.length > 0) return anchors;
  const text = textOf(parts).trim();
  return text === '' ? anchors : [placed(`text ${fingerprint(text)}`, place)];
}

const callAnchor = (call: Pick<ToolCallPart, 'callId' | 'name'>, place: Place): string =>
  isUnique(call) ? `call ${call.callId}` : placed(`call ${call.callId}`, place);

/**
 * Whether a call's id alone says which conversation it belongs to. Those of Anthropic and OpenAI are long and random;
 * Kimi counts them by the tool's name (`functions.search:0`), and many small servers just count.
 */
const isUnique = ({ callId, name }: Pick<ToolCallPart, 'callId' | 'name'>): boolean =>
  (/(?=[a-z]*\d)[a-z\d]{16,}/i.test(callId) || /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-/i.test(callId)) &&
  !callId.includes(name);

/** What is no name by itself is one together with the conversation and what was asked in it. */
const placed = (what: string, { session, opening }: Place): string =>
  `${what} in ${fingerprint(`${session()}\0${opening}`)}`;
