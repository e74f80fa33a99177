import type { Account } from '../account.ts';
import { Bits } from './bits.ts';
import type { Dues } from './dues.ts';
import type { Strategy } from '../policy.ts';
import type { Block, Standing } from './standing.ts';

/** One account that can serve one upstream model: what a request chooses among. */
export interface Option {
  readonly account: Account;
  /** The upstream's own name of the model. */
  readonly model: string;
}

/** An option's place in a line-up, with everything that can stand in its way. */
export interface Seat {
  readonly option: Option;
  /** The same in every line-up that has this account and model. */
  readonly key: string;
  readonly lineup: Lineup;
  readonly ring: Ring;
  readonly index: number;
  readonly host: Standing;
  readonly provider: Standing;
  readonly credential: Standing;
  readonly model: Standing;
  /** What the operator allows the provider as a whole, where that is limited. */
  readonly whole: Standing | undefined;
}

/** Seats of one tier that take turns, in the order of the options. Each is ready, low on quota, or parked. */
export interface Ring {
  readonly seats: Seat[];
  /** Those to choose from. */
  ready: Bits;
  /** Those with little quota left, chosen when nobody is ready. */
  low: Bits;
  cursor: number;
  /** The share of each of its seats, where the strategy weighs them. */
  readonly weight: number;
  /** What it is owed, as smooth weighted round-robin counts it. */
  credit: number;
}

/** Options of one priority: one ring, or one for each weight. */
type Tier = readonly Ring[];

/** Someone who waits for a seat: takes one if there is any, and says whether it did. */
export type Waiter = () => boolean;

/** The credentials for one list of options, set up once. A request costs the same however many they are. */
export interface Lineup {
  readonly tiers: readonly Tier[];
  readonly strategy: Strategy;
  /** Out of rotation, those that left it first before the others. */
  readonly away: Map<Seat, Block>;
  readonly byKey: Map<string, Seat>;
  /** Requests that wait for a seat, first come first. */
  readonly waiting: Waiter[];
  /** What is to be looked at again, and when. */
  readonly dues: Dues<Standing>;
}

/** Everything that can stand in an option's way. */
export type SeatStandings = Pick<Seat, 'key' | 'host' | 'provider' | 'credential' | 'model' | 'whole'>;

/** Lines the options up. Those with weight 0 take no part where weights count. */
export function createLineup(
  options: readonly Option[],
  strategy: Strategy,
  dues: Dues<Standing>,
  standingsOf: (option: Option) => SeatStandings,
): Lineup {
  const tiers: Ring[][] = [];
  const lineup: Lineup = { tiers, strategy, away: new Map(), byKey: new Map(), waiting: [], dues };
  const weighted = strategy === 'weighted-round-robin';
  const counted = weighted ? options.filter(({ account }) => account.weight > 0) : options;
  const byPriority = Map.groupBy(counted, ({ account }) => account.priority);
  for (const priority of [...byPriority.keys()].sort((a, b) => b - a)) {
    const members = byPriority.get(priority)!;
    const byWeight = Map.groupBy(members, ({ account }) => (weighted ? account.weight : 1));
    tiers.push([...byWeight].map(([weight, those]) => ringOf(those, weight, lineup, standingsOf)));
  }
  return lineup;
}

function ringOf(
  options: readonly Option[],
  weight: number,
  lineup: Lineup,
  standingsOf: (option: Option) => SeatStandings,
): Ring {
  const seats: Seat[] = [];
  const ring: Ring = { seats, ready: new Bits(0), low: new Bits(0), cursor: 0, weight, credit: 0 };
  for (const option of options) {
    const standings = standingsOf(option);
    if (lineup.byKey.has(standings.key)) continue;
    const { host, provider, credential, model, whole, key } = standings;
    const seat: Seat = {
      option,
      credential,
      model,
      host,
      provider,
      whole,
      ring,
      index: seats.length,
      lineup,
      key,
    };
    seats.push(seat);
    lineup.byKey.set(seat.key, seat);
  }
  ring.ready = new Bits(seats.length);
  ring.low = new Bits(seats.length);
  for (const { index } of seats) ring.ready.set(index);
  return ring;
}

