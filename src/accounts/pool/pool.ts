import type { GatewayError } from '../../core/error.ts';
import type { Account } from '../account.ts';
import { Affinity } from './affinity.ts';
import { Dues } from './dues.ts';
import { excludes } from './entitlements.ts';
import type { Block, Standing } from './standing.ts';
import { Standings } from './standings.ts';
import { blockAt, createLineup, lookAgain, type Lineup, type Option, restore, type Seat } from './lineup.ts';
import type { Policy } from '../policy.ts';
import { lowUntil, merged, type QuotaWindow, reopensAt, usedUp } from '../quota.ts';
import { remember, type RestStore } from './rest-store.ts';
import { breakAfter, restAfter, sphereOf } from './rests.ts';
import { type Ground, Walk, type Wish } from './walk.ts';

export type { Option } from './lineup.ts';

/** What the pool is given; everything but the store stands for the machine it runs on. */
export interface PoolOptions {
  readonly now?: () => number;
  /** A number from 0 to 1. */
  readonly random?: () => number;
  /** Does something later; returns what calls it off. */
  readonly after?: (ms: number, work: () => void) => () => void;
  /** Where rests outlive the process. */
  readonly store?: RestStore;
}

/** What stands in an option's way, for errors and explanations. */
export interface Hindrance<T extends Option = Option> {
  readonly option: T;
  readonly block: Block;
}

/** How one option stands now, for whoever asks why it is or is not used. */
export interface Explained<T extends Option = Option> extends Pick<
  Standing,
  'inFlight' | 'quota' | 'limits'
> {
  readonly option: T;
  /** Everything that stands in its way; nothing when it is available. */
  readonly blocks: readonly Block[];
  /** It is used after those with more quota left until then; 0: it is not. */
  readonly lowUntilMs: number;
  /** The newest failure, whoever was blamed for it; forgotten at the next success. */
  readonly last: Standing['last'];
  /** The recent time to the first byte; 0 when there was none. */
  readonly firstByteMs: number;
}

/** One account, whatever it is asked for. */
export interface AccountState {
  readonly inFlight: number;
  /** Something of it rests; a model that its plan leaves out is no rest. */
  readonly cooling: boolean;
  readonly quota: readonly QuotaWindow[];
}

/** After so many failures in a row a provider or a host is in trouble itself, and not the credential it was asked with. */
const breaksAfter = 3;

/**
 * Chooses among credentials, and remembers how each of them stands. Outlives reloads, because everything is known by what
 * it is. It knows no protocol, and touches nothing but its store.
 */
export class Pool {
  private readonly standings: Standings;
  private readonly lineups = new WeakMap<readonly Option[], Lineup>();
  private readonly dues = new Dues<Standing>(() => this.setAlarm());
  private readonly affinity = new Affinity();
  private readonly now: () => number;
  private readonly random: () => number;
  private readonly after: (ms: number, work: () => void) => () => void;
  private readonly store: RestStore | undefined;
  private readonly ground: Ground;
  /** Tells what came first, where two things happen in one millisecond. */
  private order = 0;
  private waiting = 0;
  private alarm: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(options: PoolOptions = {}) {
    this.now = options.now ?? Date.now;
    this.random = options.random ?? Math.random;
    this.after = options.after ?? later;
    this.store = options.store;
    this.standings = new Standings(options.store, this.now);
    this.ground = {
      now: this.now,
      after: this.after,
      nextOrder: () => ++this.order,
      tick: (nowMs) => this.tick(nowMs),
      report: (seat, error, order, policy) => this.report(seat, error, order, policy),
      recovered: (standing, order) => this.recover(standing, order),
      freed: (standing, nowMs) => this.freed(standing, nowMs),
      boundTo: (conversation, nowMs) => this.affinity.find(conversation, nowMs),
      bind: (conversation, seat, untilMs) => this.affinity.bind(conversation, seat, untilMs),
      wait: (lineup, take) => this.wait(lineup, take),
    };
  }

  /** Begins a request's way along its options. The same list of options is lined up once. */
  walk<T extends Option>(options: readonly T[], wish: Wish): Walk<T> {
    return new Walk<T>(this.ground, this.lineup(options, wish.policy), wish);
  }

  /** What an answer, good or bad, said of the credential's quota. What is used up rests until it opens again. */
  told(option: Option, windows: readonly QuotaWindow[], policy: Policy, error: () => GatewayError): void {
    const { account, model } = option;
    const its = windows.filter(isOfModel);
    const shared = its.length > 0 ? windows.filter(isShared) : windows;
    if (shared.length > 0) this.toldOf(account, undefined, shared, policy, error);
    if (its.length > 0) this.toldOf(account, model, its, policy, error);
  }

