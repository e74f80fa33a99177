import type { FinishReason, Usage } from '../../core/event.ts';
import { type Draft, type Json, readNumber, readObject, unread } from '../../core/json.ts';
import { id } from './wire.ts';

/** Why Claude stopped. `compaction` (beta) is a turn to resume; `sensitive` was seen from compatible servers. */
const stopReasons: Readonly<Record<string, FinishReason>> = {
  end_turn: 'end',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  stop_sequence: 'stop',
  tool_use: 'tool',
  pause_turn: 'pause',
  compaction: 'pause',
  refusal: 'filter',
  sensitive: 'filter',
};

const stopNames: Readonly<Record<FinishReason, string>> = {
  end: 'end_turn',
  length: 'max_tokens',
  tool: 'tool_use',
  stop: 'stop_sequence',
  filter: 'refusal',
  pause: 'pause_turn',
  malformed: 'end_turn',
};

/**
 * A stop reason as ours. A call that was made is the reason, whatever the wire says of a normal end; without one,
 * `tool_use` is a normal end. A cut or a refusal stays what it is.
 */
export function decodeStop(wire: string | undefined, called: boolean): FinishReason {
  const reason = stopReasons[wire ?? ''] ?? 'end';
  if (called && (reason === 'end' || reason === 'stop')) return 'tool';
  return reason === 'tool' && !called ? 'end' : reason;
}

export const encodeStop = (reason: FinishReason): string => stopNames[reason];

const counted = new Set([
  'input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation_input_tokens',
  'output_tokens_details',
]);

/** Later counts win; what is missing or null keeps its earlier value (message_delta may repeat the input side). */
export function addCounts(counts: Draft<Json>, later: Json): void {
  for (const key in later) if (later[key] !== null) counts[key] = later[key];
}

/** Claude's `input_tokens` leaves both caches out; ours counts them in. Its `output_tokens` counts thinking, as ours does. */
export function decodeUsage(wire: Json): Usage {
  const cacheRead = count(wire.cache_read_input_tokens);
  const cacheWrite = count(wire.cache_creation_input_tokens);
  const rest = unread(wire, counted);
  return {
    input: count(wire.input_tokens) + cacheRead + cacheWrite,
    output: count(wire.output_tokens),
    cacheRead,
    cacheWrite,
    reasoning: count(readObject(wire.output_tokens_details)?.thinking_tokens),
    extra: rest && { [id]: rest },
  };
}

const count = (value: unknown): number => readNumber(value) ?? 0;

export function encodeUsage({ input, output, cacheRead, cacheWrite, reasoning, extra }: Usage): Json {
  const counts: Draft<Json> = {
    input_tokens: Math.max(0, input - cacheRead - cacheWrite),
    cache_creation_input_tokens: cacheWrite,
    cache_read_input_tokens: cacheRead,
    output_tokens: output,
  };
  if (reasoning > 0) counts.output_tokens_details = { thinking_tokens: reasoning };
  return Object.assign(counts, extra?.[id]);
}
