import type { GatewayError } from '../../core/error.ts';
import {
  blockAt,
  type Chooser,
  eachStanding,
  type Lineup,
  lowAt,
  type Option,
  park,
  pick,
  type Seat,
} from './lineup.ts';
import type { Policy } from '../policy.ts';
import type { Standing } from './standing.ts';

/** What a request says of itself when it looks for a credential. */
export interface Wish {
  readonly policy: Policy;
  /** About how many tokens it will take. */
  readonly tokens: number;
  /** A hash that names its conversation, model included; absent when nothing does. */
  readonly conversation?: number | undefined;
  /** What the conversation was called before its second turn. */
  readonly alias?: number | undefined;
  /** It goes on with the conversation; otherwise it only leaves word for the next turn. */
  readonly follows?: boolean;
  /** The account whose connection remembers the conversation; it comes first. */
  readonly pinned?: string | undefined;
}

/** What went wrong on a walk. */
interface Woes {
  readonly tried: Set<Seat>;
  /** Providers that failed this request for reasons of their own; asking them again is a retry. */
  readonly troubled: Set<Standing>;
  readonly overBudget: Set<Standing>;
  /** The login whose project has no quota left. */
  usedUp: string | undefined;
}

/** What a walk needs of the pool. */
export interface Ground {
  now(): number;
  /** A number that is higher at each call. */
  nextOrder(): number;
  /** Brings back what has rested long enough. */
  tick(nowMs: number): void;
  report(seat: Seat, error: GatewayError, order: number, policy: Policy): void;
  /** A call of this standing has been answered. */
  recovered(standing: Standing, order: number): void;
  /** A call of this standing has ended. */
  freed(standing: Standing, nowMs: number): void;
  boundTo(conversation: number, nowMs: number): string | undefined;
  bind(conversation: number, seat: string, untilMs: number): void;
  /** Calls back when a seat of the line-up may be free, until it returns true. Returns what ends it. */
  wait(lineup: Lineup, take: () => boolean): () => void;
  after(ms: number, work: () => void): () => void;
}

/**
 * One request's way along its options. It holds at most one place at a time: `next` takes one, `failed` and `end` give it
 * back. Whoever is given out counts as in flight until then.
 */
export class Walk<T extends Option = Option> implements Chooser {
  readonly tokens: number;
  /** What became of the conversation: '' without one, `new`, `kept`, or `rebound: ` and why. */
  affinity = '';
  private seat: Seat | undefined;
  private order = 0;
  /** What went wrong so far; most requests need none. */
  private woes: Woes | undefined;
  /** The seat that served the conversation last. */
  private boundTo: string | undefined;
  /** Why the conversation is not where it was. */
  private strayed = '';

  constructor(
    private readonly ground: Ground,
    readonly lineup: Lineup,
    private readonly wish: Wish,
  ) {
    this.tokens = wish.tokens;
  }

  /** A provider that failed this request could have been asked again, but for its budget. */
  get ranOutOfRetries(): boolean {
    return this.woes !== undefined && this.woes.overBudget.size > 0;
  }

  /** Takes a place at the option whose turn it is; undefined when nobody is available. */
  next(): T | undefined {
    const nowMs = this.ground.now();
    this.ground.tick(nowMs);
    for (;;) {
      const seat = this.first(nowMs) ?? this.sibling(nowMs) ?? pick(this.lineup, nowMs, this);
      if (seat === undefined) return undefined;
      if (this.mayAsk(seat, nowMs)) return this.take(seat, nowMs);
    }
  }

  /**
   * Takes a place at an option that rests on a guess only: better than telling a client that nobody is there. Only so many
   * are looked at, however many rest.
   */
  lastResort(): T | undefined {
    const nowMs = this.ground.now();
    let left = 64;
    for (const seat of this.lineup.away.keys()) {
      if (left-- === 0) return undefined;
      if (!this.refuses(seat) && mayBeTried(seat, nowMs, this.tokens) && this.mayAsk(seat, nowMs))
        return this.take(seat, nowMs);
    }
    return undefined;
  }

