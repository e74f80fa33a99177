import { GatewayError } from '../core/error.ts';
import type { Machine } from '../core/machine.ts';

/** One server-sent event: its name, when it has one, and its data. */
export interface Frame {
  readonly event?: string;
  readonly data: string;
}

/** The largest frame anyone may send us, in bytes: an image in one event fits, an endless line does not. */
const frameLimit = 64 * 1024 * 1024;

/**
 * Bytes to frames, after the WHATWG event-stream grammar: any chunking, LF, CRLF or CR, several data lines,
 * comments, a byte order mark, and a last frame without its blank line.
 */
export function frames(): Machine<Uint8Array, Frame> {
  const decoder = new TextDecoder();
  let rest = '';
  let event: string | undefined;
  let data: string | undefined;

  function* take(text: string, last: boolean): Iterable<Frame> {
    let from = 0;
    for (;;) {
      const end = lineEnd(text, from, last);
      if (end < 0) break;
      yield* onLine(text.slice(from, end));
      from = end + (text.charCodeAt(end) === 13 && text.charCodeAt(end + 1) === 10 ? 2 : 1);
    }
    rest = text.slice(from);
    if (rest.length > frameLimit || (data?.length ?? 0) > frameLimit) throw tooLarge();
  }

  function* onLine(line: string): Iterable<Frame> {
    if (line === '') {
      if (data !== undefined) yield event === undefined ? { data } : { event, data };
      event = data = undefined;
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1);
    if (name === 'data') data = data === undefined ? value : `${data}\n${value}`;
    if (name === 'event') event = value;
  }

  return {
    *push(bytes) {
      yield* take(rest + decoder.decode(bytes, { stream: true }), false);
    },
    *end() {
      yield* take(`${rest}${decoder.decode()}\n\n`, true);
    },
  };
}

/** Where the line from `from` ends, or -1. A CR at the very end may be half of a CRLF, so it waits for more. */
function lineEnd(text: string, from: number, last: boolean): number {
  const lf = text.indexOf('\n', from);
  const cr = text.indexOf('\r', from);
  if (cr < 0 || (lf >= 0 && lf < cr)) return lf;
  return cr + 1 < text.length || last ? cr : -1;
}

/**
 * Cuts a byte stream between frames: gives every byte back in order, but only whole frames at a time, so that a
 * stream can be ended cleanly wherever the upstream stops. What is left at the end is given as it came.
 */
export function wholeFrames(): Machine<Uint8Array, Uint8Array> {
  let rest: Uint8Array | undefined;
  return {
    *push(bytes) {
      const all = rest ? concat(rest, bytes) : bytes;
      const cut = lastBlankLine(all);
      rest = cut === all.length ? undefined : all.subarray(cut);
      if ((rest?.length ?? 0) > frameLimit) throw tooLarge();
      if (cut > 0) yield cut === all.length ? all : all.subarray(0, cut);
    },
    *end() {
      if (rest) yield rest;
      rest = undefined;
    },
  };
}

/** The offset just after the last blank line (LF LF or CRLF CRLF), 0 when there is none. */
function lastBlankLine(bytes: Uint8Array): number {
  for (let at = bytes.lastIndexOf(10); at > 0; at = bytes.lastIndexOf(10, at - 1)) {
    if (bytes[at - 1] === 10 || (bytes[at - 1] === 13 && bytes[at - 2] === 10)) return at + 1;
  }
  return 0;
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

function tooLarge(): GatewayError {
  return new GatewayError(
    { kind: 'bad-upstream-data' },
    'The upstream sent a stream event larger than 64 MiB.',
  );
}

/** A frame as text, ready to send. Data must be one line, as JSON always is. */
export const render = (frame: Frame): string =>
  frame.event === undefined ? `data: ${frame.data}\n\n` : `event: ${frame.event}\ndata: ${frame.data}\n\n`;
