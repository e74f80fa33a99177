/** Why a management request is refused, in the words of its answer. It never leaves this folder. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(
    readonly status: number,
    /** A stable word, or the reference's own sentence where its users search for it. */
    readonly code: string,
    message: string,
    /** What the reader can do next, as a full sentence. */
    readonly remedy: string,
    readonly more: RefusalMore = {},
  ) {
    super(message);
  }
}

export interface RefusalMore {
  /** Further fields of the body. */
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The body of every management error. */
export const refusalBody = (refusal: Refusal, requestId: string) => ({
  error: refusal.code,
  message: refusal.message,
  remedy: refusal.remedy,
  ...refusal.more.fields,
  request_id: requestId,
});
