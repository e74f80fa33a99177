import type { Scope } from '../core/error.ts';
import type { Usage } from '../core/event.ts';

/**
 * What happened to one client request: filled in as it goes, closed exactly once, then logged and counted.
 * It never holds a key, a prompt or an answer.
 */
export interface RequestRecord {
  readonly id: string;
  readonly method: string;
  /** The path without its query. */
  readonly path: string;
  /** `performance.now()` when the request was accepted. */
  readonly startedAt: number;
  /** The label of the client's key, such as `sk-g...a91c`; '' before it is known or when none is needed. */
  client: string;
  /** The client's protocol, '' on routes without one. */
  protocol: string;
  modelAsked: string;
  modelUsed: string;
  stream: boolean;
  /** The stream began with a heartbeat before anybody had answered, so that its headers name no route. */
  early: boolean;
  /** What the client sent, as it came, and what it was sent; 0 where nobody counted. */
  bytesIn: number;
  bytesOut: number;
  /** True when bytes passed untranslated. */
  direct: boolean;
  readonly attempts: AttemptRecord[];
  /** Candidates that were not available when it was their turn; the first few of them. */
  readonly skipped: SkipRecord[];
  /** What became of its conversation's credential: `new`, `kept`, `rebound: ` and why, or '' without a conversation. */
  affinity: string;
  /** The provider and credential label that served, '' when nobody did. */
  provider: string;
  credential: string;
  status: number;
  /** Milliseconds from acceptance to the first byte of content sent to the client. */
  firstByteMs: number | undefined;
  usage: Usage | undefined;
  readonly dropped: Set<string>;
  /** Code and scope of the failure that the client saw, also when it came inside a stream. */
  error: { readonly code: string; readonly scope: Scope; readonly message: string } | undefined;
  /** Milliseconds from acceptance to the close. Both are 0 until then. */
  totalMs: number;
  /** When it was closed, in milliseconds since 1970. */
  closedAt: number;
}

/** One call to an upstream on behalf of a request. */
export interface AttemptRecord {
  readonly provider: string;
  readonly credential: string;
  readonly model: string;
  /** When its credential was selected, in milliseconds from the acceptance of the request. */
  readonly atMs: number;
  /** Milliseconds from the start of the attempt to its outcome: the first content, or the failure. */
  ms: number;
  outcome: 'answered' | 'failed' | 'cancelled';
  /** The upstream's HTTP status, 0 when there was none. */
  status: number;
  /** The code of the error, '' when it answered. */
  code: string;
  /** The upstream's own request id, '' when it gave none. */
  upstreamRequestId: string;
}

/** A candidate that a request could not use. */
export interface SkipRecord {
  readonly provider: string;
  readonly credential: string;
  readonly model: string;
  /** A code or a limit in words. */
  readonly why: string;
  /** When it is tried again, in milliseconds since 1970; 0 when nobody knows. */
  readonly untilMs: number;
}

/** A record for a request that was just accepted. */
export function beginRecord(id: string, method: string, path: string): RequestRecord {
  return {
    id,
    method,
    path,
    startedAt: performance.now(),
    client: '',
    protocol: '',
    modelAsked: '',
    modelUsed: '',
    stream: false,
    early: false,
    bytesIn: 0,
    bytesOut: 0,
    direct: false,
    attempts: [],
    skipped: [],
    affinity: '',
    provider: '',
    credential: '',
    status: 0,
    firstByteMs: undefined,
    usage: undefined,
    dropped: new Set(),
    error: undefined,
    totalMs: 0,
    closedAt: 0,
  };
}
