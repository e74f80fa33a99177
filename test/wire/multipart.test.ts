import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../../src/core/error.ts';
import { run } from '../../src/core/machine.ts';
import { boundaryOf, type FormField, formFields } from '../../src/wire/multipart.ts';
import { random, type Random } from '../support/random.ts';

const boundary = '----WebKitFormBoundaryabc';
const wanted = new Set(['model', 'stream']);
const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'utf8');
const read = (form: Uint8Array, ...cuts: readonly number[]): FormField[] => {
  const edges = [0, ...cuts, form.length];
  const chunks = edges.slice(1).map((edge, index) => form.subarray(edges[index]!, edge));
  return run(formFields(boundary, wanted), chunks);
};
const pairs = (fields: readonly FormField[]) => fields.map(({ name, value }) => [name, value]);

/** Every feature of the grammar in one form, and what looks like it and is none. */
const form = bytesOf(
  [
    'a preamble that nobody reads',
    `--${boundary}`,
    'Content-Disposition: form-data; name="file"; filename="a; name=model.wav"',
    'Content-Type: audio/wav',
    '',
    `RIFF\r\n--${boundary}x\r\n--${boundary} x\r\n--${boundary}-\r\n\r\n--\r\r\n--${boundary.slice(1)}\r\n`,
    `--${boundary} \t`,
    'X-Other: 1',
    'content-disposition:form-data;name=stream',
    '',
    'true',
    `--${boundary}`,
    'Content-Disposition: form-data; name="model"; filename*=UTF-8\'\'m',
    '',
    'a file, no field',
    `--${boundary}`,
    '',
    'a part without headers',
    `--${boundary}`,
    'Content-Disposition: form-data; name="model"',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'größe-1 世界',
    `--${boundary}`,
    'Content-Disposition: form-data; name="stream"',
    '',
    '',
    `--${boundary}--`,
    'Content-Disposition: form-data; name="model"',
    '',
    'an epilogue',
  ].join('\r\n'),
);
const fields = [
  ['stream', 'true'],
  ['model', 'größe-1 世界'],
  ['stream', ''],
];

describe('formFields', () => {
  test('reads text fields, and nothing that only looks like one', () => {
    expect(pairs(read(form))).toEqual(fields);
  });

  test('says where a value stands, in bytes', () => {
    for (const { value, start, end } of read(form))
      expect(Buffer.from(form.subarray(start, end)).toString()).toBe(value);
  });

  test('gives the same fields wherever the bytes are cut once', () => {
    const whole = read(form);
    for (let cut = 0; cut <= form.length; cut++) expect(read(form, cut)).toEqual(whole);
  });

  test('gives the same fields one byte at a time, with empty reads in between', () => {
    const every = [...form.keys()].flatMap((at) => [at, at]);
    expect(read(form, ...every)).toEqual(read(form));
  });

  test('says a field as soon as the delimiter behind it is whole', () => {
    const machine = formFields(boundary, wanted);
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--${boundary}`;
    expect([...machine.push(bytesOf(head))]).toEqual([]);
    expect(pairs([...machine.push(bytesOf('\r\n'))])).toEqual([['model', 'm']]);
  });

  test('reads back what FormData wrote, over 400 random forms in random cuts', async () => {
    const dice = random(7);
    for (let round = 0; round < 400; round++) {
      const { bytes, type, written } = await platformForm(dice);
      const machine = formFields(boundaryOf(type), wanted);
      expect(pairs(run(machine, chunked(dice, bytes)))).toEqual(written);
    }
  });

  test('passes over a value too long to be a name', () => {
    const long = `--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\n${'m'.repeat(2_000)}\r\n--${boundary}--`;
    expect(read(bytesOf(long), 900, 1_100)).toEqual([]);
  });

  test('gives up on headers without an end', () => {
    const endless = bytesOf(`--${boundary}\r\nX: ${'x'.repeat(40_000)}`);
    expect(() => read(endless)).toThrow(GatewayError);
  });
});

describe('boundaryOf', () => {
  test.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['multipart/form-data; charset=utf-8; Boundary="a b;c=\\"d\\""', 'a b;c="d"'],
    ['Multipart/Form-Data;boundary=----x', '----x'],
  ])('of %s is %s', (type, expected) => {
    expect(boundaryOf(type)).toBe(expected);
  });

  test.each(['multipart/form-data', 'multipart/form-data; boundary=', ''])('is asked for in %s', (type) => {
    expect(() => boundaryOf(type)).toThrow(/no boundary/);
  });
});

/** A form as FormData writes it, with names and contents that break parsers, and the fields in it that are wanted. */
async function platformForm(dice: Random) {
  const data = new FormData();
  const written: string[][] = [];
  const content = () =>
    `${dice.text()}${dice.oneIn(3) ? '\r\n--' : ''}${dice.oneIn(3) ? '\r\n------' : ''}`.toWellFormed();
  for (const name of dice.list(5, () => dice.pick(['model', 'stream', 'file', 'models', 'Model']))) {
    const value = content();
    if (dice.oneIn(2)) data.append(name, new File([value], dice.pick(['a.wav', 'model', 'x y;z'])));
    else data.append(name, value);
    if (typeof data.getAll(name).at(-1) === 'string' && wanted.has(name)) written.push([name, lines(value)]);
  }
  const response = new Response(data);
  // Bun makes up the boundary when it is first asked for one.
  const type = response.headers.get('content-type')!;
  return { bytes: await response.bytes(), type, written };
}

/** FormData ends every line of a text with CRLF. */
const lines = (text: string) => text.replaceAll(/\r\n|\r|\n/g, '\r\n');

function chunked(dice: Random, bytes: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = dice.below(40);
    out.push(bytes.subarray(at, at + length));
    at += length;
  }
  return out;
}
