import type { GatewayError } from '../../core/error.ts';
import { type ChatEvent, type FinishReason, noUsage } from '../../core/event.ts';
import {
  type Json,
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import type { Machine } from '../../core/machine.ts';
import type { Part } from '../../core/request.ts';
import type { Frame } from '../../wire/sse.ts';
import { Blocks } from '../blocks.ts';
import { decodeAnnotation, decodeContent } from './decode-content.ts';
import { argsOf, decodeOther, decodeReasoning } from './decode-item.ts';
import { cut, decodeFailure, garbage } from './errors.ts';
import { readUsage } from './usage.ts';

/**
 * Responses stream events to the hall's events. Each frame's data says its type, so the event's name is not needed. What
 * cannot be read is a fault of the upstream, unless it is the last thing that came: then the stream was cut.
 */
export function decodeStream(): Machine<Frame, ChatEvent> {
  const events = decodeEvents();
  let broken = false;
  return {
    *push(frame) {
      if (broken) yield* events.fail(garbage());
      if (frame.data === '[DONE]') return;
      const event = tryParseObject(frame.data);
      if (event) yield* events.push(event);
      else broken = true;
    },
    end: () => events.end(),
  };
}

/** The part of a message or of a thought that speaks at the moment. */
interface Place {
  readonly key: string;
  /** `content_index` or `summary_index`. */
  readonly index: number;
  /** How many citations of it have been told. */
  cited: number;
}

/** The same for events that are parsed already. Unknown events pass in silence; only five kinds end a stream. */
export function decodeEvents(): Machine<Json, ChatEvent> & {
  fail(error: GatewayError): Iterable<ChatEvent>;
} {
  const blocks = new Blocks();
  /** What deltas have said already, as keys of items and of their parts; a whole item must not say it again. */
  const heard = new Set<string>();
  let place: Place | undefined;
  let started = false;
  let refused = false;
  let over = false;
  /** Whether any item has been told of: then the last event's list of them brings nothing new. */
  let told = false;

  function* onEvent(event: Json): Iterable<ChatEvent> {
    // Some servers change an item's id on the way, so its place among the items comes first.
    const key = String(readNumber(event.output_index) ?? readString(event.item_id) ?? '');
    switch (event.type) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        return yield* start(readObject(event.response) ?? {});
      case 'response.output_text.delta':
      case 'response.refusal.delta':
        return yield* onText(event, key);
      case 'response.output_text.done':
      case 'response.refusal.done':
      case 'response.content_part.done':
        return yield* onTextDone(event, key);
      case 'response.output_text.annotation.added':
        return onAnnotation(event, key);
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta':
        return yield* onThought(event, key);
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        return yield* onArgs(readString(event.delta) ?? '', key);
      case 'response.output_item.added':
        return yield* onItemAdded(readObject(event.item) ?? {}, key);
      case 'response.output_item.done':
        return yield* onItemDone(readObject(event.item) ?? {}, key);
      case 'response.completed':
      case 'response.done':
      case 'response.incomplete':
        return yield* onEnd(readObject(event.response) ?? {});
      case 'response.failed':
      case 'response.cancelled':
      case 'error':
        return yield* fail(decodeFailure(event));
    }
  }

  function* start(response: Json): Iterable<ChatEvent> {
    if (started) return;
    started = true;
    yield { type: 'start', id: readString(response.id) ?? '', model: readString(response.model) ?? '' };
  }

  // ------------------------------------------------------------------------------------------------- messages

  /** Makes a part of a message the one that speaks; the one before it is over. */
  function* turnTo(key: string, index: number): Iterable<ChatEvent> {
    if (place?.key === key && place.index === index) return;
    if (place) yield* blocks.end();
    place = { key, index, cited: 0 };
    heard.add(key).add(`${key}/${index}`);
  }

  function* onText(event: Json, key: string): Iterable<ChatEvent> {
    const text = readString(event.delta) ?? '';
    const logprobs = readObjects(event.logprobs);
    if (text === '' && logprobs.length === 0) return;
    const kind = event.type === 'response.refusal.delta' ? 'refusal' : 'text';
    if (kind === 'refusal') refused = true;
    yield* start({});
    yield* turnTo(key, readNumber(event.content_index) ?? 0);
    yield* blocks.say(kind, text, logprobs.length > 0 ? { logprobs } : {});
  }

  /** The whole of a part: new only where its deltas were left out, but for citations that had no event. */
  function* onTextDone(event: Json, key: string): Iterable<ChatEvent> {
    const index = readNumber(event.content_index) ?? 0;
    const part = readObject(event.part) ?? partOf(event);
    if (part.type !== 'output_text' && part.type !== 'refusal') return;
    if (!heard.has(`${key}/${index}`)) return yield* onWhole(decodeContent(part), key, index);
    citeRest(part, key, index);
  }

  const partOf = (event: Json): Json =>
    event.type === 'response.refusal.done'
      ? { type: 'refusal', refusal: event.refusal }
      : { type: 'output_text', text: event.text, logprobs: event.logprobs };

  function onAnnotation(event: Json, key: string): void {
    if (place?.key !== key || place.index !== (readNumber(event.content_index) ?? 0)) return;
    blocks.cite(decodeAnnotation(readObject(event.annotation) ?? {}));
    place.cited++;
  }

  function citeRest(part: Json, key: string, index: number): void {
    if (place?.key !== key || place.index !== index) return;
    for (const annotation of readObjects(part.annotations).slice(place.cited)) {
      blocks.cite(decodeAnnotation(annotation));
      place.cited++;
    }
  }

  /** A part that nobody has spoken yet. */
  function* onWhole(part: Part, key: string, index: number): Iterable<ChatEvent> {
    yield* start({});
    if (part.kind !== 'text' && part.kind !== 'refusal') {
      heard.add(key).add(`${key}/${index}`);
      place = undefined;
      return yield* blocks.whole(part);
    }
    if (part.kind === 'refusal') refused = true;
    if (part.text === '') return;
    const logprobs = part.kind === 'text' && part.logprobs ? { logprobs: part.logprobs } : {};
    const citations = (part.kind === 'text' && part.citations) || [];
    yield* turnTo(key, index);
    yield* blocks.say(part.kind, part.text, logprobs);
    for (const citation of citations) blocks.cite(citation);
    if (place) place.cited = citations.length;
  }

  function* onMessageDone(item: Json, key: string): Iterable<ChatEvent> {
    for (const [index, part] of readObjects(item.content).entries()) {
      if (heard.has(`${key}/${index}`)) citeRest(part, key, index);
      else yield* onWhole(decodeContent(part), key, index);
    }
    yield* leave(key);
  }

  /** Nothing more comes from an item; what speaks next is another block. */
  function* leave(key: string): Iterable<ChatEvent> {
    if (place?.key !== key) return;
    place = undefined;
    yield* blocks.end();
  }

  // ------------------------------------------------------------------------------------------------- thoughts

  /** Summary parts of one item are one thought, a blank line between them; raw text counts where no summary is told. */
  function* onThought(event: Json, key: string): Iterable<ChatEvent> {
    const text = readString(event.delta) ?? '';
    const raw = event.type === 'response.reasoning_text.delta';
    // Where both are told, they tell the same.
    if (text === '' || heard.has(`${key} ${raw ? 'summary' : 'raw'}`)) return;
    yield* start({});
    const index = readNumber(raw ? event.content_index : event.summary_index) ?? 0;
    const parted = place?.key === key && place.index !== index;
    if (place?.key !== key) yield* turnTo(key, index);
    place = { key, index, cited: 0 };
    heard.add(`${key} ${raw ? 'raw' : 'summary'}`);
    yield* blocks.say('reasoning', parted ? `\n\n${text}` : text);
  }

  /** The seal comes with the whole item, which may be nothing but its seal. */
  function* onReasoningDone(item: Json, key: string): Iterable<ChatEvent> {
    const { text, seal } = decodeReasoning(item);
    if (!heard.has(key)) {
      if (text === '' && !seal) return;
      yield* turnTo(key, 0);
      yield* blocks.say('reasoning', text);
    }
    if (seal && place?.key === key) blocks.seal(seal);
    yield* leave(key);
  }

  // ---------------------------------------------------------------------------------------------------- calls

  const isCall = (item: Json) => item.type === 'function_call' || item.type === 'custom_tool_call';

  function* onItemAdded(item: Json, key: string): Iterable<ChatEvent> {
    if (!isCall(item)) return;
    told = true;
    yield* start({});
    yield* call(item, key, readString(item.call_id));
  }

  function* call(item: Json, key: string, callId: string | undefined): Iterable<ChatEvent> {
    place = undefined;
    yield* blocks.call(key, {
      callId: callId ?? '',
      name: readString(item.name) ?? '',
      namespace: readString(item.namespace) ?? '',
      custom: item.type === 'custom_tool_call',
    });
  }

  function* onArgs(text: string, key: string): Iterable<ChatEvent> {
    if (text === '') return;
    heard.add(key);
    place = undefined;
    yield* start({});
    yield* blocks.args(key, text);
  }

  function* onCallDone(item: Json, key: string): Iterable<ChatEvent> {
    yield* call(item, key, readString(item.call_id) || readString(item.id));
    if (!heard.has(key)) yield* blocks.args(key, argsOf(item));
    yield* blocks.end(key);
  }

  // -------------------------------------------------------------------------------------------- items and ends

  function* onItemDone(item: Json, key: string): Iterable<ChatEvent> {
    told = true;
    yield* start({});
    if (isCall(item)) return yield* onCallDone(item, key);
    if (item.type === 'message') return yield* onMessageDone(item, key);
    if (item.type === 'reasoning') return yield* onReasoningDone(item, key);
    place = undefined;
    for (const part of decodeOther(item)) yield* blocks.whole(part);
  }

  /** A whole response, and the end of a stream of a server that tells its items nowhere else. */
  function* onEnd(response: Json): Iterable<ChatEvent> {
    if (response.status === 'failed' || response.status === 'cancelled')
      return yield* fail(decodeFailure({ response }));
    yield* start(response);
    if (!told && heard.size === 0)
      for (const [index, item] of readObjects(response.output).entries())
        yield* onItemDone(item, `final ${index}`);
    yield* blocks.close();
    over = true;
    const usage = readUsage(readObject(response.usage)) ?? noUsage;
    yield { type: 'finish', reason: reasonOf(response), usage };
  }

  function reasonOf(response: Json): FinishReason {
    const why = readString(readObject(response.incomplete_details)?.reason);
    if (why === 'max_output_tokens') return 'length';
    if (why === 'content_filter') return 'filter';
    // A response that runs in the background has said nothing yet; its client asks again later.
    if (unfinished.has(response.status)) return 'pause';
    if (blocks.called) return 'tool';
    return refused ? 'filter' : 'end';
  }

  function* fail(error: GatewayError): Iterable<ChatEvent> {
    if (over) return;
    over = true;
    if (started) yield* blocks.close();
    yield { type: 'error', error };
  }

  return {
    fail,
    *push(event) {
      if (!over) yield* onEvent(event);
    },
    *end() {
      yield* fail(cut());
    },
  };
}

const unfinished: ReadonlySet<unknown> = new Set(['incomplete', 'queued', 'in_progress']);
