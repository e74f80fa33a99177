import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CatalogRow, mergeCatalog } from './catalog/merge.ts';
import { rowsIn } from './catalog/sources.ts';

/**
 * Refreshes `src/models/catalog.json` from a list that somebody publishes, and prints what changed:
 *
 *   bun scripts/catalog.ts FILE|URL [--family NAME] [--prune] [--dry-run]
 *
 * Read are the reference programs' models.json (families by name) and what a vendor's own `GET /models` answers, for
 * which `--family` says whose models these are. A model that the list does not have stays, because ids that vanish break
 * clients; `--prune` takes it out. What the list does not say of a model stays as well.
 */
const [source, ...words] = process.argv.slice(2);
if (source === undefined) fail('Name a file or a URL: bun scripts/catalog.ts FILE|URL [--family NAME]');

const file = join(import.meta.dir, '../src/models/catalog.json');
const before = JSON.parse(readFileSync(file, 'utf8')) as CatalogRow[];
const text = /^https?:\/\//.test(source) ? await (await fetch(source)).text() : readFileSync(source, 'utf8');
const fresh = rowsIn(JSON.parse(text), option('--family'));
if (fresh.length === 0)
  fail('No model was found in it. A list of one vendor needs --family, such as --family claude.');
const { rows, changes } = mergeCatalog(before, fresh, { prune: words.includes('--prune') });
console.log(changes.length > 0 ? changes.join('\n') : 'Nothing changed.');
if (!words.includes('--dry-run') && changes.length > 0) {
  writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`);
  console.log(`Written: ${file}. Run \`npm run check\` to format it.`);
}

function option(name: string): string | undefined {
  const at = words.indexOf(name);
  return at < 0 ? undefined : words[at + 1];
}

function fail(message: string): never {
  console.error(message);
  process.exit(64);
}
