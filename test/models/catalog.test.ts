import { describe, expect, test } from 'bun:test';
import { efforts } from '../../src/core/request.ts';
import data from '../../src/models/catalog.json';
import { familyOf } from '../../src/models/catalog.ts';

describe.each(data.map((row) => [row.id, row] as const))('%s', (_, row) => {
  const thinking = 'thinking' in row ? row.thinking : undefined;

  test('is described in whole numbers and known words', () => {
    for (const key of ['created', 'contextWindow', 'maxOutputTokens'] as const)
      if (key in row) expect(row[key]).toBePositive();
    for (const level of (thinking && 'levels' in thinking && thinking.levels) || [])
      expect(efforts as readonly string[]).toContain(level);
    expect(row.inputs[0]).toBe('text');
  });
});

test('no name stands for two models of a family', () => {
  const names = data.flatMap((row) =>
    [row.id, ...(('aliases' in row && row.aliases) || [])].map((name) => `${row.family} ${name}`),
  );
  expect(new Set(names).size).toBe(names.length);
});

test('every Claude model can be told how much it may say', () => {
  expect(familyOf('claude').filter(({ card }) => card.maxOutputTokens === undefined)).toEqual([]);
});
