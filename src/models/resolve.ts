import type { Account } from '../accounts/account.ts';
import type { Connection } from '../channels/channel.ts';
import type { ModelCard } from '../core/model.ts';

/** Which models exist for clients, and who serves each. Built once per runtime. */
export interface Registry {
  /** Every listed model, sorted by id. */
  list(): readonly ModelCard[];
  /** Who can serve a model, by the name a client uses. Empty when nobody offers it. */
  find(name: string): readonly Candidate[];
  /** Known names most like an unknown one, nearest first; at most `limit`. */
  nearest(name: string, limit: number): readonly string[];
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
