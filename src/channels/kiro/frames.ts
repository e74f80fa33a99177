import { EventStreamCodec } from '@smithy/eventstream-codec';
import { compact, tryParseObject } from '../../core/json.ts';
import type { Machine } from '../../core/machine.ts';
import type { Answered } from '../../wire/fetch.ts';
import { type Frame, render } from '../../wire/sse.ts';
import { badData, cut } from './errors.ts';
import { endFrame, exceptionFrame, promptFrame } from './wire.ts';

/** Bytes of the start of a message: its length, that of its headers, and their checksum. */
const preludeBytes = 12;
/** The smallest and the largest message that AWS's format has. */
const smallest = 16;
const largest = 10 * 1024 * 1024;

const decoder = new TextDecoder();
const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : decoder.decode(bytes)),
  (text) => Buffer.from(text),
);

/**
 * The binary messages of an AWS event stream as frames, named by their event; both checksums of each are verified.
 * @throws GatewayError `bad-upstream-data` for a message that is damaged, `transport` for one that stops short.
 */
export function messageFrames(): Machine<Uint8Array, Frame> {
  let held: Uint8Array[] = [];
  let length = 0;
  /** How many bytes are needed to go on: a prelude, or the whole message that it announced. */
  let needed = preludeBytes;

  /** The bytes held so far, as one piece. */
  function joined(): Uint8Array {
    if (held.length !== 1) held = [Buffer.concat(held)];
    return held[0]!;
  }

  return {
    *push(bytes) {
      held.push(bytes);
      length += bytes.length;
      while (length >= needed) {
        const all = joined();
        const total = new DataView(all.buffer, all.byteOffset).getUint32(0);
        if (total < smallest || total > largest) throw badData(`a message claims to have ${total} bytes`);
        needed = total;
        if (length < total) return;
        held = [all.subarray(total)];
        length -= total;
        needed = preludeBytes;
        yield frameOf(all.subarray(0, total));
      }
    },
    *end() {
      if (length > 0) throw cut();
    },
  };
}

function frameOf(bytes: Uint8Array): Frame {
  const { headers, body } = decoded(bytes);
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

function decoded(bytes: Uint8Array): ReturnType<EventStreamCodec['decode']> {
  try {
    return codec.decode(bytes);
  } catch (thrown) {
    throw badData(thrown instanceof Error ? thrown.message : 'a message cannot be read');
  }
}

/** A name that fits on a line of a frame. */
const nameOf = (name: string | undefined): string => (name ?? '').replace(/[^\w-]/g, '');

/** In JSON a line end is white space, never part of a string. */
const oneLine = (text: string): string => text.replace(/[\r\n]+/g, ' ');

/**
 * A binary answer as one of server-sent events, which is what the relay's lanes read. Its last frame says that the whole
 * HTTP body came in, because the wire itself has no closing mark that always comes.
 * @param promptTokens a guess, for answers that do not say what the prompt cost.
 */
export function asEventStream(answer: Answered, promptTokens: number): Answered {
  const type = answer.headers.get('content-type') ?? '';
  if (!answer.ok || answer.body === null || /json|html|text\//i.test(type)) return answer;
  const headers = new Headers(answer.headers);
  headers.set('content-type', 'text/event-stream');
  return new Response(framed(answer.body, promptTokens), { status: answer.status, headers });
}

function framed(source: ReadableStream<Uint8Array>, promptTokens: number): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  const frames = messageFrames();
  const encoder = new TextEncoder();
  const opening: Frame = { event: promptFrame, data: JSON.stringify({ tokens: promptTokens }) };
  let before = render(opening);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const { done, value } = await reader.read();
          let text = before;
          before = '';
          try {
            for (const frame of done ? frames.end() : frames.push(value)) text += render(frame);
          } catch (thrown) {
            // What was whole before the damage is still said.
            if (text !== '') controller.enqueue(encoder.encode(text));
            void reader.cancel().catch(() => {});
            throw thrown;
          }
          if (done) text += render({ event: endFrame, data: '{}' });
          if (text !== '') controller.enqueue(encoder.encode(text));
          if (done) return controller.close();
          if (text !== '') return;
        }
      },
      cancel: () => reader.cancel(),
    },
    { highWaterMark: 0 },
  );
}
