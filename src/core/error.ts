/** Who pays for a failure. Only that one cools down, retries elsewhere or is told to change something. */
export type Scope = 'request' | 'model' | 'credential' | 'provider' | 'transport';

/** The step of one HTTP exchange with an upstream in which the transport failed. */
export type Phase = 'connect' | 'first-byte' | 'gap' | 'cut';

/** Why an upstream refuses a credential that it knows; each has a remedy of its own. */
export type ForbiddenReason =
  /** The plan or licence of the account does not include this model or service. */
  | 'not_entitled'
  /** The provider wants the account's owner to confirm something first. */
  | 'verification_required'
  | 'suspended'
  /** The provider does not serve this country. */
  | 'region'
  /** A page meant for a browser came instead of an answer. */
  | 'challenge'
  /** A payment is due or a credit is used up (402). */
  | 'billing';

/** What went wrong, in no protocol's words. Branch on `kind`, never on a message. */
export type Fault =
  /** The client's request cannot be served as it stands. `field` is a path such as `messages[2].content`. */
  | {
      readonly kind: 'invalid-request';
      readonly field?: string;
      readonly code?: string;
      /** What is asked is beyond this model, such as a prefill or a picture; another one may be able to. */
      readonly beyondModel?: true;
    }
  /** The client's own key is missing or unknown. */
  | { readonly kind: 'unauthorized' }
  /** The client's key is good, but not for this. */
  | { readonly kind: 'forbidden'; readonly code?: string }
  | { readonly kind: 'not-found'; readonly what: 'model' | 'route' | 'item' }
  | { readonly kind: 'method-not-allowed'; readonly allow: readonly string[] }
  /** A body over the configured limit, or a prompt over the model's context. */
  | { readonly kind: 'too-large' }
  | { readonly kind: 'content-filtered' }
  /** The upstream throttles; see `retryAfterMs`. */
  | { readonly kind: 'rate-limited' }
  /** The upstream's quota window is used up; see `retryAfterMs` for its reset. */
  | { readonly kind: 'quota-exhausted' }
  /** The upstream refuses our credential (401). Never shown to a client as its own 401. */
  | { readonly kind: 'upstream-unauthorized' }
  /** The upstream knows the credential but refuses this use of it (402, 403). */
  | { readonly kind: 'upstream-forbidden'; readonly status: 402 | 403; readonly reason?: ForbiddenReason }
  | { readonly kind: 'overloaded' }
  | { readonly kind: 'upstream-failed'; readonly status: number }
  | { readonly kind: 'transport'; readonly phase: Phase }
  /** The upstream answered something that is not its own protocol. */
  | { readonly kind: 'bad-upstream-data' }
  /** No credential can serve this now; see `retryAfterMs`. */
  | { readonly kind: 'unavailable' }
  /** The client went away. Nobody is blamed. */
  | { readonly kind: 'cancelled' }
  /** A fault of this program. */
  | { readonly kind: 'internal' };

interface Row {
  readonly status: number;
  readonly code: string;
  readonly scope: Scope;
}

/** The one table from fault to HTTP status, stable error code and scope. Protocols only choose the body's shape. */
const rows: Readonly<Record<Fault['kind'], Row>> = {
  'invalid-request': { status: 400, code: 'invalid_request', scope: 'request' },
  unauthorized: { status: 401, code: 'invalid_api_key', scope: 'request' },
  forbidden: { status: 403, code: 'forbidden', scope: 'request' },
  'not-found': { status: 404, code: 'not_found', scope: 'request' },
  'method-not-allowed': { status: 405, code: 'method_not_allowed', scope: 'request' },
  'too-large': { status: 413, code: 'request_too_large', scope: 'request' },
  'content-filtered': { status: 400, code: 'content_filter', scope: 'request' },
  'rate-limited': { status: 429, code: 'rate_limit_exceeded', scope: 'credential' },
  'quota-exhausted': { status: 429, code: 'insufficient_quota', scope: 'credential' },
  'upstream-unauthorized': { status: 502, code: 'upstream_auth', scope: 'credential' },
  'upstream-forbidden': { status: 403, code: 'upstream_forbidden', scope: 'credential' },
  overloaded: { status: 503, code: 'overloaded', scope: 'provider' },
  'upstream-failed': { status: 502, code: 'upstream_error', scope: 'provider' },
  transport: { status: 502, code: 'upstream_unreachable', scope: 'transport' },
  'bad-upstream-data': { status: 502, code: 'upstream_bad_data', scope: 'provider' },
  unavailable: { status: 503, code: 'unavailable', scope: 'credential' },
  cancelled: { status: 499, code: 'client_closed_request', scope: 'request' },
  internal: { status: 500, code: 'internal_error', scope: 'request' },
};

