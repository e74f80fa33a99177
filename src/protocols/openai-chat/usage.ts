import { type FinishReason, noUsage, type Usage } from '../../core/event.ts';
import { type Draft, type Json, noFields, readNumber, readObject } from '../../core/json.ts';
import { protocolId } from './wire.ts';

// ---------------------------------------------------------------------------------------------------- finish reasons

/** What upstreams of this wire report, their own words included; anything else is taken for an end. */
const finishReasons: ReadonlyMap<string, FinishReason> = new Map([
  ['stop', 'end'],
  ['length', 'length'],
  ['tool_calls', 'tool'],
  ['function_call', 'tool'],
  ['content_filter', 'filter'],
  // Mistral, Together and vLLM, hosts of Claude and Gemini, Z.ai.
  ['model_length', 'length'],
  ['max_tokens', 'length'],
  ['tool_use', 'tool'],
  ['stop_sequence', 'stop'],
  ['refusal', 'filter'],
  ['safety', 'filter'],
  ['sensitive', 'filter'],
]);

/**
 * The reason a choice ended. A call that was said is a tool turn whatever the upstream claims, and a tool turn without
 * a call is an end; a limit or a filter stands, because a call that was cut is not to be run.
 */
export function decodeFinish(reported: string | undefined, called: boolean): FinishReason {
  const reason = finishReasons.get(reported?.toLowerCase() ?? 'stop') ?? 'end';
  if (called) return reason === 'length' || reason === 'filter' ? reason : 'tool';
  return reason === 'tool' ? 'end' : reason;
}

/** This wire's word for a reason. A pause and a malformed call have none and look like an end. */
export const wireReasons: Readonly<Record<FinishReason, string>> = {
  end: 'stop',
  stop: 'stop',
  length: 'length',
  tool: 'tool_calls',
  filter: 'content_filter',
  pause: 'stop',
  malformed: 'stop',
};

// ------------------------------------------------------------------------------------------------------------- usage

const known: ReadonlySet<string> = new Set([
  'prompt_tokens',
  'completion_tokens',
  'total_tokens',
  'cached_tokens',
  'prompt_cache_hit_tokens',
  'prompt_cache_miss_tokens',
  'cache_read_input_tokens',
  'cache_creation_input_tokens',
  'reasoning_tokens',
]);
const knownOfPrompt: ReadonlySet<string> = new Set([
  'cached_tokens',
  'cache_write_tokens',
  'cached_creation_tokens',
  'cache_creation_tokens',
]);
const knownOfCompletion: ReadonlySet<string> = new Set(['reasoning_tokens']);

/** The counts that hold counts. */
const innerCounts: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['prompt_tokens_details', knownOfPrompt],
  ['completion_tokens_details', knownOfCompletion],
]);

/**
 * Reads a usage object in any of its spellings: cached tokens as OpenAI, DeepSeek (`prompt_cache_hit_tokens`), Moonshot
 * (`cached_tokens`) and hosts of Claude (`cache_read_input_tokens`) say them. Undefined when it counts nothing.
 */
export function decodeUsage(value: unknown): Usage | undefined {
  const usage = readObject(value);
  if (!usage) return undefined;
  const prompt = readObject(usage['prompt_tokens_details']) ?? noFields;
  const completion = readObject(usage['completion_tokens_details']) ?? noFields;
  const input = readNumber(usage['prompt_tokens']);
  const output = readNumber(usage['completion_tokens']);
  if (input === undefined && output === undefined) return undefined;
  const thought = counted(completion['reasoning_tokens']) || counted(usage['reasoning_tokens']);
  const spoken = wholeOutput(input ?? 0, output ?? 0, thought, readNumber(usage['total_tokens']));
  const cacheRead =
    counted(prompt['cached_tokens']) ||
    counted(usage['cached_tokens']) ||
    counted(usage['prompt_cache_hit_tokens']) ||
    counted(usage['cache_read_input_tokens']);
  const extra = countsBeside(usage, known, innerCounts);
  return {
    input: wholeInput(input ?? 0, cacheRead),
    output: spoken,
    cacheRead,
    cacheWrite:
      counted(prompt['cache_write_tokens']) ||
      counted(prompt['cached_creation_tokens']) ||
      counted(prompt['cache_creation_tokens']) ||
      counted(usage['cache_creation_input_tokens']),
    // A host may count one more than it lets the model say (OpenRouter, capture 2615f8acbdc05489).
    reasoning: Math.min(thought, spoken),
    extra: extra && { [protocolId]: extra },
  };
}

/** Azure's Grok leaves the cache out of `prompt_tokens`, which only shows where it is the greater (31c7808ea2993792). */
const wholeInput = (input: number, cacheRead: number): number =>
  cacheRead > input ? input + cacheRead : input;

/** xAI counts reasoning beside `completion_tokens`, not in it; only its total tells (capture 3bb83c7817a59d12). */
function wholeOutput(input: number, output: number, reasoning: number, total: number | undefined): number {
  return reasoning > 0 && total === input + output + reasoning ? output + reasoning : output;
}

/** A count; 0 for a spelling that counts nothing, so that the next one is asked. */
const counted = (value: unknown): number => Math.max(0, readNumber(value) ?? 0);

/** What else counts something: zeros, nulls and empty objects say nothing. */
function countsBeside(counts: Json, read: ReadonlySet<string>, inner?: typeof innerCounts): Json | undefined {
  let beside: Record<string, unknown> | undefined;
  for (const key in counts) {
    if (read.has(key)) continue;
    const readInside = inner?.get(key);
    const value = readInside ? countsBeside(readObject(counts[key]) ?? noFields, readInside) : counts[key];
    if (value === 0 || value === null || value === undefined || value === false) continue;
    beside ??= {};
    beside[key] = value;
  }
  return beside;
}

/** A usage object as OpenAI writes it, with the detail objects that clients rely on even when they are zero. */
export function encodeUsage(usage: Usage = noUsage): Json {
  const extra = usage.extra?.[protocolId] ?? noFields;
  const prompt: Draft<Json> = { cached_tokens: usage.cacheRead };
  if (usage.cacheWrite > 0) prompt['cache_write_tokens'] = usage.cacheWrite;
  return {
    ...extra,
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    prompt_tokens_details: Object.assign(prompt, readObject(extra['prompt_tokens_details'])),
    completion_tokens_details: {
      reasoning_tokens: usage.reasoning,
      ...readObject(extra['completion_tokens_details']),
    },
  };
}
