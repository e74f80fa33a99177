import { compact, type Draft, type Json, readObject } from '../../core/json.ts';
import type { ChatRequest, Sampling } from '../../core/request.ts';
import type { Drop, Target } from '../protocol.ts';
import { limitMarks } from './cache-marks.ts';
import { encodePart } from './encode-content.ts';
import { encodeMessages } from './encode-messages.ts';
import { encodeOutput } from './encode-output.ts';
import { encodeThinking } from './encode-thinking.ts';
import { encodeTools } from './encode-tools.ts';
import { encodeExtra } from './wire.ts';

/** A request as a Messages body that Anthropic accepts; what cannot be said is reported through `target.drop`. */
export function encodeRequest(request: ChatRequest, target: Target): Json {
  const { drop } = target;
  const extra = encodeExtra(request.extra, '', drop);
  const { format, instruction } = encodeOutput(request.output, drop);
  const system = encodeSystem(request, instruction, drop);
  const messages = encodeMessages(request.messages, drop);
  const tools = encodeTools(request, drop);
  const { maxTokens, thinking, effort, active } = encodeThinking(request, target, tools, messages);
  limitMarks(tools.tools ?? [], system, messages, extra.cache_control ? 1 : 0, drop);
  dropUnsaid(request, drop);
  const body: Draft<Json> = { model: target.model, max_tokens: maxTokens };
  if (system.length > 0) body.system = system;
  body.messages = messages;
  Object.assign(body, tools);
  if (thinking) body.thinking = thinking;
  encodeSampling(request.sampling, active, body, drop);
  const tier = encodeTier(request.serviceTier, drop);
  if (tier !== undefined) body.service_tier = tier;
  body.stream = request.stream;
  Object.assign(body, extra);
  if (effort !== undefined || format)
    body.output_config = { ...readObject(extra.output_config), ...compact({ effort, format }) };
  if (request.user !== undefined) body.metadata = { ...readObject(extra.metadata), user_id: request.user };
  return body;
}

/** The system prompt can only be text. */
function encodeSystem({ system }: ChatRequest, instruction: string | undefined, drop: Drop): Json[] {
  const blocks: Json[] = [];
  for (let at = 0; at < system.length; at++) {
    const block = encodePart(system[at]!, 'system', at, drop);
    if (block?.type === 'text') blocks.push(block);
    else if (block) drop(`system[${at}]`);
  }
  if (instruction !== undefined) blocks.push({ type: 'text', text: instruction });
  return blocks;
}

/**
 * Anthropic's temperature ends at 1. While the model thinks it must be 1, top_p at least 0.95 and top_k absent;
 * otherwise temperature and top_p exclude each other, and the temperature stays. What remains goes into the body.
 */
function encodeSampling(
  { temperature, topP, topK, stop }: Sampling,
  thinks: boolean,
  body: Draft<Json>,
  drop: Drop,
): void {
  const warmth = temperature === undefined ? undefined : Math.min(1, Math.max(0, temperature));
  if (warmth !== temperature) drop(`temperature: ${temperature} became ${warmth}`);
  if (warmth !== undefined) {
    if (!thinks || warmth === 1) body.temperature = warmth;
    else drop('temperature: fixed while the model thinks');
  }
  if (topP !== undefined) {
    if (thinks ? topP >= 0.95 : warmth === undefined) body.top_p = topP;
    else drop(thinks ? 'top_p: bound while the model thinks' : 'top_p: excluded by temperature');
  }
  if (topK !== undefined) {
    if (!thinks) body.top_k = topK;
    else drop('top_k: not allowed while the model thinks');
  }
  if (!stop) return;
  const stops = stop.filter((sequence) => sequence.trim() !== '');
  if (stops.length < stop.length) drop('stop: blank sequences');
  if (stops.length > 0) body.stop_sequences = stops;
}

/** Other vendors' tiers that have a like here: `auto` uses priority capacity where there is any. */
const tiers: Readonly<Record<string, string>> = {
  auto: 'auto',
  priority: 'auto',
  default: 'standard_only',
  standard_only: 'standard_only',
};

function encodeTier(tier: string | undefined, drop: Drop): string | undefined {
  if (tier === undefined) return undefined;
  if (!tiers[tier]) drop(`service_tier: ${tier}`);
  return tiers[tier];
}

/** What this wire has no words for, in the words of the client who said it. */
function dropUnsaid({ sampling, cacheKey }: ChatRequest, drop: Drop): void {
  if (sampling.seed !== undefined) drop('seed');
  if (sampling.presencePenalty) drop('presence_penalty');
  if (sampling.frequencyPenalty) drop('frequency_penalty');
  if ((sampling.choices ?? 1) > 1) drop('n');
  if (sampling.logprobs) drop('logprobs');
  if (cacheKey !== undefined) drop('prompt_cache_key');
}
