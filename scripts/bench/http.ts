/** The least HTTP/1.1 that a load generator and a mock upstream need, without what a full client or server costs. */

/** One whole request or response. */
export interface Message {
  /** Start line and headers, without the empty line. */
  readonly head: string;
  /** Without chunk framing. */
  readonly body: Buffer;
}

type Framing = { readonly kind: 'length'; readonly length: number } | { readonly kind: 'chunked' };

const nothing = Buffer.alloc(0);

/**
 * Cuts the bytes of one connection into messages; push every read. Bodies are framed by content-length or chunked,
 * a head that names neither has no body.
 * @throws Error on framing that makes no sense; the connection is then useless
 */
export function messageReader(onMessage: (message: Message) => void): (bytes: Buffer) => void {
  let pending: Buffer = nothing;
  /** How far `pending` is read. */
  let at = 0;
  let head: string | undefined;
  let framing: Framing = { kind: 'length', length: 0 };
  let parts: Buffer[] = [];

  const finish = (body: Buffer) => {
    const message = { head: head ?? '', body };
    head = undefined;
    parts = [];
    onMessage(message);
  };

  const readHead = (): boolean => {
    const end = pending.indexOf('\r\n\r\n', at);
    if (end < 0) return false;
    head = pending.toString('latin1', at, end);
    framing = framingOf(head);
    at = end + 4;
    return true;
  };

  const readLength = (length: number): boolean => {
    const end = at + length;
    if (pending.length < end) return false;
    const body = pending.subarray(at, end);
    at = end;
    finish(body);
    return true;
  };

  const readChunk = (): boolean => {
    let line = at;
    let size = 0;
    for (; pending[line] !== carriageReturn; line += 1) {
      if (line >= pending.length) return false;
      size = size * 16 + hexDigit(pending[line] ?? 0);
    }
    const start = line + 2;
    const end = start + size + 2;
    if (pending.length < end) return false;
    if (size > 0) parts.push(pending.subarray(start, start + size));
    at = end;
    if (size === 0) finish(Buffer.concat(parts));
    return true;
  };

  const step = (): boolean => {
    if (head === undefined) return at < pending.length && readHead();
    return framing.kind === 'chunked' ? readChunk() : readLength(framing.length);
  };

  return (bytes) => {
    pending = at === pending.length ? bytes : Buffer.concat([pending.subarray(at), bytes]);
    at = 0;
    while (step());
  };
}

const carriageReturn = 0x0d;

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  if (letter >= 0x61 && letter <= 0x66) return letter - 0x57;
  throw new Error('a chunk has no size');
}

function framingOf(head: string): Framing {
  if (/\r\ntransfer-encoding:[^\r]*chunked/i.test(head)) return { kind: 'chunked' };
  const length = /\r\ncontent-length:\s*(\d+)/i.exec(head)?.[1];
  return { kind: 'length', length: Number(length ?? 0) };
}

/** `200` of a response's head; 0 when there is none. */
export function statusOf(head: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
}

/** One chunk in chunked framing. */
export function chunk(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

/** The end of a chunked body. */
export const lastChunk = Buffer.from('0\r\n\r\n');

interface Writable {
  write(bytes: Buffer): number;
}

/** Writes in order also when the kernel takes only a part; call `drain` when the socket says it takes more. */
export class Outbox {
  private waiting: Buffer = nothing;

  constructor(private readonly socket: Writable) {}

  write(bytes: Buffer): void {
    if (this.waiting.length > 0) {
      this.waiting = Buffer.concat([this.waiting, bytes]);
      return;
    }
    const taken = Math.max(0, this.socket.write(bytes));
    if (taken < bytes.length) this.waiting = Buffer.from(bytes.subarray(taken));
  }

  drain(): void {
    const bytes = this.waiting;
    this.waiting = nothing;
    if (bytes.length > 0) this.write(bytes);
  }
}
