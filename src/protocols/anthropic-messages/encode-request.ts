import { compact, type Json, readObject } from '../../core/json.ts';
import type { ChatRequest, Sampling } from '../../core/request.ts';
import type { Drop, Target } from '../protocol.ts';
import { limitMarks } from './cache-marks.ts';
import { encodePart } from './encode-content.ts';
import { beginsWithThought, encodeMessages } from './encode-messages.ts';
import { encodeOutput } from './encode-output.ts';
import { encodeThinking } from './encode-thinking.ts';
import { encodeTools, isForced } from './encode-tools.ts';
import { encodeExtra } from './wire.ts';

/** A request as a Messages body that Anthropic accepts; what cannot be said is reported through `target.drop`. */
export function encodeRequest(request: ChatRequest, target: Target): Json {
  const { drop } = target;
  const extra = encodeExtra(request.extra, '', drop);
  const { format, instruction } = encodeOutput(request.output, drop);
  const system = encodeSystem(request, instruction, drop);
  const messages = encodeMessages(request.messages, drop);
  const tools = encodeTools(request, drop);
  const { maxTokens, thinking, effort, active } = encodeThinking(request, target, {
    forced: isForced(tools),
    unbroken: beginsWithThought(messages),
  });
  const config = { ...readObject(extra.output_config), ...compact({ effort, format }) };
  const metadata = { ...readObject(extra.metadata), ...compact({ user_id: request.user }) };
  limitMarks({ tools: tools.tools ?? [], system, messages }, extra.cache_control ? 1 : 0, drop);
  dropUnsaid(request, drop);
  return compact({
    model: target.model,
    max_tokens: maxTokens,
    system: system.length > 0 ? system : undefined,
    messages,
    ...tools,
    thinking,
    ...encodeSampling(request.sampling, active, drop),
    service_tier: encodeTier(request.serviceTier, drop),
    stream: request.stream,
    ...extra,
    output_config: Object.keys(config).length > 0 ? config : undefined,
    metadata: Object.keys(metadata).length > 0 ? metadata : undefined,
  });
}

/** The system prompt can only be text. */
function encodeSystem({ system }: ChatRequest, instruction: string | undefined, drop: Drop): Json[] {
  const blocks: Json[] = [];
  for (const [index, part] of system.entries()) {
    const block = encodePart(part, `system[${index}]`, drop);
    if (block?.type === 'text') blocks.push(block);
    if (block && block.type !== 'text') drop(`system[${index}]`);
  }
  if (instruction !== undefined) blocks.push({ type: 'text', text: instruction });
  return blocks;
}

/**
 * Anthropic's temperature ends at 1. While the model thinks it must be 1, top_p at least 0.95 and top_k absent;
 * otherwise temperature and top_p exclude each other, and the temperature stays.
 */
function encodeSampling({ temperature, topP, topK, stop }: Sampling, thinks: boolean, drop: Drop): Json {
  const warmth = temperature === undefined ? undefined : Math.min(1, Math.max(0, temperature));
  if (warmth !== temperature) drop(`temperature: ${temperature} became ${warmth}`);
  const stops = stop?.filter((sequence) => sequence.trim() !== '');
  if (stops && stops.length < stop!.length) drop('stop: blank sequences');
  const keeps = {
    temperature: !thinks || warmth === 1,
    top_p: thinks ? (topP ?? 1) >= 0.95 : warmth === undefined,
  };
  if (warmth !== undefined && !keeps.temperature) drop('temperature: fixed while the model thinks');
  if (topP !== undefined && !keeps.top_p)
    drop(thinks ? 'top_p: bound while the model thinks' : 'top_p: excluded by temperature');
  if (topK !== undefined && thinks) drop('top_k: not allowed while the model thinks');
  return compact({
    temperature: keeps.temperature ? warmth : undefined,
    top_p: keeps.top_p ? topP : undefined,
    top_k: thinks ? undefined : topK,
    stop_sequences: stops?.length ? stops : undefined,
  });
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
