import { GatewayError } from '../../core/error.ts';
import { type FinishReason, folding, type Reply } from '../../core/event.ts';
import { type Draft, type Json, readArray } from '../../core/json.ts';
import type { ChatRequest, Citation, Part, Seal, ToolCallPart } from '../../core/request.ts';
import { readErrorWords, statusOfWords, upstreamError } from '../errors.ts';
import { glancing } from '../glance.ts';
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

export const glance = glancing({
  field: 'usage',
  usageOf: ({ usage }) => decodeUsage(usage),
  isSound: ({ error, choices }) => !error && (readArray(choices)?.length ?? 0) > 0,
});

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
  const choices = [encodeChoice(0, reply, legacy, echo.drop)];
  if (reply.others)
    for (const other of reply.others) choices.push(encodeChoice(choices.length, other, legacy, echo.drop));
  return {
    id: answerId(reply.id, echo.id, 'chatcmpl-'),
    object: 'chat.completion',
    created: echo.createdAt,
    model: echo.model,
    choices,
    usage: encodeUsage(reply.usage),
  };
}

function encodeChoice(
  index: number,
  { parts, reason, stop }: Pick<Reply, 'parts' | 'reason' | 'stop'>,
  legacy: boolean,
  drop: Drop,
): Json {
  const choice: Draft<Json> = {
    index,
    message: encodeMessage(parts, legacy, drop),
    logprobs: encodeLogprobs(parts),
    finish_reason: encodeFinish(reason, legacy),
  };
  if (reason === 'stop' && stop !== undefined) choice['stop_reason'] = stop;
  return choice;
}

export const encodeFinish = (reason: FinishReason, legacy: boolean): string =>
  legacy && reason === 'tool' ? 'function_call' : wireReasons[reason];

function encodeMessage(parts: readonly Part[], legacy: boolean, drop: Drop): Json {
  let text: string | undefined;
  let refusal: string | undefined;
  let thinking = '';
  let annotations: Json[] | undefined;
  let details: Json[] | undefined;
  let images: Json[] | undefined;
  let calls: Json[] | undefined;
  for (const part of parts) {
    switch (part.kind) {
      case 'text':
        if (part.citations)
          (annotations ??= []).push(...encodeCitations(part.citations, codePoints(text ?? ''), drop));
        text = text === undefined ? part.text : text + part.text;
        if (part.seal) drop(`content: signature of ${part.seal.issuer}`);
        break;
      case 'reasoning':
        thinking += part.text;
        if (part.seal) (details ??= []).push(encodeDetail(part.text, part.seal));
        break;
      case 'refusal':
        refusal = (refusal ?? '') + part.text;
        break;
      case 'tool-call':
        (calls ??= []).push(encodeCall(part, drop));
        break;
      case 'media': {
        const image = encodeImage(part, drop);
        if (image) (images ??= []).push(image);
        break;
      }
      default:
        drop(`content: ${'tool' in part ? part.tool : part.kind}`);
    }
  }
  const silent = calls !== undefined || refusal !== undefined;
  const message: Draft<Json> = {
    role: 'assistant',
    content: text ?? (silent ? null : ''),
    refusal: refusal ?? null,
  };
  if (thinking !== '') message['reasoning_content'] = thinking;
  if (details) message['reasoning_details'] = details;
  if (annotations?.length) message['annotations'] = annotations;
  if (images) message['images'] = images;
  if (calls && !legacy) message['tool_calls'] = calls;
  if (calls && legacy) message['function_call'] = onlyCall(calls, drop);
  return message;
}

/** What a client of `functions` is told of the calls of a turn, of which it knows one. */
function onlyCall(calls: readonly Json[], drop: Drop): unknown {
  if (calls.length > 1) drop('tool_calls[1]: function_call is one');
  return calls[0]!['function'] ?? calls[0]!['custom'];
}

function encodeLogprobs(parts: readonly Part[]): Json | null {
  let content: Json[] | undefined;
  for (const part of parts)
    if (part.kind === 'text' && part.logprobs) (content ??= []).push(...part.logprobs);
  return content?.length ? { content, refusal: null } : null;
}

/** A tool call as this wire writes it, in an answer as in a history. */
export function encodeCall(part: ToolCallPart, drop: Drop): Json {
  if (part.namespace !== undefined) drop(`tool_calls: namespace ${part.namespace}`);
  const { callId: id, name, args, custom, seal } = part;
  const call = custom
    ? { id, type: 'custom', custom: { name, input: args } }
    : { id, type: 'function', function: { name, arguments: args || '{}' } };
  return seal ? { ...call, ...encodeCallSeal(seal) } : call;
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
