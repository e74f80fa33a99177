import type { GatewayError } from '../core/error.ts';
import type { Json } from '../core/json.ts';
import type { Frame } from '../wire/sse.ts';

/**
 * What a protocol whose servers remember answers can tell about memory. Only some upstreams of such a protocol remember
 * anything, so for all others the gateway keeps the conversation itself, and this says how to read and write it.
 */
export interface Continuing {
  /** Whether upstreams that speak this variant of the protocol remember their own answers. */
  remembers(dialect: string | undefined): boolean;
  /** What a request says of memory. */
  memo(body: Json): Memo;
  /** The same request with all it refers to put into it: one that needs no memory. */
  resume(body: Json, past: Past): Json;
  /** The same request without items that mean nothing but to the server that once kept them. */
  bare(body: Json): Json;
  /** Everything that was asked, as items. */
  inputOf(body: Json): readonly Json[];
  /** The whole answer in the last frame of a stream; undefined for every other frame. */
  answerIn(frame: Frame): Json | undefined;
  idOf(answer: Json): string;
  /** What an answer said, as items. */
  outputOf(answer: Json): readonly Json[];
  /** Where kept answers are read and deleted, such as `/v1/responses`. */
  readonly path: string;
  /** One page of what was asked. @throws GatewayError for a query that makes no sense. */
  encodeInput(id: string, input: readonly Json[], query: URLSearchParams): Json;
  encodeDeleted(id: string): Json;
  /** What a request is told whose `previous` nobody knows. */
  notFound(id: string): GatewayError;
}

/** What a request says of memory. */
export interface Memo {
  /** The id of the answer that it continues. */
  readonly previous: string | undefined;
  /** Ids of items that it only names. */
  readonly references: readonly string[];
  /** Whether its own answer may be kept. */
  readonly keep: boolean;
  /** The first thing in it that only the vendor's own servers can do. */
  readonly refused: GatewayError | undefined;
}

/** What a request referred to. */
export interface Past {
  /** The conversation so far, as items. */
  readonly transcript: readonly Json[];
  /** Items by their ids. */
  readonly items: ReadonlyMap<string, Json>;
}

/** A protocol's form over a WebSocket. */
export interface SocketSide {
  /** The paths of the routes that may be upgraded. */
  readonly paths: readonly string[];
  open(tools: SocketTools): Session;
}

export interface SocketTools {
  /** The conversation up to an answer that was given elsewhere, such as on a connection that broke. */
  recall(id: string): readonly Json[] | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** One connection's session: a machine without I/O. Turns follow each other strictly. */
export interface Session {
  /**
   * Reads a client's message, when no turn is open.
   * @throws GatewayError for a message that opens no turn; it is told with `fail`, and the connection stays.
   */
  read(message: string): Step;
  /** What the client is sent for one frame of the turn's answer; often the frame's data as it is. */
  tell(frame: Frame): string | undefined;
  /** Ends the turn, if one is open: what the client is sent for a failure. */
  fail(error: GatewayError, requestId: string): string;
  /** Whether a turn's end is still due. */
  readonly open: boolean;
  /** The newest answers that may be continued, oldest first, each with the conversation up to it. */
  remembered(): ReadonlyMap<string, readonly Json[]>;
}

export type Step =
  /** It was answered without anybody else. */
  | { readonly kind: 'said'; readonly model: string; readonly messages: readonly string[] }
  /** A turn is open: this request must be answered, as a stream. */
  | {
      readonly kind: 'turn';
      readonly body: Json;
      /** The answer that it continues, whose conversation is in the body already. */
      readonly continues: string | undefined;
      /** Request headers that the message brings itself. */
      readonly headers: Readonly<Record<string, string>>;
    };
