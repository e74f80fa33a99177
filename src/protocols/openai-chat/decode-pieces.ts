import { GatewayError } from '../../core/error.ts';
import { compact, type Json, readNumber, readObject, readObjects, readString } from '../../core/json.ts';
import type { Citation, MediaPart } from '../../core/request.ts';
import { readErrorWords, statusOfWords, upstreamError } from '../errors.ts';
import { decodeMedia } from './media.ts';

/**
 * The arguments of a function are JSON text; a few servers send the object itself. `null`, which OpenAI has models say
 * where there are none (capture 450df45475c36e72), is no object to the other wires.
 */
export function argumentsOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (value === 'null') return '{}';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What a call is given: the free text of a custom tool, or the arguments of a function. */
export const givenTo = (said: Json, custom: boolean): string =>
  custom ? (readString(said['input']) ?? '') : argumentsOf(said['arguments']);

/** The log probabilities of a choice's text, when there are any. */
export function tokensOf(heard: Json): readonly Json[] | undefined {
  const tokens = readObjects(readObject(heard['logprobs'])?.['content']);
  return tokens.length > 0 ? tokens : undefined;
}

/** Generated images come as `{type: 'image_url', image_url: {url}}` (OpenRouter). One that cannot be read is left out. */
export function mediaOf(item: Json): MediaPart | undefined {
  try {
    return decodeMedia({ ...item, type: 'image_url' }, 'images[]');
  } catch {
    return undefined;
  }
}

/** Sound of a whole answer. Its format was the client's wish, and nobody repeats it. */
export const audioOf = (data: string): MediaPart => ({
  kind: 'media',
  media: 'audio',
  mime: 'application/octet-stream',
  source: { kind: 'data', data },
});

/** A `url_citation`, nested as OpenAI writes it or flat; nothing for another kind. */
export function citationOf(annotation: Json): Citation | undefined {
  if (annotation['type'] !== 'url_citation') return undefined;
  const said = readObject(annotation['url_citation']) ?? annotation;
  const url = readString(said['url']);
  if (!url) return undefined;
  const [start, end] = [readNumber(said['start_index']), readNumber(said['end_index'])];
  return compact({
    url,
    title: readString(said['title']) || undefined,
    quote: readString(said['content']) || undefined,
    // OpenRouter writes 0 to 0 when it does not know where (capture 2f5a7f…).
    start: end ? start : undefined,
    end: end || undefined,
  });
}

/** Reasons with which a server says that it failed: OpenRouter, Z.ai, DeepSeek. */
export const failures: ReadonlySet<string> = new Set([
  'error',
  'network_error',
  'insufficient_system_resource',
]);

/** The error of a choice that ended with one of these reasons. */
export const brokenOff = (reason: string): GatewayError =>
  new GatewayError(
    { kind: 'upstream-failed', status: 502 },
    `The upstream broke its answer off (${reason}).`,
    {
      remedy: 'Send the request again.',
    },
  );

/** The error inside a 200, with the same reading as an error answer. */
export function errorOf(object: Json): GatewayError | undefined {
  const said =
    object['error'] ?? (object['object'] === 'error' || object['type'] === 'error' ? object : undefined);
  if (said === undefined || said === null || said === '' || said === false) return undefined;
  const words = readErrorWords(object['error'] === undefined ? object : { error: said });
  if (Object.keys(words).length === 0) return undefined;
  return upstreamError(statusOfWords(words), new Headers(), words);
}
