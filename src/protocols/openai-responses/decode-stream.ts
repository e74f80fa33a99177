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
import { type Machine, machine, type Tell, type Teller } from '../../core/machine.ts';
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
export const decodeStream = (): Machine<Frame, ChatEvent> =>
  machine((tell) => {
    const events = decodeEvents(tell);
    let broken = false;
    return {
      push(frame) {
        if (broken) events.fail(garbage());
        if (frame.data === '[DONE]') return;
        const event = tryParseObject(frame.data);
        if (event) events.push(event);
        else broken = true;
      },
      end: events.end,
    };
  });

/** The part of a message or of a thought that speaks at the moment. */
interface Place {
  readonly key: string;
  /** `content_index` or `summary_index`. */
  readonly index: number;
  /** How many citations of it have been told. */
  cited: number;
}

/** The same for events that are parsed already. Unknown events pass in silence; only five kinds end a stream. */
export function decodeEvents(tell: Tell<ChatEvent>): Teller<Json> & { fail(error: GatewayError): void } {
  const blocks = new Blocks(tell);
  /** What deltas have said already, as keys of items and of their parts; a whole item must not say it again. */
  const heard = new Set<string>();
  let place: Place | undefined;
  let started = false;
  let refused = false;
  let over = false;
  /** Whether any item has been told of: then the last event's list of them brings nothing new. */
  let told = false;

  function onEvent(event: Json): void {
    // Some servers change an item's id on the way, so its place among the items comes first.
    const key = String(readNumber(event.output_index) ?? readString(event.item_id) ?? '');
    switch (event.type) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        return start(readObject(event.response) ?? {});
      case 'response.output_text.delta':
      case 'response.refusal.delta':
        return onText(event, key);
      case 'response.output_text.done':
      case 'response.refusal.done':
      case 'response.content_part.done':
        return onTextDone(event, key);
      case 'response.output_text.annotation.added':
        return onAnnotation(event, key);
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta':
        return onThought(event, key);
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        return onArgs(readString(event.delta) ?? '', key);
      case 'response.output_item.added':
        return onItemAdded(readObject(event.item) ?? {}, key);
      case 'response.output_item.done':
        return onItemDone(readObject(event.item) ?? {}, key);
      case 'response.completed':
      case 'response.done':
      case 'response.incomplete':
        return onEnd(readObject(event.response) ?? {});
      case 'response.failed':
      case 'response.cancelled':
      case 'error':
        return fail(decodeFailure(event));
    }
  }

  function start(response: Json): void {
    if (started) return;
    started = true;
    tell({ type: 'start', id: readString(response.id) ?? '', model: readString(response.model) ?? '' });
  }

  // ------------------------------------------------------------------------------------------------- messages

  /** Makes a part of a message the one that speaks; the one before it is over. */
  function turnTo(key: string, index: number): void {
    if (place?.key === key && place.index === index) return;
    if (place) blocks.end();
    place = { key, index, cited: 0 };
    heard.add(key).add(`${key}/${index}`);
  }

  function onText(event: Json, key: string): void {
    const text = readString(event.delta) ?? '';
    const logprobs = readObjects(event.logprobs);
    if (text === '' && logprobs.length === 0) return;
    const kind = event.type === 'response.refusal.delta' ? 'refusal' : 'text';
    if (kind === 'refusal') refused = true;
    start({});
    turnTo(key, readNumber(event.content_index) ?? 0);
    blocks.say(kind, text, 0, logprobs.length > 0 ? logprobs : undefined);
  }

  /** The whole of a part: new only where its deltas were left out, but for citations that had no event. */
  function onTextDone(event: Json, key: string): void {
    const index = readNumber(event.content_index) ?? 0;
    const part = readObject(event.part) ?? partOf(event);
    if (part.type !== 'output_text' && part.type !== 'refusal') return;
    if (!heard.has(`${key}/${index}`)) return onWhole(decodeContent(part), key, index);
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
  function onWhole(part: Part, key: string, index: number): void {
    start({});
    if (part.kind !== 'text' && part.kind !== 'refusal') {
      heard.add(key).add(`${key}/${index}`);
      place = undefined;
      return blocks.whole(part);
    }
    if (part.kind === 'refusal') refused = true;
    if (part.text === '') return;
    const logprobs = part.kind === 'text' ? part.logprobs : undefined;
    const citations = (part.kind === 'text' && part.citations) || [];
    turnTo(key, index);
    blocks.say(part.kind, part.text, 0, logprobs);
    for (const citation of citations) blocks.cite(citation);
    if (place) place.cited = citations.length;
  }

  function onMessageDone(item: Json, key: string): void {
    for (const [index, part] of readObjects(item.content).entries()) {
      if (heard.has(`${key}/${index}`)) citeRest(part, key, index);
      else onWhole(decodeContent(part), key, index);
    }
    leave(key);
  }

  /** Nothing more comes from an item; what speaks next is another block. */
  function leave(key: string): void {
    if (place?.key !== key) return;
    place = undefined;
    blocks.end();
  }

  // ------------------------------------------------------------------------------------------------- thoughts

  /** Summary parts of one item are one thought, a blank line between them; raw text counts where no summary is told. */
  function onThought(event: Json, key: string): void {
    const text = readString(event.delta) ?? '';
    const raw = event.type === 'response.reasoning_text.delta';
    // Where both are told, they tell the same.
    if (text === '' || heard.has(`${key} ${raw ? 'summary' : 'raw'}`)) return;
    start({});
    const index = readNumber(raw ? event.content_index : event.summary_index) ?? 0;
    const parted = place?.key === key && place.index !== index;
    if (place?.key !== key) turnTo(key, index);
    place = { key, index, cited: 0 };
    heard.add(`${key} ${raw ? 'raw' : 'summary'}`);
    blocks.say('reasoning', parted ? `\n\n${text}` : text);
  }

  /** The seal comes with the whole item, which may be nothing but its seal. */
  function onReasoningDone(item: Json, key: string): void {
    const { text, seal } = decodeReasoning(item);
    if (!heard.has(key)) {
      if (text === '' && !seal) return;
      turnTo(key, 0);
      blocks.say('reasoning', text);
    }
    if (seal && place?.key === key) blocks.seal(seal);
    leave(key);
  }

  // ---------------------------------------------------------------------------------------------------- calls

  const isCall = (item: Json) => item.type === 'function_call' || item.type === 'custom_tool_call';

  function onItemAdded(item: Json, key: string): void {
    if (!isCall(item)) return;
    told = true;
    start({});
    call(item, key, readString(item.call_id));
  }

  function call(item: Json, key: string, callId: string | undefined): void {
    place = undefined;
    blocks.call(key, {
      callId: callId ?? '',
      name: readString(item.name) ?? '',
      namespace: readString(item.namespace) ?? '',
      custom: item.type === 'custom_tool_call',
    });
  }

  function onArgs(text: string, key: string): void {
    if (text === '') return;
    heard.add(key);
    place = undefined;
    start({});
    blocks.args(key, text);
  }

  function onCallDone(item: Json, key: string): void {
    call(item, key, readString(item.call_id) || readString(item.id));
    if (!heard.has(key)) blocks.args(key, argsOf(item));
    blocks.end(key);
  }

  // -------------------------------------------------------------------------------------------- items and ends

  function onItemDone(item: Json, key: string): void {
    told = true;
    start({});
    if (isCall(item)) return onCallDone(item, key);
    if (item.type === 'message') return onMessageDone(item, key);
    if (item.type === 'reasoning') return onReasoningDone(item, key);
    place = undefined;
    for (const part of decodeOther(item)) blocks.whole(part);
  }

  /** A whole response, and the end of a stream of a server that tells its items nowhere else. */
  function onEnd(response: Json): void {
    if (response.status === 'failed' || response.status === 'cancelled')
      return fail(decodeFailure({ response }));
    start(response);
    if (!told && heard.size === 0)
      for (const [index, item] of readObjects(response.output).entries()) onItemDone(item, `final ${index}`);
    blocks.close();
    over = true;
    const usage = readUsage(readObject(response.usage)) ?? noUsage;
    tell({ type: 'finish', reason: reasonOf(response), usage });
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

  function fail(error: GatewayError): void {
    if (over) return;
    over = true;
    if (started) blocks.close();
    tell({ type: 'error', error });
  }

  return {
    fail,
    push(event) {
      if (!over) onEvent(event);
    },
    end() {
      fail(cut());
    },
  };
}

const unfinished: ReadonlySet<unknown> = new Set(['incomplete', 'queued', 'in_progress']);
