import { effortBudgets, effortOf } from '../core/effort.ts';
import type { ModelCard, Thinking } from '../core/model.ts';
import { type ChatRequest, type Effort, efforts, type Reasoning } from '../core/request.ts';
import type { Drop } from '../protocols/protocol.ts';

/**
 * The capability pass between hall and encoder: makes a request one that this model accepts, and reports what it had
 * to change. What the catalogue does not know goes through as the client wrote it.
 */
export function fit(
  request: ChatRequest,
  card: ModelCard,
  suffix: Reasoning | undefined,
  drop: Drop,
): ChatRequest {
  const wish = suffix ? outranked(request.reasoning, suffix) : request.reasoning;
  const reasoning = fitReasoning(wish, card, drop);
  const sampling = fitSampling(request, card, drop);
  if (reasoning === request.reasoning && sampling === request.sampling) return request;
  if (reasoning) return { ...request, sampling, reasoning };
  const { reasoning: _, ...rest } = request;
  return { ...rest, sampling };
}

/** The wish of a suffix; how much of the thoughts is shown, no suffix says. */
const outranked = (wish: Reasoning | undefined, suffix: Reasoning): Reasoning =>
  wish?.summary === undefined ? suffix : { summary: wish.summary, ...suffix };

function fitSampling({ sampling }: ChatRequest, card: ModelCard, drop: Drop): ChatRequest['sampling'] {
  const { maxTokens } = sampling;
  if (maxTokens === undefined || card.maxOutputTokens === undefined) return sampling;
  if (maxTokens <= card.maxOutputTokens) return sampling;
  drop(`max_tokens: ${maxTokens} lowered to the model's ${card.maxOutputTokens}`);
  return { ...sampling, maxTokens: card.maxOutputTokens };
}

/** Adapts the wish to think to what the model can do (translation table: effort levels and budgets). */
export function fitReasoning(
  wish: Reasoning | undefined,
  card: ModelCard,
  drop: Drop,
): Reasoning | undefined {
  if (!wish || card.thinking === undefined) return wish;
  const { effort, budget } = wish;
  if (card.thinking === null) {
    if (effort !== 'none' && budget !== 0) drop('reasoning: this model cannot think');
    return undefined;
  }
  if (effort === undefined && budget === undefined) return wish;
  const { changed, ...steering } = steer(effort, budget, card.thinking);
  if (changed) drop(`reasoning: ${effort ?? budget} became ${steering.effort ?? steering.budget}`);
  return wish.summary === undefined ? steering : { summary: wish.summary, ...steering };
}

interface Steering {
  readonly effort?: Effort | 'auto';
  readonly budget?: number;
  /** The wish itself was changed, not only its spelling. */
  readonly changed: boolean;
}

function steer(effort: Reasoning['effort'], budget: number | undefined, can: Thinking): Steering {
  const off = effort === 'none' || (effort === undefined && budget === 0);
  const free = effort === 'auto' || (effort === undefined && budget === -1);
  const levels = can.levels ?? [];
  if (off) return can.zeroAllowed === false ? weakest(can) : { effort: 'none', budget: 0, changed: false };
  if (free) return can.dynamicAllowed ? { effort: 'auto', budget: -1, changed: false } : middle(can);
  if (budget !== undefined && can.max !== undefined) return clampBudget(budget, can);
  if (levels.length === 0) return clampBudget(budget ?? effortBudgets[effort as Effort] ?? 0, can, effort);
  return clampLevel(budget === undefined ? effort : effortOf(budget), levels, budget !== undefined);
}

/** The weakest thinking of a model that cannot stop thinking. */
const weakest = (can: Thinking): Steering =>
  can.levels?.[0] ? { effort: can.levels[0], changed: true } : { budget: can.min ?? 0, changed: true };

/** What stands for the model's own choice where it has none. */
function middle(can: Thinking): Steering {
  if (can.levels?.length) return clampLevel('medium', can.levels, true);
  return { budget: Math.floor(((can.min ?? 0) + (can.max ?? 0)) / 2), changed: true };
}

function clampBudget(wished: number, can: Thinking, effort?: string): Steering {
  const budget = Math.min(Math.max(wished, can.min ?? 0), can.max ?? Infinity);
  return { budget, changed: budget !== wished && effort === undefined };
}

function clampLevel(effort: string | undefined, levels: readonly Effort[], spelled: boolean): Steering {
  if (levels.includes(effort as Effort)) return { effort: effort as Effort, changed: false };
  const wanted = efforts.indexOf(effort as Effort);
  if (wanted < 0) return { effort: effort as Effort, changed: false };
  const distance = (level: Effort) => Math.abs(efforts.indexOf(level) - wanted);
  const nearest = levels.reduce((best, level) => (distance(level) < distance(best) ? level : best));
  return { effort: nearest, changed: !spelled };
}
