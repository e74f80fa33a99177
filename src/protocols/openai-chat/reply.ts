import { GatewayError } from '../../core/error.ts';
import { type FinishReason, folding, noUsage, type Reply, type Usage } from '../../core/event.ts';
import { compact, type Json, readArray } from '../../core/json.ts';
import type { ChatRequest, Citation, Part, Seal, ToolCallPart } from '../../core/request.ts';
import { readErrorWords, statusOfWords, upstreamError } from '../errors.ts';
import type { Drop, Echo } from '../protocol.ts';
import { encodeSeal } from '../seals.ts';
import { Chunks } from './decode-chunk.ts';
import { encodeMedia } from './media.ts';
import { encodeDetail } from './reasoning.ts';
import { decodeUsage, encodeUsage, wireReasons } from './usage.ts';
import { answerId, legacyMark, ownExtra } from './wire.ts';

// ----------------------------------------------------------------------------------------------------- an upstream's

/**
 * A whole completion. It is read as the one chunk of a stream, so that both say the same.
 * @throws GatewayError what an error inside it says, or `bad-upstream-data` when it is no completion.
 */
export function decodeReply(body: Json): Reply {
  const folder = folding();
  const chunks = new Chunks(folder.push);
  chunks.push(body);
  if (!chunks.over && !readArray(body['choices'])?.length) throw notCompletion(body);
  chunks.finish();
  return folder.reply();
}

/** The usage of an answer that has choices and no error. */
export const glance = (body: Json): Usage | undefined =>
  body['error'] || !readArray(body['choices'])?.length ? undefined : (decodeUsage(body['usage']) ?? noUsage);

function notCompletion(body: Json): GatewayError {
  const words = readErrorWords(body);
  if (words.message !== undefined) return upstreamError(statusOfWords(words), new Headers(), words);
  return new GatewayError({ kind: 'bad-upstream-data' }, 'The upstream answered without any choices.', {
    remedy: 'Check that the base-url of this provider is that of an OpenAI-compatible API.',
  });
}

// ---------------------------------------------------------------------------------------------------------- a client's

/** Whether the client declared its tools as `functions`; then it looks for `function_call` in the answer. */
export const speaksFunctions = (request: ChatRequest): boolean => legacyMark in ownExtra(request.extra);

/** A whole reply as a `chat.completion`. */
export function encodeReply(reply: Reply, echo: Echo): Json {
  const legacy = speaksFunctions(echo.request);
  const choices = [{ parts: reply.parts, reason: reply.reason }, ...(reply.others ?? [])];
  return {
    id: answerId(reply.id, echo.id, 'chatcmpl-'),
    object: 'chat.completion',
    created: echo.createdAt,
    model: echo.model,
    choices: choices.map(({ parts, reason }, index) => ({
      index,
      message: encodeMessage(parts, legacy, echo.drop),
      logprobs: encodeLogprobs(parts),
      finish_reason: encodeFinish(reason, legacy),
      ...(index === 0 && reason === 'stop' && reply.stop !== undefined ? { stop_reason: reply.stop } : {}),
    })),
    usage: encodeUsage(reply.usage),
  };
}

export const encodeFinish = (reason: FinishReason, legacy: boolean): string =>
  legacy && reason === 'tool' ? 'function_call' : wireReasons[reason];

function encodeMessage(parts: readonly Part[], legacy: boolean, drop: Drop): Json {
  const texts: string[] = [];
  const thoughts: string[] = [];
  const refusals: string[] = [];
  const annotations: Json[] = [];
  const details: Json[] = [];
  const images: Json[] = [];
  const calls: Json[] = [];
  for (const part of parts) {
    switch (part.kind) {
      case 'text':
        if (part.citations)
          annotations.push(...encodeCitations(part.citations, codePoints(texts.join('')), drop));
        texts.push(part.text);
        if (part.seal) drop(`content: signature of ${part.seal.issuer}`);
        break;
      case 'reasoning':
        thoughts.push(part.text);
        if (part.seal) details.push(encodeDetail(part.text, part.seal));
        break;
      case 'refusal':
        refusals.push(part.text);
        break;
      case 'tool-call':
        calls.push(encodeCall(part, drop));
        break;
      case 'media': {
        const image = encodeImage(part, drop);
        if (image) images.push(image);
        break;
      }
      default:
        drop(`content: ${'tool' in part ? part.tool : part.kind}`);
    }
  }
  const thinking = thoughts.join('');
  return compact({
    role: 'assistant',
    content: texts.length > 0 || calls.length + refusals.length === 0 ? texts.join('') : null,
    refusal: refusals.length > 0 ? refusals.join('') : null,
    reasoning_content: thinking === '' ? undefined : thinking,
    reasoning_details: details.length > 0 ? details : undefined,
    annotations: annotations.length > 0 ? annotations : undefined,
    images: images.length > 0 ? images : undefined,
    ...encodeCalls(calls, legacy, drop),
  });
}

function encodeCalls(calls: readonly Json[], legacy: boolean, drop: Drop): Json {
  if (calls.length === 0) return {};
  if (legacy && calls.length > 1) drop('tool_calls[1]: function_call is one');
  return legacy ? { function_call: calls[0]!['function'] ?? calls[0]!['custom'] } : { tool_calls: calls };
}

function encodeLogprobs(parts: readonly Part[]): Json | null {
  const content = parts.flatMap((part) => (part.kind === 'text' ? (part.logprobs ?? []) : []));
  return content.length > 0 ? { content, refusal: null } : null;
}

/** A tool call as this wire writes it, in an answer as in a history. */
export function encodeCall(part: ToolCallPart, drop: Drop): Json {
  if (part.namespace !== undefined) drop(`tool_calls: namespace ${part.namespace}`);
  const signed = part.seal ? encodeCallSeal(part.seal) : {};
  if (part.custom)
    return { id: part.callId, type: 'custom', custom: { name: part.name, input: part.args }, ...signed };
  return {
    id: part.callId,
    type: 'function',
    function: { name: part.name, arguments: part.args || '{}' },
    ...signed,
  };
}

/** The field in which Gemini's OpenAI-compatible server signs a call, and wants the signature back. */
export const encodeCallSeal = (seal: Seal): Json => ({
  extra_content: { google: { thought_signature: encodeSeal(seal, 'gemini') } },
});

/** A generated image in OpenRouter's `images` extension; other media have no place in an answer. */
export function encodeImage(part: Extract<Part, { kind: 'media' }>, drop: Drop): Json | undefined {
  const encoded = part.media === 'image' ? encodeMedia(part) : undefined;
  if (!encoded) drop(`content: ${part.media}`);
  return encoded;
}

/** Citations as annotations; their places are counted from the start of the whole text, `offset` code points before. */
export function encodeCitations(
  citations: readonly Citation[] | undefined,
  offset: number,
  drop: Drop,
): readonly Json[] {
  return (citations ?? []).flatMap(({ url, title, quote, start, end }) => {
    if (url === undefined) {
      drop('content: citation without a URL');
      return [];
    }
    const url_citation = {
      url,
      title: title ?? '',
      start_index: end === undefined ? 0 : (start ?? 0) + offset,
      end_index: end === undefined ? 0 : end + offset,
      ...(quote === undefined ? {} : { content: quote }),
    };
    return [{ type: 'url_citation', url_citation }];
  });
}

/** The length of a text as citations count it. */
export function codePoints(text: string): number {
  let pairs = 0;
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) === 0xdc00) pairs++;
  return text.length - pairs;
}
