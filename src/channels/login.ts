import type { Login } from '../accounts/login.ts';
import type { Steps } from '../accounts/steps.ts';
import type { Connection, Tools } from './channel.ts';

export type * from '../accounts/steps.ts';

/** The steps of signing in to a channel, and how a login of it is used. */
export interface Logins extends Steps {
  /** The way out through one login. No I/O. */
  open(login: Login, tools: LoginTools): Connection;
}

/** What a channel opens a login with. */
export interface LoginTools extends Tools {
  readonly endpoints: Readonly<Record<string, string>>;
  /** The operator's rules for this channel's logins, by file over config. */
  readonly naming: LoginNaming;
}

/** Which models a login offers and under which names, read from its file and from `oauth-model-alias` and the like. */
export type LoginNaming = Pick<
  Connection['models'],
  'declared' | 'discovered' | 'aliases' | 'prefix' | 'excluded'
>;
