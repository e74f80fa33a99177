import { type FinishReason, folding, type Reply } from '../../core/event.ts';
import { compact, type Json, readArray, readObject } from '../../core/json.ts';
import type { Part } from '../../core/request.ts';
import { glancing } from '../glance.ts';
import type { Drop, Echo } from '../protocol.ts';
import { encodeSeal } from '../seals.ts';
import { decodeChunks } from './decode-stream.ts';
import { encodeArgs, encodeMedia, ownForeign } from './encode-part.ts';
import { reasonName } from './finish.ts';
import { isGrounding, writeGrounding } from './grounding.ts';
import { writeLogprobs } from './logprobs.ts';
import { readUsage, writeUsage } from './usage.ts';
import { camel, issuer } from './wire.ts';

/** A whole answer is a stream of one chunk, so the stream's reader reads it. */
export function decodeReply(body: Json): Reply {
  const folder = folding();
  const chunks = decodeChunks(folder.push);
  chunks.push(body);
  chunks.end();
  return folder.reply();
}

export const glance = glancing({
  field: 'usageMetadata',
  usageOf: ({ usageMetadata }) => readUsage(camel(readObject(usageMetadata) ?? {})),
  isSound: ({ error, candidates }) => !error && (readArray(candidates)?.length ?? 0) > 0,
});

/** A whole answer as GenerateContentResponse. */
export function encodeReply(reply: Reply, echo: Echo): Json {
  const choices = [{ parts: reply.parts, reason: reply.reason }, ...(reply.others ?? [])];
  return {
    candidates: choices.map(({ parts, reason }, index) => candidate(parts, reason, index, echo.drop)),
    usageMetadata: writeUsage(reply.usage),
    modelVersion: echo.model,
    responseId: reply.id || echo.id,
  };
}

function candidate(parts: readonly Part[], reason: FinishReason, index: number, drop: Drop): Json {
  const spelled = parts.flatMap((part) => encodeAnswerPart(part, drop));
  const logprobs = parts.flatMap((part) => (part.kind === 'text' ? (part.logprobs ?? []) : []));
  return compact({
    content: { role: 'model', parts: spelled.length > 0 ? spelled : [silence] },
    finishReason: reasonName(reason, parts.some(isRefusal)),
    index,
    groundingMetadata: writeGrounding(parts),
    logprobsResult: writeLogprobs(logprobs),
  });
}

const isRefusal = (part: Part): boolean => part.kind === 'refusal';

/** What an answer without content says: Google's SDK takes a content without parts for a failure. */
export const silence: Json = { text: '' };

/** A part of an answer in Gemini's words. What search found stands in `groundingMetadata`, not among the parts. */
export function encodeAnswerPart(part: Part, drop: Drop): readonly Json[] {
  const foreign = ownForeign(part);
  if (foreign) return [foreign];
  if (isGrounding(part)) return [];
  const thoughtSignature = 'seal' in part && part.seal ? encodeSeal(part.seal, issuer) : undefined;
  switch (part.kind) {
    case 'text':
      return [compact({ text: part.text, thoughtSignature })];
    case 'refusal':
      return [{ text: part.text }];
    case 'reasoning':
      return [compact({ text: part.text, thought: true, thoughtSignature })];
    case 'media':
      return [compact({ ...encodeMedia(part, { drop }), thoughtSignature })];
    case 'tool-call': {
      const { callId, name } = part;
      const functionCall = compact({ id: callId || undefined, name, args: encodeArgs(part, drop) });
      return [compact({ functionCall, thoughtSignature })];
    }
    case 'hosted-call':
    case 'hosted-result':
      drop(`${part.kind} ${part.tool}`);
      return [];
    default:
      drop(part.kind === 'foreign' ? `foreign ${part.foreign.protocol}` : part.kind);
      return [];
  }
}
