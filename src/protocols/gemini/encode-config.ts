import { effortBudgets } from '../../core/effort.ts';
import { compact, type Json } from '../../core/json.ts';
import type { ChatRequest, Effort, OutputFormat, Reasoning, Sampling } from '../../core/request.ts';
import type { Drop, Target } from '../protocol.ts';
import { responseSchema } from './schema-dialect.ts';
import { generationOf } from './wire.ts';

/** `generationConfig`. @param own the fields only Gemini understands, as its client wrote them. */
export function encodeConfig(request: ChatRequest, target: Target, own: Json | undefined): Json | undefined {
  const config = compact({
    ...own,
    ...encodeSampling(request.sampling, target.drop),
    ...encodeOutput(request.output, own),
    responseModalities:
      own?.responseModalities ?? (drawsImages(request, target) ? ['TEXT', 'IMAGE'] : undefined),
    thinkingConfig: encodeThinking(request.reasoning, target),
  });
  return Object.keys(config).length > 0 ? config : undefined;
}

function encodeSampling(sampling: Sampling, drop: Drop): Json {
  const { stop, seed, logprobs, temperature } = sampling;
  // The API's documented limits: five stop sequences, temperatures up to 2.
  if (stop && stop.length > 5) drop('stop sequences after the fifth');
  if (temperature !== undefined && temperature > 2) drop(`temperature: ${temperature} lowered to 2`);
  return compact({
    maxOutputTokens: sampling.maxTokens,
    temperature: temperature === undefined ? undefined : Math.min(temperature, 2),
    topP: sampling.topP,
    topK: sampling.topK,
    stopSequences: stop?.slice(0, 5),
    seed: seed === undefined ? undefined : int32(seed),
    presencePenalty: sampling.presencePenalty,
    frequencyPenalty: sampling.frequencyPenalty,
    candidateCount: sampling.choices,
    responseLogprobs: logprobs ? true : undefined,
    logprobs: logprobs?.top,
  });
}

/** Seeds are int32 here and wider elsewhere; what matters is that the same one stays the same. */
const int32 = (seed: number): number =>
  Number.isInteger(seed) ? seed % 2_147_483_648 : Math.trunc(seed) | 0;

function encodeOutput(output: OutputFormat | undefined, own: Json | undefined): Json {
  if (!output) return {};
  const schema = output.kind === 'schema' && !holdsSchema(own) ? responseSchema(output.schema) : undefined;
  return compact({ responseMimeType: own?.responseMimeType ?? 'application/json', responseSchema: schema });
}

/** A schema that came in Gemini's own words goes back in them. */
const holdsSchema = (own: Json | undefined) =>
  own !== undefined &&
  ['responseSchema', 'responseJsonSchema', '_responseJsonSchema'].some((name) => own[name] !== undefined);

/** What others call an image tool is a way of answering here, of models that can. */
export const drawsImages = ({ tools }: ChatRequest, { model }: Target): boolean =>
  /image/.test(model) && tools.some((tool) => tool.kind === 'hosted' && tool.tool === 'image-generation');

// --------------------------------------------------------------------------------------------------------- thinking

/** The levels its API names; others are spelled by the nearest one, which `fit` has chosen where the model is known. */
const levels: Readonly<Record<string, string>> = {
  minimal: 'MINIMAL',
  low: 'LOW',
  medium: 'MEDIUM',
  high: 'HIGH',
  xhigh: 'HIGH',
  max: 'HIGH',
};

/** Level and budget exclude each other, and which of them a model takes depends on its generation. */
function encodeThinking(reasoning: Reasoning | undefined, target: Target): Json | undefined {
  if (!reasoning) return undefined;
  const { effort, budget, summary } = reasoning;
  if (effort === 'none' || (effort === undefined && budget === 0)) return withoutThinking(target);
  const includeThoughts = summary === undefined ? true : summary !== 'none';
  if (budget !== undefined) return { thinkingBudget: budget, includeThoughts };
  if (effort === 'auto') return { thinkingBudget: -1, includeThoughts };
  if (effort === undefined) return { includeThoughts };
  if (levels[effort] === undefined) {
    target.drop(`reasoning effort ${effort}`);
    return { includeThoughts };
  }
  const budgeted = (generationOf(target.model) ?? Infinity) < 3;
  if (!budgeted) return { thinkingLevel: levels[effort], includeThoughts };
  return { thinkingBudget: Math.min(effortBudgets[effort as Effort], largestBudget), includeThoughts };
}

/** What every model steered by budgets takes: Gemini 2.5 Flash ends here. */
const largestBudget = 24_576;

/** Not every model can stop thinking: Gemini 3 and 2.5 Pro think as little as they can instead, which is told. */
function withoutThinking({ model, card, drop }: Target): Json {
  if (card?.thinking?.zeroAllowed) return { thinkingBudget: 0 };
  if ((generationOf(model) ?? 0) >= 3) {
    const least = card?.thinking?.levels?.[0] ?? 'low';
    drop(`reasoning: none became ${least}`);
    return { thinkingLevel: levels[least] ?? 'LOW' };
  }
  if (!/gemini-2\.5-pro/.test(model)) return { thinkingBudget: 0 };
  drop('reasoning: none became a budget of 128');
  return { thinkingBudget: 128 };
}
