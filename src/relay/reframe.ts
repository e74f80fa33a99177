import { chain, type Machine } from '../core/machine.ts';
import { type Frame, frames } from '../wire/sse.ts';

/**
 * The same stream in another framing, for the few clients that want no server-sent events. A heartbeat becomes white
 * space, which every framing here allows between two pieces.
 */
export function reframe(
  body: ReadableStream<Uint8Array>,
  framing: Machine<Frame, string>,
): ReadableStream<Uint8Array> {
  const machine = chain(frames(), framing);
  const encoder = new TextEncoder();
  const reader = body.getReader();
  const spell = (pieces: readonly string[]) => encoder.encode(pieces.join('') || '\n');
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        controller.enqueue(spell(done ? machine.end() : machine.push(value)));
        if (done) controller.close();
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