  /** The same for windows of the credential, or of one model of it. */
  private toldOf(
    account: Account,
    model: string | undefined,
    told: readonly QuotaWindow[],
    policy: Policy,
    error: () => GatewayError,
  ): void {
    const nowMs = this.now();
    const standing = this.standings.one(account, model);
    this.learn(standing, told, policy.reserve, nowMs);
    const untilMs = Math.min(reopensAt(told) ?? 0, nowMs + policy.longestMs);
    if (!policy.cooling || account.neverRests || untilMs <= (standing.rest?.untilMs ?? nowMs)) return;
    standing.rest = {
      since: ++this.order,
      untilMs,
      told: true,
      aloneMs: Infinity,
      probing: false,
      error: error(),
    };
    remember(this.store, standing, nowMs);
  }

  /**
   * What a provider said of an account's quota when it was asked. Its word decides who is preferred and ends a rest for a
   * quota that is back; nobody rests for it, because it may count what some models only take.
   */
  asked(account: Account, windows: readonly QuotaWindow[], policy: Policy): void {
    const nowMs = this.now();
    for (const [model, told] of Map.groupBy(windows, (window) => window.model)) {
      const standing = this.standings.one(account, model);
      this.learn(standing, told, policy.reserve, nowMs);
      if (standing.rest?.error.fault.kind === 'quota-exhausted' && !told.some(usedUp)) this.lift(standing);
    }
  }

  /** How each option stands. */
  explain<T extends Option>(options: readonly T[]): readonly Explained<T>[] {
    const nowMs = this.now();
    return options.map((option) => {
      const known = this.standings.known(option);
      const { credential, model } = known;
      return {
        option,
        blocks: Object.values(known).flatMap((standing) => standing.block(nowMs, 0) ?? []),
        lowUntilMs: Math.max(credential?.lowUntilMs ?? 0, model?.lowUntilMs ?? 0),
        last: model?.last,
        inFlight: credential?.inFlight ?? 0,
        quota: [...(credential?.quota ?? []), ...(model?.quota ?? [])],
        limits: option.account.limits,
        firstByteMs: model?.firstByteMs ?? 0,
      };
    });
  }

  /** How many take part in a choice: those without weight do not where weights count. */
  candidates(options: readonly Option[], policy: Policy): number {
    return this.lineup(options, policy).byKey.size;
  }

  /** Who is out of rotation, and why: those that left it first, at most so many. */
  hindrances<T extends Option>(
    options: readonly T[],
    policy: Policy,
    most = Infinity,
  ): readonly Hindrance<T>[] {
    const { away } = this.lineup(options, policy);
    if (away.size === 0) return [];
    const found: Hindrance<T>[] = [];
    const nowMs = this.now();
    for (const [seat, block] of away) {
      if (found.length >= most) break;
      found.push({ option: seat.option as T, block: blockAt(seat, nowMs, 0) ?? block });
    }
    return found;
  }

  /** What an operator sees of one account: calls in flight, whether anything of it rests, what is known of its quota. */
  state({ id }: Account): AccountState {
    const nowMs = this.now();
    const known = [...this.standings.under(id)];
    return {
      inFlight: known.find(({ sphere }) => sphere === 'credential')?.inFlight ?? 0,
      cooling: known.some(({ rest }) => rest !== undefined && rest.untilMs > nowMs && !excludes(rest.error)),
      quota: known.flatMap(({ quota }) => quota),
    };
  }

  /** Ends the rests of one account, or of everybody and every place. Returns how many. */
  clear(accountId?: string): number {
    const all = accountId === undefined ? this.standings.all() : this.standings.under(accountId);
    const resting = [...all].filter(({ rest }) => rest !== undefined);
    for (const standing of resting) this.lift(standing);
    return resting.length;
  }

  /** Forgets accounts that no longer exist; called after a reload. */
  keep(accounts: Iterable<Account>): void {
    this.standings.keep(new Set([...accounts].map(({ id }) => id)));
  }

  /** Brings up to date what is known of a quota, and whether others are preferred because of it. */
  private learn(standing: Standing, told: readonly QuotaWindow[], reserve: number, nowMs: number): void {
    standing.quota = merged(standing.quota, told, nowMs);
    const before = standing.lowUntilMs;
    standing.lowUntilMs = lowUntil(standing.quota, reserve, nowMs);
    if (standing.lowUntilMs < before) this.release(standing);
  }

  // --------------------------------------------------------------------------------------------------------- line-ups

  private lineup(options: readonly Option[], policy: Policy): Lineup {
    const lineup = this.lineups.get(options);
    return lineup?.strategy === policy.strategy ? lineup : this.linedUp(options, policy);
  }

  private linedUp(options: readonly Option[], policy: Policy): Lineup {
    const standingsOf = (option: Option) => this.standings.of(option, policy);
    const lineup = createLineup(options, policy.strategy, this.dues, standingsOf);
    this.lineups.set(options, lineup);
    return lineup;
  }

  // --------------------------------------------------------------------------------------------------- rest and recovery

