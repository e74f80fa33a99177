import type { Effort } from './request.ts';

/** What a model may be given. */
export const inputKinds = ['text', 'image', 'document', 'audio', 'video'] as const;

/** What one model can do, as far as anybody told us. Absent fields are unknown, not zero. */
export interface ModelCard {
  readonly id: string;
  readonly displayName?: string;
  readonly ownedBy?: string;
  /** Seconds since 1970. */
  readonly created?: number;
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
  /** `null`: the catalogue knows that it cannot think. Absent: unknown, so a client's wish goes through as it is. */
  readonly thinking?: Thinking | null;
  readonly inputs?: readonly (typeof inputKinds)[number][];
}

/** How a model's thinking is steered: by a budget of tokens, by levels, or by both. */
export interface Thinking {
  readonly min?: number;
  readonly max?: number;
  readonly levels?: readonly Effort[];
  /** Thinking can be switched off. */
  readonly zeroAllowed?: boolean;
  /** The model can choose for itself. */
  readonly dynamicAllowed?: boolean;
}

/** A model as a config, a login's file or the place itself declares it. */
export interface DeclaredModel {
  /** The upstream's own name. */
  readonly name: string;
  /** The name clients use; the upstream's when absent. */
  readonly alias?: string;
  readonly displayName?: string;
  /** Answers name the alias instead of the upstream's model. */
  readonly forceMapping?: boolean;
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
  readonly thinking?: Thinking;
  readonly inputs?: NonNullable<ModelCard['inputs']>;
}
