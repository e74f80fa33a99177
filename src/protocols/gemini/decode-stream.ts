import { GatewayError } from '../../core/error.ts';
import { type ChatEvent, type FinishReason } from '../../core/event.ts';
import { type Json, readNumber, readObject, readObjects, readString } from '../../core/json.ts';
import { type Machine, machine, type Tell, type Teller } from '../../core/machine.ts';
import type { Frame } from '../../wire/sse.ts';
import { Choices } from './choices.ts';
import { decodeErrorBody } from './errors.ts';
import { readReason } from './finish.ts';
import { readUsage } from './usage.ts';
import { camel, field } from './wire.ts';

/** GenerateContentResponse frames to events. */
export const decodeStream = (): Machine<Frame, ChatEvent> =>
  machine((tell) => {
    const decode = decodeChunks(tell);
    return {
      push({ data }) {
        if (data === '[DONE]') return;
        const chunk = parsed(data);
        if (chunk instanceof GatewayError) decode.fail(chunk);
        else if (chunk) decode.push(chunk);
      },
      end: decode.end,
    };
  });

/** The chunk of a frame; some servers put it into an array. */
function parsed(data: string): Json | GatewayError | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return readObject(value) ?? readObjects(value)[0];
  } catch (cause) {
    return new GatewayError(
      { kind: 'bad-upstream-data' },
      'The upstream sent a stream event that is not JSON.',
      { cause },
    );
  }
}

interface Decoder extends Teller<Json> {
  fail(error: GatewayError): void;
}

/**
 * GenerateContentResponse bodies to events, those of a stream or a whole one. Gemini repeats reasons and usage and says
 * no last word, so the finish waits for the end; an end before each candidate gave its reason is a broken stream.
 */
export function decodeChunks(tell: Tell<ChatEvent>): Decoder {
  const choices = new Choices(tell);
  const reasons: (FinishReason | undefined)[] = [];
  let usage: Json = {};
  /** The id of the answer, once it has begun. */
  let answerId: string | undefined;
  let over = false;

  function onChunk(chunk: Json): void {
    if (answerId === undefined) {
      answerId = readString(chunk.responseId) ?? '';
      tell({ type: 'start', id: answerId, model: readString(chunk.modelVersion) ?? '' });
    }
    const counts = readObject(chunk.usageMetadata);
    if (counts) usage = { ...usage, ...camel(counts) };
    if (isBlocked(readObject(chunk.promptFeedback))) reasons[0] = 'filter';
    readObjects(chunk.candidates).forEach((candidate, place) => onCandidate(camel(candidate), place));
  }

  function onCandidate(candidate: Json, place: number): void {
    const choice = readNumber(candidate.index) ?? place;
    choices.say(choice, candidate);
    const reason = readReason(candidate.finishReason);
    if (reason !== undefined) reasons[choice] = reason;
  }

  function fail(error: GatewayError): void {
    if (over) return;
    over = true;
    if (answerId !== undefined) choices.close(answerId);
    tell({ type: 'error', error });
  }

  return {
    fail,
    push(chunk) {
      if (over) return;
      if (chunk.error) fail(decodeErrorBody(chunk, 0));
      else onChunk(camel(chunk));
    },
    end() {
      if (over) return;
      const told = reasons.filter((reason) => reason !== undefined).length;
      if (told === 0 || told < choices.count) return fail(cut());
      over = true;
      choices.close(answerId ?? '');
      const reasonOf = (choice: number) => choices.reason(choice, reasons[choice] ?? 'end');
      const others: FinishReason[] = [];
      for (let choice = 1; choice < reasons.length; choice++) others.push(reasonOf(choice));
      tell({
        type: 'finish',
        reason: reasonOf(0),
        usage: readUsage(usage),
        ...(others.length > 0 ? { others } : {}),
      });
    },
  };
}

/** A prompt that Gemini refuses gets no candidate, only the reason of the refusal. */
function isBlocked(feedback: Json | undefined): boolean {
  const reason = feedback && field(feedback, 'blockReason');
  return Boolean(reason) && reason !== 'BLOCK_REASON_UNSPECIFIED';
}

function cut(): GatewayError {
  return new GatewayError(
    { kind: 'transport', phase: 'cut' },
    'The upstream stopped in the middle of its answer.',
    { remedy: 'Send the request again.' },
  );
}
