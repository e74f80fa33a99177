import { type FinishReason, fold, noUsage, type Reply, type Usage } from '../../core/event.ts';
import { compact, type Json, omit, readNumber } from '../../core/json.ts';
import { run } from '../../core/machine.ts';
import type { Citation, Part } from '../../core/request.ts';
import type { Drop, Echo } from '../protocol.ts';
import { encodeSeal } from '../seals.ts';
import { decodeStream } from './decode-stream.ts';
import { encodeArgs, encodeMedia, ownForeign } from './encode-part.ts';
import { camel, id, issuer } from './wire.ts';

/** Why Gemini stopped. The numbers are the same reasons as some servers spell their enum. */
export const finishReasons: Readonly<Record<string, FinishReason>> = {
  STOP: 'end',
  '1': 'end',
  MAX_TOKENS: 'length',
  '2': 'length',
  SAFETY: 'filter',
  '3': 'filter',
  RECITATION: 'filter',
  '4': 'filter',
  LANGUAGE: 'filter',
  BLOCKLIST: 'filter',
  PROHIBITED_CONTENT: 'filter',
  SPII: 'filter',
  IMAGE_SAFETY: 'filter',
  IMAGE_PROHIBITED_CONTENT: 'filter',
  IMAGE_RECITATION: 'filter',
  MALFORMED_FUNCTION_CALL: 'malformed',
  UNEXPECTED_TOOL_CALL: 'malformed',
  TOO_MANY_TOOL_CALLS: 'malformed',
  MALFORMED_RESPONSE: 'malformed',
};

export const reasonNames: Readonly<Record<FinishReason, string>> = {
  end: 'STOP',
  stop: 'STOP',
  tool: 'STOP',
  pause: 'STOP',
  length: 'MAX_TOKENS',
  filter: 'SAFETY',
  malformed: 'MALFORMED_FUNCTION_CALL',
};

const counted = new Set(
  ['promptTokenCount', 'candidatesTokenCount', 'totalTokenCount', 'cachedContentTokenCount'].concat([
    'thoughtsTokenCount',
    'toolUsePromptTokenCount',
  ]),
);

/** `usageMetadata`: the prompt counts its cached part, the candidates do not count the thoughts. Later counts win. */
export function readUsage(wire: Json | undefined, before: Usage = noUsage): Usage {
  if (!wire) return before;
  const metadata = camel(wire);
  const count = (name: string) => readNumber(metadata[name]) ?? 0;
  const rest = omit(metadata, counted);
  return {
    input: count('promptTokenCount') + count('toolUsePromptTokenCount'),
    output: count('candidatesTokenCount') + count('thoughtsTokenCount'),
    cacheRead: count('cachedContentTokenCount'),
    cacheWrite: 0,
    reasoning: count('thoughtsTokenCount'),
    ...(Object.keys(rest).length > 0 ? { extra: { [id]: rest } } : {}),
  };
}

export function writeUsage(usage: Usage): Json {
  return compact({
    promptTokenCount: usage.input,
    cachedContentTokenCount: usage.cacheRead > 0 ? usage.cacheRead : undefined,
    candidatesTokenCount: usage.output - usage.reasoning,
    thoughtsTokenCount: usage.reasoning > 0 ? usage.reasoning : undefined,
    totalTokenCount: usage.input + usage.output,
    ...usage.extra?.[id],
  });
}

/** A whole answer is a stream of one chunk, so the stream's reader reads it. */
export function decodeReply(body: Json): Reply {
  return fold(run(decodeStream(), [{ data: JSON.stringify(body) }]));
}

export function encodeReply(reply: Reply, echo: Echo): Json {
  const choices = [{ parts: reply.parts, reason: reply.reason }, ...(reply.others ?? [])];
  return {
    candidates: choices.map(({ parts, reason }, index) =>
      candidate(parts, reasonNames[reason], index, echo.drop),
    ),
    usageMetadata: writeUsage(reply.usage),
    modelVersion: echo.model,
    responseId: reply.id || echo.id,
  };
}

function candidate(parts: readonly Part[], finishReason: string, index: number, drop: Drop): Json {
  return compact({
    content: { role: 'model', parts: parts.flatMap((part) => encodeAnswerPart(part, drop)) },
    finishReason,
    index,
    groundingMetadata: groundingOf(parts),
  });
}

/** A part of an answer in Gemini's words. What search found stands in `groundingMetadata`, not among the parts. */
export function encodeAnswerPart(part: Part, drop: Drop): readonly Json[] {
  const foreign = ownForeign(part);
  if (foreign) return [foreign];
  const thoughtSignature = 'seal' in part && part.seal ? encodeSeal(part.seal, issuer) : undefined;
  switch (part.kind) {
    case 'text':
      return [compact({ text: part.text, thoughtSignature })];
    case 'refusal':
      return [{ text: part.text }];
    case 'reasoning':
      return [compact({ text: part.text, thought: true, thoughtSignature })];
    case 'media':
      return [compact({ ...encodeMedia(part, drop), thoughtSignature })];
    case 'tool-call':
      return [
        compact({
          functionCall: compact({
            id: part.callId || undefined,
            name: part.name,
            args: encodeArgs(part, drop),
          }),
          thoughtSignature,
        }),
      ];
    case 'hosted-call':
    case 'hosted-result':
      if (part.tool !== 'web-search') drop(`${part.kind} ${part.tool}`);
      return [];
    default:
      drop(part.kind);
      return [];
  }
}

/** Searches and citations as grounding, counted in the UTF-8 bytes of the answer's text. */
export function groundingOf(parts: readonly Part[]): Json | undefined {
  const queries: string[] = [];
  const sources: Citation[] = [];
  const supports: Json[] = [];
  const placeOf = (citation: Citation) => {
    const known = sources.findIndex((source) => source.url === citation.url);
    return known >= 0 ? known : sources.push(citation) - 1;
  };
  let before = 0;
  for (const part of parts) {
    if (part.kind === 'hosted-call' && part.tool === 'web-search' && typeof part.input.query === 'string')
      queries.push(part.input.query);
    if (part.kind === 'hosted-result' && part.tool === 'web-search') part.sources.forEach(placeOf);
    if (part.kind !== 'text') continue;
    for (const citation of part.citations ?? []) {
      const segment = segmentOf(part.text, citation, before);
      supports.push({ segment, groundingChunkIndices: [placeOf(citation)] });
    }
    before += byteLength(part.text);
  }
  if (queries.length === 0 && sources.length === 0) return undefined;
  return compact({
    webSearchQueries: queries.length > 0 ? queries : undefined,
    groundingChunks: sources.map((source) => ({ web: compact({ uri: source.url, title: source.title }) })),
    groundingSupports: supports.length > 0 ? supports : undefined,
  });
}

function segmentOf(text: string, { start, end }: Citation, before: number): Json {
  const points = [...text];
  const from = start ?? 0;
  const to = end ?? points.length;
  const cited = points.slice(from, to).join('');
  const startIndex = before + byteLength(points.slice(0, from).join(''));
  return { startIndex, endIndex: startIndex + byteLength(cited), text: cited };
}

const byteLength = (text: string) => Buffer.byteLength(text);
