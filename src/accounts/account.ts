import type { Proxy } from '../wire/proxy.ts';
import type { Limits } from './limits.ts';
import type { Login } from './login.ts';
import type { FailureRule } from './rules.ts';

/** One credential the operator gave us, whoever issued it. Secrets live in `secret` and nowhere else. */
export interface Account {
  /** Stable over restarts and reloads: derived from what the credential is, never from where it stands in a file. */
  readonly id: string;
  /** The provider as metrics and logs name it, such as `claude` or `openrouter`. */
  readonly provider: string;
  /** What an operator recognises it by, with the secret masked: `claude sk-a...9f3c`. */
  readonly label: string;
  readonly secret: Secret;
  /** Higher tiers are used first; 0 is the default. */
  readonly priority: number;
  /** Share under weighted round-robin; 1 is the default, 0 takes no part in it. */
  readonly weight: number;
  /** The proxy for everything this credential does; see `wire/fetch.ts`. */
  readonly proxy: Proxy;
  /** The project or workspace it acts in, where one login stands for several accounts. */
  readonly workspace?: string;
  /** What the operator says that errors of this credential's upstream mean; the first that matches decides. */
  readonly failureRules?: readonly FailureRule[];
  /** The host it is used at. Credentials of one provider and host share its trouble; absent: the provider's own. */
  readonly host?: string;
  /** What the operator allows it to be used for. */
  readonly limits?: Limits;
  /** It never rests after a failure. */
  readonly neverRests?: boolean;
  /** Extra rounds in which it is tried, when the first has failed; absent: as the whole config says. */
  readonly extraRounds?: number;
}

export type Secret =
  | { readonly kind: 'none' }
  | { readonly kind: 'api-key'; readonly key: string }
  /** Somebody signed in. What is sent changes as the login renews itself, so it is read from there at each use. */
  | { readonly kind: 'login'; readonly login: Login };

export type { Proxy };

/** A secret as an operator may see it: the first four and last four characters when it is long, else a mask. */
export function mask(secret: string): string {
  return secret.length > 12 ? `${secret.slice(0, 4)}...${secret.slice(-4)}` : '...';
}

/** A stable id from what a credential is: 16 hex digits of a hash, which say nothing of the secret. */
export function accountId(...identity: readonly string[]): string {
  return new Bun.CryptoHasher('sha256').update(identity.join('\0')).digest('hex').slice(0, 16);
}
