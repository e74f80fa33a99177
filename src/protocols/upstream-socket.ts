import type { Frame } from '../wire/sse.ts';

/** A protocol's form over a WebSocket to an upstream: one connection's session, a machine without I/O. */
export interface UpstreamSession {
  /**
   * The message that asks for a turn. What this connection has said and heard already is left to the upstream's memory.
   * @param body the whole request, as it would be posted.
   */
  ask(body: string): string;
  /** Reads a message of the turn that was asked for. */
  hear(message: string): Heard;
}

/** What one message says. */
export interface Heard {
  /** The same as an event of a stream. */
  readonly frame: Frame;
  /** The answer begins with it; what comes before is about the connection. */
  readonly begins: boolean;
  /** Nothing more comes of this turn. */
  readonly over: boolean;
  /** What an answer over HTTP says in its headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** The turn was refused: what would have been the status and the body. */
  readonly refused?: Refused;
}

export interface Refused {
  readonly status: number;
  readonly body: string;
  /** The connection is at fault, not what was asked: another one, asked in full, may answer. */
  readonly afresh: boolean;
}
