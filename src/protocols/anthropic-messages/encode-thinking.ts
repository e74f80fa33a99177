import { effortBudgets } from '../../core/effort.ts';
import type { Json } from '../../core/json.ts';
import type { ModelCard, Thinking } from '../../core/model.ts';
import type { ChatRequest, Effort, Reasoning } from '../../core/request.ts';
import type { Target } from '../protocol.ts';
import { beginsWithThought, type WireMessage } from './encode-messages.ts';
import { isForced, type ToolFields } from './encode-tools.ts';

/** How a request asks to think, and how long the answer may be: the two bind each other. */
export interface ThinkingFields {
  readonly maxTokens: number;
  /** The wire's `thinking`. */
  readonly thinking?: Json;
  /** The wire's `output_config.effort`. */
  readonly effort?: string;
  /** The model thinks, so sampling is bound. */
  readonly active: boolean;
}

/** What the API allows at most where nobody knows the model; `max_tokens` is required. */
const defaultMaxTokens = 8192;
/** Anthropic's least budget. */
const leastBudget = 1024;

/**
 * Settles thinking by Anthropic's rules: a forced tool excludes it; a budget is at least 1024 and below `max_tokens`, which must
 * hold the answer as well;
 * with a budget, a turn of tool calls that goes on must begin with its thought. What breaks a rule is
 * switched off for this request and reported, because the alternative is a 400.
 */
export function encodeThinking(
  request: ChatRequest,
  { card, drop }: Target,
  tools: ToolFields,
  messages: readonly WireMessage[],
): ThinkingFields {
  const maxTokens = request.sampling.maxTokens ?? card?.maxOutputTokens ?? defaultMaxTokens;
  const off: ThinkingFields = { maxTokens, active: false };
  const wish = card?.thinking === null ? undefined : wishOf(request.reasoning, card?.thinking);
  if (!wish) return off;
  if (wish.kind === 'off') return { ...off, thinking: { type: 'disabled' } };
  if (isForced(tools)) {
    drop('reasoning: a forced tool choice excludes it');
    return off;
  }
  const shown = displayOf(request.reasoning);
  const effort = wish.effort === undefined ? {} : { effort: wish.effort };
  if (wish.kind === 'adaptive')
    return { maxTokens, thinking: { type: 'adaptive', ...shown }, ...effort, active: true };
  if (!beginsWithThought(messages)) {
    drop('reasoning: switched off, because the thought before the last tool call is missing');
    return off;
  }
  const room = roomFor(wish, request, card);
  if (!room) {
    drop(`reasoning: switched off, because max_tokens ${maxTokens} leaves no room for it`);
    return off;
  }
  if (room.budget < wish.budget)
    drop(`reasoning: budget ${wish.budget} lowered to ${room.budget} by max_tokens`);
  const thinking = { type: 'enabled', budget_tokens: room.budget, ...shown };
  return { maxTokens: room.maxTokens, thinking, ...effort, active: true };
}

/** What a wish to think amounts to on this wire. */
type Wish =
  | { readonly kind: 'off' }
  | { readonly kind: 'adaptive'; readonly effort?: string }
  | {
      readonly kind: 'budget';
      readonly budget: number;
      /** The client's own number, not one that stands for a word. */
      readonly exact?: boolean;
      readonly effort?: string;
    };

function wishOf(reasoning: Reasoning | undefined, can: Thinking | undefined): Wish | undefined {
  if (!reasoning) return undefined;
  const { effort, budget } = reasoning;
  const levels = can?.levels ?? [];
  if (effort === undefined && budget === undefined) return undefined;
  if (effort === 'none' || (effort === undefined && budget === 0)) return { kind: 'off' };
  const free = effort === undefined || effort === 'auto';
  const named = free ? {} : { effort: levelOf(effort, levels) };
  if (budget !== undefined && budget > 0) return { kind: 'budget', budget, exact: true, ...named };
  // A model that is known to take budgets only has no choice of its own to make.
  if (free && levels.length === 0 && can?.dynamicAllowed === false)
    return { kind: 'budget', budget: effortBudgets.medium };
  if (free || levels.length > 0) return { kind: 'adaptive', ...named };
  const tokens = effortBudgets[effort as Effort];
  return tokens === undefined ? { kind: 'adaptive', ...named } : { kind: 'budget', budget: tokens };
}

/** This wire has no `minimal`, and `xhigh` and `max` only where the model lists them. */
function levelOf(effort: string, levels: readonly string[]): string {
  if (levels.includes(effort)) return effort;
  if (effort === 'minimal') return 'low';
  if (levels.length === 0 || (effort !== 'xhigh' && effort !== 'max')) return effort;
  return levels.includes('max') ? 'max' : 'high';
}

function displayOf(reasoning: Reasoning | undefined): Json {
  const summary = reasoning?.summary;
  if (summary === undefined) return {};
  return { display: summary === 'none' ? 'omitted' : 'summarized' };
}

/** The part of `max_tokens` that a thought must leave: an answer that is cut off after one token helps nobody. */
const answerShare = 1 / 4;

/**
 * A budget with the `max_tokens` it fits under; where the client set no limit and nobody knows the model's, the limit
 * gives way. A client that names both numbers, as Claude Code does, knows what it leaves for the answer.
 */
function roomFor(
  { budget: wished, exact }: Extract<Wish, { kind: 'budget' }>,
  { sampling }: ChatRequest,
  card: ModelCard | undefined,
): { readonly budget: number; readonly maxTokens: number } | undefined {
  const least = card?.thinking?.min ?? leastBudget;
  const budget = Math.max(wished, least);
  const limit = sampling.maxTokens ?? card?.maxOutputTokens;
  if (limit === undefined) return { budget, maxTokens: budget + defaultMaxTokens };
  if (exact && budget < limit) return { budget, maxTokens: limit };
  const fitting = Math.min(budget, limit - Math.ceil(limit * answerShare));
  return fitting < least ? undefined : { budget: fitting, maxTokens: limit };
}
