import type { Json } from '../core/json.ts';
import type { DeclaredModel } from '../core/model.ts';
import type { Identity, Login } from './login.ts';
import type { QuotaWindow } from './quota.ts';

/**
 * What a channel knows of signing in: data and plain steps. Files, renewal in single flight, listeners for browsers,
 * waiting for devices and the commands are the accounts' business and the same for every channel.
 */
export interface Steps {
  /** The `type` of this channel's files, in lower case; the first one is written into new files. */
  readonly types: readonly [string, ...string[]];
  /**
   * Every address it uses, by name; `oauth-endpoints.<channel>.<name>` overrides one, and `oauth-upstream.<channel>`
   * overrides `api`.
   */
  readonly endpoints: Readonly<Record<string, string>>;
  /** The OAuth client, overridden by `oauth-clients.<channel>`. */
  readonly client?: Client;
  /** How long before its end an access token is renewed, in milliseconds; never more than half of its life. */
  readonly leadMs: number;
  /**
   * Reads who a file is.
   * @throws GatewayError `invalid-request` naming the missing field and the remedy.
   */
  identify(fields: Json): Identity;
  /** The name of a new login's file, such as `codex-you@example.com-plus.json`; see `fileNamePart`. */
  fileName(fields: Json): string;
  /** When what is in the file ends, in milliseconds since 1970; undefined: never. Absent: `expiryOf` decides. */
  expiresAt?(fields: Json): number | undefined;
  /**
   * Renews what is in the file. Absent: it cannot be renewed.
   * @returns the fields that change; a refresh token that the answer leaves out stays as it is.
   * @throws LoginRefused when the provider refuses for good; anything else is tried again later.
   */
  renew?(fields: Json, net: Net): Promise<Json>;
  /**
   * Gets what is sent in place of the file's own token and lives in memory only.
   * @throws GatewayError `upstream-unauthorized` when the file's own token must be renewed first.
   * @throws LoginRefused when the provider refuses for good.
   */
  session?(fields: Json, net: Net): Promise<Session>;
  /** What the file says of the account's plan. A renewal that tells of another one means other models. */
  plan?(fields: Json): string | undefined;
  /** The ways to sign in, the best one for a person at this machine first. */
  readonly ways: readonly Way[];
  /** What other programs leave on this machine that can be taken over. */
  readonly imports?: readonly Import[];
  /** Asks the provider what is left. */
  quota?(login: Login, net: Net): Promise<readonly QuotaWindow[]>;
  /** Asks the provider which models this login may use. */
  models?(login: Login, net: Net): Promise<readonly DeclaredModel[]>;
  /** What docs/channels.md says of it. */
  readonly manual: Manual;
}

/** An OAuth client. Public ids are data of the channel; a secret is always the operator's (decision 6). */
export interface Client {
  readonly id?: string;
  /** The flow needs a secret, which the operator supplies or an imported file carries. */
  readonly needsSecret?: boolean;
  /** Environment variables that may hold the id and the secret, the first one set wins. */
  readonly environment?: { readonly id: readonly string[]; readonly secret: readonly string[] };
}

/** A session and when it ends, in milliseconds since 1970. */
export interface Session {
  readonly values: Json;
  readonly expiresAt: number;
}

/** What a step of signing in or renewing reaches the provider with. */
export interface Net {
  /**
   * One exchange through the login's own proxy, with short deadlines; nothing is followed.
   * @throws GatewayError `transport`
   */
  readonly fetch: (url: string, init?: NetRequest) => Promise<Response>;
  /** The channel's endpoints with the operator's overrides. */
  readonly endpoints: Readonly<Record<string, string>>;
  readonly client: { readonly id?: string; readonly secret?: string };
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** Waits between two polls; rejects when the signal aborts. */
  sleep(ms: number): Promise<void>;
}

export interface NetRequest {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>> | Headers;
  readonly body?: string | URLSearchParams;
}

// ------------------------------------------------------------------------------------------------------- signing in

export type Way = BrowserWay | DeviceWay | PasteWay;

interface AnyWay {
  /** As in `auth login codex --way device`. */
  readonly id: string;
  readonly title: string;
  /** What is asked before it begins, such as a start URL; answered by options of the command or fields of the request. */
  readonly asks?: readonly Ask[];
}

export interface Ask {
  readonly name: string;
  readonly question: string;
  readonly fallback?: string;
  /** Never shown or logged. */
  readonly secret?: boolean;
  /** @returns what is wrong with it; undefined when nothing is. */
  check?(value: string): string | undefined;
}

export type Answers = Readonly<Record<string, string>>;

/** Authorization code with PKCE: a browser comes back to a listener on this machine, or its URL is pasted. */
export interface BrowserWay extends AnyWay {
  readonly kind: 'browser';
  /** Where the provider sends the browser: a fixed port where the client id is bound to one, 0 for any. */
  readonly redirect: {
    readonly host: '127.0.0.1' | 'localhost';
    readonly port: number;
    readonly path: string;
  };
  /** @param ticket the state and the PKCE challenge that `url` must carry. */
  begin(ticket: Ticket, net: Net, answers: Answers): Promise<{ readonly url: string; readonly memo?: Json }>;
  /** Turns the code into the fields of a new file. `memo` is what `begin` left. */
  finish(code: Code, net: Net, answers: Answers): Promise<Json>;
}

export interface Ticket {
  readonly state: string;
  readonly challenge: string;
  readonly redirectUri: string;
}

export interface Code {
  readonly code: string;
  readonly verifier: string;
  readonly redirectUri: string;
  readonly memo: Json | undefined;
  /** Every parameter that came back. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** A code that a person types on another device while this program polls. */
export interface DeviceWay extends AnyWay {
  readonly kind: 'device';
  begin(net: Net, answers: Answers): Promise<DevicePrompt>;
}

export interface DevicePrompt {
  /** What a person opens; `completeUrl` has the code in it. */
  readonly url: string;
  readonly completeUrl?: string;
  readonly userCode: string;
  readonly intervalMs: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /**
   * Asks once. `slow-down` adds five seconds to the interval (RFC 8628).
   * @throws LoginRefused when the person declined or the code is over.
   */
  poll(): Promise<'pending' | 'slow-down' | { readonly fields: Json }>;
}

/** Something that a person copies from elsewhere: a token, a cookie. */
export interface PasteWay extends AnyWay {
  readonly kind: 'paste';
  finish(net: Net, answers: Answers): Promise<Json>;
}

/** A kind of file of another program. */
export interface Import {
  readonly title: string;
  /** Where it usually lies; `~` is the home folder, `*` any run of characters in a file name. */
  readonly paths: readonly string[];
  /**
   * Reads it; undefined when it is something else.
   * @param sibling reads another file of the same folder by its name, where one points to another.
   * @throws GatewayError `invalid-request` naming the missing field.
   */
  read(content: Json, sibling: (name: string) => Json | undefined): Json | undefined;
}

/** What a person must know of a channel; docs/channels.md is made of it. */
export interface Manual {
  readonly title: string;
  readonly needs: string;
  readonly serves: string;
  readonly limits: string;
  readonly terms: string;
}
