import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What docs/routing.md says of users' reports is true: each names tests that there are. */

const root = join(import.meta.dir, '../..');
const tests = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts') && file !== 'accounts/lessons.test.ts')
  .map((file) => readFileSync(join(root, 'test', file), 'utf8'))
  .join('\n');
const rows = readFileSync(join(root, 'docs/routing.md'), 'utf8').matchAll(/^\| (\d+): .*?\| (.*)\|$/gm);

test.each([...rows].map(([, number, words]) => [Number(number), words!.trim()] as const))(
  'lesson %i is answered by tests that exist, or with a reason',
  (_, words) => {
    const titles = [...words.matchAll(/"([^"]+)"/g)].map(([, title]) => title!);
    for (const title of titles) expect(tests).toContain(title);
    expect(titles.length > 0 || /because|so there is/.test(words)).toBe(true);
  },
);

test('every lesson of the groups on routing and on rests has its row', () => {
  const text = readFileSync(join(root, 'docs/routing.md'), 'utf8');
  for (let number = 32; number <= 49; number++) expect(text).toContain(`\n| ${number}: `);
});
