import type { EventStreamCodec } from '@smithy/eventstream-codec';
import { compact, tryParseObject } from '../../core/json.ts';
import { type Machine, machine, type Tell, type Teller } from '../../core/machine.ts';
import type { Answered } from '../../wire/fetch.ts';
import { rebodied } from '../../wire/rebody.ts';
import { type Frame, render } from '../../wire/sse.ts';
import { damageFrame, endFrame, exceptionFrame, promptFrame } from './wire.ts';

/** Bytes of the start of a message: its length, that of its headers, and their checksum. */
const preludeBytes = 12;
/** The smallest and the largest message that AWS's format has. */
const smallest = 16;
const largest = 10 * 1024 * 1024;

const decoder = new TextDecoder();
const encoder = new TextEncoder();
let codec: Promise<EventStreamCodec> | undefined;

/** What reads the messages; loaded at first use, because most gateways never need it and every start would feel it. */
export function messageCodec(): Promise<EventStreamCodec> {
  codec ??= import('@smithy/eventstream-codec').then(
    (library) =>
      new library.EventStreamCodec(
        (bytes) => (typeof bytes === 'string' ? bytes : decoder.decode(bytes)),
        (text) => Buffer.from(text),
      ),
  );
  return codec;
}

/**
 * The binary messages of an AWS event stream as frames, named by their event; both checksums of each are verified. A
 * message that is damaged becomes a last frame that says so. Whole messages up to the end of the body are followed by a
 * closing frame, because the wire itself has no closing mark that always comes.
 */
export const messageFrames = (codec: EventStreamCodec): Machine<Uint8Array, Frame> =>
  machine((tell) => readMessages(codec, tell));

function readMessages(codec: EventStreamCodec, tell: Tell<Frame>): Teller<Uint8Array> {
  let held: Uint8Array[] = [];
  let length = 0;
  /** How many bytes are needed to go on: a prelude, or the whole message that it announced. */
  let needed = preludeBytes;
  let damaged = false;

  /** The bytes held so far, as one piece. */
  function joined(): Uint8Array {
    if (held.length !== 1) held = [Buffer.concat(held)];
    return held[0]!;
  }

  function damage(what: string): void {
    damaged = true;
    held = [];
    tell({ event: damageFrame, data: JSON.stringify({ what }) });
  }

  return {
    push(bytes) {
      if (damaged) return;
      held.push(bytes);
      length += bytes.length;
      while (length >= needed) {
        const all = joined();
        const total = new DataView(all.buffer, all.byteOffset).getUint32(0);
        if (total < smallest || total > largest) return damage(`a message claims to have ${total} bytes`);
        needed = total;
        if (length < total) return;
        held = [all.subarray(total)];
        length -= total;
        needed = preludeBytes;
        const message = decoded(codec, all.subarray(0, total));
        if (typeof message === 'string') return damage(message);
        tell(frameOf(message));
      }
    },
    end() {
      if (!damaged && length === 0) tell({ event: endFrame, data: '{}' });
    },
  };
}

type Message = ReturnType<EventStreamCodec['decode']>;

/** The message, or what is wrong with it. */
function decoded(codec: EventStreamCodec, bytes: Uint8Array): Message | string {
  try {
    return codec.decode(bytes);
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : 'a message cannot be read';
  }
}

function frameOf({ headers, body }: Message): Frame {
  const header = (name: string): string | undefined => {
    const value = headers[name]?.value;
    return typeof value === 'string' ? value : undefined;
  };
  const text = decoder.decode(body);
  const kind = header(':message-type') ?? 'event';
  if (kind === 'event') return { event: nameOf(header(':event-type')), data: oneLine(text) };
  const failure = compact({
    message: text === '' ? undefined : text,
    ...tryParseObject(text),
    type: header(':exception-type') ?? header(':error-code') ?? kind,
  });
  const told = header(':error-message');
  return {
    event: exceptionFrame,
    data: JSON.stringify(told === undefined ? failure : { ...failure, message: told }),
  };
}

/** A name that fits on a line of a frame. */
const nameOf = (name: string | undefined): string => (name ?? '').replace(/[^\w-]/g, '');

/** In JSON a line end is white space, never part of a string. */
const oneLine = (text: string): string => text.replace(/[\r\n]+/g, ' ');

/**
 * A binary answer as one of server-sent events, which is what the relay's lanes read.
 * @param promptTokens a guess, for answers that do not say what the prompt cost.
 */
export async function asEventStream(answer: Answered, promptTokens: number): Promise<Answered> {
  const type = answer.headers.get('content-type') ?? '';
  if (!answer.ok || answer.body === null || /json|html|text\//i.test(type)) return answer;
  const headers = new Headers(answer.headers);
  headers.set('content-type', 'text/event-stream');
  return { ...rebodied(answer, rendered(await messageCodec(), promptTokens)), headers };
}

function rendered(codec: EventStreamCodec, promptTokens: number): Machine<Uint8Array, Uint8Array> {
  const frames = messageFrames(codec);
  let opening = render({ event: promptFrame, data: JSON.stringify({ tokens: promptTokens }) });
  function said(batch: readonly Frame[]): readonly Uint8Array[] {
    const text = opening + batch.map(render).join('');
    opening = '';
    return text === '' ? [] : [encoder.encode(text)];
  }
  return { push: (bytes) => said(frames.push(bytes)), end: () => said(frames.end()) };
}
