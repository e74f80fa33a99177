import { effortOf } from '../../core/effort.ts';
import { compact, type Draft, type Json, omit, readObject } from '../../core/json.ts';
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
  const { model, dialect } = target;
  const drop = once(target.drop);
  const own = ownExtra(request.extra);
  dropForeign(request.extra, '', drop);
  const body: Draft<Json> = omit(own, streamFields);
  body['model'] = model;
  body['messages'] = encodeMessages(request, { model, dialect, drop });
  Object.assign(body, encodeTools(request, model, drop));
  encodeSampling(request.sampling, model, body, drop);
  if (request.reasoning) encodeReasoning(request.reasoning, target, body, drop);
  if (request.output) body['response_format'] = encodeOutput(request.output);
  encodeCaller(request, own, model, body, drop);
  if (request.stream) {
    body['stream'] = true;
    // Without it an upstream may stream without ever counting.
    body['stream_options'] = { ...readObject(own['stream_options']), include_usage: true };
  }
  return body;
}

const streamFields: ReadonlySet<string> = new Set(['stream_options']);

/** Reports each thing once. */
function once(drop: Drop): Drop {
  let told: Set<string> | undefined;
  return (what) => {
    if (!told?.has(what)) drop(what);
    (told ??= new Set()).add(what);
  };
}

/** OpenAI accepts four stop sequences. */
const mostStops = 4;

/** How to sample goes into the body. */
function encodeSampling(sampling: Sampling, model: string, body: Draft<Json>, drop: Drop): void {
  const { maxTokens, temperature, topP, topK, stop, seed, logprobs } = sampling;
  const { presencePenalty, frequencyPenalty, choices } = sampling;
  const openAi = isOpenAi(model);
  if (maxTokens !== undefined)
    body[isReasoningFamily(model) ? 'max_completion_tokens' : 'max_tokens'] = maxTokens;
  if (temperature !== undefined) body['temperature'] = temperature;
  if (topP !== undefined) body['top_p'] = topP;
  if (topK !== undefined && openAi) drop('top_k');
  if (topK !== undefined && !openAi) body['top_k'] = topK;
  const tooMany = openAi && stop !== undefined && stop.length > mostStops;
  if (tooMany) drop('stop: sequences after the fourth');
  if (stop) body['stop'] = tooMany ? stop.slice(0, mostStops) : stop;
  if (seed !== undefined) body['seed'] = seed;
  if (presencePenalty !== undefined) body['presence_penalty'] = presencePenalty;
  if (frequencyPenalty !== undefined) body['frequency_penalty'] = frequencyPenalty;
  if (choices !== undefined) body['n'] = choices;
  if (logprobs) body['logprobs'] = true;
  if (logprobs?.top !== undefined) body['top_logprobs'] = logprobs.top;
}

/** OpenRouter, of whose dialect `reasoning_details` are, takes a budget as such. */
function encodeReasoning(
  reasoning: Reasoning,
  { model, dialect }: Target,
  body: Draft<Json>,
  drop: Drop,
): void {
  const level = encodeEffort(reasoning, model, drop);
  const { effort, budget = 0 } = reasoning;
  if (dialect === 'reasoning-details' && effort === undefined && budget > 0)
    body['reasoning'] = { max_tokens: budget };
  else if (level !== undefined) body['reasoning_effort'] = level;
}

/** The wish to think as a level; `auto`, the model's own choice, is said by saying nothing. */
function encodeEffort({ effort, budget, summary }: Reasoning, model: string, drop: Drop): string | undefined {
  if (summary === 'none') drop('reasoning.summary: thinking cannot be hidden');
  const level = effort ?? (budget === undefined ? 'auto' : effortOf(budget));
  if (level === 'auto') return undefined;
  // OpenAI's other models cannot think, which is what was asked, and refuse the field.
  return level === 'none' && isOpenAi(model) && !isReasoningFamily(model) ? undefined : level;
}

function encodeOutput(output: OutputFormat): Json {
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
  body: Draft<Json>,
  drop: Drop,
): void {
  if (user !== undefined && own['safety_identifier'] !== user) {
    if (user.length > longestName) drop('user: longer than 64 characters');
    else body['user'] = user;
  }
  if (serviceTier !== undefined)
    body['service_tier'] = serviceTier === 'standard_only' ? 'default' : serviceTier;
  if (cacheKey === undefined) return;
  if (isOpenAi(model) && cacheKey.length <= longestName) body['prompt_cache_key'] = cacheKey;
  else drop('prompt_cache_key');
}
