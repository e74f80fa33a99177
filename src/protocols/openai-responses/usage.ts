import type { Usage } from '../../core/event.ts';
import { type Json, omit, readNumber, readObject } from '../../core/json.ts';
import { id } from './wire.ts';

const counted = new Set([
  'input_tokens',
  'output_tokens',
  'total_tokens',
  'input_tokens_details',
  'output_tokens_details',
]);

/** Token counts; both totals include their parts. */
export function readUsage(wire: Json | undefined): Usage | undefined {
  if (!wire) return undefined;
  const inner = readObject(wire.input_tokens_details) ?? {};
  const outer = readObject(wire.output_tokens_details) ?? {};
  const rest = omit(wire, counted);
  return {
    input: readNumber(wire.input_tokens) ?? 0,
    output: readNumber(wire.output_tokens) ?? 0,
    cacheRead: readNumber(inner.cached_tokens) ?? 0,
    cacheWrite: readNumber(inner.cache_write_tokens) ?? 0,
    reasoning: readNumber(outer.reasoning_tokens) ?? 0,
    ...(Object.keys(rest).length > 0 ? { extra: { [id]: rest } } : {}),
  };
}

/** Clients of this protocol count on both details, also when there is nothing to say in them. */
export function writeUsage(usage: Usage): Json {
  return {
    input_tokens: usage.input,
    input_tokens_details: {
      cached_tokens: usage.cacheRead,
      ...(usage.cacheWrite > 0 ? { cache_write_tokens: usage.cacheWrite } : {}),
    },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: usage.input + usage.output,
    ...usage.extra?.[id],
  };
}
