import type { Account } from '../accounts/account.ts';
import type { Pool } from '../accounts/pool.ts';
import type { Connection } from '../channels/channel.ts';
import type { Runtime } from '../config/runtime.ts';
import { GatewayError } from '../core/error.ts';
import type { ModelCard } from '../core/model.ts';
import type { Reasoning } from '../core/request.ts';
import type { Candidate } from '../models/resolve.ts';
import { splitSuffix } from '../models/suffix.ts';
import type { Protocol } from '../protocols/protocol.ts';
import { unknownModel } from './unknown-model.ts';

/** One concrete try. The relay walks these in order until one answers. */
export interface Attempt {
  readonly connection: Connection;
  readonly account: Account;
  /** What the upstream speaks for this model. */
  readonly protocol: Protocol;
  /** The upstream's own name of the model. */
  readonly model: string;
  readonly card: ModelCard;
  /** The name an answer shows instead of the upstream's, where the alias asks for it. */
  readonly shownAs: string | undefined;
}

/** Who can serve a request, and what its model name said besides the name. */
export interface Plan {
  /** The name without its thinking suffix, as the registry knows it. */
  readonly name: string;
  /** What a suffix such as `model(high)` asks for; it outranks the body. */
  readonly reasoning: Reasoning | undefined;
  readonly options: readonly Attempt[];
  /** In the order to try them; nothing is tried twice. */
  readonly attempts: Iterable<Attempt>;
}

/**
 * Finds who can serve a model.
 * @throws GatewayError `not-found` naming the nearest models, `unavailable` when all who could are resting.
 */
export function plan(runtime: Runtime, pool: Pool, asked: string): Plan {
  const { name, reasoning } = named(runtime, asked);
  const options = optionsFor(runtime.registry.find(name));
  if (options.length === 0) throw unknownModel(runtime, name);
  const strategy = runtime.config.routing.strategy === 'fill-first' ? 'fill-first' : 'round-robin';
  return { name, reasoning, options, attempts: pool.choose(options, name, strategy) };
}

/** An id that contains parentheses wins over reading them as a suffix. */
function named(runtime: Runtime, asked: string): { name: string; reasoning: Reasoning | undefined } {
  const { by } = runtime.registry.found(asked);
  if (by !== undefined && by !== 'any-name') return { name: asked, reasoning: undefined };
  const { name, reasoning } = splitSuffix(asked);
  return { name, reasoning };
}

const known = new WeakMap<readonly Candidate[], readonly Attempt[]>();

/** The attempts a registry entry stands for. The registry never changes, so they are spelled out once. */
function optionsFor(candidates: readonly Candidate[]): readonly Attempt[] {
  let options = known.get(candidates);
  if (!options) {
    options = candidates.flatMap((candidate) =>
      candidate.accounts.map((account) => attempt(candidate, account)),
    );
    known.set(candidates, options);
  }
  return options;
}

function attempt(candidate: Candidate, account: Account): Attempt {
  const { connection, model, card, name, forceMapping } = candidate;
  return {
    connection,
    account,
    model,
    card,
    protocol: connection.speaks(model),
    shownAs: forceMapping ? name : undefined,
  };
}

/** What to say when every option rests or has failed: the last failure, or who rests and until when. */
export function exhausted(plan: Plan, pool: Pool, last: GatewayError | undefined, now: number): GatewayError {
  const resting = pool.resting(plan.options);
  const soonest = resting[0];
  const retryAfterMs = soonest ? Math.max(0, soonest.untilMs - now) : undefined;
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (last) return retryable(last) ? last.with(wait) : last;
  const reasons = resting.map(({ option, untilMs, error }) => {
    const seconds = Math.ceil((untilMs - now) / 1000);
    return `${option.account.label}: ${error.code}, next try in ${seconds} s`;
  });
  const throttled = resting.every(({ error }) => error.status === 429);
  return new GatewayError(
    throttled ? { kind: 'rate-limited' } : { kind: 'unavailable' },
    `No credential can serve model "${plan.name}" right now (${reasons.slice(0, 5).join('; ')}).`,
    { remedy: 'Wait for the time in Retry-After, or add another credential for this model.', ...wait },
  );
}

const retryable = (error: GatewayError) => error.status === 429 || error.status === 503;
