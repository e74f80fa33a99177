import { expect, test } from 'bun:test';
import type { Machine } from '../../src/core/machine.ts';
import { rebodied, spelled } from '../../src/wire/rebody.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (piece: Uint8Array | undefined) => new TextDecoder().decode(piece);

/** Says every second piece only, and `!` at the end. */
function sparse(): Machine<Uint8Array, Uint8Array> {
  let count = 0;
  return {
    push: (piece) => (++count % 2 === 0 ? [piece] : []),
    end: () => [bytes('!')],
  };
}

function source(pieces: readonly string[]) {
  const seen: { pulls: number; cancelled?: unknown } = { pulls: 0 };
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull(controller) {
        const piece = pieces[seen.pulls++];
        if (piece === undefined) controller.close();
        else controller.enqueue(bytes(piece));
      },
      cancel: (reason) => void (seen.cancelled = reason),
    },
    { highWaterMark: 0 },
  );
  return { answer: new Response(body, { status: 201, headers: { 'x-a': 'b' } }), seen };
}

test('a body passes through the machine, with status and headers as they were', async () => {
  const { answer } = source(['a', 'b', 'c', 'd']);
  const changed = rebodied(answer, sparse());
  expect([changed.status, changed.ok, changed.headers.get('x-a')]).toEqual([201, true, 'b']);
  expect(await changed.text()).toBe('bd!');
});

test('nothing is read before somebody asks, and no more than is asked for', async () => {
  const { answer, seen } = source(['a', 'b', 'c', 'd', 'e', 'f']);
  const reader = rebodied(answer, sparse()).body!.getReader();
  expect(seen.pulls).toBe(0);
  expect(text((await reader.read()).value)).toBe('b');
  expect(seen.pulls).toBe(2);
  expect(text((await reader.read()).value)).toBe('d');
  expect(seen.pulls).toBe(4);
});

test('whoever cancels it cancels the upstream', async () => {
  const { answer, seen } = source(['a', 'b', 'c']);
  const reader = rebodied(answer, sparse()).body!.getReader();
  await reader.read();
  await reader.cancel('gone');
  expect(seen.cancelled).toBe('gone');
});

test('a break comes through as the error it is', async () => {
  const broken = new Error('cut');
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      controller.error(broken);
    },
  });
  await expect(rebodied(new Response(body), sparse()).text()).rejects.toBe(broken);
});

test('a machine that gives up closes the upstream', async () => {
  const { answer, seen } = source(['a', 'b']);
  const failing: Machine<Uint8Array, Uint8Array> = {
    push() {
      throw new Error('too large');
    },
    end: () => [],
  };
  await expect(rebodied(answer, failing).text()).rejects.toThrow('too large');
  expect([seen.pulls, 'cancelled' in seen]).toEqual([1, true]);
});

test('an answer that was read says its text in every way', async () => {
  const { status, headers } = source([]).answer;
  const answer = spelled(new Response('', { status, headers }), '{"a":"é"}');
  expect(await answer.text()).toBe('{"a":"é"}');
  expect(await answer.json()).toEqual({ a: 'é' });
  expect(text(await answer.bytes())).toBe('{"a":"é"}');
  expect(await new Response(answer.body).text()).toBe('{"a":"é"}');
});
