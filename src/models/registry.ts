import type { Connection } from '../channels/channel.ts';
import type { ModelCard } from '../core/model.ts';
import { cardFor } from './catalog.ts';
import { nearestOf } from './nearest.ts';
import { type Offered, offersOf, type Withheld } from './offers.ts';
import type { Candidate, Found, Registry, Skipped } from './resolve.ts';

/** The settings that decide which names exist. A whole config will do. */
export interface NamingRules {
  /** A model with a prefix is offered under its prefix only. */
  readonly 'force-model-prefix'?: boolean;
}

/**
 * Builds the registry of one runtime: exclusions by the upstream's name, then aliases, then prefixes. Declared models
 * always register, and no later failure unregisters anything. `provider/model` also finds a model, unlisted, unless
 * that is somebody's real name; last, whoever takes any name takes this one. Case is forgiven everywhere; an exact match
 * comes first.
 */
export function createRegistry(connections: readonly Connection[], rules: NamingRules): Registry {
  const names = index('name');
  const addresses = index('address');
  const listed = new Map<string, ModelCard>();
  const withheld = new Map<Connection, readonly Withheld[]>();
  for (const connection of connections) {
    const offers = offersOf(connection);
    withheld.set(connection, offers.withheld);
    for (const offer of offers.offered) {
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
  const strangers = takers(connections);

  function found(name: string): Found {
    const known = names.find(name) ?? addresses.find(name);
    if (known) return known;
    if (name === 'auto' && newest !== undefined)
      return { by: 'auto', candidates: names.find(newest)?.candidates ?? [] };
    return strangers(name);
  }

  return {
    list: () => cards,
    find: (name) => found(name).candidates,
    found,
    skipped(name) {
      const candidates = new Set(found(name).candidates.map(({ connection }) => connection));
      return connections
        .filter((connection) => !candidates.has(connection))
        .map((connection): Skipped => {
          const known = whyNot(connection, name, withheld.get(connection) ?? [], names);
          return { connection, why: known ?? 'has no such model', knows: known !== undefined };
        });
    },
    nearest: (name, limit) =>
      nearestOf(
        name,
        cards.map((card) => card.id),
        limit,
      ),
  };
}

const nobody: Found = { by: undefined, candidates: [] };

/** What `auto` stands for: the newest model, the first by name among equals. */
function newestOf(cards: readonly ModelCard[]): string | undefined {
  const [first, ...others] = cards;
  return others.reduce((best, card) => ((card.created ?? 0) > (best?.created ?? 0) ? card : best), first)?.id;
}

/** The bare name and the prefixed one. A model that is called like its own prefix keeps its bare name. */
function namesOf(id: string, prefix: string | undefined, rules: NamingRules): readonly string[] {
  if (prefix === undefined) return [id];
  const only = rules['force-model-prefix'] === true && prefix !== id;
  return only ? [`${prefix}/${id}`] : [id, `${prefix}/${id}`];
}

function candidateOf(connection: Connection, offer: Offered, name: string): Candidate {
  return {
    connection,
    accounts: connection.accounts,
    name,
    model: offer.upstream,
    forceMapping: offer.forceMapping,
    card: name === offer.card.id ? offer.card : { ...offer.card, id: name },
  };
}

/** Why a connection that knows a name does not answer to it; undefined when it does not know it. */
function whyNot(
  connection: Connection,
  name: string,
  withheld: readonly Withheld[],
  names: Index,
): string | undefined {
  const { prefix } = connection.models;
  const wanted = name.toLowerCase();
  const bare = prefix !== undefined && wanted.startsWith(`${prefix.toLowerCase()}/`);
  const short = bare ? wanted.slice(prefix.length + 1) : wanted;
  const held = withheld.find((each) => each.name.toLowerCase() === short);
  if (held) return `has it, but it ${held.why}`;
  const prefixed = prefix === undefined ? undefined : names.find(`${prefix}/${name}`);
  const own = prefixed?.candidates.find((candidate) => candidate.connection === connection);
  return own ? `offers it as "${own.name}" only` : undefined;
}

// ------------------------------------------------------------------------------------------------- names nobody offers

/** Clients may ask for anything, so what is remembered of it is bounded. */
const strangerLimit = 1_000;

/** Who takes a name that nobody offers, where an entry allows it. The same name gets the same answer. */
function takers(connections: readonly Connection[]): (name: string) => Found {
  const open = connections.filter(({ models }) => models.open === true);
  const known = new Map<string, Found>();
  return (name) => {
    if (open.length === 0 || name === '') return nobody;
    let found = known.get(name);
    if (!found) {
      const candidates = open.flatMap((connection) => strangerOf(connection, name));
      found = candidates.length > 0 ? { by: 'any-name', candidates } : nobody;
      if (known.size >= strangerLimit) known.clear();
      known.set(name, found);
    }
    return found;
  };
}

/** The model that a connection makes of a name, without its prefix or its provider's name; none where that is excluded. */
function strangerOf(connection: Connection, name: string): readonly Candidate[] {
  const { prefix, catalog, excluded } = connection.models;
  const start = [prefix, connection.provider].find(
    (word) => word !== undefined && name.toLowerCase().startsWith(`${word.toLowerCase()}/`),
  );
  const upstream = start === undefined ? name : name.slice(start.length + 1);
  const only = { declared: [{ name: upstream }], excluded };
  const { offered } = offersOf({ ...connection, models: only });
  const card = { ...cardFor(upstream, catalog), id: name };
  return offered.map((offer) => candidateOf(connection, { ...offer, card }, name));
}

// ------------------------------------------------------------------------------------------------------------ lookup

interface Index {
  add(name: string, candidate: Candidate): void;
  find(name: string): Found | undefined;
}

interface Entry extends Found {
  readonly candidates: Candidate[];
}

/** Names to candidates, twice: as they are written, and in lower case for those who write them differently. */
function index(by: 'name' | 'address'): Index {
  const exact = new Map<string, Entry>();
  const folded = new Map<string, Entry>();
  const put = (map: Map<string, Entry>, key: string, candidate: Candidate) => {
    const entry = map.get(key);
    if (entry) entry.candidates.push(candidate);
    else map.set(key, { by, candidates: [candidate] });
  };
  return {
    add(name, candidate) {
      put(exact, name, candidate);
      put(folded, name.toLowerCase(), candidate);
    },
    find: (name) => exact.get(name) ?? folded.get(name.toLowerCase()),
  };
}
