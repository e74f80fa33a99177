/** One piece of a stream, and whether it is a word, before which the demo takes its time. */
export interface Piece {
  readonly text: string;
  readonly word: boolean;
}

/**
 * A stream that says one piece at a time, only when somebody asks for the next, and stops when nobody will.
 * @param delayMs the pause before each word.
 */
export function paced(
  pieces: Iterable<Piece>,
  delayMs: number,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const source = pieces[Symbol.iterator]();
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        signal.throwIfAborted();
        const { done, value } = source.next();
        if (done) return controller.close();
        if (value.word && delayMs > 0) await pause(delayMs, signal);
        signal.throwIfAborted();
        controller.enqueue(encoder.encode(value.text));
      },
      cancel() {
        source.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Ends early when the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