/** What each reason of a refusal is called, and whom it concerns. */
const forbidden: Readonly<Record<ForbiddenReason, Pick<Row, 'code' | 'scope'>>> = {
  not_entitled: { code: 'upstream_not_entitled', scope: 'model' },
  verification_required: { code: 'upstream_verification_required', scope: 'credential' },
  suspended: { code: 'upstream_suspended', scope: 'credential' },
  // The provider judges the address that the request comes from, not the key that it carries.
  region: { code: 'upstream_region', scope: 'transport' },
  challenge: { code: 'upstream_challenge', scope: 'transport' },
  billing: { code: 'upstream_billing', scope: 'credential' },
};

const rowOf = (fault: Fault): Row =>
  fault.kind === 'upstream-forbidden' && fault.reason
    ? { ...rows[fault.kind], ...forbidden[fault.reason] }
    : rows[fault.kind];

export interface ErrorOptions {
  readonly cause?: unknown;
  /** What the reader can do next, as a full sentence; it is appended to the message a client sees. */
  readonly remedy?: string;
  readonly scope?: Scope;
  /** When a retry may work, counted from now. Becomes `Retry-After`. */
  readonly retryAfterMs?: number;
  /** What the upstream said, for logs and traces: never a secret, never a whole body. */
  readonly upstream?: UpstreamWords;
  /** The beginning of the upstream's error answer, for the operator's rules; it is never shown or logged. */
  readonly body?: string;
}

export interface UpstreamWords {
  readonly status: number;
  readonly type?: string;
  readonly code?: string;
  readonly param?: string;
  readonly requestId?: string;
}

/** How much of an error answer is kept; a remembered failure keeps it as well. */
const bodyLimit = 16 * 1024;

/** The only error that crosses a folder. `message` is a plain sentence fit for a client. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly remedy: string | undefined;
  readonly scope: Scope;
  readonly retryAfterMs: number | undefined;
  readonly upstream: UpstreamWords | undefined;
  /** Private, so that nothing which prints an error prints it. */
  readonly #body: string | undefined;

  constructor(
    readonly fault: Fault,
    message: string,
    options: ErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.remedy = options.remedy;
    this.scope = options.scope ?? rowOf(fault).scope;
    this.retryAfterMs = options.retryAfterMs;
    this.upstream = options.upstream;
    this.#body = options.body?.slice(0, bodyLimit);
  }

  /** The beginning of the upstream's error answer; see `ErrorOptions`. */
  get body(): string | undefined {
    return this.#body;
  }

  /**
   * Whether a fallback to another model may serve what failed here. What is wrong with the request itself fails
   * everywhere, but a context that is too small, or a content or feature that is refused, is one model's own.
   */
  get otherModelMay(): boolean {
    const { fault, upstream } = this;
    if (this.scope !== 'request' || fault.kind === 'content-filtered') return true;
    if (fault.kind === 'too-large') return upstream !== undefined;
    return fault.kind === 'invalid-request' && fault.beyondModel === true;
  }

  /** The HTTP status a client gets. */
  get status(): number {
    if (this.fault.kind === 'upstream-forbidden') return this.fault.status;
    if (this.fault.kind === 'upstream-failed' && this.fault.status === 504) return 504;
    if (this.fault.kind === 'transport')
      return this.fault.phase === 'first-byte' || this.fault.phase === 'gap' ? 504 : 502;
    return rows[this.fault.kind].status;
  }

  /** A stable machine word such as `model_not_found`. */
  get code(): string {
    const { fault } = this;
    if ((fault.kind === 'invalid-request' || fault.kind === 'forbidden') && fault.code) return fault.code;
    if (fault.kind === 'not-found' && fault.what === 'model') return 'model_not_found';
    if (fault.kind === 'transport' && fault.phase === 'cut') return 'stream_interrupted';
    if (fault.kind === 'transport' && fault.phase !== 'connect') return 'upstream_timeout';
    return rowOf(fault).code;
  }

  /** The message a client reads: what happened, then what to do. */
  get advice(): string {
    return this.remedy ? `${this.message} ${this.remedy}` : this.message;
  }

  /** The same error with some words changed; a channel's `judge` sharpens errors this way. */
  with(changes: ErrorOptions & { readonly fault?: Fault; readonly message?: string }): GatewayError {
    return new GatewayError(changes.fault ?? this.fault, changes.message ?? this.message, {
      ...(this.cause === undefined ? {} : { cause: this.cause }),
      ...(this.remedy === undefined ? {} : { remedy: this.remedy }),
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
      ...(this.upstream === undefined ? {} : { upstream: this.upstream }),
      ...(this.body === undefined ? {} : { body: this.body }),
      ...(changes.fault ? {} : { scope: this.scope }),
      ...changes,
    });
  }
}

/** Any thrown value as a GatewayError; what nobody foresaw is a fault of this program. */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError({ kind: 'internal' }, 'The gateway failed in a way nobody foresaw.', {
    cause: thrown,
    remedy: 'Look up the request id in the log and report it.',
  });
}
