import type { GatewayError } from '../../core/error.ts';
import type { ChatEvent } from '../../core/event.ts';
import { newId } from '../../core/id.ts';
import {
  type Json,
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import { type Machine, machine, type Tell, type Teller } from '../../core/machine.ts';
import type { Frame } from '../../wire/sse.ts';
import { Blocks } from '../blocks.ts';
import { decodeSeal } from '../seals.ts';
import { decodeCitation, decodeHosted } from './decode-content.ts';
import { badData, cut, decodeErrorEvent } from './errors.ts';
import { decodeStop, decodeUsage, mergeUsage } from './usage.ts';
import { argsOf, inputOf, issuer } from './wire.ts';

/** The upstream's event stream in the hall's words. Event types that are new pass silently, as the API asks. */
export const decodeStream = (): Machine<Frame, ChatEvent> =>
  machine((tell) => {
    const events = decodeEvents(tell);
    return {
      push({ event, data }) {
        // Some compatible servers end with OpenAI's mark.
        if (data === '' || data === '[DONE]') return;
        const said = tryParseObject(data);
        if (!said) return events.fail(badData('an event of its stream is not a JSON object'));
        events.push(said.type === undefined && event !== undefined ? { ...said, type: event } : said);
      },
      end: events.end,
    };
  });

interface EventDecoder extends Teller<Json> {
  fail(error: GatewayError): void;
}

/** A content block of the wire that has begun and not ended. */
interface OpenBlock {
  readonly type: string;
  /** As it began; a hosted call's input comes later. */
  readonly start: Json;
  /** The input of a call, as far as it has come in pieces. */
  json: string;
}

/** The parsed events of a stream, one by one; a whole reply is spelled as the same events (see `reply.ts`). */
export function decodeEvents(tell: Tell<ChatEvent>): EventDecoder {
  const blocks = new Blocks(tell);
  const open = new Map<number, OpenBlock>();
  /** The block whose text is being said; another one's words end it, because ours never nest. */
  let speaking: number | undefined;
  let started = false;
  let over = false;
  let usage: Json = {};
  let stopReason: string | undefined;
  let stopSequence: string | undefined;

  function begin(message: Json): void {
    usage = mergeUsage(usage, message.usage);
    if (started) return;
    started = true;
    const counted = readObject(message.usage) ? { usage: decodeUsage(usage) } : {};
    tell({
      type: 'start',
      id: readString(message.id) ?? newId('msg_'),
      model: readString(message.model) ?? '',
      ...counted,
    });
  }

  function fail(error: GatewayError): void {
    if (over) return;
    over = true;
    tell({ type: 'error', error });
  }

  function finish(): void {
    for (const index of open.keys()) onBlockStop(index);
    blocks.close();
    over = true;
    tell({
      type: 'finish',
      reason: decodeStop(stopReason, blocks.called),
      ...(stopSequence === undefined ? {} : { stop: stopSequence }),
      usage: decodeUsage(usage),
    });
  }

  /** Words of one block; those of a block before it that never ended are over now. */
  function say(index: number, kind: 'text' | 'reasoning', text: string): void {
    if (speaking !== undefined && speaking !== index) blocks.end();
    speaking = index;
    blocks.say(kind, text);
  }

  function onBlockStart(index: number, start: Json): void {
    if (open.has(index)) onBlockStop(index);
    const type = readString(start.type) ?? '';
    open.set(index, { type, start, json: '' });
    switch (type) {
      case 'text':
        if (start.text) say(index, 'text', String(start.text));
        for (const citation of readObjects(start.citations)) onCitation(index, citation);
        return;
      case 'thinking':
        if (start.thinking) say(index, 'reasoning', String(start.thinking));
        return onSeal(index, start.signature, false);
      case 'redacted_thinking':
        return onSeal(index, start.data, true);
      case 'tool_use':
        speaking = undefined;
        return blocks.call(index, {
          callId: readString(start.id) ?? '',
          name: readString(start.name) ?? '',
        });
    }
  }

  /** A seal may come without a word of the thought it seals, and it is worth keeping then too. */
  function onSeal(index: number, value: unknown, redacted: boolean): void {
    const seal = decodeSeal(readString(value), issuer, redacted);
    if (!seal) return;
    if (speaking !== index) say(index, 'reasoning', '');
    blocks.seal(seal);
  }

  function onCitation(index: number, citation: Json): void {
    if (speaking !== index) say(index, 'text', '');
    blocks.cite(decodeCitation(citation));
  }

  function onBlockDelta(index: number, delta: Json): void {
    switch (delta.type) {
      case 'text_delta':
        if (delta.text) say(index, 'text', String(delta.text));
        return;
      case 'thinking_delta':
        if (delta.thinking) say(index, 'reasoning', String(delta.thinking));
        return;
      case 'signature_delta':
        return onSeal(index, delta.signature, false);
      case 'citations_delta':
        return onCitation(index, readObject(delta.citation) ?? {});
      case 'input_json_delta':
        return onInput(index, readString(delta.partial_json) ?? '');
    }
  }

  function onInput(index: number, json: string): void {
    const block = open.get(index);
    if (!block) return;
    block.json += json;
    if (block.type === 'tool_use') blocks.args(index, json);
  }

  function onBlockStop(index: number): void {
    const block = open.get(index);
    if (!block) return;
    open.delete(index);
    switch (block.type) {
      case 'text':
      case 'thinking':
      case 'redacted_thinking':
        if (speaking !== index) return;
        speaking = undefined;
        return blocks.end();
      case 'tool_use':
        // Without a piece of it, the input is what the block began with; Claude says {} that way.
        if (block.json === '') blocks.args(index, argsOf(block.start.input));
        return blocks.end(index);
      default:
        speaking = undefined;
        return blocks.whole(
          decodeHosted(block.json === '' ? block.start : { ...block.start, input: inputOf(block.json) }),
        );
    }
  }

  function onMessageDelta(event: Json): void {
    const delta = readObject(event.delta) ?? {};
    stopReason = readString(delta.stop_reason) ?? stopReason;
    stopSequence = readString(delta.stop_sequence) ?? stopSequence;
    usage = mergeUsage(usage, event.usage);
  }

  /** What comes after the start of the message, which some servers leave out. */
  function onSpoken(event: Json): void {
    if (!started) begin({});
    const index = readNumber(event.index) ?? 0;
    switch (event.type) {
      case 'content_block_start':
        return onBlockStart(index, readObject(event.content_block) ?? {});
      case 'content_block_delta':
        return onBlockDelta(index, readObject(event.delta) ?? {});
      case 'content_block_stop':
        return onBlockStop(index);
      case 'message_delta':
        return onMessageDelta(event);
      case 'message_stop':
        return finish();
    }
  }

  return {
    fail,
    push(event) {
      if (over) return;
      switch (event.type) {
        case 'message_start':
          return begin(readObject(event.message) ?? {});
        case 'content_block_start':
        case 'content_block_delta':
        case 'content_block_stop':
        case 'message_delta':
        case 'message_stop':
          return onSpoken(event);
        case 'error':
          return fail(decodeErrorEvent(event));
        case undefined:
          if (event.error) fail(decodeErrorEvent(event));
      }
    },
    end() {
      if (over) return;
      // Everything was said but the closing mark: the answer is complete.
      if (stopReason !== undefined && open.size === 0) return finish();
      fail(cut());
    },
  };
}