// -------------------------------------------------------------------------------------------- out of rotation and back

/** Takes a seat out of rotation until its standing changes. */
export function park(seat: Seat, block: Block): void {
  seat.ring.ready.clear(seat.index);
  seat.ring.low.clear(seat.index);
  seat.lineup.away.set(seat, block);
  waitAt(block.standing, seat, block.untilMs);
}

/** Puts a seat behind those with more quota left, until its quota is told anew. */
function demote(seat: Seat, low: Standing): void {
  seat.ring.ready.clear(seat.index);
  seat.ring.low.set(seat.index);
  waitAt(low, seat, low.lowUntilMs);
}

function waitAt(standing: Standing, seat: Seat, untilMs: number): void {
  standing.park(seat);
  lookAgain(seat.lineup.dues, standing, untilMs);
}

/** Has a standing looked at again at a time; Infinity: whenever something happens to it. */
export function lookAgain(dues: Dues<Standing>, standing: Standing, untilMs: number): void {
  if (untilMs === Infinity || standing.dueMs === untilMs) return;
  standing.dueMs = untilMs;
  dues.add(untilMs, standing);
}

/** Puts a seat back into rotation; whatever else stands in its way shows at its next turn. */
export function restore(seat: Seat): void {
  seat.ring.low.clear(seat.index);
  seat.ring.ready.set(seat.index);
  seat.lineup.away.delete(seat);
}

/** What is low on quota at a seat, if anything. */
export function lowAt({ credential, model }: Seat, nowMs: number): Standing | undefined {
  if (credential.lowUntilMs > nowMs) return credential;
  return model.lowUntilMs > nowMs ? model : undefined;
}

/** What stands in a seat's way, if anything. */
export const blockAt = (
  { host, provider, credential, model, whole }: Seat,
  nowMs: number,
  tokens: number,
): Block | undefined =>
  host.block(nowMs, tokens) ??
  provider.block(nowMs, tokens) ??
  credential.block(nowMs, tokens) ??
  model.block(nowMs, tokens) ??
  whole?.block(nowMs, tokens);

/**
 * Does the same to everything that can stand in a seat's way. It is written out, and what the work needs is handed along,
 * because every request comes by here several times.
 */
export function eachStanding<A, B>(
  { host, provider, credential, model, whole }: Seat,
  work: (standing: Standing, a: A, b: B) => void,
  a: A,
  b: B,
): void {
  work(host, a, b);
  work(provider, a, b);
  work(credential, a, b);
  work(model, a, b);
  if (whole !== undefined) work(whole, a, b);
}

// ---------------------------------------------------------------------------------------------------------- whose turn

/** Who chooses: what it needs and what it does not want. */
export interface Chooser {
  /** About how many tokens its request will take. */
  readonly tokens: number;
  /** A seat it does not want, such as one that it has tried. */
  refuses(seat: Seat): boolean;
}

type State = 'ready' | 'low';

/** The seat whose turn it is: in the highest tier with somebody available, first those with quota left. */
export function pick({ tiers, strategy }: Lineup, nowMs: number, chooser: Chooser): Seat | undefined {
  for (const tier of tiers) {
    const seat =
      available(tier, 'ready', strategy, nowMs, chooser) ?? available(tier, 'low', strategy, nowMs, chooser);
    if (seat !== undefined) return seat;
  }
  return undefined;
}

