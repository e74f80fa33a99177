import type { FinishReason, Usage } from '../../core/event.ts';
import { compact, type Json, readObject } from '../../core/json.ts';
import type { Echo } from '../protocol.ts';
import { encodeText, encodeToolChoice, encodeTools } from './encode-tools.ts';
import { writeUsage } from './usage.ts';
import { nativeFields, writtenItem } from './wire.ts';

/** How a response stands, or how it ended. */
export interface Outcome {
  readonly status: 'in_progress' | 'completed' | 'incomplete' | 'failed';
  readonly reason?: FinishReason;
  readonly usage?: Usage;
  readonly error?: Json;
}

/** The response object around the output: what was asked, repeated, and how it ended. */
export function responseObject(
  responseId: string,
  output: readonly Json[],
  { status, reason, usage, error }: Outcome,
  echo: Echo,
): Json {
  const { request } = echo;
  const { sampling, reasoning } = request;
  const own = nativeFields(request) ?? {};
  const nobody = () => {};
  return {
    id: responseId,
    object: 'response',
    created_at: echo.createdAt,
    status,
    background: false,
    error: error ?? null,
    incomplete_details: status === 'incomplete' ? whyIncomplete(reason) : null,
    instructions: instructionsOf(echo),
    max_output_tokens: sampling.maxTokens ?? null,
    max_tool_calls: own.max_tool_calls ?? null,
    model: echo.model,
    output: [...output],
    parallel_tool_calls: request.parallelTools ?? true,
    previous_response_id: echo.memory?.previous ?? own.previous_response_id ?? null,
    reasoning: { effort: reasoning?.effort ?? null, summary: reasoning?.summary ?? null },
    service_tier: request.serviceTier ?? 'default',
    store: echo.memory?.kept ?? own.store ?? false,
    temperature: sampling.temperature ?? 1,
    text: { format: { type: 'text' }, ...encodeText(request.output, readObject(own.text)) },
    tool_choice: encodeToolChoice(request) ?? 'auto',
    tools: encodeTools(request.tools, nobody) ?? [],
    top_logprobs: sampling.logprobs?.top ?? 0,
    top_p: sampling.topP ?? 1,
    truncation: own.truncation ?? 'disabled',
    usage: usage ? writeUsage(usage) : null,
    metadata: own.metadata ?? {},
    ...compact({
      [own.safety_identifier === undefined ? 'user' : 'safety_identifier']: request.user,
      prompt_cache_key: request.cacheKey,
    }),
  };
}

/** The first instructions are the client's `instructions`; the others came as items and are not repeated. */
function instructionsOf({ request }: Echo): string | null {
  const itemised = request.system.findIndex((part) => writtenItem(part) !== undefined);
  const own = itemised < 0 ? request.system : request.system.slice(0, itemised);
  const texts = own.flatMap((part) => (part.kind === 'text' ? [part.text] : []));
  return texts.length > 0 ? texts.join('\n\n') : null;
}

/** OpenAI knows two reasons; a pause, after which the client goes on, has none. */
function whyIncomplete(reason: FinishReason | undefined): Json | null {
  if (reason === 'filter') return { reason: 'content_filter' };
  return reason === 'length' ? { reason: 'max_output_tokens' } : null;
}

/** How a finish is told: a limit, a pause, or a filter without words of refusal leave an answer incomplete. */
export function statusOf(reason: FinishReason, refused: boolean): 'completed' | 'incomplete' | 'failed' {
  if (reason === 'malformed') return 'failed';
  if (reason === 'length' || reason === 'pause') return 'incomplete';
  return reason === 'filter' && !refused ? 'incomplete' : 'completed';
}
