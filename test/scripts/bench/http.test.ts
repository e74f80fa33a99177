import { describe, expect, test } from 'bun:test';
import {
  chunk,
  lastChunk,
  type Message,
  messageReader,
  Outbox,
  statusOf,
} from '../../../scripts/bench/http.ts';

const whole = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
const empty = Buffer.from('HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n');
const chunked = Buffer.concat([
  Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'),
  chunk('data: äöü\n\n'),
  chunk('data: [DONE]\n\n'),
  lastChunk,
]);

const read = (...reads: readonly Buffer[]): readonly { status: number; body: string }[] => {
  const messages: Message[] = [];
  const push = messageReader((message) => messages.push(message));
  for (const bytes of reads) push(bytes);
  return messages.map(({ head, body }) => ({ status: statusOf(head), body: body.toString() }));
};

describe('the HTTP reader of the bench', () => {
  test('reads bodies framed by length, in chunks, and none', () => {
    expect(read(whole)).toEqual([{ status: 200, body: 'hello' }]);
    expect(read(empty)).toEqual([{ status: 204, body: '' }]);
    expect(read(chunked)).toEqual([{ status: 200, body: 'data: äöü\n\ndata: [DONE]\n\n' }]);
  });

  test('reads the same messages wherever the bytes are cut', () => {
    const all = Buffer.concat([whole, chunked, empty, whole]);
    const expected = read(all);
    expect(expected).toHaveLength(4);
    for (let at = 1; at < all.length; at += 1)
      expect(read(all.subarray(0, at), all.subarray(at))).toEqual(expected);
    expect(read(...[...all].map((byte) => Buffer.from([byte])))).toEqual(expected);
  });

  test('says nothing of a message that is not whole yet', () => {
    for (let at = 0; at < chunked.length; at += 1) expect(read(chunked.subarray(0, at))).toEqual([]);
  });

  test('refuses a chunk without a size', () => {
    expect(() => read(Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnope\r\n'))).toThrow(
      'no size',
    );
  });
});

describe('the outbox of the bench', () => {
  test('keeps the order when a socket takes only a part', () => {
    let room = 4;
    let taken = '';
    const out = new Outbox({
      write(bytes) {
        const part = bytes.subarray(0, room);
        taken += part.toString();
        room -= part.length;
        return part.length;
      },
    });
    out.write(Buffer.from('abcdef'));
    out.write(Buffer.from('ghi'));
    expect(taken).toBe('abcd');
    room = 3;
    out.drain();
    expect(taken).toBe('abcdefg');
    room = 99;
    out.drain();
    out.write(Buffer.from('j'));
    expect(taken).toBe('abcdefghij');
  });
});
