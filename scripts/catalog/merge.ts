/** One row of `src/models/catalog.json`. */
export interface CatalogRow {
  readonly family: string;
  readonly id: string;
  readonly [field: string]: unknown;
}

export interface Merged {
  readonly rows: readonly CatalogRow[];
  /** One line each, for a person. */
  readonly changes: readonly string[];
}

/**
 * A catalogue with a fresh list merged in. Fields that the list does not name stay; models that it does not name stay,
 * unless they are pruned, and then only in families that the list has.
 */
export function mergeCatalog(
  before: readonly CatalogRow[],
  fresh: readonly CatalogRow[],
  { prune }: { readonly prune: boolean },
): Merged {
  const changes: string[] = [];
  const left = new Map(fresh.map((row) => [keyOf(row), row]));
  const families = new Set(fresh.map(({ family }) => family));
  const rows = before.flatMap((row) => {
    const update = left.get(keyOf(row));
    left.delete(keyOf(row));
    if (update) return [updated(row, update, changes)];
    if (!prune || !families.has(row.family)) return [row];
    changes.push(`- ${keyOf(row)}`);
    return [];
  });
  const added = [...left.values()];
  changes.push(...added.map((row) => `+ ${keyOf(row)}`));
  return { rows: [...rows, ...added].sort(byFamilyAndDate), changes };
}

const keyOf = ({ family, id }: CatalogRow): string => `${family}/${id}`;

function updated(row: CatalogRow, update: CatalogRow, changes: string[]): CatalogRow {
  const fields = Object.keys(update).filter((field) => !Bun.deepEquals(row[field], update[field]));
  if (fields.length > 0) changes.push(`~ ${keyOf(row)}: ${fields.join(', ')}`);
  return { ...row, ...update };
}

/** The order of the file: families by name, the newest model first. */
function byFamilyAndDate(a: CatalogRow, b: CatalogRow): number {
  if (a.family !== b.family) return a.family < b.family ? -1 : 1;
  return Number(b['created'] ?? 0) - Number(a['created'] ?? 0) || (a.id < b.id ? -1 : 1);
}
