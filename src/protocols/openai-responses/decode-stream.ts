import { GatewayError } from '../../core/error.ts';
import { type ChatEvent, type FinishReason, noUsage, type Usage } from '../../core/event.ts';
import {
  type Json,
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import type { Machine } from '../../core/machine.ts';
import type { Frame } from '../../wire/sse.ts';
import { Blocks } from '../blocks.ts';
import { decodeAnnotation, decodeContent, decodeOtherItem, decodeReasoning } from './decode-item.ts';
import { decodeFailure } from './errors.ts';
import { readUsage } from './usage.ts';

/** Responses stream events to the hall's events. Unknown events pass in silence; only five kinds end a stream. */
export function decodeStream(): Machine<Frame, ChatEvent> {
  const blocks = new Blocks();
  /** Output items whose content has been said by deltas; the whole item must not say it again. */
  const spoken = new Set<string>();
  let started = false;
  let refused = false;
  let over = false;
  let anything = false;

  function* onEvent(event: Json): Iterable<ChatEvent> {
    const key = String(readNumber(event.output_index) ?? readString(event.item_id) ?? '');
    switch (event.type) {
      case 'response.created':
      case 'response.in_progress':
        return yield* start(readObject(event.response) ?? {});
      case 'response.output_item.added':
        return yield* onItemAdded(readObject(event.item) ?? {}, key);
      case 'response.output_text.delta':
        return yield* say('text', event, key);
      case 'response.refusal.delta':
        refused = true;
        return yield* say('refusal', event, key);
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta':
        return yield* onReasoningDelta(event, key);
      case 'response.output_text.annotation.added':
        return blocks.cite(decodeAnnotation(readObject(event.annotation) ?? {}));
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        spoken.add(key);
        return yield* blocks.args(key, readString(event.delta) ?? '');
      case 'response.output_item.done':
        return yield* onItemDone(readObject(event.item) ?? {}, key);
      case 'response.completed':
      case 'response.done':
      case 'response.incomplete':
        return yield* onEnd(readObject(event.response) ?? {});
      case 'response.failed':
      case 'error':
        return yield* fail(decodeFailure(event));
    }
  }

  function* start(response: Json): Iterable<ChatEvent> {
    if (started) return;
    started = true;
    yield { type: 'start', id: readString(response.id) ?? '', model: readString(response.model) ?? '' };
  }

  function* say(kind: 'text' | 'refusal', event: Json, key: string): Iterable<ChatEvent> {
    spoken.add(key);
    const logprobs = readObjects(event.logprobs);
    yield* blocks.say(kind, readString(event.delta) ?? '', logprobs.length > 0 ? { logprobs } : {});
  }

  /** Summary parts of one item are one thought; a blank line parts them, as the whole item's reading does. */
  let part: string | undefined;
  function* onReasoningDelta(event: Json, key: string): Iterable<ChatEvent> {
    const raw = event.type === 'response.reasoning_text.delta';
    if (raw && spoken.has(`${key} summary`)) return;
    if (!raw) spoken.add(`${key} summary`);
    const place = `${key} ${readNumber(event.summary_index) ?? readNumber(event.content_index) ?? 0}`;
    const parted = spoken.has(key) && part !== place;
    spoken.add(key);
    part = place;
    yield* blocks.say('reasoning', (parted ? '\n\n' : '') + (readString(event.delta) ?? ''));
  }

  function* onItemAdded(item: Json, key: string): Iterable<ChatEvent> {
    if (item.type !== 'function_call' && item.type !== 'custom_tool_call') return;
    yield* call(item, key);
  }

  function* call(item: Json, key: string): Iterable<ChatEvent> {
    anything = true;
    yield* blocks.call(key, {
      callId: readString(item.call_id) ?? readString(item.id) ?? '',
      name: readString(item.name) ?? '',
      namespace: readString(item.namespace) ?? '',
      custom: item.type === 'custom_tool_call',
    });
  }

  function* onItemDone(item: Json, key: string): Iterable<ChatEvent> {
    anything = true;
    switch (item.type) {
      case 'function_call':
      case 'custom_tool_call':
        yield* call(item, key);
        if (!spoken.has(key))
          yield* blocks.args(key, readString(item.arguments) ?? readString(item.input) ?? '');
        return yield* blocks.end(key);
      case 'reasoning':
        return yield* onReasoningDone(item, key);
      case 'message':
        if (!spoken.has(key)) yield* wholeMessage(item);
        return yield* blocks.end();
      default:
        return yield* blocks.whole(decodeOtherItem(item));
    }
  }

  /** The sealed whole comes with the last event of the item; an item may be nothing but its seal. */
  function* onReasoningDone(item: Json, key: string): Iterable<ChatEvent> {
    const { text, seal } = decodeReasoning(item);
    if (!spoken.has(key)) {
      if (text === '' && !seal) return;
      yield* blocks.say('reasoning', text);
    }
    if (seal) blocks.seal(seal);
    yield* blocks.end();
  }

  function* wholeMessage(item: Json): Iterable<ChatEvent> {
    for (const wire of readObjects(item.content)) {
      const said = decodeContent(wire);
      if (said.kind === 'refusal') refused = true;
      if (said.kind !== 'text' && said.kind !== 'refusal') yield* blocks.whole(said);
      else
        yield* blocks.say(
          said.kind,
          said.text,
          said.kind === 'text' && said.logprobs ? { logprobs: said.logprobs } : {},
        );
      if (said.kind === 'text') for (const citation of said.citations ?? []) blocks.cite(citation);
      yield* blocks.end();
    }
  }

  /** Some servers send no items, or none but in the last event: then they are read from there. */
  function* onEnd(response: Json): Iterable<ChatEvent> {
    if (response.status === 'failed') return yield* fail(decodeFailure({ response }));
    yield* start(response);
    if (!anything && spoken.size === 0)
      for (const [index, item] of readObjects(response.output).entries())
        yield* onItemDone(item, `final ${index}`);
    yield* blocks.close();
    over = true;
    const usage: Usage = readUsage(readObject(response.usage)) ?? noUsage;
    yield { type: 'finish', reason: reasonOf(response), usage };
  }

  function reasonOf(response: Json): FinishReason {
    const why = readString(readObject(response.incomplete_details)?.reason);
    if (why === 'max_output_tokens') return 'length';
    if (why === 'content_filter') return 'filter';
    if (response.status === 'incomplete') return 'pause';
    if (blocks.called) return 'tool';
    return refused ? 'filter' : 'end';
  }

  function* fail(error: GatewayError): Iterable<ChatEvent> {
    over = true;
    if (started) yield* blocks.close();
    yield { type: 'error', error };
  }

  return {
    *push(frame) {
      if (over || frame.data === '[DONE]') return;
      const event = tryParseObject(frame.data);
      if (event) return yield* onEvent(event);
      yield* fail(
        new GatewayError({ kind: 'bad-upstream-data' }, 'The upstream sent a stream event that is not JSON.'),
      );
    },
    *end() {
      if (over) return;
      yield* fail(
        new GatewayError(
          { kind: 'transport', phase: 'cut' },
          'The upstream stopped in the middle of its answer.',
          {
            remedy: 'Send the request again.',
          },
        ),
      );
    },
  };
}
