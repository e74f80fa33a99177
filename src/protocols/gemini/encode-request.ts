import { compact, type Json, readObject } from '../../core/json.ts';
import type { ChatRequest, Message, Part, ToolCallPart, ToolResultPart } from '../../core/request.ts';
import type { Drop, Target } from '../protocol.ts';
import { encodeCall, encodeMedia, encodeResult, ownForeign } from './encode-part.ts';
import { encodeToolConfig, encodeTools } from './encode-tools.ts';
import { encodeSeal } from '../seals.ts';
import { geminiSchema } from './schema-dialect.ts';
import { id, issuer } from './wire.ts';

interface Turn {
  readonly role: 'user' | 'model';
  readonly parts: Json[];
}

/** A request as a GenerateContent body. The model's name stands in the path, so it is not in here. */
export function encodeRequest(request: ChatRequest, target: Target): Json {
  const own = readObject(request.extra[id]) ?? {};
  const { generationConfig, toolConfig, ...rest } = own;
  reportLosses(request, target.drop);
  const system = request.system.flatMap((part) => encodeSpoken(part, target.drop));
  return compact({
    ...rest,
    contents: encodeContents(request, target),
    systemInstruction: system.length > 0 ? { parts: system } : undefined,
    tools: encodeTools(request, target.drop),
    toolConfig: encodeToolConfig(request, readObject(toolConfig)),
    generationConfig: encodeConfig(request, target, readObject(generationConfig)),
    serviceTier: request.serviceTier,
  });
}

function reportLosses(request: ChatRequest, drop: Drop): void {
  for (const [protocol, fields] of Object.entries(request.extra))
    if (protocol !== id) for (const name of Object.keys(fields)) if (!silent.has(name)) drop(name);
  if (request.user !== undefined) drop('user');
  if (request.cacheKey !== undefined) drop('prompt_cache_key');
  if (request.parallelTools === false) drop('parallel_tool_calls');
  const marked = [
    ...request.system,
    ...request.messages.flatMap((message) => message.parts),
    ...request.tools,
  ];
  if (marked.some((item) => item.cache)) drop('cache_control');
}

/** Fields that say how the answer is to be spelled, which the client's own side of its protocol honours. */
const silent = new Set(['stream_options', 'store', 'include']);

function encodeContents(request: ChatRequest, target: Target): readonly Turn[] {
  const turns: Turn[] = [];
  const say = (role: Turn['role'], parts: readonly Json[]) => {
    if (parts.length === 0) return;
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else turns.push({ role, parts: [...parts] });
  };
  let open: readonly ToolCallPart[] = [];
  for (const message of request.messages) {
    if (message.role === 'assistant') {
      say('user', answerAll(open, [], target.drop));
      open = message.parts.filter((part) => part.kind === 'tool-call');
      say('model', encodeModelTurn(message.parts, target));
      continue;
    }
    const results = message.parts.filter((part) => part.kind === 'tool-result');
    if (results.length > 0 || open.length > 0) say('user', answerAll(open, results, target.drop));
    open = [];
    say('user', encodeUserTurn(message, target.drop));
  }
  say('user', answerAll(open, [], target.drop));
  return openedByUser(turns);
}

/** Gemini wants a user's turn first, and at least one turn. */
function openedByUser(turns: readonly Turn[]): readonly Turn[] {
  return turns[0]?.role === 'user' ? turns : [{ role: 'user', parts: [{ text: ' ' }] }, ...turns];
}

/**
 * The results of a turn of calls, one for each and in their order. A call without a result is answered with an empty
 * one; of two results for one call the later counts; a result of no call becomes text.
 */
function answerAll(
  calls: readonly ToolCallPart[],
  results: readonly ToolResultPart[],
  drop: Drop,
): readonly Json[] {
  const byId = new Map(results.map((result) => [result.callId, result]));
  const answered = calls.flatMap((call) => {
    const result = byId.get(call.callId);
    byId.delete(call.callId);
    return result
      ? encodeResult(result, call.name, drop)
      : [{ functionResponse: compact({ id: call.callId || undefined, name: call.name, response: {} }) }];
  });
  const orphans = [...byId.values()].flatMap((result) => [
    { text: `[Result of the tool call ${result.callId}]` },
    ...result.parts.flatMap((part) => encodeSpoken(part, drop)),
  ]);
  return [...answered, ...orphans];
}

function encodeUserTurn(message: Message, drop: Drop): readonly Json[] {
  const parts = message.parts
    .filter((part) => part.kind !== 'tool-result')
    .flatMap((part) => encodeSpoken(part, drop));
  if (message.role !== 'system' || parts.length === 0) return parts;
  return [{ text: '<system-reminder>' }, ...parts, { text: '</system-reminder>' }];
}

