import type { GatewayError } from '../../core/error.ts';
import type { ChatEvent } from '../../core/event.ts';
import { newId } from '../../core/id.ts';
import {
  type Draft,
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
import { addCounts, decodeStop, decodeUsage } from './usage.ts';
import { argsOf, inputOf, issuer } from './wire.ts';

/** The upstream's event stream in the hall's words. Event types that are new pass silently, as the API asks. */
export const decodeStream = (): Machine<Frame, ChatEvent> =>
  machine((tell) => {
    const events = new EventDecoder(tell);
    return {
      push({ event, data }) {
        // Some compatible servers end with OpenAI's mark.
        if (data === '' || data === '[DONE]') return;
        const said = tryParseObject(data);
        if (!said) return events.fail(badData('an event of its stream is not a JSON object'));
        events.push(said.type === undefined && event !== undefined ? { ...said, type: event } : said);
      },
      end: () => events.end(),
    };
  });

/** A content block of the wire that has begun and not ended. */
interface OpenBlock {
  readonly type: string;
  /** As it began; a hosted call's input comes later. */
  readonly start: Json;
  /** The input of a call, as far as it has come in pieces. */
  json: string;
}

/** The parsed events of a stream, one by one; a whole reply is told as the same events (see `reply.ts`). */
export class EventDecoder implements Teller<Json> {
  private readonly tell: Tell<ChatEvent>;
  private readonly blocks: Blocks;
  private readonly open = new Map<number, OpenBlock>();
  /** The block whose text is being said; another one's words end it, because ours never nest. */
  private speaking: number | undefined;
  private started = false;
  private over = false;
  /** What has been counted so far. */
  private readonly usage: Draft<Json> = {};
  private stopReason: string | undefined;
  private stopSequence: string | undefined;

  constructor(tell: Tell<ChatEvent>) {
    this.tell = tell;
    this.blocks = new Blocks(tell);
  }

  push(event: Json): void {
    if (this.over) return;
    switch (event.type) {
      case 'message_start':
        return this.onMessageStart(readObject(event.message) ?? {});
      case 'content_block_start':
      case 'content_block_delta':
      case 'content_block_stop':
      case 'message_delta':
      case 'message_stop':
        return this.onSpoken(event);
      case 'error':
        return this.fail(decodeErrorEvent(event));
      case undefined:
        if (event.error) this.fail(decodeErrorEvent(event));
    }
  }

  end(): void {
    if (this.over) return;
    // Everything was said but the closing mark: the answer is complete.
    if (this.stopReason !== undefined && this.open.size === 0) return this.onMessageStop();
    this.fail(cut());
  }

  fail(error: GatewayError): void {
    if (this.over) return;
    this.over = true;
    this.tell({ type: 'error', error });
  }

  onMessageStart(message: Json): void {
    const counts = readObject(message.usage);
    if (counts) addCounts(this.usage, counts);
    if (this.started) return;
    this.started = true;
    this.tell({
      type: 'start',
      id: readString(message.id) ?? newId('msg_'),
      model: readString(message.model) ?? '',
      usage: counts && decodeUsage(this.usage),
    });
  }

  /** What comes after the start of the message, which some servers leave out. */
  private onSpoken(event: Json): void {
    if (!this.started) this.onMessageStart({});
    const index = readNumber(event.index) ?? 0;
    switch (event.type) {
      case 'content_block_start':
        return this.onBlockStart(index, readObject(event.content_block) ?? {});
      case 'content_block_delta':
        return this.onBlockDelta(index, readObject(event.delta) ?? {});
      case 'content_block_stop':
        return this.onBlockStop(index);
      case 'message_delta':
        return this.onMessageDelta(readObject(event.delta) ?? {}, readObject(event.usage));
      case 'message_stop':
        return this.onMessageStop();
    }
  }

  onBlockStart(index: number, start: Json): void {
    if (this.open.has(index)) this.onBlockStop(index);
    const type = readString(start.type) ?? '';
    this.open.set(index, { type, start, json: '' });
    switch (type) {
      case 'text':
        if (start.text) this.say(index, 'text', String(start.text));
        for (const citation of readObjects(start.citations)) this.onCitation(index, citation);
        return;
      case 'thinking':
        if (start.thinking) this.say(index, 'reasoning', String(start.thinking));
        return this.onSeal(index, start.signature, false);
      case 'redacted_thinking':
        return this.onSeal(index, start.data, true);
      case 'tool_use':
        this.speaking = undefined;
        return this.blocks.call(index, {
          callId: readString(start.id) ?? '',
          name: readString(start.name) ?? '',
        });
    }
  }

  private onBlockDelta(index: number, delta: Json): void {
    switch (delta.type) {
      case 'text_delta':
        if (delta.text) this.say(index, 'text', String(delta.text));
        return;
      case 'thinking_delta':
        if (delta.thinking) this.say(index, 'reasoning', String(delta.thinking));
        return;
      case 'signature_delta':
        return this.onSeal(index, delta.signature, false);
      case 'citations_delta':
        return this.onCitation(index, readObject(delta.citation) ?? {});
      case 'input_json_delta':
        return this.onInput(index, readString(delta.partial_json) ?? '');
    }
  }

  onBlockStop(index: number): void {
    const block = this.open.get(index);
    if (!block) return;
    this.open.delete(index);
    switch (block.type) {
      case 'text':
      case 'thinking':
      case 'redacted_thinking':
        if (this.speaking !== index) return;
        this.speaking = undefined;
        return this.blocks.end();
      case 'tool_use':
        // Without a piece of it, the input is what the block began with; Claude says {} that way.
        if (block.json === '') this.blocks.args(index, argsOf(block.start.input));
        return this.blocks.end(index);
      default:
        this.speaking = undefined;
        return this.blocks.whole(
          decodeHosted(block.json === '' ? block.start : { ...block.start, input: inputOf(block.json) }),
        );
    }
  }

  onMessageDelta(delta: Json, counts: Json | undefined): void {
    this.stopReason = readString(delta.stop_reason) ?? this.stopReason;
    this.stopSequence = readString(delta.stop_sequence) ?? this.stopSequence;
    if (counts) addCounts(this.usage, counts);
  }

  onMessageStop(): void {
    for (const index of this.open.keys()) this.onBlockStop(index);
    this.blocks.close();
    this.over = true;
    this.tell({
      type: 'finish',
      reason: decodeStop(this.stopReason, this.blocks.called),
      stop: this.stopSequence,
      usage: decodeUsage(this.usage),
    });
  }

  /** Words of one block; those of a block before it that never ended are over now. */
  private say(index: number, kind: 'text' | 'reasoning', text: string): void {
    if (this.speaking !== undefined && this.speaking !== index) this.blocks.end();
    this.speaking = index;
    this.blocks.say(kind, text);
  }

  /** A seal may come without a word of the thought it seals, and it is worth keeping then too. */
  private onSeal(index: number, value: unknown, redacted: boolean): void {
    const seal = decodeSeal(readString(value), issuer, redacted);
    if (!seal) return;
    if (this.speaking !== index) this.say(index, 'reasoning', '');
    this.blocks.seal(seal);
  }

  private onCitation(index: number, citation: Json): void {
    if (this.speaking !== index) this.say(index, 'text', '');
    this.blocks.cite(decodeCitation(citation));
  }

  private onInput(index: number, json: string): void {
    const block = this.open.get(index);
    if (!block) return;
    block.json += json;
    if (block.type === 'tool_use') this.blocks.args(index, json);
  }
}
