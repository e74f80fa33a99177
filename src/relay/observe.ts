import { noUsage, type Usage } from '../core/event.ts';
import { type Json, readNumber, readObject, tryParseObject } from '../core/json.ts';

/** How much of the end of an answer is looked at. Every vendor's usage stands behind the data that it counts. */
const tailBytes = 64 * 1024;

/** Looks over the shoulder of an answer that passes as bytes, for what it cost. It holds no more than its end. */
export interface Meter {
  push(bytes: Uint8Array): void;
  usage(): Usage | undefined;
}

/** A meter for a JSON body or for server-sent events. */
export function meter(): Meter {
  let pieces: Uint8Array[] = [];
  let length = 0;
  return {
    push(bytes) {
      pieces.push(bytes);
      length += bytes.length;
      if (length < 2 * tailBytes) return;
      const tail = Buffer.concat(pieces).subarray(-tailBytes);
      pieces = [tail];
      length = tail.length;
    },
    usage: () => usageIn(Buffer.concat(pieces).toString('utf8')),
  };
}

/** The usage in the text of an answer, or in the end of it; undefined when it has none that counts tokens. */
export function usageIn(text: string): Usage | undefined {
  const whole = tryParseObject(text);
  if (whole) return usageOf(whole);
  // Not the whole: from the last `"usage"` on it is an object again, when its brace is put back.
  const at = text.lastIndexOf('"usage"');
  const line = at < 0 ? '' : (text.slice(at).split('\n', 1)[0] ?? '');
  return usageOf(tryParseObject(`{${line}`) ?? {});
}

/** OpenAI counts prompt or input tokens, rerankers only a total, Google in words of its own. */
function usageOf(body: Json): Usage | undefined {
  const said = readObject(body.usage) ?? readObject(body.usageMetadata);
  if (!said) return undefined;
  const first = (...names: readonly string[]) =>
    names.map((name) => readNumber(said[name])).find((count) => count !== undefined);
  const output = first('completion_tokens', 'output_tokens', 'candidatesTokenCount');
  const input =
    first('prompt_tokens', 'input_tokens', 'promptTokenCount') ?? first('total_tokens', 'totalTokenCount');
  if (input === undefined && output === undefined) return undefined;
  const details = readObject(said.input_tokens_details) ?? readObject(said.prompt_tokens_details);
  return {
    ...noUsage,
    input: input ?? 0,
    output: output ?? 0,
    cacheRead: readNumber(details?.cached_tokens) ?? 0,
  };
}