/** A part that anyone may say. Thoughts and calls are the model's alone, so a user's are left out. */
function encodeSpoken(part: Part, drop: Drop): readonly Json[] {
  const foreign = ownForeign(part);
  if (foreign) return [foreign];
  if (part.kind === 'text') {
    if (part.text === '' && !part.seal) return [];
    return [compact({ text: part.text, thoughtSignature: sealed(part), ...readObject(part.extra?.[id]) })];
  }
  if (part.kind === 'refusal') return [{ text: part.text }];
  if (part.kind === 'media') return [encodeMedia(part, drop)];
  drop(part.kind);
  return [];
}

const sealed = (part: Part): string | undefined =>
  'seal' in part && part.seal?.issuer === issuer ? encodeSeal(part.seal, issuer) : undefined;

/** From Gemini 3 on, the first call of a turn must carry a thought signature; this documented word stands for none. */
const unsigned = 'skip_thought_signature_validator';
const signsCalls = /^(models\/)?gemini-([3-9]|\d\d)/;

function encodeModelTurn(parts: readonly Part[], target: Target): readonly Json[] {
  let first = true;
  return parts.flatMap((part) => {
    if (part.kind === 'reasoning') return encodeThought(part, target.drop);
    if (part.kind !== 'tool-call') return encodeSpoken(part, target.drop);
    const { seal, ...bare } = part;
    const call = encodeCall(seal?.issuer === issuer ? part : bare, target.drop);
    const lacking = first && call.thoughtSignature === undefined && signsCalls.test(target.model);
    first = false;
    return [lacking ? { ...call, thoughtSignature: unsigned } : call];
  });
}

function encodeThought(part: Extract<Part, { kind: 'reasoning' }>, drop: Drop): readonly Json[] {
  const signature = sealed(part);
  if (signature === undefined) {
    drop('reasoning of another provider in the history');
    return [];
  }
  return [{ text: part.text, thought: true, thoughtSignature: signature }];
}

function encodeConfig(request: ChatRequest, target: Target, own: Json | undefined): Json | undefined {
  const { sampling, output } = request;
  const config = compact({
    ...own,
    maxOutputTokens: sampling.maxTokens,
    temperature: sampling.temperature,
    topP: sampling.topP,
    topK: sampling.topK,
    stopSequences: fiveStops(sampling.stop, target.drop),
    seed: sampling.seed,
    presencePenalty: sampling.presencePenalty,
    frequencyPenalty: sampling.frequencyPenalty,
    candidateCount: sampling.choices,
    responseLogprobs: sampling.logprobs ? true : undefined,
    logprobs: sampling.logprobs?.top,
    responseMimeType: output ? 'application/json' : own?.responseMimeType,
    ...(output?.kind === 'schema' && !holdsSchema(own)
      ? { responseSchema: geminiSchema(output.schema) }
      : {}),
    thinkingConfig: encodeThinking(request.reasoning),
  });
  return Object.keys(config).length > 0 ? config : undefined;
}

/** A schema that came in Gemini's own words goes back in them. */
const holdsSchema = (own: Json | undefined) =>
  own !== undefined &&
  ['responseSchema', 'responseJsonSchema', '_responseJsonSchema'].some((name) => name in own);

/** Gemini takes at most five stop sequences. */
function fiveStops(stop: readonly string[] | undefined, drop: Drop): readonly string[] | undefined {
  if (!stop || stop.length <= 5) return stop;
  drop('stop sequences after the fifth');
  return stop.slice(0, 5);
}

/** The levels its API names; others are spelled by the nearest one, which `fit` has chosen where the model is known. */
const levels: Readonly<Record<string, string>> = {
  minimal: 'MINIMAL',
  low: 'LOW',
  medium: 'MEDIUM',
  high: 'HIGH',
  xhigh: 'HIGH',
  max: 'HIGH',
};

function encodeThinking(reasoning: ChatRequest['reasoning']): Json | undefined {
  if (!reasoning) return undefined;
  const { effort, budget, summary } = reasoning;
  const off = effort === 'none' || (effort === undefined && budget === 0);
  const shown = summary === undefined ? (off ? undefined : true) : summary !== 'none';
  if (off) return { thinkingBudget: 0 };
  if (budget !== undefined) return compact({ thinkingBudget: budget, includeThoughts: shown });
  if (effort === 'auto') return compact({ thinkingBudget: -1, includeThoughts: shown });
  return compact({
    thinkingLevel: effort === undefined ? undefined : levels[effort],
    includeThoughts: shown,
  });
}
