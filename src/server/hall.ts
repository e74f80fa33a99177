import type { AnyElysia } from 'elysia';
import type { Keeper } from '../accounts/logins/keeper.ts';
import type { SignIns } from '../accounts/logins/sign-in.ts';
import type { Steward } from '../config/runtime.ts';
import type { Protocol } from '../protocols/protocol.ts';
import type { Relay } from '../relay/exchange.ts';
import type { Memory } from '../relay/memory.ts';
import type { LiveProvider, Telemetry } from '../telemetry/telemetry.ts';
import type { Caller } from './address.ts';
import type { Sockets } from './sockets.ts';

/** Everything the server stands on. `serve.ts` fills it once; the server holds no state of its own. */
export interface Hall {
  readonly steward: Steward;
  readonly relay: Relay;
  /** The relay's memory of answers; absent, none can be read, and no WebSocket is found again. */
  readonly memory?: Memory;
  /** The WebSockets that are open, for whoever stops the program. */
  readonly sockets?: Sockets;
  /** The logins and those who are signing in; absent, there are no pages for it. */
  readonly keeper?: Keeper;
  readonly signIns?: SignIns;
  readonly protocols: readonly Protocol[];
  readonly telemetry: Telemetry;
  /** Whether any credential can serve now; what `/readyz` says. */
  readiness(): Readiness;
  /** What the pool knows of each provider's credentials now. */
  live(): readonly LiveProvider[];
  /**
   * Makes the management plugin, with routes whose full paths begin with `/v0/management`. It is loosely typed because
   * server and admin do not know each other.
   */
  readonly admin?: (door: Door) => AnyElysia;
  /** Whether management lets a request in, for pages that change something: undefined when it does, else why not. */
  readonly guard?: (request: Request, server: Caller | null) => Promise<Refused | undefined>;
  /** The program's version, such as `0.1.0`. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** Why management does not let a request in. */
export interface Refused {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

export interface Readiness {
  readonly ready: boolean;
  /** One sentence each; empty when ready. */
  readonly reasons: readonly string[];
}

/** What the server knows of a request that management must not decide a second time in another way. */
export interface Door {
  /** A direct caller on this machine; see `address.ts`. */
  isLocal(request: Request, server: Caller | null): boolean;
  /** The id that this answer's `x-request-id` names; the same at every call for one request. */
  requestId(request: Request): string;
}
