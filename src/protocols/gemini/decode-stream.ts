import { GatewayError } from '../../core/error.ts';
import { type ChatEvent, type FinishReason, noUsage, type Usage } from '../../core/event.ts';
import { newId } from '../../core/id.ts';
import { type Json, readArray, readNumber, readObject, readObjects, readString } from '../../core/json.ts';
import type { Machine } from '../../core/machine.ts';
import type { Citation } from '../../core/request.ts';
import type { Frame } from '../../wire/sse.ts';
import { Blocks } from '../blocks.ts';
import { decodeCall, decodePart, sealOf } from './decode-part.ts';
import { decodeErrorBody } from './errors.ts';
import { finishReasons, readUsage } from './reply.ts';
import { camel, field, objectField } from './wire.ts';

/**
 * GenerateContentResponse frames to events. Gemini repeats reasons and usage and says no last word, so the finish
 * waits for the end of the stream; an end without any reason is a broken stream.
 */
export function decodeStream(): Machine<Frame, ChatEvent> {
  const blocks = new Blocks();
  const reasons: (FinishReason | undefined)[] = [];
  let usage: Usage = noUsage;
  let started = false;
  let over = false;
  let calls = 0;
  /** The visible text of the first choice, in which grounding counts bytes. */
  let text = '';

  function* onFrame(frame: Frame): Iterable<ChatEvent> {
    let chunk: Json | undefined;
    try {
      const value: unknown = JSON.parse(frame.data);
      chunk = readObject(value) ?? readObjects(value)[0];
    } catch (cause) {
      return yield* fail(
        new GatewayError(
          { kind: 'bad-upstream-data' },
          'The upstream sent a stream event that is not JSON.',
          { cause },
        ),
      );
    }
    if (chunk?.error) return yield* fail(decodeErrorBody(chunk, 0));
    if (chunk) yield* onChunk(camel(chunk));
  }

  function* onChunk(chunk: Json): Iterable<ChatEvent> {
    if (!started) {
      started = true;
      yield {
        type: 'start',
        id: readString(chunk.responseId) ?? '',
        model: readString(chunk.modelVersion) ?? '',
      };
    }
    usage = readUsage(objectField(chunk, 'usageMetadata'), usage);
    const blocked = objectField(chunk, 'promptFeedback');
    if (blocked && field(blocked, 'blockReason')) reasons[0] = 'filter';
    for (const [place, candidate] of readObjects(chunk.candidates).entries())
      yield* onCandidate(camel(candidate), place);
  }

  function* onCandidate(candidate: Json, place: number): Iterable<ChatEvent> {
    const choice = readNumber(candidate.index) ?? place;
    for (const part of readObjects(readObject(candidate.content)?.parts)) yield* onPart(camel(part), choice);
    const grounding = objectField(candidate, 'groundingMetadata');
    if (grounding) yield* onGrounding(camel(grounding), choice);
    const reason = candidate.finishReason;
    if (reason !== undefined && reason !== 'FINISH_REASON_UNSPECIFIED')
      reasons[choice] = finishReasons[String(reason)] ?? 'end';
  }

  function* onPart(part: Json, choice: number): Iterable<ChatEvent> {
    const seal = sealOf(part);
    const call = readObject(part.functionCall);
    if (call) {
      const key = `call ${calls++}`;
      const { callId = newId('call_'), name, args } = decodeCall(call);
      yield* blocks.call(key, { callId, name }, choice);
      yield* blocks.args(key, args, choice);
      if (seal) blocks.seal(seal, key, choice);
      return yield* blocks.end(key, choice);
    }
    const said = decodePart(part);
    if (said.kind !== 'text' && said.kind !== 'reasoning') return yield* blocks.whole(said, choice);
    if (said.text === '' && !seal) return;
    if (said.kind === 'text' && choice === 0) text += said.text;
    yield* blocks.say(said.kind, said.text, { choice });
    if (!seal) return;
    blocks.seal(seal, undefined, choice);
    yield* blocks.end(undefined, choice);
  }

  /** Where the answer comes from: the searches that were made, and which words rest on which pages. */
  function* onGrounding(grounding: Json, choice: number): Iterable<ChatEvent> {
    const sources = readObjects(grounding.groundingChunks).map(sourceOf);
    for (const support of readObjects(grounding.groundingSupports))
      for (const citation of citationsOf(support, sources, text)) blocks.cite(citation, choice);
    const queries = (readArray(grounding.webSearchQueries) ?? []).filter(
      (query) => typeof query === 'string',
    );
    if (queries.length === 0) return;
    const callId = newId('search_');
    yield* blocks.whole(
      { kind: 'hosted-call', tool: 'web-search', callId, input: { query: queries.join('; ') } },
      choice,
    );
    yield* blocks.whole(
      { kind: 'hosted-result', tool: 'web-search', callId, sources, failed: false },
      choice,
    );
  }

  function* fail(error: GatewayError): Iterable<ChatEvent> {
    over = true;
    if (started) yield* blocks.close();
    yield { type: 'error', error };
  }

  return {
    *push(frame) {
      if (!over && frame.data !== '[DONE]') yield* onFrame(frame);
    },
    *end() {
      if (over) return;
      if (reasons.every((reason) => reason === undefined)) return yield* fail(cut());
      over = true;
      yield* blocks.close();
      const [first = 'end', ...others] = Array.from(reasons, (reason) => reason ?? 'end');
      const reason = blocks.called && first === 'end' ? 'tool' : first;
      yield { type: 'finish', reason, usage, ...(others.length > 0 ? { others } : {}) };
    },
  };
}

function cut(): GatewayError {
  return new GatewayError(
    { kind: 'transport', phase: 'cut' },
    'The upstream stopped in the middle of its answer.',
    {
      remedy: 'Send the request again.',
    },
  );
}

function sourceOf(chunk: Json): Citation {
  const page = readObject(chunk.web) ?? readObject(chunk.retrievedContext) ?? {};
  const url = readString(page.uri);
  const title = readString(page.title);
  return { ...(url === undefined ? {} : { url }), ...(title === undefined ? {} : { title }) };
}

function citationsOf(support: Json, sources: readonly Citation[], text: string): readonly Citation[] {
  const segment = readObject(support.segment) ?? {};
  const start = codePoints(text, readNumber(field(segment, 'startIndex')) ?? 0);
  const end = codePoints(text, readNumber(field(segment, 'endIndex')) ?? 0);
  const places = (readArray(field(support, 'groundingChunkIndices')) ?? []).filter(
    (place) => typeof place === 'number',
  );
  return places.flatMap((place) => (sources[place] ? [{ ...sources[place], start, end }] : []));
}

/** Gemini counts UTF-8 bytes, the hall counts code points. */
function codePoints(text: string, bytes: number): number {
  return [...new TextDecoder().decode(new TextEncoder().encode(text).subarray(0, bytes))].length;
}
