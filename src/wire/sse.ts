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
export const frames = (): Machine<Uint8Array, Frame> => new Frames();

const streaming = { stream: true };

/** A class, and lists instead of generators: a stream in flight then holds its state and no code of its own. */
class Frames implements Machine<Uint8Array, Frame> {
  private readonly decoder = new TextDecoder();
  /** The line that is not over yet. It holds no line end, but for a CR at its end that may be half of a CRLF. */
  private rest = '';
  private event: string | undefined = undefined;
  private data: string | undefined = undefined;
  private halfEnd = false;

  push(bytes: Uint8Array): readonly Frame[] {
    const text = this.decoder.decode(bytes, streaming);
    const read: Frame[] = [];
    // A long line comes in many reads. Looking at the new text only keeps it linear.
    if (!this.halfEnd && !text.includes('\n') && !text.includes('\r')) this.rest += text;
    else this.take(this.rest + text, false, read);
    if (this.rest.length > frameLimit || (this.data?.length ?? 0) > frameLimit) throw tooLarge();
    return read;
  }

  end(): readonly Frame[] {
    const read: Frame[] = [];
    this.take(`${this.rest}${this.decoder.decode()}\n\n`, true, read);
    return read;
  }

  private take(text: string, last: boolean, read: Frame[]): void {
    let from = 0;
    let lf = text.indexOf('\n');
    let cr = text.indexOf('\r');
    for (;;) {
      const crFirst = cr >= 0 && (lf < 0 || cr < lf);
      // A CR at the very end may be half of a CRLF, so it waits for more.
      const end = crFirst && cr + 1 === text.length && !last ? -1 : crFirst ? cr : lf;
      if (end < 0) break;
      this.onLine(text, from, end, read);
      from = end + (crFirst && lf === cr + 1 ? 2 : 1);
      if (lf >= 0 && lf < from) lf = text.indexOf('\n', from);
      if (cr >= 0 && cr < from) cr = text.indexOf('\r', from);
    }
    this.rest = text.slice(from);
    this.halfEnd = this.rest.endsWith('\r');
  }

  private onLine(text: string, from: number, end: number, read: Frame[]): void {
    const { event, data } = this;
    if (from === end) {
      if (data !== undefined) read.push(event === undefined ? { data } : { event, data });
      this.event = this.data = undefined;
      return;
    }
    if (isField('data', text, from, end)) {
      const value = valueOf('data', text, from, end);
      this.data = data === undefined ? value : `${data}\n${value}`;
    } else if (isField('event', text, from, end)) this.event = valueOf('event', text, from, end);
  }
}

type Field = 'data' | 'event';

/** Whether the line of `text` from `from` to `end` is this field; without a colon it is one that says nothing. */
function isField(name: Field, text: string, from: number, end: number): boolean {
  const colon = from + name.length;
  return text.startsWith(name, from) && (colon === end || text.charCodeAt(colon) === 58);
}

function valueOf(name: Field, text: string, from: number, end: number): string {
  const at = from + name.length + 1;
  return text.slice(text.charCodeAt(at) === 32 ? at + 1 : at, end);
}

/**
 * Cuts a byte stream between frames: gives every byte back in order, but only whole frames at a time, so that a
 * stream can be ended cleanly wherever the upstream stops. What is left at the end is given as it came.
 */
export const wholeFrames = (): Machine<Uint8Array, Uint8Array> => new WholeFrames();

const nothing = new Uint8Array();

class WholeFrames implements Machine<Uint8Array, Uint8Array> {
  private held: Uint8Array[] = [];
  private heldLength = 0;
  /** The last bytes of what is held: enough to see a blank line that began there. */
  private tail: Uint8Array = nothing;

  push(bytes: Uint8Array): readonly Uint8Array[] {
    const { held, tail } = this;
    const seen = tail.length === 0 ? bytes : concat([tail, bytes]);
    const cut = lastBlankLine(seen) - tail.length;
    if (cut <= 0) {
      this.hold(bytes, seen);
      return [];
    }
    const whole = cut === bytes.length ? bytes : bytes.subarray(0, cut);
    const given = held.length === 0 ? whole : concat([...held, whole]);
    this.forget();
    if (cut < bytes.length) this.hold(bytes.subarray(cut), bytes.subarray(cut));
    return [given];
  }

  end(): readonly Uint8Array[] {
    const rest = this.heldLength > 0 ? [concat(this.held)] : [];
    this.forget();
    return rest;
  }

  private hold(bytes: Uint8Array, seen: Uint8Array): void {
    if (bytes.length > 0) this.held.push(bytes);
    this.heldLength += bytes.length;
    // A copy: a view would keep all that was read with it.
    this.tail = seen.slice(-3);
    if (this.heldLength > frameLimit) throw tooLarge();
  }

  private forget(): void {
    if (this.held.length > 0) this.held = [];
    this.heldLength = 0;
    this.tail = nothing;
  }
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
