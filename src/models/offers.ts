import type { Connection, DeclaredModel, ModelAlias } from '../channels/channel.ts';
import { compact } from '../core/json.ts';
import type { ModelCard } from '../core/model.ts';
import { cardFor, familyOf } from './catalog.ts';
import { matcher } from './patterns.ts';

/** One model of one connection under one name, before prefixes. */
export interface Offered {
  /** What clients call it. */
  readonly id: string;
  readonly upstream: string;
  readonly card: ModelCard;
  readonly forceMapping: boolean;
  /** It is found when asked for, but not listed. */
  readonly hidden: boolean;
}

/** A name that a connection knows and does not answer to, and why: what an operator is told. */
export interface Withheld {
  readonly name: string;
  /** Behind "it", such as `is excluded by "gpt-*"`. */
  readonly why: string;
}

export interface Offers {
  readonly offered: readonly Offered[];
  readonly withheld: readonly Withheld[];
}

/** What a connection offers: its models less the excluded ones, then under their aliases. */
export function offersOf(connection: Connection): Offers {
  const { declared, excluded, live, aliases = [] } = connection.models;
  const excluding = matcher(excluded);
  const withheld: Withheld[] = [];
  const kept = (name: string): boolean => {
    const pattern = excluding(name);
    if (pattern !== undefined) withheld.push({ name, why: `is excluded by the pattern "${pattern}"` });
    return pattern === undefined;
  };
  if (declared.length > 0) {
    const models = declared.filter(({ name }) => kept(name));
    for (const { name, alias } of models)
      if (alias !== undefined && alias !== name)
        withheld.push({ name, why: `is offered under its alias "${alias}"` });
    const own = models.map((model) => declaredModel(model, connection));
    const named = new Set(declared.map(({ name }) => name.toLowerCase()));
    const found = live ? discoveredModels(connection, kept) : [];
    return {
      offered: [...own, ...found.filter(({ upstream }) => !named.has(upstream.toLowerCase()))],
      withheld,
    };
  }
  const known = [...familyModels(connection, kept), ...discoveredModels(connection, kept)];
  return { offered: renamed(known, aliases, connection, withheld), withheld };
}

function familyModels({ models: { catalog, only } }: Connection, kept: (name: string) => boolean): Offered[] {
  if (catalog === undefined) return [];
  const plain = (card: ModelCard, name: string, hidden: boolean): Offered => ({
    id: name,
    upstream: name,
    card,
    forceMapping: false,
    hidden,
  });
  return familyOf(catalog).flatMap(({ card, aliases }) => {
    if (only?.includes(card.id) === false || !kept(card.id)) return [];
    return [
      plain(card, card.id, false),
      ...aliases.filter((alias) => kept(alias)).map((alias) => plain(card, alias, true)),
    ];
  });
}

/** What the place itself listed and the catalogue does not have. */
function discoveredModels(connection: Connection, kept: (name: string) => boolean): Offered[] {
  const { catalog, discovered = [] } = connection.models;
  const listed = new Set(
    catalog === undefined ? [] : familyOf(catalog).map(({ card }) => card.id.toLowerCase()),
  );
  return discovered
    .filter(({ name }) => !listed.has(name.toLowerCase()) && kept(name))
    .map((model) => declaredModel(model, connection));
}

function declaredModel(model: DeclaredModel, { models, provider }: Connection): Offered {
  const known = cardFor(model.name, models.catalog);
  const id = model.alias ?? model.name;
  const card = compact({
    id,
    displayName: model.displayName ?? (model.alias === undefined ? known?.displayName : model.name),
    ownedBy: models.catalog === undefined ? provider : (known?.ownedBy ?? provider),
    created: known?.created,
    contextWindow: model.contextWindow ?? known?.contextWindow,
    maxOutputTokens: model.maxOutputTokens ?? known?.maxOutputTokens,
    thinking: model.thinking ?? known?.thinking,
    inputs: model.inputs ?? known?.inputs,
  });
  return { id, upstream: model.name, card, forceMapping: model.forceMapping ?? false, hidden: false };
}

/**
 * The models under their aliases. An alias takes its model's own name away unless it forks; one alias stands for one
 * model, the first; one of a model that nobody lists is taken at its word, because a catalogue may be older than a model.
 */
function renamed(
  known: readonly Offered[],
  aliases: readonly ModelAlias[],
  connection: Connection,
  withheld: Withheld[],
): readonly Offered[] {
  if (aliases.length === 0) return known;
  const taken = new Set<string>();
  const replaced = new Map<string, string>();
  const named: Offered[] = [];
  for (const { name, alias, displayName, fork, forceMapping } of aliases) {
    if (name.toLowerCase() === alias.toLowerCase() || taken.has(alias.toLowerCase())) continue;
    const excluded = withheld.some((each) => each.name.toLowerCase() === name.toLowerCase());
    if (excluded) continue;
    taken.add(alias.toLowerCase());
    const model =
      known.find(({ id }) => id.toLowerCase() === name.toLowerCase()) ?? declaredModel({ name }, connection);
    const card = compact({ ...model.card, id: alias, displayName: displayName ?? model.card.displayName });
    named.push({ ...model, id: alias, card, hidden: false, forceMapping: forceMapping ?? false });
    if (!fork) replaced.set(name.toLowerCase(), alias);
  }
  const own = known.filter(({ id }) => {
    const alias = replaced.get(id.toLowerCase());
    if (alias !== undefined) withheld.push({ name: id, why: `is offered under its alias "${alias}"` });
    return alias === undefined;
  });
  return [...own, ...named];
}
