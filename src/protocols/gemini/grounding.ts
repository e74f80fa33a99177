import { type Json, compact, readArray, readNumber, readObjects, readString } from '../../core/json.ts';
import type { Citation, HostedTool, Part } from '../../core/request.ts';
import { camel, field, objectField } from './wire.ts';

/** Where an answer comes from, both ways. Gemini counts UTF-8 bytes of the answer's text, the hall counts code points. */

// ----------------------------------------------------------------------------------------------------------- reading

/** What `groundingMetadata` tells: the searches that were made, what they found, and which words rest on it. */
export interface Grounding {
  readonly tool: HostedTool;
  readonly queries: readonly string[];
  readonly sources: readonly Citation[];
  readonly citations: readonly Citation[];
}

/** @param text all visible text of the answer; the citations' places count from its start. */
export function readGrounding(wire: Json, text: string): Grounding {
  const grounding = camel(wire);
  const chunks = readObjects(grounding.groundingChunks);
  const sources = chunks.map(sourceOf);
  const supports = readObjects(grounding.groundingSupports);
  return {
    tool: chunks.some((chunk) => field(chunk, 'retrievedContext')) ? 'file-search' : 'web-search',
    queries: (readArray(grounding.webSearchQueries) ?? []).filter((query) => typeof query === 'string'),
    sources: sources.filter((source) => source.url !== undefined || source.title !== undefined),
    citations: supports.flatMap((support) => supported(support, sources, text)),
  };
}

function sourceOf(chunk: Json): Citation {
  const page = ['web', 'retrievedContext', 'maps', 'image']
    .map((name) => objectField(chunk, name))
    .find(Boolean);
  const { uri, sourceUri, title, text } = camel(page ?? {});
  return compact({
    url: readString(uri) ?? readString(sourceUri),
    title: readString(title),
    quote: readString(text),
  });
}

function supported(support: Json, sources: readonly Citation[], text: string): readonly Citation[] {
  const segment = camel(objectField(support, 'segment') ?? {});
  const place = placeOf(segment, text, readString(segment.text));
  const chunks = (readArray(field(support, 'groundingChunkIndices')) ?? []).filter(
    (chunk) => typeof chunk === 'number',
  );
  return chunks.flatMap((chunk) => (sources[chunk] ? [{ ...sources[chunk], ...place }] : []));
}

/** `citationMetadata`: what the model recites, and from where. */
export function readCitations(wire: Json, text: string): readonly Citation[] {
  const { citationSources, citations } = camel(wire);
  return readObjects(citationSources ?? citations).map((source): Citation => {
    const { uri, title } = camel(source);
    return compact({
      url: readString(uri),
      title: readString(title),
      ...placeOf(camel(source), text, undefined),
    });
  });
}

/** A place in code points. Its words, where they are told, find it also when the answer has several parts. */
function placeOf(segment: Json, text: string, words: string | undefined): { start: number; end: number } {
  const bytes = new TextEncoder().encode(text);
  const from = readNumber(segment.startIndex) ?? 0;
  const to = readNumber(segment.endIndex) ?? bytes.length;
  const decoder = new TextDecoder();
  const found =
    words === undefined || decoder.decode(bytes.subarray(from, to)) === words ? -1 : text.indexOf(words);
  const before = found < 0 ? decoder.decode(bytes.subarray(0, from)) : text.slice(0, found);
  const cited = found < 0 ? decoder.decode(bytes.subarray(from, to)) : words!;
  const start = codePoints(before);
  return { start, end: start + codePoints(cited) };
}

const codePoints = (text: string): number => [...text].length;

// ----------------------------------------------------------------------------------------------------------- writing

/** Searches and citations of an answer as `groundingMetadata`; undefined when there are none. */
export function writeGrounding(parts: readonly Part[]): Json | undefined {
  const queries: string[] = [];
  const sources: Citation[] = [];
  const supports: Json[] = [];
  const places = new Map<string, number>();
  const placeOf = ({ url, title, quote }: Citation) => {
    const key = JSON.stringify([url, title, quote]);
    const place = places.get(key) ?? sources.push(compact({ url, title, quote })) - 1;
    places.set(key, place);
    return place;
  };
  let before = 0;
  for (const part of parts) {
    if (isGrounding(part) && part.kind === 'hosted-call' && typeof part.input.query === 'string')
      queries.push(part.input.query);
    if (isGrounding(part) && part.kind === 'hosted-result') part.sources.forEach(placeOf);
    if (part.kind !== 'text') continue;
    for (const citation of part.citations ?? []) {
      const segment = segmentOf(part.text, citation, before);
      supports.push({ segment, groundingChunkIndices: [placeOf(citation)] });
    }
    before += Buffer.byteLength(part.text);
  }
  if (queries.length === 0 && sources.length === 0) return undefined;
  return compact({
    webSearchQueries: queries.length > 0 ? queries : undefined,
    groundingChunks: sources.map(chunkOf),
    groundingSupports: supports.length > 0 ? supports : undefined,
  });
}

/** A page of the web, or a document that has no address. */
function chunkOf({ url, title, quote }: Citation): Json {
  if (url === undefined) return { retrievedContext: compact({ title, text: quote }) };
  return { web: compact({ uri: url, title }) };
}

function segmentOf(text: string, { start, end }: Citation, before: number): Json {
  const points = [...text];
  const from = start ?? 0;
  const cited = points.slice(from, end ?? points.length).join('');
  const startIndex = before + Buffer.byteLength(points.slice(0, from).join(''));
  return { startIndex, endIndex: startIndex + Buffer.byteLength(cited), text: cited };
}

/** A hosted search of this answer, as the two parts it is to others. */
export function searchParts(grounding: Grounding, callId: string): readonly Part[] {
  const { tool, queries, sources } = grounding;
  if (queries.length === 0 && sources.length === 0) return [];
  const input = queries.length > 0 ? { query: queries.join('; ') } : {};
  return [
    { kind: 'hosted-call', tool, callId, input },
    { kind: 'hosted-result', tool, callId, sources, failed: false },
  ];
}

/** Whether grounding is what a part becomes on this wire, so that it is not lost when it is no part. */
export const isGrounding = (part: Part): boolean =>
  (part.kind === 'hosted-call' || part.kind === 'hosted-result') &&
  (part.tool === 'web-search' || part.tool === 'file-search');
