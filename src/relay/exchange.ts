import type { ClientLine } from '../channels/channel.ts';
import type { Runtime } from '../config/runtime.ts';
import type { Protocol, Route } from '../protocols/protocol.ts';
import type { RequestRecord } from '../telemetry/record.ts';

/** One client request as the server hands it over: authenticated, read, and bound to the runtime it began with. */
export interface Exchange {
  readonly runtime: Runtime;
  readonly protocol: Protocol;
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
  /** The client's query, its key already removed. */
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** Stands for the client's key wherever something is kept for its holder alone; '' or absent when no key is needed. */
  readonly tenant?: string;
  /** The id of the answer that this one continues, when the conversation up to it is in the body already. */
  readonly continues?: string;
  /** The WebSocket that it came on. */
  readonly line?: ClientLine;
  /** The decoded body; '' when it comes as a stream, and when it has been let go. */
  body: string;
  /** The decoded body of a `raw` route that takes a form: nobody has read any of it, and it keeps the limit by itself. */
  readonly stream?: ReadableStream<Uint8Array> | undefined;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  /** Filled by the relay; the relay closes it when the answer has been sent or has failed after its first byte. */
  readonly record: RequestRecord;
}

/**
 * Answers a chat, count-tokens or raw request.
 * @throws GatewayError when nothing was answered, at once or later; the caller then shapes the error and closes the record.
 */
export type Relay = (exchange: Exchange) => Promise<Response>;
