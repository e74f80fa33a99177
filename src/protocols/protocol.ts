import type { TSchema } from '@sinclair/typebox';
import type { GatewayError } from '../core/error.ts';
import type { ChatEvent, Reply, Usage } from '../core/event.ts';
import type { Json } from '../core/json.ts';
import type { Machine } from '../core/machine.ts';
import type { ModelCard } from '../core/model.ts';
import type { ChatRequest } from '../core/request.ts';
import type { Frame } from '../wire/sse.ts';
import type { Continuing, SocketSide } from './continuing.ts';
import type { UpstreamSession } from './upstream-socket.ts';

/**
 * One wire language. Clients speak its `client` half to us, we speak its `upstream` half to channels; either may be
 * absent. A protocol knows what is said: no URL of an upstream, no key, no credential, no Elysia.
 */
export interface Protocol {
  readonly id: string;
  /** Whose seals this wire carries natively, such as `anthropic`. Seals of others travel marked (see `seals.ts`). */
  readonly issuer: string;
  readonly client?: ClientSide;
  readonly upstream?: UpstreamSide;
  /** What this wire cannot say, in one line each; printed by `check --losses` and respected by the laws. */
  readonly losses: readonly Loss[];
}

/** A declared loss: the law or scenario it excuses, and why. */
export interface Loss {
  readonly what: string;
  readonly why: string;
}

/** Reports a thing that could not be carried over, as a path in the words of whoever said it: `tools[2].strict`. */
export type Drop = (what: string) => void;

// ---------------------------------------------------------------------------------------------- the client's side

export interface ClientSide extends ClientCodec {
  readonly routes: readonly Route[];
  /** The body of an error answer in this dialect, with the advice, a code and the request id. */
  encodeError(error: GatewayError, requestId: string): Json;
  /** What keeps a silent stream alive: an SSE comment, or a `ping` event where clients expect one. */
  readonly heartbeat: string;
  /** The wire text that ends a stream whose upstream said everything but its closing mark, such as `data: [DONE]`. */
  readonly closing: string;
  /** The framing `json-array` of a stream, in protocols whose clients may ask for it. */
  jsonArray?(): Machine<Frame, string>;
  /** The answer to a count-tokens route, in protocols that have one. */
  encodeCount?(tokens: number): Json;
  /** Request headers (lower case; a trailing `*` is a prefix) that mean something to this protocol's upstreams. */
  readonly headers: readonly string[];
  /** For protocols whose servers remember answers. */
  readonly continuing?: Continuing;
  /** For protocols that are also spoken over a WebSocket. */
  readonly socket?: SocketSide;
}

/** How one client dialect is read and written. Legacy Completions is a second codec of the Chat protocol. */
export interface ClientCodec {
  /** @throws GatewayError `invalid-request` naming the field. */
  decodeRequest(body: Json, hint: RouteHint): ChatRequest;
  encodeReply(reply: Reply, echo: Echo): Json;
  /** Says exactly one terminal event, whatever comes: on `finish`, on `error`, and on an end without either. */
  encodeStream(echo: Echo): Machine<ChatEvent, Frame>;
}

/** What an answer repeats of its request. */
export interface Echo {
  readonly request: ChatRequest;
  /** The model name the client is shown. */
  readonly model: string;
  /** Seconds since 1970. */
  readonly createdAt: number;
  /** Stands in for an id the upstream did not give; same for the whole answer. */
  readonly id: string;
  /** A guess at the prompt's tokens, for dialects that must name them before the upstream does. */
  readonly inputEstimate?: number;
  /** What became of the request's wishes about memory, in protocols that have such. */
  readonly memory?: EchoMemory | undefined;
  readonly drop: Drop;
}

export interface EchoMemory {
  /** The answer that this one continues. */
  readonly previous: string | undefined;
  /** The gateway keeps this answer. */
  readonly kept: boolean;
}

