import type { Connection, DeclaredModel } from '../channels/channel.ts';
import { compact } from '../core/json.ts';
import type { ModelCard } from '../core/model.ts';
import { cardFor, familyOf } from './catalog.ts';
import { nearestOf } from './nearest.ts';
import type { Candidate, Registry } from './resolve.ts';

/** The settings that decide which names exist. A whole config will do. */
export interface NamingRules {
  /** A model with a prefix is offered under its prefix only. */
  readonly 'force-model-prefix'?: boolean;
}

/**
 * Builds the registry of one runtime: exclusions by the upstream's name, then aliases, then prefixes. Declared models
 * always register, and no later failure unregisters anything. `provider/model` also finds a model, unlisted, unless
 * that is somebody's real name. Case is forgiven everywhere; an exact match comes first.
 */
export function createRegistry(connections: readonly Connection[], rules: NamingRules): Registry {
  const names = index();
  const addresses = index();
  const listed = new Map<string, ModelCard>();
  for (const connection of connections) {
    for (const offer of offersOf(connection)) {
      for (const name of namesOf(offer.id, connection.models.prefix, rules)) {
        const candidate = candidateOf(connection, offer, name);
        names.add(name, candidate);
        if (!offer.hidden && !listed.has(name)) listed.set(name, candidate.card);
      }
      const address = `${connection.provider}/${offer.id}`;
      addresses.add(address, candidateOf(connection, offer, address));
    }
  }
  const cards = [...listed.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const newest = newestOf(cards);
  return {
    list: () => cards,
    find(name) {
      const found = names.find(name) ?? addresses.find(name);
      if (found) return found;
      return name === 'auto' && newest !== undefined ? (names.find(newest) ?? nobody) : nobody;
    },
    nearest: (name, limit) =>
      nearestOf(
        name,
        cards.map((card) => card.id),
        limit,
      ),
  };
}

const nobody: readonly Candidate[] = [];

/** What `auto` stands for: the newest model, the first by name among equals. */
function newestOf(cards: readonly ModelCard[]): string | undefined {
  const [first, ...others] = cards;
  return others.reduce((best, card) => ((card.created ?? 0) > (best?.created ?? 0) ? card : best), first)?.id;
}

// ----------------------------------------------------------------------------------------------------------- offers

/** One model of one connection under one name, before prefixes. */
interface Offer {
  /** What clients call it. */
  readonly id: string;
  readonly upstream: string;
  readonly card: ModelCard;
  readonly forceMapping: boolean;
  /** It is found when asked for, but not listed. */
  readonly hidden: boolean;
}

function offersOf(connection: Connection): readonly Offer[] {
  const { declared, catalog, excluded } = connection.models;
  const isExcluded = matcher(excluded);
  if (declared.length > 0)
    return declared.filter(({ name }) => !isExcluded(name)).map((model) => declaredOffer(model, connection));
  if (catalog === undefined) return [];
  return familyOf(catalog)
    .filter(({ card }) => !isExcluded(card.id))
    .flatMap(({ card, aliases }) => [
      { id: card.id, upstream: card.id, card, forceMapping: false, hidden: false },
      ...aliases
        .filter((alias) => !isExcluded(alias))
        .map((alias) => ({ id: alias, upstream: alias, card, forceMapping: false, hidden: true })),
    ]);
}

function declaredOffer(model: DeclaredModel, { models, provider }: Connection): Offer {
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

/** Patterns are in lower case; `*` stands for any run of characters. */
function matcher(patterns: readonly string[]): (name: string) => boolean {
  const expressions = patterns.map(
    (pattern) =>
      new RegExp(
        `^${pattern
          .split(/\*+/)
          .map((text) => RegExp.escape(text))
          .join('.*')}$`,
        's',
      ),
  );
  return (name) => expressions.some((expression) => expression.test(name.toLowerCase()));
}

/** The bare name and the prefixed one. A model that is called like its own prefix keeps its bare name. */
function namesOf(id: string, prefix: string | undefined, rules: NamingRules): readonly string[] {
  if (prefix === undefined) return [id];
  const only = rules['force-model-prefix'] === true && prefix !== id;
  return only ? [`${prefix}/${id}`] : [id, `${prefix}/${id}`];
}

function candidateOf(connection: Connection, offer: Offer, name: string): Candidate {
  return {
    connection,
    accounts: connection.accounts,
    name,
    model: offer.upstream,
    forceMapping: offer.forceMapping,
    card: name === offer.card.id ? offer.card : { ...offer.card, id: name },
  };
}

// ------------------------------------------------------------------------------------------------------------ lookup

interface Index {
  add(name: string, candidate: Candidate): void;
  find(name: string): readonly Candidate[] | undefined;
}

/** Names to candidates, twice: as they are written, and in lower case for those who write them differently. */
function index(): Index {
  const exact = new Map<string, Candidate[]>();
  const folded = new Map<string, Candidate[]>();
  const put = (map: Map<string, Candidate[]>, key: string, candidate: Candidate) => {
    const list = map.get(key);
    if (list) list.push(candidate);
    else map.set(key, [candidate]);
  };
  return {
    add(name, candidate) {
      put(exact, name, candidate);
      put(folded, name.toLowerCase(), candidate);
    },
    find: (name) => exact.get(name) ?? folded.get(name.toLowerCase()),
  };
}
