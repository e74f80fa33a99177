import type { Usage } from '../../core/event.ts';

/** What a client asks of a picture. */
export interface Wish {
  readonly prompt: string;
  readonly count: number;
  /** Width by height; undefined leaves it to the model. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
  /** What is to be changed; none where a new picture is asked for. */
  readonly pictures: readonly Picture[];
  /** The answer is to hold URLs. There is no place to put a picture, so they are data: URLs. */
  readonly linked: boolean;
}

/** What one call brought. */
export interface Drawing {
  readonly images: readonly Image[];
  readonly usage: Usage;
  /** Why there is no image, in the model's words. */
  readonly said: string;
  readonly refused: boolean;
  readonly headers: Headers;
}

export interface Picture {
  /** Base64. */
  readonly data: string;
  readonly mime: string;
}

export interface Image extends Picture {
  /** The prompt as the model made it more precise. */
  readonly revised?: string;
}