export interface Route {
  readonly method: 'GET' | 'POST';
  /** Elysia path, such as `/v1beta/models/:target`. */
  readonly path: string;
  readonly kind: RouteKind;
  /** Reads model and streaming from the path or the body, before the body is decoded. */
  hint(params: Readonly<Record<string, string>>, body: Json, query: URLSearchParams): RouteHint;
  /** Replaces the protocol's own codec on this route; then the direct lane is closed. */
  readonly codec?: ClientCodec;
  readonly docs: RouteDocs;
}

/**
 * `chat` answers; `count-tokens` counts; `raw` has no canonical form and always takes the direct lane.
 */
export type RouteKind = 'chat' | 'count-tokens' | 'raw';

export interface RouteHint {
  readonly model: string;
  readonly stream: boolean;
  /** What is asked for, where the path decides it and one route stands for several kinds. */
  readonly kind?: RouteKind;
  /** How a stream is framed; server-sent events unless the client asks for Gemini's JSON array. */
  readonly framing?: 'json-array';
}

/** What the OpenAPI document says of a route. */
export interface RouteDocs {
  readonly summary: string;
  readonly description?: string;
  readonly request: TSchema;
  readonly response: TSchema;
  /** A request body that works against the `demo` channel. */
  readonly example: Json;
  /** The request is a `multipart/form-data`. In the example, text that begins with `@` names a file, as in `curl -F`. */
  readonly form?: true;
  /** The content type of an answer that is not JSON, such as `audio/mpeg`. */
  readonly answers?: string;
}

// -------------------------------------------------------------------------------------------- the upstream's side

export interface UpstreamSide {
  /** Which tools this wire takes; absent means any. Others reach it renamed or reshaped, and back. */
  readonly tools?: ToolRule;
  /** What differs in a variant of this wire, by the name that a connection gives as its `dialect`. */
  readonly dialects?: Readonly<Record<string, Variant>>;
  /** Says everything it can of the request; reports the rest through `target.drop`. */
  encodeRequest(request: ChatRequest, target: Target): Json;
  /** @throws GatewayError `bad-upstream-data`, or what an error carried inside a 200 says. */
  decodeReply(body: Json): Reply;
  /**
   * What a whole answer cost, read without decoding the rest of it: the direct lane's look at the bytes that pass.
   * Undefined for whatever does not look like a sound answer; then `decodeReply` says what it is.
   */
  glance(answer: Uint8Array): Usage | undefined;
  /** Ends in exactly one `finish` or `error`, whatever comes; says nothing after it. */
  decodeStream(): Machine<Frame, ChatEvent>;
  /** For protocols that are also spoken to an upstream over a WebSocket: one connection that has just been opened. */
  socket?(): UpstreamSession;
  /** The first reading of an error answer; `text` may be anything, HTML included. */
  decodeError(status: number, headers: Headers, text: string): GatewayError;
}

/** What a wire takes as a tool. */
export interface ToolRule {
  /** One character that a name must not hold, such as `/[^A-Za-z0-9_-]/`. */
  readonly forbidden: RegExp;
  /** Characters of the longest name. */
  readonly longest: number;
  /** Tools may stand in namespaces. */
  readonly namespaces?: true;
  /** Tools may take free text instead of JSON. */
  readonly freeForm?: true;
}

/**
 * A variant that takes less than the wire does, so that the direct lane cannot pass a client's own body of the same
 * protocol as it is.
 */
export interface Variant {
  /** Which tools it takes, where it takes fewer. */
  readonly tools?: ToolRule;
  /**
   * A body of this wire as the variant takes it: the direct lane's edit. Undefined when only the hall can say it.
   * @throws GatewayError `invalid-request` for what the variant cannot do at all.
   */
  adapt(body: Json, target: Pick<Target, 'card' | 'drop'>): Json | undefined;
  /**
   * The direct lane's edit of a streamed answer, a new one for each stream. A frame of which it makes nothing is left
   * out.
   * @param client the client's headers.
   */
  mend?(client: Headers): (frame: Frame) => Frame | undefined;
}

/** Whom a request is encoded for. */
export interface Target {
  /** The upstream's own name of the model. */
  readonly model: string;
  readonly card?: ModelCard;
  /** A variant of the wire, such as `codex` of Responses, that a channel asks for. */
  readonly dialect?: string;
  readonly drop: Drop;
}
