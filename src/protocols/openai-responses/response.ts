import type { FinishReason, Usage } from '../../core/event.ts';
import { compact, type Json, readObject } from '../../core/json.ts';
import type { Echo } from '../protocol.ts';
import { encodeText, encodeToolChoice, encodeTools } from './encode-tools.ts';
import { writeUsage } from './usage.ts';
import { id } from './wire.ts';

/** The response object around the output: what was asked, repeated, and how it ended. */
export interface Outcome {
  readonly status: 'in_progress' | 'completed' | 'incomplete' | 'failed';
  readonly reason?: FinishReason;
  readonly usage?: Usage;
  readonly error?: Json;
}

export function responseObject(
  responseId: string,
  output: readonly Json[],
  outcome: Outcome,
  echo: Echo,
): Json {
  const { request } = echo;
  const { sampling, reasoning } = request;
  const own = readObject(request.extra[id]) ?? {};
  const nothing = () => {};
  return {
    id: responseId,
    object: 'response',
    created_at: echo.createdAt,
    status: outcome.status,
    background: false,
    error: outcome.error ?? null,
    incomplete_details: incompleteDetails(outcome),
    instructions: instructionsOf(echo),
    max_output_tokens: sampling.maxTokens ?? null,
    model: echo.model,
    output,
    parallel_tool_calls: request.parallelTools ?? true,
    previous_response_id: own.previous_response_id ?? null,
    reasoning: { effort: reasoning?.effort ?? null, summary: reasoning?.summary ?? null },
    service_tier: request.serviceTier ?? 'default',
    store: own.store ?? false,
    temperature: sampling.temperature ?? 1,
    text: encodeText(request.output, readObject(own.text)) ?? { format: { type: 'text' } },
    tool_choice: encodeToolChoice(request) ?? 'auto',
    tools: encodeTools(request.tools, nothing) ?? [],
    top_logprobs: sampling.logprobs?.top ?? 0,
    top_p: sampling.topP ?? 1,
    truncation: own.truncation ?? 'disabled',
    usage: outcome.usage ? writeUsage(outcome.usage) : null,
    metadata: own.metadata ?? {},
    ...compact({ user: request.user, prompt_cache_key: request.cacheKey }),
  };
}

/** The first instructions are the client's `instructions`; the others came as items and are not repeated. */
function instructionsOf({ request }: Echo): string | null {
  const texts = request.system.flatMap((part) =>
    part.kind === 'text' && !part.extra?.[id]?.role ? [part.text] : [],
  );
  return texts.length > 0 ? texts.join('\n\n') : null;
}

function incompleteDetails({ status, reason }: Outcome): Json | null {
  if (status !== 'incomplete') return null;
  return { reason: reason === 'filter' ? 'content_filter' : 'max_output_tokens' };
}

/** How a finish is told: only a limit, a filter without words of refusal, or a pause leaves an answer incomplete. */
export function statusOf(reason: FinishReason, refused: boolean): 'completed' | 'incomplete' {
  if (reason === 'length' || reason === 'pause') return 'incomplete';
  return reason === 'filter' && !refused ? 'incomplete' : 'completed';
}
