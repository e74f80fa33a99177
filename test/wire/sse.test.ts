import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../../src/core/error.ts';
import { run } from '../../src/core/machine.ts';
import { frames, render, wholeFrames, type Frame } from '../../src/wire/sse.ts';
import { random, type Random } from '../support/random.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (...chunks: readonly Uint8Array[]): Frame[] => run(frames(), chunks);

/** Every feature of the grammar in one stream: BOM, all three line ends, comments, names, several data lines, no last blank line. */
const corpus = [
  '\ufeffdata: first\n\n',
  ': a comment\r\n\r\n',
  'event: message_start\r\ndata: {"text":"Grüße 世界 😀"}\r\n\r\n',
  'data: one\rdata: two\r\r',
  'data:no space\ndata:  two spaces\ndata\n\n',
  'id: 7\nretry: 10\nunknown: x\nevent: named\n\n',
  'event: e\n: in between\ndata: {"a":1}\n\n\n\n',
  'data: [DONE]\n\n',
  'data: the last, without its blank line',
].join('');

const corpusFrames: Frame[] = [
  { data: 'first' },
  { event: 'message_start', data: '{"text":"Grüße 世界 😀"}' },
  { data: 'one\ntwo' },
  { data: 'no space\n two spaces\n' },
  { event: 'e', data: '{"a":1}' },
  { data: '[DONE]' },
  { data: 'the last, without its blank line' },
];

