import { compact, type Json } from '../core/json.ts';
import type { ModelCard } from '../core/model.ts';
import type { Effort } from '../core/request.ts';

/** The model list in each shape that a client may expect of `GET /v1/models`. */

/** OpenAI's shape, to which any client falls back. */
export const openaiList = (cards: readonly ModelCard[]): Json => ({
  object: 'list',
  data: cards.map(openaiModel),
});

/** One model in OpenAI's shape. A date nobody knows is 0, because clients expect a number. */
export const openaiModel = ({ id, created, ownedBy }: ModelCard): Json => ({
  id,
  object: 'model',
  created: created ?? 0,
  owned_by: ownedBy ?? 'unknown',
});

/** Anthropic's shape, for clients that send anthropic-version or call themselves claude-cli. */
export const claudeList = (cards: readonly ModelCard[]): Json => ({
  data: cards.map(claudeModel),
  has_more: false,
  first_id: cards[0]?.id ?? null,
  last_id: cards.at(-1)?.id ?? null,
});

/** What Claude Code assumes of a model that says nothing. */
const claudeDefaults = { contextWindow: 200_000, maxOutputTokens: 64_000 };

/** One model in Anthropic's shape. */
export const claudeModel = (card: ModelCard): Json => ({
  type: 'model',
  id: card.id,
  object: 'model',
  display_name: card.displayName ?? card.id,
  created_at: new Date((card.created ?? 0) * 1000).toISOString().replace('.000Z', 'Z'),
  owned_by: card.ownedBy ?? 'unknown',
  max_input_tokens: card.contextWindow ?? claudeDefaults.contextWindow,
  max_tokens: card.maxOutputTokens ?? claudeDefaults.maxOutputTokens,
});

/** Gemini's shape, for `GET /v1beta/models`. Everything is on one page, so there is no token of a next one. */
export const geminiList = (cards: readonly ModelCard[]): Json => ({ models: cards.map(geminiModel) });

/** One model in Gemini's shape. What nobody knows is left out, as Google does. */
export const geminiModel = (card: ModelCard): Json =>
  compact({
    name: `models/${card.id}`,
    version: '001',
    displayName: card.displayName ?? card.id,
    description: card.ownedBy === undefined ? card.id : `${card.displayName ?? card.id} by ${card.ownedBy}`,
    inputTokenLimit: card.contextWindow,
    outputTokenLimit: card.maxOutputTokens,
    supportedGenerationMethods: /embed/i.test(card.id)
      ? ['embedContent', 'batchEmbedContents']
      : ['generateContent', 'countTokens'],
    thinking: card.thinking === undefined ? undefined : card.thinking !== null,
  });

/**
 * Codex's catalogue, for clients that send `client_version`. Codex reads it into a strict record (openai/codex,
 * `ModelInfo`), so every field it requires is there; instructions are neutral, because the real ones are the vendor's.
 */
export const codexCatalog = (cards: readonly ModelCard[]): Json => ({ models: cards.map(codexModel) });

const effortWords: Readonly<Record<Effort, string>> = {
  none: 'No reasoning',
  minimal: 'The least reasoning',
  low: 'Fast answers with little reasoning',
  medium: 'A balance of speed and depth',
  high: 'More reasoning for hard problems',
  xhigh: 'Much reasoning for very hard problems',
  max: 'As much reasoning as the model can do',
};

const defaultLevels: readonly Effort[] = ['low', 'medium', 'high'];

function codexModel(card: ModelCard, index: number): Json {
  const levels = card.thinking === null ? [] : (card.thinking?.levels ?? defaultLevels);
  const contextWindow = card.contextWindow ?? null;
  return {
    slug: card.id,
    display_name: card.displayName ?? card.id,
    description: card.ownedBy === undefined ? card.id : `${card.id} by ${card.ownedBy}`,
    default_reasoning_level: levels.includes('medium') ? 'medium' : (levels[0] ?? null),
    supported_reasoning_levels: levels.map((effort) => ({ effort, description: effortWords[effort] })),
    shell_type: 'shell_command',
    visibility: /image|video|imagen|whisper|tts|embedding/i.test(card.id) ? 'hide' : 'list',
    minimal_client_version: [0, 1, 0],
    supported_in_api: true,
    priority: index + 1,
    prefer_websockets: false,
    additional_speed_tiers: [],
    service_tiers: [],
    availability_nux: null,
    upgrade: null,
    base_instructions:
      'You are a coding agent. Follow the instructions of the session and use the tools you are given.',
    supports_reasoning_summaries: levels.length > 0,
    support_verbosity: false,
    default_verbosity: null,
    apply_patch_tool_type: null,
    truncation_policy: { mode: 'tokens', limit: 10_000 },
    supports_parallel_tool_calls: true,
    context_window: contextWindow,
    max_context_window: contextWindow,
    experimental_supported_tools: [],
    input_modalities: (card.inputs ?? ['text']).filter((input) => input === 'text' || input === 'image'),
  };
}
