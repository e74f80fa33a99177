import { GatewayError } from '../../core/error.ts';
import type { ChatEvent } from '../../core/event.ts';
import { type Json, readArray, readObject, tryParseObject } from '../../core/json.ts';
import { type Machine, machine } from '../../core/machine.ts';
import type { Frame } from '../../wire/sse.ts';
import { Chunks } from './decode-chunk.ts';

/**
 * An upstream's stream as events. The usage chunk may follow the finish reason, so the finish waits for `[DONE]` or
 * the end. A stream that stops without either is cut; a frame that is not JSON is no Chat Completions.
 */
export const decodeStream = (): Machine<Frame, ChatEvent> =>
  machine((tell) => {
    const chunks = new Chunks(tell);
    /** A frame that was not JSON: the rest of a cut stream when it is the last, garbage when more comes. */
    let broken = false;

    return {
      push({ data, event }) {
        if (chunks.over) return;
        if (broken) return chunks.fail(garbage());
        const text = data.trim();
        if (text === '') return;
        if (text === '[DONE]') return onDone(chunks);
        const chunk = chunkOf(text);
        if (!chunk) broken = true;
        // Some servers name the event instead of wrapping the error.
        else chunks.push(event === 'error' && !('error' in chunk) ? { error: chunk } : chunk);
      },
      end() {
        if (chunks.finished) chunks.finish();
        else chunks.fail(cut());
      },
    };
  });

function onDone(chunks: Chunks): void {
  if (chunks.finished || chunks.spoken) chunks.finish();
  else chunks.fail(empty());
}

/** One chunk; Google wraps errors in an array. */
function chunkOf(text: string): Json | undefined {
  if (!text.startsWith('[')) return tryParseObject(text);
  try {
    return readObject(readArray(JSON.parse(text))?.[0]);
  } catch {
    return undefined;
  }
}

const garbage = (): GatewayError =>
  new GatewayError({ kind: 'bad-upstream-data' }, 'The upstream sent a stream event that is not JSON.', {
    remedy: 'Check the base-url of this provider in config.yaml; a proxy in between may be answering.',
  });

const empty = (): GatewayError =>
  new GatewayError({ kind: 'bad-upstream-data' }, 'The upstream ended its stream without saying anything.', {
    remedy: 'Send the request again.',
  });

const cut = (): GatewayError =>
  new GatewayError(
    { kind: 'transport', phase: 'cut' },
    'The upstream ended its stream before its answer was complete.',
    {
      remedy: 'Send the request again.',
    },
  );
