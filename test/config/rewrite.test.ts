import { describe, expect, test } from 'bun:test';
import { rewritten, SharedValue } from '../../src/config/rewrite.ts';

/** Edits of single values in the text of a config. */

const text = `# first
port: 8317 # the port
Oauth_Model_Alias:
  codex: [{name: a, alias: b}]
  # said of kiro
  kiro: []
empty:
`;

describe('an edit of a config', () => {
  test('keeps comments, order and everything else', () => {
    expect(rewritten(text, ['port'], 9000)).toBe(text.replace('8317', '9000'));
  });

  test('finds keys in any spelling that the program forgives', () => {
    const edited = rewritten(text, ['oauth-model-alias', 'Codex'], ['x']);
    expect(edited).toContain('Oauth_Model_Alias:\n  codex:\n');
    expect(edited).not.toContain('oauth-model-alias');
  });

  test('fills a key that stands there empty, and makes one that is not there', () => {
    expect(rewritten(text, ['empty', 'a', 'b'], 1)).toContain('empty:\n  a:\n    b: 1\n');
    expect(rewritten('', ['a', 'b'], [])).toBe('a:\n  b: []\n');
  });

  test('that removes the last of a table removes the table, and one of what is not there nothing', () => {
    expect(rewritten('a: {b: 1}\nc: 2\n', ['a', 'b'], undefined)).toBe('c: 2\n');
    expect(rewritten(text, ['a', 'b'], undefined)).toBe(text);
  });

  test('of what is written once for several is refused', () => {
    expect(() => rewritten('a: &x {b: 1}\nc: *x\n', ['c', 'b'], 2)).toThrow(SharedValue);
  });
});
