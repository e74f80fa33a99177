import type { Static, TSchema } from '@sinclair/typebox';
import type { Account, Proxy } from '../accounts/account.ts';
import type { QuotaWindow } from '../accounts/quota.ts';
import type { GatewayError } from '../core/error.ts';
import type { DeclaredModel } from '../core/model.ts';
import type { Protocol } from '../protocols/protocol.ts';
import type { Answered } from '../wire/fetch.ts';
import type { Outgoing } from '../wire/way.ts';
import type { Logins } from './login.ts';

export type { DeclaredModel, Outgoing };

/**
 * One way out: a kind of place that serves models, and how to talk to it. A channel holds no translation; what two
 * channels need belongs to their protocol. It owns its slice of the config file.
 */
export interface Channel<S extends TSchema = TSchema> {
  readonly id: string;
  /** The top-level keys of config.yaml that are this channel's, each with the schema of its value. */
  readonly settings: Readonly<Record<string, S>>;
  /**
   * Builds the connections that one config asks for. No I/O.
   * @throws ConfigFault through `tools.refuse` when a value cannot work, such as an invalid proxy URL.
   */
  open(key: string, slice: Static<S>, tools: Tools): readonly Connection[];
  /**
   * Connections that the environment alone asks for, such as `ZEN_API_KEY`. Called once per runtime, after `open`.
   * @param configured the top-level keys that the config file has; these are left alone.
   */
  ambient?(configured: ReadonlySet<string>, tools: Tools): readonly Connection[];
  /** For channels that people sign in to. */
  readonly logins?: Logins;
}

/** What a channel is given to build with. */
export interface Tools {
  /** The `proxy-url` of the whole config. */
  readonly proxy: Proxy;
  readonly now: () => number;
  /** The process's environment variables. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The text of a file, such as a `token-file`. The path is absolute or relative to the working folder. @throws when it cannot be read. */
  readFile(path: string): string;
  /** Names a fault in the config: `path` is relative to the slice, such as `[0].proxy-url`. */
  refuse(path: string, expected: string): never;
  warn(path: string, message: string): void;
}

/** One configured place with its credentials. Immutable; a reload builds new ones. */
export interface Connection {
  /** Unique within a runtime, stable over reloads that leave the entry alone: `openai-compatibility:openrouter`. */
  readonly id: string;
  /** The provider's name in `/v1/metrics/providers`, logs and `provider/model` addressing. */
  readonly provider: string;
  readonly accounts: readonly Account[];
  readonly models: Offer;
  /** The protocol this place speaks for a model. */
  speaks(model: string): Protocol;
  /** The variant of that protocol, where there is one. */
  readonly dialect?: string;
  /** Endpoint, headers and sign-in: everything between an encoded body and a sendable request. */
  prepare(call: Call): Outgoing;
  /**
   * Only for places that are not one plain HTTP exchange away: in-process, a WebSocket, a browser relay, several hosts to
   * try in turn, or an answer that arrives in a wrapping.
   * @param exchange one HTTP exchange by the gateway's rules: proxy, deadlines, cancellation.
   * @param from who pays, and the client's WebSocket when the request came on one; absent for what nobody asked.
   */
  send?(
    outgoing: Outgoing,
    signal: AbortSignal,
    exchange: (outgoing: Outgoing) => Promise<Answered>,
    from?: Sender,
  ): Promise<Answered>;
  /** Sharpens a decoded error with what only this channel knows, such as which window a 429 closed. */
  judge?(error: GatewayError, headers: Headers): GatewayError;
  /**
   * What an answer, good or bad, says of the credential's quota.
   * @param body the beginning of a refusal's body, for providers whose headers say nothing.
   */
  quota?(headers: Headers, now: number, body?: string): readonly QuotaWindow[];
  /** Whether the place has an endpoint for this operation; absent means `chat` only. */
  can?(operation: Operation, model: string): boolean;
  close?(): Promise<void>;
}

/** On whose behalf something is sent. */
export interface Sender {
  readonly account: Account;
  readonly line?: ClientLine;
}

/** A client's WebSocket, whose turns may travel over one WebSocket to an upstream. */
export interface ClientLine {
  /** Aborts when the client has left. */
  readonly gone: AbortSignal;
  /** The account whose WebSocket remembers the conversation; the next turn is asked of it first. */
  accountId: string | undefined;
}

/** Which models a connection serves, and under which names. `models/resolve.ts` reads it. */
export interface Offer {
  /** Declared models: these replace the catalogue, and what the place lists unless it is asked for that. */
  readonly declared: readonly DeclaredModel[];
  /** The family of the static catalogue served when nothing is declared, such as `claude`; absent means none. */
  readonly catalog?: string;
  /** Of the family, these alone. */
  readonly only?: readonly string[];
  /** Models that the place itself listed, besides the catalogue's; a declared list replaces both. */
  readonly discovered?: readonly DeclaredModel[];
  /** Other names for models of the catalogue and for discovered ones. */
  readonly aliases?: readonly ModelAlias[];
  /** The place is asked for its own list, by the operation `models`, which then stands beside declared models too. */
  readonly live?: boolean;
  /** A name that nobody offers goes through as it is. */
  readonly open?: boolean;
  readonly prefix?: string;
  /** Patterns over upstream ids, lower case, `*` for any run of characters. */
  readonly excluded: readonly string[];
}

/** Another name for a model, as `oauth-model-alias` and the `model_aliases` of a login file give it. */
export interface ModelAlias {
  /** The upstream's own name. */
  readonly name: string;
  readonly alias: string;
  readonly displayName?: string;
  /** The model keeps its own name as well. */
  readonly fork?: boolean;
  readonly forceMapping?: boolean;
}

/**
 * What is asked of an upstream: `chat`, `count-tokens`, its list of `models` (a GET without a body), or the path of a raw
 * endpoint such as `/v1/embeddings`.
 */
export type Operation = 'chat' | 'count-tokens' | 'models' | `/${string}`;

export interface Call {
  readonly account: Account;
  /** The upstream's own name of the model. */
  readonly model: string;
  readonly operation: Operation;
  readonly stream: boolean;
  readonly body: Body;
  /** The client's protocol headers, already through the protocol's allow-list; the channel may add its own to them. */
  readonly headers: Headers;
  /** The client's headers as they came, for `$Name` copies in configured headers only. */
  readonly clientHeaders: Headers;
  /** The client's query on the direct lane, without `?` and without keys; '' otherwise. */
  readonly query: string;
  /**
   * Tells the client of what this place does not take and the channel left out, as a path in the body with the reason;
   * absent for what nobody asked.
   */
  readonly drop?: (what: string) => void;
}

export type Body = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

/** Keeps the type of the settings while checking the definition. */
export const channel = <S extends TSchema>(definition: Channel<S>): Channel<S> => definition;
