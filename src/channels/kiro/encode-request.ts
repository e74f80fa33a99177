import { effortBudgets } from '../../core/effort.ts';
import { compact, type Json } from '../../core/json.ts';
import type { ChatRequest, Effort, Reasoning } from '../../core/request.ts';
import type { Drop, Target } from '../../protocols/protocol.ts';
import { encodeConversation, encodeUser } from './encode-history.ts';
import { encodeTools } from './encode-tools.ts';
import { modelIdOf } from './models.ts';
import { id } from './wire.ts';

/** A request as the body of `generateAssistantResponse`. The profile is the account's, so the channel adds it. */
export function encodeRequest(request: ChatRequest, { model, drop }: Target): Json {
  reportLosses(request, drop);
  const modelId = modelIdOf(model);
  const { tools, instructions } = encodeTools(request, drop);
  const { history, current } = encodeConversation(request.messages, {
    modelId,
    preface: prefaceOf(request, drop),
    instructions: [...instructions, ...outputInstructions(request, drop)],
    drop,
  });
  const { maxTokens, temperature, topP } = request.sampling;
  const inferenceConfig = compact({ maxTokens, temperature, topP });
  return compact({
    conversationState: compact({
      agentTaskType: 'vibe',
      chatTriggerType: 'MANUAL',
      conversationId: crypto.randomUUID(),
      currentMessage: encodeUser(current, modelId, tools),
      history: history.length > 0 ? history : undefined,
    }),
    inferenceConfig: Object.keys(inferenceConfig).length > 0 ? inferenceConfig : undefined,
  });
}

function reportLosses({ sampling, extra, user, serviceTier, cacheKey }: ChatRequest, drop: Drop): void {
  for (const [protocol, fields] of Object.entries(extra))
    if (protocol !== id) for (const name of Object.keys(fields)) if (!silent.has(name)) drop(name);
  const { topK, stop, seed, presencePenalty, frequencyPenalty, choices, logprobs } = sampling;
  const lost = {
    top_k: topK,
    stop: stop?.length ? stop : undefined,
    seed,
    presence_penalty: presencePenalty,
    frequency_penalty: frequencyPenalty,
    n: choices === 1 ? undefined : choices,
    logprobs,
    user,
    service_tier: serviceTier === 'auto' ? undefined : serviceTier,
    prompt_cache_key: cacheKey,
  };
  for (const name of Object.keys(compact(lost))) drop(name);
}

/** Fields that say how the answer is to be spelled, which the client's own side of its protocol honours. */
const silent = new Set(['stream_options', 'store', 'include']);

// ---------------------------------------------------------------------------------------- what is said in the prompt

/** The instructions and the wish to think, which the service reads from the user's first words. */
function prefaceOf({ system, reasoning }: ChatRequest, drop: Drop): string {
  const texts = system.flatMap((part, index) => {
    if (part.kind === 'text') return part.text.trim() === '' ? [] : [part.text];
    drop(`system[${index}]`);
    return [];
  });
  const budget = thinkingLength(reasoning);
  const thinking =
    budget === undefined
      ? []
      : [`<thinking_mode>enabled</thinking_mode><max_thinking_length>${budget}</max_thinking_length>`];
  const lines = [...thinking, ...texts];
  return lines.length > 0 ? `--- SYSTEM PROMPT ---\n${lines.join('\n')}\n--- END SYSTEM PROMPT ---` : '';
}

/** How long the model may think, in tokens; undefined: it is not asked to. */
function thinkingLength(reasoning: Reasoning | undefined): number | undefined {
  if (!reasoning) return undefined;
  const { effort, budget } = reasoning;
  if (effort === 'none' || budget === 0) return undefined;
  if (budget !== undefined && budget > 0) return budget;
  if (effort === undefined && budget === undefined) return undefined;
  return Math.min(effortBudgets[effort as Effort] ?? usualLength, longestLength);
}

/** What the service's own program asks for, and the most it takes. */
const usualLength = 16_000;
const longestLength = 32_000;

/** The wire has no structured output; it is asked for in words. */
function outputInstructions({ output }: ChatRequest, drop: Drop): readonly string[] {
  if (!output) return [];
  drop('response_format: asked for in words');
  const bare = 'Answer with one JSON value and nothing else: no other text, no code fence.';
  if (output.kind === 'json') return [bare];
  return [`${bare} It must match this JSON Schema:\n${JSON.stringify(output.schema)}`];
}