  private report(seat: Seat, error: GatewayError, order: number, policy: Policy): void {
    const nowMs = this.now();
    seat.model.last = { error, atMs: nowMs };
    const sphere = sphereOf(error);
    if (sphere !== undefined && sphere !== 'host') this.recover(seat.host, order);
    if (sphere === 'model' || sphere === 'credential') this.recover(seat.provider, order);
    if (sphere === undefined || !policy.cooling || seat.option.account.neverRests) return;
    if (sphere === 'model' || sphere === 'credential') return this.rest(seat[sphere], error, order, policy);
    if (policy.transientMs <= 0) return;
    const place = seat[sphere];
    place.failures++;
    place.suspects?.add(seat.model);
    this.rest(seat.model, error, order, policy);
    if (place.failures >= breaksAfter) this.breakOff(place, error, policy);
  }

  /** Calls that went out before a rest began count towards it no more: a burst is one failure. */
  private rest(standing: Standing, error: GatewayError, order: number, policy: Policy): void {
    const nowMs = this.now();
    const old = standing.rest;
    if (old === undefined || old.since < order) standing.failures++;
    const failures = Math.max(1, standing.failures);
    const rest = restAfter(error, { policy, nowMs, failures, random: this.random() });
    if (rest === undefined || (old !== undefined && old.untilMs > rest.untilMs && old.told >= rest.told))
      return;
    standing.rest = { ...rest, since: ++this.order };
    remember(this.store, standing, nowMs);
  }

  /** A provider or host is in trouble, so nobody is punished for having been asked. */
  private breakOff(place: Standing, error: GatewayError, policy: Policy): void {
    const failures = place.failures - breaksAfter + 1;
    const rest = breakAfter(error, { policy, nowMs: this.now(), failures, random: this.random() });
    if (rest !== undefined) place.rest = { ...rest, since: ++this.order };
    for (const suspect of place.suspects ?? [])
      if (suspect.rest && !suspect.rest.told && sphereOf(suspect.rest.error) === place.sphere)
        this.lift(suspect);
    place.suspects?.clear();
  }

  /** An answer ends a rest that began before its request went out. */
  private recover(standing: Standing, order: number): void {
    if (standing.failures === 0 && standing.rest === undefined) return;
    if (standing.rest !== undefined && standing.rest.since > order) return;
    standing.failures = 0;
    standing.suspects?.clear();
    if (standing.rest !== undefined) this.lift(standing);
  }

  private lift(standing: Standing): void {
    standing.rest = undefined;
    standing.failures = 0;
    standing.suspects?.clear();
    remember(this.store, standing, this.now());
    this.release(standing);
  }

  // ------------------------------------------------------------------------------------------- back into rotation

  private tick(nowMs: number): void {
    for (let due = this.dues.take(nowMs); due !== undefined; due = this.dues.take(nowMs)) {
      due.dueMs = 0;
      this.release(due);
    }
  }

  private release(standing: Standing): void {
    const seats = standing.parked;
    if (seats === undefined) return;
    standing.parked = undefined;
    for (const seat of seats) restore(seat);
    if (this.waiting > 0) for (const { lineup } of seats) this.admit(lineup);
  }

  /** One call less: one seat comes back, first where somebody waits for it. The end of a probe brings back all. */
  private freed(standing: Standing, nowMs: number): void {
    if (standing.rest !== undefined && standing.rest.untilMs > nowMs)
      return lookAgain(this.dues, standing, standing.rest.untilMs);
    if (standing.limits === undefined) return this.release(standing);
    const { parked = [] } = standing;
    const wanted = this.waiting > 0 ? parked.findIndex(({ lineup }) => lineup.waiting.length > 0) : 0;
    const [seat] = parked.splice(Math.max(0, wanted), 1);
    if (seat === undefined) return;
    restore(seat);
    this.admit(seat.lineup);
  }

  // ------------------------------------------------------------------------------------------------------- the queue

  private wait(lineup: Lineup, take: () => boolean): () => void {
    lineup.waiting.push(take);
    this.waiting++;
    this.setAlarm();
    return () => {
      const at = lineup.waiting.indexOf(take);
      if (at < 0) return;
      lineup.waiting.splice(at, 1);
      this.waiting--;
    };
  }

  /** In their order; whoever cannot use what is free, such as one that has tried it, holds up nobody. */
  private admit({ waiting }: Lineup): void {
    for (const take of waiting.slice()) {
      if (!take()) continue;
      waiting.splice(waiting.indexOf(take), 1);
      this.waiting--;
    }
  }

  /** While somebody waits, time itself must bring seats back. */
  private setAlarm(): void {
    const atMs = this.dues.nextMs;
    if (this.waiting === 0 || atMs === Infinity || (this.alarm !== undefined && this.alarm.atMs <= atMs))
      return;
    this.alarm?.cancel();
    const cancel = this.after(Math.max(1, atMs - this.now()), () => {
      this.alarm = undefined;
      this.tick(this.now());
      this.setAlarm();
    });
    this.alarm = { atMs, cancel };
  }
}

const isOfModel = ({ model }: QuotaWindow): boolean => model !== undefined;
const isShared = ({ model }: QuotaWindow): boolean => model === undefined;

function later(ms: number, work: () => void): () => void {
  const timer = setTimeout(work, ms);
  return () => clearTimeout(timer);
}
