import { expect, test } from 'bun:test';
import gemini from '../../src/protocols/gemini/index.ts';
import { reframe } from '../../src/relay/reframe.ts';

const streamOf = (...pieces: string[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });
const whole = (...pieces: string[]) =>
  new Response(reframe(streamOf(...pieces), gemini.client!.jsonArray!())).text();

test('gives the frames of a stream as one JSON array, wherever its bytes are cut', async () => {
  expect(JSON.parse(await whole('data: {"a":1}\n\nda', 'ta: {"b":2}\n\n'))).toEqual([{ a: 1 }, { b: 2 }]);
});

test('turns heartbeats into white space that the array may hold', async () => {
  const text = await whole(': keep-alive\n\n', 'data: {"a":1}\n\n', ': keep-alive\n\n', 'data: {"b":2}\n\n');
  expect(JSON.parse(text)).toEqual([{ a: 1 }, { b: 2 }]);
  expect(text.startsWith('\n')).toBe(true);
});

test('ends an empty stream as an empty array', async () => {
  expect(JSON.parse(await whole())).toEqual([]);
});

test('passes a client that leaves on to the stream', async () => {
  const left = Promise.withResolvers<unknown>();
  const body = new ReadableStream<Uint8Array>({ cancel: (reason) => left.resolve(reason) });
  await reframe(body, gemini.client!.jsonArray!()).cancel('gone');
  expect(await left.promise).toBe('gone');
});
