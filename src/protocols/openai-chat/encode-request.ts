import { effortOf } from '../../core/effort.ts';
import { compact, type Json, readObject } from '../../core/json.ts';
import type { ChatRequest, OutputFormat, Reasoning, Sampling } from '../../core/request.ts';
import type { Drop, Target } from '../protocol.ts';
import { encodeMessages } from './encode-messages.ts';
import { encodeTools } from './encode-tools.ts';
import { dropForeign, isOpenAi, isReasoningFamily, ownExtra } from './wire.ts';

/**
 * A request as a body of Chat Completions. Fields that only OpenAI knows go only to its models, because many compatible
 * servers refuse what they do not know.
 */
export function encodeRequest(request: ChatRequest, target: Target): Json {
  const { model } = target;
  const told = new Set<string>();
  const drop: Drop = (what) => {
    if (!told.has(what)) target.drop(what);
    told.add(what);
  };
  const { stream_options: streamOptions, ...own } = ownExtra(request.extra);
  dropForeign(request.extra, '', drop);
  return compact({
    ...own,
    model,
    messages: encodeMessages(request, { ...target, drop }),
    ...encodeTools(request, model, drop),
    ...encodeSampling(request.sampling, model, drop),
    ...encodeReasoning(request.reasoning, target, drop),
    response_format: encodeOutput(request.output),
    ...encodeCaller(request, own, model, drop),
    // Without it an upstream may stream without ever counting.
    ...(request.stream
      ? { stream: true, stream_options: { ...readObject(streamOptions), include_usage: true } }
      : {}),
  });
}

/** OpenAI accepts four stop sequences. */
const mostStops = 4;

function encodeSampling(sampling: Sampling, model: string, drop: Drop): Json {
  const { maxTokens, topK, stop, logprobs } = sampling;
  const openAi = isOpenAi(model);
  if (openAi && topK !== undefined) drop('top_k');
  const stops = openAi ? stop?.slice(0, mostStops) : stop;
  if (stops && stop && stops.length < stop.length) drop('stop: sequences after the fourth');
  return compact({
    [isReasoningFamily(model) ? 'max_completion_tokens' : 'max_tokens']: maxTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: openAi ? undefined : topK,
    stop: stops,
    seed: sampling.seed,
    presence_penalty: sampling.presencePenalty,
    frequency_penalty: sampling.frequencyPenalty,
    n: sampling.choices,
    logprobs: logprobs ? true : undefined,
    top_logprobs: logprobs?.top,
  });
}

/** OpenRouter, of whose dialect `reasoning_details` are, takes a budget as such. */
function encodeReasoning(reasoning: Reasoning | undefined, { model, dialect }: Target, drop: Drop): Json {
  const level = encodeEffort(reasoning, model, drop);
  const { effort, budget = 0 } = reasoning ?? {};
  return dialect === 'reasoning-details' && effort === undefined && budget > 0
    ? { reasoning: { max_tokens: budget } }
    : compact({ reasoning_effort: level });
}

/** The wish to think as a level; `auto`, the model's own choice, is said by saying nothing. */
function encodeEffort(reasoning: Reasoning | undefined, model: string, drop: Drop): string | undefined {
  if (!reasoning) return undefined;
  const { effort, budget, summary } = reasoning;
  if (summary === 'none') drop('reasoning.summary: thinking cannot be hidden');
  const level = effort ?? (budget === undefined ? 'auto' : effortOf(budget));
  if (level === 'auto') return undefined;
  // OpenAI's other models cannot think, which is what was asked, and refuse the field.
  return level === 'none' && isOpenAi(model) && !isReasoningFamily(model) ? undefined : level;
}

function encodeOutput(output: OutputFormat | undefined): Json | undefined {
  if (!output) return undefined;
  if (output.kind === 'json') return { type: 'json_object' };
  const { name = 'response', description, schema, strict } = output;
  return { type: 'json_schema', json_schema: compact({ name, description, schema, strict }) };
}

/** OpenAI refuses longer names of users and cache keys. */
const longestName = 64;

function encodeCaller(
  { user, serviceTier, cacheKey }: ChatRequest,
  own: Json,
  model: string,
  drop: Drop,
): Json {
  const named = user !== undefined && own['safety_identifier'] !== user;
  if (named && user.length > longestName) drop('user: longer than 64 characters');
  const keyed = cacheKey !== undefined && isOpenAi(model) && cacheKey.length <= longestName;
  if (cacheKey !== undefined && !keyed) drop('prompt_cache_key');
  return compact({
    user: named && user.length <= longestName ? user : undefined,
    service_tier: serviceTier === 'standard_only' ? 'default' : serviceTier,
    prompt_cache_key: keyed ? cacheKey : undefined,
  });
}
