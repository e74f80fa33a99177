import { describe, expect, test } from 'bun:test';
import { mergeCatalog } from '../../../scripts/catalog/merge.ts';
import { rowsIn } from '../../../scripts/catalog/sources.ts';

const before = [
  { family: 'claude', id: 'old', contextWindow: 1, inputs: ['text'] },
  { family: 'claude', id: 'same', created: 5, contextWindow: 1 },
  { family: 'gemini', id: 'other' },
];

describe('a catalogue refreshed from a list', () => {
  const fresh = [
    { family: 'claude', id: 'same', created: 5, contextWindow: 2 },
    { family: 'claude', id: 'new', created: 9 },
  ];

  test('takes what the list says and keeps what it does not', () => {
    const { rows, changes } = mergeCatalog(before, fresh, { prune: false });
    expect(changes).toEqual(['~ claude/same: contextWindow', '+ claude/new']);
    expect(rows.map(({ id }) => id)).toEqual(['new', 'same', 'old', 'other']);
    expect(rows[1]).toEqual({ family: 'claude', id: 'same', created: 5, contextWindow: 2 });
  });

  test('lets models go only when told to, and only in families that the list has', () => {
    const { rows, changes } = mergeCatalog(before, fresh, { prune: true });
    expect(rows.map(({ id }) => id)).toEqual(['new', 'same', 'other']);
    expect(changes).toContain('- claude/old');
  });
});

describe('a list', () => {
  test('of the reference programs is read by family', () => {
    const entry = {
      id: 'claude-x',
      display_name: 'X',
      owned_by: 'anthropic',
      context_length: 10,
      max_completion_tokens: 4,
      thinking: { min: 1, max: 2, zero_allowed: true, levels: ['low', 'odd'] },
    };
    expect(rowsIn({ claude: [entry], unknown: [entry], gemini: [{}] }, undefined)).toEqual([
      {
        family: 'claude',
        id: 'claude-x',
        displayName: 'X',
        ownedBy: 'anthropic',
        contextWindow: 10,
        maxOutputTokens: 4,
        thinking: { min: 1, max: 2, levels: ['low'], zeroAllowed: true },
      },
    ]);
  });

  test('of a vendor is read as the family that is named', () => {
    expect(rowsIn({ data: [{ id: 'm', context_window: 7 }] }, 'groq')).toEqual([
      { family: 'groq', id: 'm', contextWindow: 7 },
    ]);
  });
});
