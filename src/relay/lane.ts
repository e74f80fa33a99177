import type { GatewayError } from '../core/error.ts';
import type { ChatEvent, Finish } from '../core/event.ts';
import type { Machine } from '../core/machine.ts';
import type { ClientSide } from '../protocols/protocol.ts';
import { type Frame, frames, render, wholeFrames } from '../wire/sse.ts';

/**
 * The way a stream takes from the upstream's bytes to the client's. It is synchronous: bytes in, what is due out.
 * Both lanes read every event, so both know when content begins, how it ended and what it cost.
 */
export interface Lane {
  /** What the client is due for these upstream bytes; often nothing. */
  push(bytes: Uint8Array): readonly Uint8Array[];
  /** What the client is due when the upstream stops. */
  end(): readonly Uint8Array[];
  /** What the client is due when reading broke: one terminal event in its own dialect. */
  fail(error: GatewayError): readonly Uint8Array[];
  readonly seen: Seen;
}

/** What has gone by so far. */
export interface Seen {
  /** The model has said something a client cannot unhear; before it, another credential may still be tried. */
  content: boolean;
  /** How it ended: nothing more is due after it. */
  finish: Finish | undefined;
  error: GatewayError | undefined;
  /** The upstream's name of the model. */
  model: string;
}

const encoder = new TextEncoder();

/** What a lane's client side needs: how this client's dialect is spelled. */
export interface Dialect {
  encodeStream(): Machine<ChatEvent, Frame>;
  readonly closing: ClientSide['closing'];
}

function notice(seen: Seen, event: ChatEvent): void {
  if (event.type === 'start') seen.model = event.model;
  if (event.type === 'finish') seen.finish = event;
  if (event.type === 'error') seen.error = event.error;
  if (event.type === 'block' || event.type === 'block-delta' || event.type === 'finish') seen.content = true;
  if (event.type === 'block-start' && event.head.kind === 'tool-call') seen.content = true;
}

const unseen = (): Seen => ({ content: false, finish: undefined, error: undefined, model: '' });
const over = (seen: Seen) => seen.finish !== undefined || seen.error !== undefined;

/** Through the hall: the upstream's frames become events, and events become the client's frames. */
export function translatedLane(decode: Machine<Frame, ChatEvent>, dialect: Dialect): Lane {
  const seen = unseen();
  const read = frames();
  const write = dialect.encodeStream();

  function say(events: Iterable<ChatEvent>): string {
    let text = '';
    for (const event of events) {
      if (over(seen)) break;
      notice(seen, event);
      for (const frame of write.push(event)) text += render(frame);
    }
    return text;
  }

  function sayAll(read: Iterable<Frame>): string {
    let text = '';
    for (const frame of read) if (!over(seen)) text += say(decode.push(frame));
    return text;
  }

  return {
    seen,
    push: (bytes) => piece(sayAll(read.push(bytes))),
    end: () => piece(sayAll(read.end()) + say(decode.end())),
    fail: (error) => piece(say([{ type: 'error', error }])),
  };
}

/**
 * The direct lane: the same protocol on both sides, so whole frames pass as the bytes they are while a decoder reads
 * over their shoulder. Only a failure is spelled by us, so that the client gets one well-formed terminal event.
 */
export function directLane(decode: Machine<Frame, ChatEvent>, dialect: Dialect, edit?: Edit): Lane {
  const seen = unseen();
  const cut = wholeFrames();
  const read = frames();

  function pass(bytes: Uint8Array, batch: Iterable<Frame>): readonly Uint8Array[] {
    if (over(seen)) return [];
    const passed: Frame[] = [];
    let whole = true;
    for (const frame of batch) {
      if (seen.error) break;
      let told = false;
      for (const event of decode.push(frame)) {
        notice(seen, event);
        told = true;
      }
      // A decoder waits for what follows before it calls a frame garbage; the client must not choke on it meanwhile.
      if (!told && !isReadable(frame)) whole = false;
      else if (!seen.error) passed.push(frame);
    }
    if (!seen.error && edit) return piece(passed.map((frame) => rendered(edit(frame))).join(''));
    if (!seen.error) return whole ? [bytes] : piece(passed.map(render).join(''));
    return [...piece(passed.map(render).join('')), ...failure(seen.error)];
  }

  const failure = (error: GatewayError) =>
    piece([...dialect.encodeStream().push({ type: 'error', error })].map(render).join(''));

  return {
    seen,
    push(bytes) {
      const out: Uint8Array[] = [];
      for (const whole of cut.push(bytes)) out.push(...pass(whole, read.push(whole)));
      return out;
    },
    end() {
      const [rest] = [...cut.end()];
      const out = rest ? [...pass(rest, [...read.push(rest), ...read.end()])] : [];
      const gap = rest && !edit ? '\n\n' : '';
      if (seen.error) return out;
      if (seen.finish) return [...out, ...piece(gap)];
      for (const event of decode.end()) notice(seen, event);
      if (seen.error) return [...out, ...piece(gap), ...failure(seen.error)];
      return [...out, ...piece(gap + dialect.closing)];
    },
    fail(error) {
      if (over(seen)) return [];
      seen.error = error;
      return failure(error);
    },
  };
}

/** A change to each frame on the direct lane, such as the model's name under `force-mapping`; undefined leaves it out. */
export type Edit = (frame: Frame) => Frame | undefined;

/** Whether a client can read a frame: as JSON, or as a mark that is none by design. */
function isReadable({ data }: Frame): boolean {
  if (data === '' || data === '[DONE]') return true;
  try {
    JSON.parse(data);
    return true;
  } catch {
    return false;
  }
}

const rendered = (frame: Frame | undefined): string => (frame ? render(frame) : '');

const piece = (text: string): readonly Uint8Array[] => (text === '' ? [] : [encoder.encode(text)]);