describe('frames', () => {
  test('reads every feature of the grammar', () => {
    expect(decode(bytesOf(corpus))).toEqual(corpusFrames);
  });

  test('gives the same frames wherever the bytes are cut once', () => {
    const bytes = bytesOf(corpus);
    for (let cut = 0; cut <= bytes.length; cut++)
      expect(decode(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual(corpusFrames);
  });

  test('gives the same frames one byte at a time, with empty reads in between', () => {
    const bytes = bytesOf(corpus);
    const single = [...bytes].flatMap((byte) => [new Uint8Array(), Uint8Array.of(byte)]);
    expect(decode(...single)).toEqual(corpusFrames);
  });

  test('agrees with a plain reading of the grammar over 3,000 random streams in random cuts', () => {
    const dice = random(99);
    for (let round = 0; round < 3_000; round++) {
      const text = soup(dice);
      expect(decode(...cuts(dice, bytesOf(text)))).toEqual(plainly(text));
    }
  });

  test('says a frame as soon as its blank line is there', () => {
    const machine = frames();
    expect([...machine.push(bytesOf('data: a\n'))]).toEqual([]);
    expect([...machine.push(bytesOf('\n'))]).toEqual([{ data: 'a' }]);
    expect([...machine.push(bytesOf('data: b\r\n\r\n'))]).toEqual([{ data: 'b' }]);
    expect([...machine.push(bytesOf('data: c'))]).toEqual([]);
    expect([...machine.end()]).toEqual([{ data: 'c' }]);
  });

  test('replaces bytes that are no UTF-8 instead of failing', () => {
    expect(decode(Uint8Array.of(...bytesOf('data: a'), 0xff, ...bytesOf('b\n\n')))).toEqual([
      { data: 'a\ufffdb' },
    ]);
    expect(decode(Uint8Array.of(...bytesOf('data: a'), 0xe4, 0xb8))).toEqual([{ data: 'a\ufffd' }]);
  });

  test('reads a frame of 16 MiB that drips in by small reads', () => {
    const payload = 'x'.repeat(16 * 1024 * 1024);
    const all = frames();
    const said: Frame[] = [];
    for (const chunk of every(bytesOf(`data: ${payload}\r\n\r\n`), 1_000)) said.push(...all.push(chunk));
    said.push(...all.end());
    expect(said.length).toBe(1);
    expect(said[0]?.data === payload).toBe(true);
  });

  test('refuses a frame over 64 MiB as bad data of the upstream', () => {
    const chunk = bytesOf('x'.repeat(8 * 1024 * 1024));
    const machine = frames();
    const drain = () => {
      for (let count = 0; count < 9; count++) [...machine.push(chunk)];
    };
    expect(drain).toThrow(GatewayError);
    const lines = frames();
    const line = bytesOf(`data: ${'x'.repeat(8 * 1024 * 1024)}\n`);
    expect(() => {
      for (let count = 0; count < 9; count++) [...lines.push(line)];
    }).toThrow(GatewayError);
  });
});

describe('render', () => {
  test('writes what frames read, over 1,000 random frames', () => {
    const dice = random(4);
    for (let round = 0; round < 1_000; round++) {
      const wanted = dice.list(5, () => {
        const data = JSON.stringify(dice.json());
        return dice.oneIn(2) ? { data } : { event: dice.pick(['ping', 'message_stop']), data };
      });
      expect(decode(...cuts(dice, bytesOf(wanted.map(render).join(''))))).toEqual(wanted);
    }
  });
});

describe('wholeFrames', () => {
  test('gives every byte back in order and cuts only between frames, over 3,000 random streams', () => {
    const dice = random(5);
    for (let round = 0; round < 3_000; round++) {
      const bytes = bytesOf(soup(dice));
      const machine = wholeFrames();
      const pieces: Uint8Array[] = [];
      for (const chunk of cuts(dice, bytes)) pieces.push(...machine.push(chunk));
      for (const piece of pieces) expect(Buffer.from(piece).toString()).toMatch(/(\r\n|\n|\r)(\r\n|\n|\r)$/);
      pieces.push(...machine.end());
      expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
      expect([...machine.end()]).toEqual([]);
    }
  });

  test('lets a frame go with the read that completes it', () => {
    const machine = wholeFrames();
    const said = (text: string) =>
      [...machine.push(bytesOf(text))].map((piece) => Buffer.from(piece).toString());
    expect(said('data: a\n')).toEqual([]);
    expect(said('\ndata: b')).toEqual(['data: a\n\n']);
    expect(said('\r\n')).toEqual([]);
    expect(said('\r\ndata: c\r\r')).toEqual(['data: b\r\n\r\n']);
    expect(said('data: d\n\n')).toEqual(['data: c\r\rdata: d\n\n']);
  });

  test('hands whole reads on without copying them', () => {
    const chunk = bytesOf('data: a\n\ndata: b\n\n');
    expect([...wholeFrames().push(chunk)][0]).toBe(chunk);
  });

  test('holds a frame of 16 MiB that drips in by small reads', () => {
    const bytes = bytesOf(`data: ${'x'.repeat(16 * 1024 * 1024)}\n\n`);
    const machine = wholeFrames();
    const said: Uint8Array[] = [];
    for (const chunk of every(bytes, 1_000)) said.push(...machine.push(chunk));
    expect(said.length).toBe(1);
    expect(Buffer.from(said[0]!).equals(bytes)).toBe(true);
  });

  test('refuses a frame over 64 MiB', () => {
    const machine = wholeFrames();
    const chunk = new Uint8Array(8 * 1024 * 1024).fill(120);
    expect(() => {
      for (let count = 0; count < 9; count++) [...machine.push(chunk)];
    }).toThrow(GatewayError);
  });
});

/** Lines of all sorts with line ends of all sorts. */
function soup(dice: Random): string {
  const line = () =>
    dice.pick(['data: ', 'data:', 'data', 'event: ', ':', 'id: 1', 'event', 'datax: ', '']) +
    dice.text(3).replace(/[\r\n\ufeff]/g, '');
  const end = dice.pick([['\n'], ['\r\n'], ['\r'], ['\n', '\r\n', '\r']]);
  const lines = dice.list(12, () => line() + dice.pick(end) + (dice.oneIn(2) ? dice.pick(end) : ''));
  return ((dice.oneIn(5) ? '\ufeff' : '') + lines.join('') + (dice.oneIn(3) ? line() : '')).toWellFormed();
}

/** The bytes in pieces of random sizes, sometimes one, sometimes very many. */
function cuts(dice: Random, bytes: Uint8Array): Uint8Array[] {
  const size = 1 + dice.below(dice.oneIn(2) ? 4 : 40);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const next = at + 1 + dice.below(size);
    pieces.push(bytes.subarray(at, next));
    at = next;
  }
  return pieces;
}

function* every(bytes: Uint8Array, size: number): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** The WHATWG grammar, said plainly over the whole text; a last frame counts without its blank line. */
function plainly(text: string): Frame[] {
  const said: Frame[] = [];
  let event: string | undefined;
  let data: string[] = [];
  for (const line of [...text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/), '']) {
    const [, name = '', value = ''] = /^([^:]*)(?::[ ]?(.*))?$/s.exec(line) ?? [];
    if (line !== '' && name === 'data') data.push(value);
    if (line !== '' && name === 'event') event = value;
    if (line !== '') continue;
    if (data.length > 0) said.push({ ...(event === undefined ? {} : { event }), data: data.join('\n') });
    event = undefined;
    data = [];
  }
  return said;
}
