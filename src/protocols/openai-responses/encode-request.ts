import { effortOf } from '../../core/effort.ts';
import { compact, type Json, readObject } from '../../core/json.ts';
import type { ChatRequest, Extra } from '../../core/request.ts';
import { dropForeign } from '../foreign.ts';
import type { Drop, Target } from '../protocol.ts';
import { shortened } from './call-ids.ts';
import { toCodex } from './codex.ts';
import { encodeInput } from './encode-input.ts';
import { encodeText, encodeToolChoice, encodeTools } from './encode-tools.ts';
import {
  codexDialect,
  id,
  issuer,
  logprobsIncluded,
  nativeFields,
  sealsIncluded,
  xaiDialect,
  xaiIssuer,
} from './wire.ts';
import { toXai } from './xai.ts';

/** A request as a Responses body, in the dialect of its target. */
export function encodeRequest(request: ChatRequest, target: Target): Json {
  const body = encodeBody(request, target);
  if (target.dialect === codexDialect) return toCodex(body, target.drop);
  return target.dialect === xaiDialect ? toXai(body, target) : body;
}

function encodeBody(request: ChatRequest, target: Target): Json {
  const { drop } = target;
  const { sampling, toolChoice, tools } = request;
  const native = nativeFields(request);
  const own = native ?? stateless(request, target);
  const hears = native !== undefined || target.card?.inputs?.includes('audio') === true;
  const { instructions, input } = encodeInput(request, { reads: readableAt(target), hears, drop });
  const offered = encodeTools(tools, drop);
  // OpenAI refuses a choice among no tools.
  const choosing = offered !== undefined || native !== undefined;
  reportLosses(request, drop);
  return compact({
    ...own,
    model: target.model,
    instructions: instructions === '' ? undefined : instructions,
    input: native ? input : remindOfJson(request, input),
    tools: offered,
    tool_choice: choosing && toolChoice ? encodeToolChoice(request) : undefined,
    parallel_tool_calls: choosing ? request.parallelTools : undefined,
    max_output_tokens: native ? sampling.maxTokens : enough(sampling.maxTokens, drop),
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_logprobs: sampling.logprobs?.top,
    reasoning: encodeReasoning(request.reasoning, readObject(own.reasoning)),
    text: encodeText(request.output, readObject(own.text)),
    stream: request.stream,
    // The newer name of the field stands among the native ones already.
    user: own.safety_identifier === request.user ? undefined : request.user,
    service_tier: native ? request.serviceTier : tierOf(request.serviceTier, drop),
    prompt_cache_key: request.cacheKey === undefined ? undefined : shortened(request.cacheKey),
  });
}

/** Whose encrypted reasoning the target reads: of a host that nobody knows, any that this wire carries. */
function readableAt({ dialect, card }: Target): ReadonlySet<string> {
  if (dialect === xaiDialect) return new Set([xaiIssuer]);
  if (dialect === codexDialect || card?.ownedBy === 'openai') return new Set([issuer]);
  return new Set([issuer, xaiIssuer]);
}

/** Nothing is kept by the server, so its answer must hold everything that the next turn has to bring back. */
function stateless(request: ChatRequest, { card, dialect }: Target): Json {
  const { sampling, tools } = request;
  const include = [
    // OpenAI answers 400 "Encrypted content is not supported with this model" where a model cannot reason.
    ...(card?.thinking === null && dialect !== xaiDialect ? [] : [sealsIncluded]),
    ...(sampling.logprobs ? [logprobsIncluded] : []),
    ...(tools.some((tool) => tool.kind === 'hosted' && tool.tool === 'web-search') ? [sourcesIncluded] : []),
  ];
  return { store: false, ...(include.length > 0 ? { include } : {}), ...twinFields(request) };
}

const sourcesIncluded = 'web_search_call.action.sources';

/** OpenAI answers 400 to fewer. */
const fewestTokens = 16;

function enough(maxTokens: number | undefined, drop: Drop): number | undefined {
  if (maxTokens === undefined || maxTokens >= fewestTokens) return maxTokens;
  drop(`max_tokens: ${maxTokens} raised to ${fewestTokens}`);
  return fewestTokens;
}

/** OpenAI writes JSON without a schema only where a message asks for it in words. */
function remindOfJson({ output }: ChatRequest, input: readonly Json[]): readonly Json[] {
  if (output?.kind !== 'json' || /json/i.test(JSON.stringify(input))) return input;
  return [{ type: 'message', role: 'developer', content: 'Answer with JSON.' }, ...input];
}

const tiers = new Set(['auto', 'default', 'flex', 'scale', 'priority']);

function tierOf(tier: string | undefined, drop: Drop): string | undefined {
  if (tier === undefined || tiers.has(tier)) return tier;
  if (tier !== 'standard_only') drop(`service_tier: ${tier}`);
  return tier === 'standard_only' ? 'default' : undefined;
}

function encodeReasoning(reasoning: ChatRequest['reasoning'], own: Json | undefined): Json | undefined {
  const { effort, budget, summary } = reasoning ?? {};
  const level = effort ?? (budget === undefined ? undefined : effortOf(budget));
  const wire = compact({
    ...own,
    // This wire has no word for the model's own choice, so it is left unsaid.
    effort: level === 'auto' ? undefined : level,
    summary: summary === 'none' ? undefined : summary,
  });
  return Object.keys(wire).length > 0 ? wire : undefined;
}

function reportLosses(request: ChatRequest, drop: Drop): void {
  const { sampling, system, messages } = request;
  if (sampling.stop) drop('stop');
  if (sampling.topK !== undefined) drop('top_k');
  if (sampling.seed !== undefined) drop('seed');
  if (sampling.presencePenalty) drop('presence_penalty');
  if (sampling.frequencyPenalty) drop('frequency_penalty');
  if ((sampling.choices ?? 1) > 1) drop('n');
  reportForeign(request, '', drop);
  for (const [index, part] of system.entries()) reportForeign(part, `system[${index}]`, drop);
  for (const [index, message] of messages.entries()) {
    reportForeign(message, `messages[${index}]`, drop);
    for (const [place, part] of message.parts.entries())
      reportForeign(part, `messages[${index}].content[${place}]`, drop);
  }
  const parts = [...system, ...messages.flatMap((message) => message.parts)];
  if ([...parts, ...request.tools].some((item) => item.cache)) drop('cache_control');
}

const reportForeign = ({ extra }: { readonly extra?: Extra | undefined }, path: string, drop: Drop): void =>
  dropForeign(extra, id, path, drop, kept);

/** Fields of other wires that are said here after all, or that the client's own side of its protocol honours. */
const kept = new Set(['stream_options', 'store', 'role', 'metadata', 'verbosity', 'prompt_cache_retention']);

/** What Chat says in the same words, being of the same house. */
function twinFields({ extra }: ChatRequest): Json {
  const { metadata, prompt_cache_retention, verbosity } = extra['openai-chat'] ?? {};
  return compact({
    metadata,
    prompt_cache_retention,
    text: verbosity === undefined ? undefined : { verbosity },
  });
}
