import { compact } from '../core/json.ts';
import type { ModelCard, Thinking } from '../core/model.ts';
import data from './catalog.json';

/**
 * What is known of well-known models, as their vendors document it: windows, limits, inputs and how their thinking is
 * steered. Data only, in catalog.json; what a config declares outranks it.
 */
interface Row extends ModelCard {
  /** Whose models these are; a connection may offer a whole family. */
  readonly family: string;
  /** Further names of the same model, which its vendor accepts as well. */
  readonly aliases?: readonly string[];
}

const rows = data as readonly Row[];

/** A model of a family, and the other names under which it may be asked for. */
export interface FamilyMember {
  readonly card: ModelCard;
  readonly aliases: readonly string[];
}

/** Every model of a family, newest first. */
export const familyOf = (family: string): readonly FamilyMember[] =>
  rows
    .filter((row) => row.family === family)
    .map((row) => ({ card: cardOf(row), aliases: row.aliases ?? [] }));

/** One name may stand in several families: the same model, offered by different places under different limits. */
const byName = Map.groupBy(
  rows.flatMap((row) => [row.id, ...(row.aliases ?? [])].map((name) => ({ name: plain(name), row }))),
  ({ name }) => name,
);

/**
 * What is known of an upstream's model, whatever it is called there: `anthropic/claude-haiku-4.5`, `gpt-4o-2024-08-06`,
 * `deepseek-chat:free`.
 * @param family whose way of steering thinking the connection speaks. Budgets of another family mean nothing there;
 * levels, and the knowledge that a model cannot think, do.
 */
export function cardFor(name: string, family: string | undefined): ModelCard | undefined {
  const row = find(name, family);
  if (!row) return undefined;
  const card = cardOf(row);
  return row.family === family ? card : compact({ ...card, thinking: abroad(card.thinking) });
}

/** The row of a name: that of the family, where it has one, else the first. */
function find(name: string, family: string | undefined): Row | undefined {
  const last = plain(name.slice(name.lastIndexOf('/') + 1).replace(/:[a-z-]+$/, ''));
  const found =
    byName.get(plain(name)) ?? byName.get(last) ?? byName.get(last.replace(/-\d{4}-?\d{2}-?\d{2}$/, ''));
  return (found?.find(({ row }) => row.family === family) ?? found?.[0])?.row;
}

/** Resellers write versions with a dot where Anthropic writes a hyphen, and capitals as they like. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll('.', '-');
}

function abroad(thinking: Thinking | null | undefined): Thinking | null | undefined {
  if (!thinking) return thinking;
  const { levels, zeroAllowed } = thinking;
  return levels ? compact({ levels, zeroAllowed }) : undefined;
}

function cardOf({ family: _, aliases: __, ...card }: Row): ModelCard {
  return card;
}
