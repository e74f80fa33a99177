import type { Usage } from '../../core/event.ts';
import { compact, type Json, readArray, readNumber, readObject, unread } from '../../core/json.ts';
import { id } from './wire.ts';

const counted = new Set([
  'promptTokenCount',
  'candidatesTokenCount',
  'totalTokenCount',
  'cachedContentTokenCount',
  'thoughtsTokenCount',
  'toolUsePromptTokenCount',
]);

/**
 * `usageMetadata`, with its keys in camelCase: the prompt counts its cached part but not what tools added to it, the
 * candidates do not count the thoughts. Vertex calls the answer's tokens `responseTokenCount` in places.
 */
export function readUsage(metadata: Json): Usage {
  const count = (name: string) => readNumber(metadata[name]) ?? 0;
  const answer = readNumber(metadata.candidatesTokenCount) ?? count('responseTokenCount');
  const rest = unread(metadata, counted);
  return {
    input: count('promptTokenCount') + count('toolUsePromptTokenCount'),
    output: answer + count('thoughtsTokenCount'),
    cacheRead: count('cachedContentTokenCount'),
    cacheWrite: 0,
    reasoning: count('thoughtsTokenCount'),
    ...(rest ? { extra: { [id]: modalitiesByName(rest) } } : {}),
  };
}

/** Token counts by modality, which `enum-encoding=int` numbers. */
const modalities = ['MODALITY_UNSPECIFIED', 'TEXT', 'IMAGE', 'VIDEO', 'AUDIO', 'DOCUMENT'];

const modalitiesByName = (counts: Json): Json =>
  Object.fromEntries(
    Object.entries(counts).map(([key, value]) => [
      key,
      readArray(value)?.map((count) => {
        const { modality, ...rest } = readObject(count) ?? {};
        return { modality: modalities[Number(modality)] ?? modality, ...rest };
      }) ?? value,
    ]),
  );

/** The same, the other way: what tools added to the prompt stays in it. */
export function writeUsage(usage: Usage): Json {
  return compact({
    promptTokenCount: usage.input,
    cachedContentTokenCount: usage.cacheRead > 0 ? usage.cacheRead : undefined,
    candidatesTokenCount: Math.max(0, usage.output - usage.reasoning),
    thoughtsTokenCount: usage.reasoning > 0 ? usage.reasoning : undefined,
    totalTokenCount: usage.input + usage.output,
    ...usage.extra?.[id],
  });
}
