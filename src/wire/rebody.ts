import type { Machine } from '../core/machine.ts';
import type { Answered } from './fetch.ts';

/** An answer that says something else than what came: the same status and headers around another body. */

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * An answer whose body is a stream that passes through a machine, as slowly as it is read. Cancelling it cancels the
 * upstream's.
 */
export function rebodied(answer: Answered, machine: Machine<Uint8Array, Uint8Array>): Answered {
  const source = answer.body?.getReader();
  if (!source) return answer;
  const next = async (): Promise<{ readonly done: boolean; readonly pieces: readonly Uint8Array[] }> => {
    const { done, value } = await source.read();
    return { done, pieces: done ? machine.end() : machine.push(value) };
  };
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          let { done, pieces } = await next();
          // A pull that brings nothing is not asked for again.
          while (!done && pieces.length === 0) ({ done, pieces } = await next());
          for (const piece of pieces) controller.enqueue(piece as Uint8Array<ArrayBuffer>);
          if (done) controller.close();
        } catch (thrown) {
          // A machine that gives up leaves an upstream that goes on.
          source.cancel().catch(() => {});
          throw thrown;
        }
      },
      cancel: (reason) => source.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  const { status, ok, headers } = answer;
  const bytes = () => new Response(body).bytes();
  const text = async () => decoder.decode(await bytes());
  return { status, ok, headers, body, bytes, text, json: async () => JSON.parse(await text()) as unknown };
}

/** An answer whose body has been read already, and says this text now. */
export function spelled({ status, ok, headers }: Answered, said: string): Answered {
  const { body } = new Response(said);
  return {
    status,
    ok,
    headers,
    body,
    bytes: () => Promise.resolve(encoder.encode(said)),
    text: () => Promise.resolve(said),
    json: () => Promise.resolve(JSON.parse(said) as unknown),
  };
}
