import type { Account } from '../accounts/account.ts';
import type { Connection } from '../channels/channel.ts';
import type { ModelCard } from '../core/model.ts';

/** Which models exist for clients, and who serves each. Built once per runtime. */
export interface Registry {
  /** Every listed model, sorted by id. */
  list(): readonly ModelCard[];
  /** Who can serve a model, by the name a client uses. Empty when nobody offers it. */
  find(name: string): readonly Candidate[];
  /** The same with how the name was read, for explanations. */
  found(name: string): Found;
  /** Who cannot serve a name, and why. */
  skipped(name: string): readonly Skipped[];
  /** Known names most like an unknown one, nearest first; at most `limit`. */
  nearest(name: string, limit: number): readonly string[];
}

/** Who serves a name, and what the name is. */
export interface Found {
  /**
   * `name` of a model, alias or prefixed model; `address` as in `provider/model`; `auto` for the newest model;
   * `any-name` where an entry takes names that nobody offers; undefined when nobody serves it.
   */
  readonly by: 'name' | 'address' | 'auto' | 'any-name' | undefined;
  readonly candidates: readonly Candidate[];
}

/** A connection that cannot serve a name. */
export interface Skipped {
  readonly connection: Connection;
  /** A predicate of the connection, such as `has it, but it is excluded by the pattern "gpt-*"`. */
  readonly why: string;
  /** It knows the model and keeps it back, so that a change of the config would help. */
  readonly knows: boolean;
}

/** One way to serve a requested model. */
export interface Candidate {
  readonly connection: Connection;
  readonly accounts: readonly Account[];
  /** The name a client used, prefix included. */
  readonly name: string;
  /** The upstream's own name. */
  readonly model: string;
  /** Answers name `name` instead of the upstream's model. */
  readonly forceMapping: boolean;
  readonly card: ModelCard;
}