/** Whoever turns out to be blocked leaves the rotation on the way, so that the next request does not meet it. */
function available(
  tier: Tier,
  state: State,
  strategy: Strategy,
  nowMs: number,
  chooser: Chooser,
): Seat | undefined {
  for (;;) {
    const seat = nextIn(tier, state, strategy, nowMs, chooser);
    if (seat === undefined) return undefined;
    const block = blockAt(seat, nowMs, chooser.tokens);
    if (block === undefined) {
      const low = state === 'ready' ? lowAt(seat, nowMs) : undefined;
      if (low === undefined) return seat;
      demote(seat, low);
    } else park(seat, block);
  }
}

function nextIn(
  tier: Tier,
  state: State,
  strategy: Strategy,
  nowMs: number,
  chooser: Chooser,
): Seat | undefined {
  const first = tier.length === 1 ? tier[0]! : owed(tier, state);
  const seat = turn(first, state, strategy, nowMs, chooser);
  if (seat !== undefined || tier.length === 1) return seat;
  for (const ring of tier) {
    const other = ring === first ? undefined : turn(ring, state, strategy, nowMs, chooser);
    if (other !== undefined) return other;
  }
  return undefined;
}

/**
 * Smooth weighted round-robin over rings: each is owed its weight times its seats at every turn, and whoever is owed most
 * pays for all. The cost grows with different weights, not with seats.
 */
function owed(tier: Tier, state: State): Ring {
  let total = 0;
  let best = tier[0]!;
  for (const ring of tier) {
    const due = ring.weight * ring[state].count;
    if (due === 0) ring.credit = 0;
    ring.credit += due;
    total += due;
    if (best[state].count === 0 || ring.credit > best.credit) best = ring;
  }
  best.credit -= total;
  return best;
}

function turn(
  ring: Ring,
  state: State,
  strategy: Strategy,
  nowMs: number,
  chooser: Chooser,
): Seat | undefined {
  if (strategy === 'fill-first') return following(ring, state, 0, chooser);
  if (strategy === 'least-loaded') return idlest(ring, state, nowMs, chooser);
  const seat = following(ring, state, ring.cursor, chooser);
  if (seat !== undefined) ring.cursor = seat.index + 1;
  return seat;
}

/** The first wanted seat from a place on, around the ring. */
function following(ring: Ring, state: State, from: number, chooser: Chooser): Seat | undefined {
  const places = ring[state];
  let place = places.next(from);
  for (let left = places.count; left > 0; left--) {
    if (place < 0) place = places.next(0);
    const seat = ring.seats[place]!;
    if (!chooser.refuses(seat)) return seat;
    place = places.next(place + 1);
  }
  return undefined;
}

/** In a larger ring so many seats are compared at each turn, others each time. */
const compared = 8;
/** A first byte longer ago than this says nothing any more. */
const recentMs = 60_000;

/** Of the seats from the cursor on, the one with the fewest in flight; among equals the fastest, unknown ones first. */
function idlest(ring: Ring, state: State, nowMs: number, chooser: Chooser): Seat | undefined {
  const places = ring[state];
  let best: Seat | undefined;
  let place = places.next(ring.cursor);
  for (let left = Math.min(places.count, compared); left > 0; left--) {
    if (place < 0) place = places.next(0);
    const seat = ring.seats[place]!;
    if (!chooser.refuses(seat) && (best === undefined || isIdler(seat, best, nowMs))) best = seat;
    place = places.next(place + 1);
  }
  // All of those compared may have been tried already, which others have not.
  best ??= following(ring, state, ring.cursor, chooser);
  ring.cursor = ring.cursor >= ring.seats.length ? 1 : ring.cursor + 1;
  return best;
}

function isIdler(a: Seat, b: Seat, nowMs: number): boolean {
  const difference = a.credential.inFlight - b.credential.inFlight;
  return difference < 0 || (difference === 0 && firstByteOf(a, nowMs) < firstByteOf(b, nowMs));
}

const firstByteOf = ({ model }: Seat, nowMs: number): number =>
  model.firstByteAtMs + recentMs > nowMs ? model.firstByteMs : 0;
