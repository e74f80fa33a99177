import { type Json, readObject, readObjects, topLevelText, tryParseObject } from '../core/json.ts';
import { chain, type Machine } from '../core/machine.ts';
import type { Answered } from '../wire/fetch.ts';
import { rebodied, spelled } from '../wire/rebody.ts';
import { type Frame, frames, render } from '../wire/sse.ts';

/**
 * The wrapping in which Google's Code Assist carries GenerateContent: `{model, project, request: {…}}` out, and
 * `{response: {…}, traceId}` back, whole and in every event of a stream. What is inside stays the text it is.
 */

/** Puts a request's text into its wrapping; fields of the wrapping without a value are left out. */
export function wrap(fields: Json, request: string): string {
  const head = JSON.stringify(fields).slice(1, -1);
  return `{${head}${head === '' ? '' : ','}"request":${request}}`;
}

/** Changes one unwrapped answer, or piece of one. */
export type Mend = (response: Json) => Json;

/** Takes the wrapping off an answer. Errors come without one, and so do counts. */
export async function unwrap(answer: Answered, mend?: Mend): Promise<Answered> {
  if (!answer.ok) return answer;
  if (/event-stream/i.test(answer.headers.get('content-type') ?? 'text/event-stream'))
    return rebodied(answer, chain(frames(), unwrapFrames(mend)));
  return spelled(answer, unwrapText(await answer.text(), mend));
}

const encoder = new TextEncoder();

function unwrapFrames(mend: Mend | undefined): Machine<Frame, Uint8Array> {
  return {
    push(frame) {
      // An event of several data lines has line ends between its tokens; inside JSON's strings there are none.
      const data = unwrapText(frame.data, mend).replaceAll('\n', ' ');
      return [encoder.encode(render({ ...frame, data }))];
    },
    end: () => [],
  };
}

function unwrapText(text: string, mend: Mend | undefined): string {
  const inner = topLevelText(text, 'response');
  if (inner === undefined || !inner.startsWith('{')) return text;
  const response = mend && tryParseObject(inner);
  return response ? JSON.stringify(mend(response)) : inner;
}

/** Changes the arguments of every call in an answer. */
export function mendCalls(response: Json, mendArgs: (name: string, args: Json) => Json): Json {
  const mendPart = (part: Json): Json => {
    const call = readObject(part.functionCall);
    const args = readObject(call?.args);
    if (!call || !args) return part;
    return { ...part, functionCall: { ...call, args: mendArgs(String(call.name), args) } };
  };
  const mendCandidate = (candidate: Json): Json => {
    const content = readObject(candidate.content);
    if (!content?.parts) return candidate;
    return { ...candidate, content: { ...content, parts: readObjects(content.parts).map(mendPart) } };
  };
  if (response.candidates === undefined) return response;
  return { ...response, candidates: readObjects(response.candidates).map(mendCandidate) };
}
