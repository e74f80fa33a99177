import type { Entitlements } from '../accounts/pool/entitlements.ts';
import type { Keeper } from '../accounts/logins/keeper.ts';
import type { Pool } from '../accounts/pool/pool.ts';
import type { SignIns } from '../accounts/logins/sign-in.ts';
import type { Tally } from '../accounts/pool/tally.ts';
import type { Steward } from '../config/runtime.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Traces } from '../telemetry/traces.ts';

/** What management stands on. */
export interface AdminHall {
  readonly steward: Steward;
  readonly telemetry: Telemetry;
  readonly traces: Traces;
  readonly pool: Pool;
  /** The logins of the auth folder, and those who are signing in; without them their routes do not exist. */
  readonly keeper?: Keeper;
  readonly signIns?: SignIns;
  /** How often each credential was tried. */
  readonly tally?: Tally;
  /** Which models the plan of an account leaves out. */
  readonly entitlements?: Entitlements;
  /** The program's version, such as `0.1.0`. */
  readonly version: string;
  readonly commit?: string;
  /** ISO 8601. */
  readonly builtAt?: string;
  /** The value of `MANAGEMENT_PASSWORD`: a second management key. It opens the API, but never to remote callers. */
  readonly password?: string;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** What the server knows of a request and management must not decide a second time in another way. */
export interface AdminDoor {
  /** A direct caller on this machine: the socket's own address is loopback and nobody forwarded the request. */
  isLocal(request: Request, server: Caller | null): boolean;
  requestId(request: Request): string;
}

/** The part of Bun's server that tells where a request came from. */
export interface Caller {
  requestIP(request: Request): { readonly address: string } | null;
}

/** One management request that was let in. */
export interface Visit {
  readonly request: Request;
  readonly query: URLSearchParams;
}

/** A management route as data: what it does, and what the OpenAPI document says of it. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Behind `/v0/management`. */
  readonly path: string;
  /** An operation object of OpenAPI 3.1, with TypeBox schemas. */
  readonly detail: Readonly<Record<string, unknown>>;
  /** @throws Refusal */
  work(visit: Visit): Response | Promise<Response>;
  /** Requests that went well leave no line in the log. */
  readonly silent?: boolean;
}
