import { compact, type Json, readArray, readNumber, readObject, readString } from '../../src/core/json.ts';
import { type Effort, efforts } from '../../src/core/request.ts';
import { modelsIn } from '../../src/models/discovery.ts';
import type { CatalogRow } from './merge.ts';

/** The families of the reference programs' list by the names that our catalogue has for them. */
const families: Readonly<Record<string, string>> = {
  claude: 'claude',
  gemini: 'gemini',
  'codex-pro': 'openai',
  xai: 'xai',
  antigravity: 'antigravity',
  kimi: 'moonshot',
};

/** The rows of a published list, whatever its shape. */
export function rowsIn(body: unknown, family: string | undefined): readonly CatalogRow[] {
  const json = readObject(body) ?? {};
  if (family !== undefined) return modelsIn(json).map(({ name, ...more }) => ({ family, id: name, ...more }));
  return Object.entries(families).flatMap(([theirs, ours]) =>
    (readArray(json[theirs]) ?? []).flatMap((entry) => rowOf(readObject(entry), ours)),
  );
}

/** An entry of the reference programs' models.json (spec: api 6.1, "Catalog item"). */
function rowOf(entry: Json | undefined, family: string): readonly CatalogRow[] {
  const id = readString(entry?.id);
  if (!entry || id === undefined) return [];
  return [
    compact({
      family,
      id,
      displayName: readString(entry.display_name),
      ownedBy: readString(entry.owned_by),
      created: readNumber(entry.created),
      contextWindow: readNumber(entry.context_length) ?? readNumber(entry.inputTokenLimit),
      maxOutputTokens: readNumber(entry.max_completion_tokens) ?? readNumber(entry.outputTokenLimit),
      thinking: thinkingOf(readObject(entry.thinking)),
    }) as CatalogRow,
  ];
}

function thinkingOf(thinking: Json | undefined): Json | undefined {
  if (!thinking) return undefined;
  const levels = (readArray(thinking.levels) ?? []).filter((level) => efforts.includes(level as Effort));
  return compact({
    min: readNumber(thinking.min),
    max: readNumber(thinking.max),
    levels: levels.length > 0 ? levels : undefined,
    zeroAllowed: thinking.zero_allowed === true ? true : undefined,
    dynamicAllowed: thinking.dynamic_allowed === true ? true : undefined,
  });
}
