import type { GatewayError } from '../core/error.ts';
import type { Account } from './account.ts';

/** One account that can serve one upstream model: what a request chooses among. */
export interface Option {
  readonly account: Account;
  /** The upstream's own name of the model. */
  readonly model: string;
}

export type Strategy = 'round-robin' | 'fill-first';

/** How failures are answered with rest; read anew for each report, so that a reload takes effect at once. */
export interface CoolingRules {
  readonly enabled: boolean;
  /** Rest after a provider's or transport's failure, in milliseconds; 0 means none. */
  readonly transientMs: number;
}

/** Who is resting: an account for one model, or for all of them. */
interface Rest {
  readonly untilMs: number;
  /** The upstream named the time itself. A guess never keeps the last usable account from being tried. */
  readonly told: boolean;
  /** How often it failed in a row, for backoff. */
  readonly failures: number;
  readonly error: GatewayError;
}

/** Why an option is not tried, for errors and explanations. */
export interface Resting<T extends Option> {
  readonly option: T;
  readonly untilMs: number;
  readonly error: GatewayError;
}

const guesses = { firstMs: 1_000, longestMs: 60_000, refusedMs: 60_000 };
/** A told reset may be wrong or far away; nothing rests longer than this without being tried again. */
const longestToldMs = 3_600_000;

/**
 * Chooses among accounts and remembers which of them rest. Outlives reloads, because accounts are known by id.
 * It does no I/O and knows no protocol.
 */
export class Pool {
  private readonly cursors = new Map<string, number>();
  private readonly rests = new Map<string, Rest>();
  private readonly inFlight = new Map<string, number>();

  constructor(private readonly now: () => number = Date.now) {}

  /**
   * The options worth trying, best first: by priority tier, in rotation within a tier; last, those that rest on a
   * guess. What rests because the upstream said so is left out. Lazy: a request that is answered at once costs one step.
   */
  *choose<T extends Option>(options: readonly T[], key: string, strategy: Strategy): Iterable<T> {
    const resting: T[] = [];
    for (const tier of tiers(options)) {
      const start = strategy === 'fill-first' ? 0 : this.advance(key, tier.length);
      for (let step = 0; step < tier.length; step++) {
        const option = tier[(start + step) % tier.length]!;
        const rest = this.restOf(option);
        if (!rest) yield option;
        if (rest && !rest.told) resting.push(option);
      }
    }
    for (const option of resting) yield option;
  }

  /** The options that rest now, soonest back first. */
  resting<T extends Option>(options: readonly T[]): readonly Resting<T>[] {
    const found: Resting<T>[] = [];
    for (const option of options) {
      const rest = this.restOf(option);
      if (rest) found.push({ option, untilMs: rest.untilMs, error: rest.error });
    }
    return found.sort((a, b) => a.untilMs - b.untilMs);
  }

  /** It answered: whatever was held against it is forgotten. */
  succeeded({ account, model }: Option): void {
    this.rests.delete(account.id);
    this.rests.delete(modelKey(account.id, model));
  }

  /** It failed: rests as long as the failure is its own and says so. Faults of the request or the client cost nothing. */
  failed({ account, model }: Option, error: GatewayError, rules: CoolingRules): void {
    if (!rules.enabled || error.scope === 'request') return;
    const key =
      error.scope === 'credential' && wholeAccount(error) ? account.id : modelKey(account.id, model);
    const failures = (this.rests.get(key)?.failures ?? 0) + 1;
    const restMs = restFor(error, failures, rules);
    if (restMs <= 0) return;
    const told = error.retryAfterMs !== undefined;
    this.rests.set(key, { untilMs: this.now() + restMs, told, failures, error });
  }

  /** Counts a call in flight; the returned function ends it and may be called more than once. */
  begin(account: Account): () => void {
    this.inFlight.set(account.id, (this.inFlight.get(account.id) ?? 0) + 1);
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      const left = (this.inFlight.get(account.id) ?? 1) - 1;
      if (left > 0) this.inFlight.set(account.id, left);
      else this.inFlight.delete(account.id);
    };
  }

  /** What an operator sees of one account: calls in flight, and whether anything of it rests. */
  state(account: Account): { readonly inFlight: number; readonly cooling: boolean } {
    const cooling = [...this.rests].some(
      ([key, rest]) => rest.untilMs > this.now() && (key === account.id || key.startsWith(`${account.id}\0`)),
    );
    return { inFlight: this.inFlight.get(account.id) ?? 0, cooling };
  }

  /** Forgets accounts that no longer exist; called after a reload. */
  keep(accounts: Iterable<Account>): void {
    const known = new Set([...accounts].map((account) => account.id));
    for (const key of this.rests.keys()) if (!known.has(key.split('\0')[0]!)) this.rests.delete(key);
  }

  private restOf({ account, model }: Option): Rest | undefined {
    return this.current(account.id) ?? this.current(modelKey(account.id, model));
  }

  /** A rest that is over stays on record for its failure count, but no longer counts as rest. */
  private current(key: string): Rest | undefined {
    const rest = this.rests.get(key);
    return rest && rest.untilMs > this.now() ? rest : undefined;
  }

  private advance(key: string, length: number): number {
    const cursor = this.cursors.get(key) ?? 0;
    if (this.cursors.size >= cursorLimit && !this.cursors.has(key)) this.cursors.clear();
    this.cursors.set(key, (cursor + 1) % Number.MAX_SAFE_INTEGER);
    return cursor % length;
  }
}

/** Names that clients ask for become cursor keys, so their number is bounded. */
const cursorLimit = 4096;

const modelKey = (accountId: string, model: string) => `${accountId}\0${model}`;

/** A refused credential is refused for every model; a throttled or forbidden one may serve others. */
const wholeAccount = (error: GatewayError) =>
  error.fault.kind === 'upstream-unauthorized' || error.fault.kind === 'quota-exhausted';

function restFor(error: GatewayError, failures: number, rules: CoolingRules): number {
  if (error.retryAfterMs !== undefined) return Math.min(error.retryAfterMs, longestToldMs);
  if (error.scope === 'provider' || error.scope === 'transport')
    return Math.min(rules.transientMs, guesses.firstMs * 2 ** (failures - 1));
  if (error.fault.kind === 'rate-limited')
    return Math.min(guesses.longestMs, guesses.firstMs * 2 ** (failures - 1));
  return guesses.refusedMs;
}

/** Options by priority, highest first. Options of one list share few priorities, so this stays cheap. */
function tiers<T extends Option>(options: readonly T[]): readonly (readonly T[])[] {
  const first = options[0]?.account.priority;
  if (options.every((option) => option.account.priority === first))
    return options.length > 0 ? [options] : [];
  const byPriority = Map.groupBy(options, (option) => option.account.priority);
  return [...byPriority.keys()].sort((a, b) => b - a).map((priority) => byPriority.get(priority)!);
}
