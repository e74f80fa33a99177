import { expect, test } from 'bun:test';
import type { ModelCard } from '../../src/core/model.ts';
import { claudeList, codexCatalog, geminiList, geminiModel, openaiList } from '../../src/models/listings.ts';

const known: ModelCard = {
  id: 'claude-haiku-4-5-20251001',
  displayName: 'Claude Haiku 4.5',
  ownedBy: 'anthropic',
  created: 1_759_276_800,
  contextWindow: 200_000,
  maxOutputTokens: 64_000,
  thinking: { levels: ['low', 'medium', 'high'] },
  inputs: ['text', 'image', 'document'],
};
const unknown: ModelCard = { id: 'own' };

test("OpenAI's list has four fields a model and is a list when empty", () => {
  expect(openaiList([known, unknown])).toEqual({
    object: 'list',
    data: [
      { id: 'claude-haiku-4-5-20251001', object: 'model', created: 1_759_276_800, owned_by: 'anthropic' },
      { id: 'own', object: 'model', created: 0, owned_by: 'unknown' },
    ],
  });
  expect(openaiList([])).toEqual({ object: 'list', data: [] });
});

test("Anthropic's list has names, limits and dates, and says that nothing follows", () => {
  expect(claudeList([known, unknown])).toEqual({
    data: [
      {
        type: 'model',
        id: 'claude-haiku-4-5-20251001',
        object: 'model',
        display_name: 'Claude Haiku 4.5',
        created_at: '2025-10-01T00:00:00Z',
        owned_by: 'anthropic',
        max_input_tokens: 200_000,
        max_tokens: 64_000,
      },
      {
        type: 'model',
        id: 'own',
        object: 'model',
        display_name: 'own',
        created_at: '1970-01-01T00:00:00Z',
        owned_by: 'unknown',
        max_input_tokens: 200_000,
        max_tokens: 64_000,
      },
    ],
    has_more: false,
    first_id: 'claude-haiku-4-5-20251001',
    last_id: 'own',
  });
  expect(claudeList([])).toMatchObject({ data: [], first_id: null, last_id: null });
});

test("Gemini's list has resource names, limits and methods, and leaves out what nobody knows", () => {
  expect(geminiList([known, unknown])).toEqual({
    models: [
      {
        name: 'models/claude-haiku-4-5-20251001',
        version: '001',
        displayName: 'Claude Haiku 4.5',
        description: 'Claude Haiku 4.5 by anthropic',
        inputTokenLimit: 200_000,
        outputTokenLimit: 64_000,
        supportedGenerationMethods: ['generateContent', 'countTokens'],
        thinking: true,
      },
      {
        name: 'models/own',
        version: '001',
        displayName: 'own',
        description: 'own',
        supportedGenerationMethods: ['generateContent', 'countTokens'],
      },
    ],
  });
  expect(geminiList([])).toEqual({ models: [] });
  expect(geminiModel({ id: 'gemini-embedding-001', thinking: null })).toMatchObject({
    supportedGenerationMethods: ['embedContent', 'batchEmbedContents'],
    thinking: false,
  });
});

test("Codex's catalogue says levels, window and inputs, and hides what makes pictures", () => {
  const { models } = codexCatalog([known, { ...unknown, thinking: null }, { id: 'gpt-image-1' }]) as {
    models: Record<string, unknown>[];
  };
  expect(models.map(({ slug, visibility, priority }) => [slug, visibility, priority])).toEqual([
    ['claude-haiku-4-5-20251001', 'list', 1],
    ['own', 'list', 2],
    ['gpt-image-1', 'hide', 3],
  ]);
  expect(models[0]).toMatchObject({
    display_name: 'Claude Haiku 4.5',
    default_reasoning_level: 'medium',
    context_window: 200_000,
    max_context_window: 200_000,
    input_modalities: ['text', 'image'],
  });
  expect(models[0]!.supported_reasoning_levels).toBeArrayOfSize(3);
  expect(models[1]).toMatchObject({ supported_reasoning_levels: [], default_reasoning_level: null });
});
