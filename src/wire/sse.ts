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
  /** The line that is not over yet. It holds no line end, but for a CR at its end that may be half of a CRLF. */
  let rest = '';
  let event: string | undefined;
  let data: string | undefined;
  let halfEnd = false;

  function* take(text: string, last: boolean): Iterable<Frame> {
    let from = 0;
    let lf = text.indexOf('\n');
    let cr = text.indexOf('\r');
    for (;;) {
      const crFirst = cr >= 0 && (lf < 0 || cr < lf);
      // A CR at the very end may be half of a CRLF, so it waits for more.
      const end = crFirst && cr + 1 === text.length && !last ? -1 : crFirst ? cr : lf;
      if (end < 0) break;
      yield* onLine(text.slice(from, end));
      from = end + (crFirst && lf === cr + 1 ? 2 : 1);
      if (lf >= 0 && lf < from) lf = text.indexOf('\n', from);
      if (cr >= 0 && cr < from) cr = text.indexOf('\r', from);
    }
    rest = text.slice(from);
    halfEnd = rest.endsWith('\r');
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
      const text = decoder.decode(bytes, { stream: true });
      // A long line comes in many reads. Looking at the new text only keeps it linear.
      if (!halfEnd && !text.includes('\n') && !text.includes('\r')) rest += text;
      else yield* take(rest + text, false);
      if (rest.length > frameLimit || (data?.length ?? 0) > frameLimit) throw tooLarge();
    },
    *end() {
      yield* take(`${rest}${decoder.decode()}\n\n`, true);
    },
  };
}

/**
 * Cuts a byte stream between frames: gives every byte back in order, but only whole frames at a time, so that a
 * stream can be ended cleanly wherever the upstream stops. What is left at the end is given as it came.
 */
export function wholeFrames(): Machine<Uint8Array, Uint8Array> {
  let held: Uint8Array[] = [];
  let heldLength = 0;
  /** The last bytes of what is held: enough to see a blank line that began there. */
  let tail: Uint8Array = new Uint8Array();

  function hold(bytes: Uint8Array, seen: Uint8Array): void {
    if (bytes.length > 0) held.push(bytes);
    heldLength += bytes.length;
    tail = seen.subarray(-3);
    if (heldLength > frameLimit) throw tooLarge();
  }

  return {
    *push(bytes) {
      const seen = tail.length === 0 ? bytes : concat([tail, bytes]);
      const cut = lastBlankLine(seen) - tail.length;
      if (cut <= 0) {
        hold(bytes, seen);
        return;
      }
      const whole = concat([...held, cut === bytes.length ? bytes : bytes.subarray(0, cut)]);
      held = [];
      heldLength = 0;
      const left = bytes.subarray(cut);
      hold(left, left);
      yield whole;
    },
    *end() {
      if (heldLength > 0) yield concat(held);
      held = [];
      heldLength = 0;
    },
  };
}

/** The offset just after the last blank line, 0 when there is none. CR alone ends a line only where no LF does. */
function lastBlankLine(bytes: Uint8Array): number {
  for (let at = bytes.lastIndexOf(10); at > 0; at = bytes.lastIndexOf(10, at - 1)) {
    if (bytes[at - 1] === 10 || (bytes[at - 1] === 13 && bytes[at - 2] === 10)) return at + 1;
  }
  if (bytes.includes(10)) return 0;
  for (let at = bytes.lastIndexOf(13); at > 0; at = bytes.lastIndexOf(13, at - 1)) {
    if (bytes[at - 1] === 13) return at + 1;
  }
  return 0;
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const all = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
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
