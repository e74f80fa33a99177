import type { Effort } from './request.ts';

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
  readonly inputs?: readonly ('text' | 'image' | 'document' | 'audio' | 'video')[];
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
