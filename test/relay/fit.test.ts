import { describe, expect, test } from 'bun:test';
import type { ModelCard, Thinking } from '../../src/core/model.ts';
import type { ChatRequest, Reasoning } from '../../src/core/request.ts';
import { effortOf } from '../../src/core/effort.ts';
import { fit, fitReasoning } from '../../src/relay/fit.ts';

const budgets: Thinking = { min: 1024, max: 32_000, zeroAllowed: true };
const levels: Thinking = { levels: ['low', 'medium', 'high'], zeroAllowed: false };
const hybrid: Thinking = { min: 1024, max: 32_000, levels: ['low', 'high'], dynamicAllowed: true };

const rows: [string, Reasoning, Thinking | null | undefined, Reasoning | undefined, boolean][] = [
  [
    'passes a wish through when the model is unknown',
    { effort: 'xhigh' },
    undefined,
    { effort: 'xhigh' },
    false,
  ],
  ['strips and reports it when the model cannot think', { effort: 'high' }, null, undefined, true],
  ['strips a wish not to think in silence', { effort: 'none' }, null, undefined, false],
  ['spells a level as a budget', { effort: 'medium' }, budgets, { budget: 8192 }, false],
  ['spells a budget as a level', { budget: 20_000 }, levels, { effort: 'high' }, false],
  ['lowers a budget to the range and reports it', { budget: 99_000 }, budgets, { budget: 32_000 }, true],
  ['takes the nearest level and reports it', { effort: 'xhigh' }, levels, { effort: 'high' }, true],
  [
    'takes the lower of two equally near levels',
    { effort: 'medium' },
    { levels: ['low', 'high'] },
    { effort: 'low' },
    true,
  ],
  ['keeps a level that the model knows', { effort: 'high' }, hybrid, { effort: 'high' }, false],
  ['keeps a budget where levels exist too', { budget: 4096 }, hybrid, { budget: 4096 }, false],
  [
    'leaves the choice to a model that can choose',
    { effort: 'auto' },
    hybrid,
    { effort: 'auto', budget: -1 },
    false,
  ],
  ['chooses the middle for a model that cannot', { budget: -1 }, budgets, { budget: 16_512 }, true],
  ['thinks least where thinking cannot stop', { effort: 'none' }, levels, { effort: 'low' }, true],
  [
    'keeps a level nobody knows for an upstream that may',
    { effort: 'ultra' },
    levels,
    { effort: 'ultra' },
    false,
  ],
  [
    'keeps what the client wants to see of it',
    { effort: 'low', summary: 'auto' },
    levels,
    { effort: 'low', summary: 'auto' },
    false,
  ],
];

describe('fitting the wish to think', () => {
  for (const [title, wish, thinking, fitted, reported] of rows)
    test(title, () => {
      const drops: string[] = [];
      const card = { id: 'm', ...(thinking === undefined ? {} : { thinking }) };
      expect(fitReasoning(wish, card, (what) => drops.push(what))).toEqual(fitted as Reasoning);
      expect(drops.length > 0).toBe(reported);
    });
});

describe('fitting a request', () => {
  const request: ChatRequest = {
    model: 'm',
    system: [],
    messages: [],
    tools: [],
    sampling: { maxTokens: 1000 },
    reasoning: { effort: 'low', summary: 'auto' },
    stream: false,
    extra: {},
  };
  const fitted = (card: Omit<ModelCard, 'id'>, suffix?: Reasoning) =>
    fit(request, { id: 'm', ...card }, suffix, () => {});

  test('returns the very same one when nothing of it changes', () => {
    expect(fitted({ maxOutputTokens: 1000 })).toBe(request);
  });

  test('lowers the tokens to what the model can say, and leaves the rest', () => {
    expect(fitted({ maxOutputTokens: 500 })).toEqual({ ...request, sampling: { maxTokens: 500 } });
  });

  test('lets a suffix outrank the wish, but for what the client wants to see', () => {
    expect(fitted({}, { budget: 2000 }).reasoning).toEqual({ budget: 2000, summary: 'auto' });
  });

  test('leaves the wish out for a model that cannot think', () => {
    const { reasoning: _, ...rest } = request;
    expect(fitted({ thinking: null })).toStrictEqual(rest);
  });
});

test('reads budgets as levels at the documented thresholds', () => {
  expect([-1, 0, 512, 513, 1024, 8192, 24_576, 24_577, 200_000].map(effortOf)).toEqual([
    'auto',
    'none',
    'minimal',
    'low',
    'low',
    'medium',
    'high',
    'xhigh',
    'xhigh',
  ]);
});
