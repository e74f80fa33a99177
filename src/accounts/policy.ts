import type { Limits } from './limits.ts';

/** The ways to choose among credentials that could all serve. */
export const strategies = ['round-robin', 'fill-first', 'weighted-round-robin', 'least-loaded'] as const;

export type Strategy = (typeof strategies)[number];

/** What the operator decided on routing; made once from a config, so that a reload brings a new one. */
export interface Policy {
  readonly strategy: Strategy;
  /** How long a conversation stays with its credential; 0: not at all. */
  readonly affinityMs: number;
  /** A credential with less than this share of a quota left is used after those with more; 0 to 1. */
  readonly reserve: number;
  /** Whether failures are answered with rest at all. */
  readonly cooling: boolean;
  /** The longest rest after trouble of a provider or of the way to it; 0: none. */
  readonly transientMs: number;
  /** The longest rest of any kind. A told reset may be wrong or far away, so nobody rests longer without a probe. */
  readonly longestMs: number;
  /** How many requests may wait for a limit at a time, for one list of options. */
  readonly queue: number;
  /** The share of a provider's requests that may be retried there. */
  readonly retryShare: number;
  /** Whether the other projects of a login are used when the quota of one is used up. */
  readonly switchProject: boolean;
  readonly providerLimits: ReadonlyMap<string, Limits>;
}

export const defaultPolicy: Policy = {
  strategy: 'round-robin',
  affinityMs: 3_600_000,
  reserve: 0.05,
  cooling: true,
  transientMs: 60_000,
  longestMs: 3_600_000,
  queue: 100,
  retryShare: 0.2,
  switchProject: true,
  providerLimits: new Map(),
};
