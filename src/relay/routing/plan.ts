import type { Account } from '../../accounts/account.ts';
import type { Connection } from '../../channels/channel.ts';
import type { Runtime } from '../../config/runtime.ts';
import type { ModelCard } from '../../core/model.ts';
import { rememberedBy } from '../../core/remember.ts';
import type { Reasoning } from '../../core/request.ts';
import type { Candidate } from '../../models/resolve.ts';
import { splitSuffix, type Suffixed } from '../../models/suffix.ts';
import type { Protocol } from '../../protocols/protocol.ts';
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
  /** Only these know what the request refers to, so no other model can answer it. */
  readonly restricted?: boolean;
}

/**
 * Finds who can serve a model.
 * @throws GatewayError `not-found` naming the nearest models.
 */
export function plan(runtime: Runtime, asked: string): Plan {
  const { name, reasoning } = named(runtime, asked);
  const options = optionsFor(runtime.registry.find(name));
  if (options.length === 0) throw unknownModel(runtime, name);
  return { name, reasoning, options };
}

/** What a model name asks for. An id that contains parentheses wins over reading them as a suffix. */
export function named(runtime: Runtime, asked: string): Suffixed {
  const { by } = runtime.registry.found(asked);
  return by === undefined || by === 'any-name' ? splitSuffix(asked) : { name: asked };
}

/** The attempts a registry entry stands for. The registry never changes, so they are spelled out once. */
export const optionsFor = rememberedBy((candidates: readonly Candidate[]): readonly Attempt[] =>
  candidates.flatMap((candidate) => candidate.accounts.map((account) => attempt(candidate, account))),
);

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

const narrowings = new WeakMap<readonly Attempt[], Map<string, readonly Attempt[]>>();

/** The options that pass a test; made once for each list and reason, so that they are lined up once. */
export function narrowed(
  options: readonly Attempt[],
  reason: string,
  fits: (attempt: Attempt) => boolean,
): readonly Attempt[] {
  let byReason = narrowings.get(options);
  if (!byReason) narrowings.set(options, (byReason = new Map()));
  let found = byReason.get(reason);
  if (!found) byReason.set(reason, (found = options.filter(fits)));
  return found;
}