  /**
   * Waits for a place where only limits stand in the way, behind those who came before.
   * @returns undefined at once when waiting is not wanted or the queue is full, later when it took too long.
   */
  async queued(signal: AbortSignal): Promise<T | undefined> {
    const maxMs = this.patienceMs();
    const { lineup, ground, wish } = this;
    if (maxMs <= 0 || lineup.waiting.length >= wish.policy.queue) return undefined;
    const { promise, resolve } = Promise.withResolvers<T | undefined>();
    // Nobody who has stopped waiting may be given a place: it would never be given back.
    let over = signal.aborted;
    const stop = ground.wait(lineup, () => {
      const option = over ? undefined : this.next();
      if (option !== undefined) resolve(option);
      over ||= option !== undefined;
      return option !== undefined;
    });
    const giveUp = () => {
      over = true;
      resolve(undefined);
    };
    if (over) giveUp();
    const cancel = ground.after(maxMs, giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      return await promise;
    } finally {
      stop();
      cancel();
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** How long somebody may wait for one of the limits that stand in the way. */
  private patienceMs(): number {
    let maxMs = 0;
    for (const { waits, standing } of this.lineup.away.values())
      if (waits && standing.limits) maxMs = Math.max(maxMs, standing.limits.maxWaitMs);
    return maxMs;
  }

  /** Another round begins: who has been tried may be tried again, unless it is barred. */
  again(may: (option: T) => boolean): void {
    for (const seat of this.woes?.tried ?? []) if (may(seat.option as T)) this.woes?.tried.delete(seat);
  }

  /** It has answered. The place stays taken until `end`. @param firstByteMs how long it took to begin. */
  answered(firstByteMs: number): void {
    const { seat, wish, ground } = this;
    if (seat === undefined) return;
    const nowMs = ground.now();
    seat.model.firstByteMs =
      seat.model.firstByteAtMs === 0 ? firstByteMs : smoothed(seat.model.firstByteMs, firstByteMs);
    seat.model.firstByteAtMs = nowMs;
    seat.model.last = undefined;
    eachStanding(seat, recover, ground, this.order);
    const { conversation, policy } = wish;
    if (conversation === undefined || policy.affinityMs === 0) return;
    ground.bind(conversation, seat.key, nowMs + policy.affinityMs);
    const kept = this.boundTo === seat.key ? 'kept' : `rebound: ${this.strayed}`;
    this.affinity = this.boundTo === undefined ? 'new' : kept;
  }

  /**
   * It has failed, before its answer or in the middle of it.
   * @param cools whether somebody is to rest for it.
   */
  failed(error: GatewayError, cools = true): void {
    const { seat, wish } = this;
    if (seat === undefined) return;
    const woes = this.troubles();
    woes.tried.add(seat);
    if (error.scope === 'provider' || error.scope === 'transport') woes.troubled.add(seat.provider);
    if (error.status === 429) woes.usedUp = loginOf(seat);
    this.strayed ||= `${seat.option.account.label} failed with ${error.code}`;
    if (cools) this.ground.report(seat, error, this.order, wish.policy);
    const block = blockAt(seat, this.ground.now(), this.tokens);
    if (block) park(seat, block);
    this.end();
  }

  /** It was no use, and nobody's fault: the next one's turn. */
  passed(): void {
    if (this.seat) this.troubles().tried.add(this.seat);
    this.end();
  }

  /** Gives the place back; may be called more than once. @param tokens what the request took, where that is known. */
  end(tokens = this.tokens): void {
    const { seat } = this;
    if (seat === undefined) return;
    this.seat = undefined;
    const nowMs = this.ground.now();
    const more = tokens - this.tokens;
    eachStanding(seat, give, nowMs, more);
    eachStanding(seat, free, this.ground, nowMs);
  }

  refuses(seat: Seat): boolean {
    const { woes } = this;
    if (woes === undefined) return false;
    if (woes.tried.has(seat) || woes.overBudget.has(seat.provider)) return true;
    return woes.usedUp !== undefined && !this.wish.policy.switchProject && loginOf(seat) === woes.usedUp;
  }

  private troubles(): Woes {
    return (this.woes ??= {
      tried: new Set(),
      troubled: new Set(),
      overBudget: new Set(),
      usedUp: undefined,
    });
  }

  /** The seat that knows the conversation, before anybody else has been asked. */
  private first(nowMs: number): Seat | undefined {
    if (this.woes !== undefined || this.strayed !== '') return undefined;
    return this.pinned(nowMs) ?? this.bound(nowMs);
  }

  private pinned(nowMs: number): Seat | undefined {
    const { pinned } = this.wish;
    if (pinned === undefined) return undefined;
    for (const seat of this.lineup.byKey.values())
      if (seat.option.account.id === pinned && !blockAt(seat, nowMs, this.tokens)) return seat;
    return undefined;
  }

  /** The seat that served the conversation last, when nothing speaks against it. */
  private bound(nowMs: number): Seat | undefined {
    const { conversation, alias, follows, policy } = this.wish;
    if (!follows || conversation === undefined || policy.affinityMs === 0) return undefined;
    const known = this.ground.boundTo(conversation, nowMs);
    const key = known ?? (alias === undefined ? undefined : this.ground.boundTo(alias, nowMs));
    if (key === undefined) return undefined;
    this.boundTo = key;
    const seat = this.lineup.byKey.get(key);
    const why = seat ? objection(seat, nowMs, this.tokens) : 'its credential is gone';
    if (why === undefined) return seat;
    this.strayed = seat ? `${seat.option.account.label} is ${why}` : why;
    return undefined;
  }

  /** Another project of the login whose quota is used up. */
  private sibling(nowMs: number): Seat | undefined {
    const usedUp = this.woes?.usedUp;
    if (usedUp === undefined || !this.wish.policy.switchProject) return undefined;
    for (const seat of this.lineup.byKey.values())
      if (loginOf(seat) === usedUp && !this.refuses(seat) && !objection(seat, nowMs, this.tokens))
        return seat;
    return undefined;
  }

  /** A provider that failed this request is asked again only within its budget. */
  private mayAsk({ provider }: Seat, nowMs: number): boolean {
    const { woes } = this;
    if (!woes?.troubled.has(provider) || provider.budget!.spend(nowMs)) return true;
    woes.overBudget.add(provider);
    return false;
  }

  private take(seat: Seat, nowMs: number): T {
    if (!this.woes?.troubled.has(seat.provider)) seat.provider.budget!.earn(this.wish.policy.retryShare);
    this.seat = seat;
    this.order = this.ground.nextOrder();
    eachStanding(seat, take, nowMs, this.tokens);
    return seat.option as T;
  }
}

const take = (standing: Standing, nowMs: number, tokens: number): void => standing.take(nowMs, tokens);
const give = (standing: Standing, nowMs: number, more: number): void => standing.give(nowMs, more);
const recover = (standing: Standing, ground: Ground, order: number): void =>
  ground.recovered(standing, order);

function free(standing: Standing, ground: Ground, nowMs: number): void {
  if (standing.parked !== undefined) ground.freed(standing, nowMs);
}

const smoothed = (before: number, now: number): number => before * 0.7 + now * 0.3;

/** The login of a seat that acts in one of several projects. */
function loginOf({ option: { account } }: Seat): string | undefined {
  return account.secret.kind === 'login' && account.workspace !== undefined
    ? account.secret.login.id
    : undefined;
}

/** Why a seat is not preferred, in words. */
function objection(seat: Seat, nowMs: number, tokens: number): string | undefined {
  const block = blockAt(seat, nowMs, tokens);
  if (block) return block.what === undefined ? block.why : `at its limit (${block.what})`;
  return lowAt(seat, nowMs) ? 'low on quota' : undefined;
}

/** Nothing but guesses stands in its way, and those have had their pause. */
function mayBeTried(seat: Seat, nowMs: number, tokens: number): boolean {
  const { host, provider, credential, model, whole } = seat;
  return [host, provider, credential, model, whole].every((standing) => {
    const block = standing?.block(nowMs, tokens);
    return block === undefined || (block.why !== 'limited' && block.standing.rest!.aloneMs <= nowMs);
  });
}
