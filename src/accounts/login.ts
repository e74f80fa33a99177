import type { Json } from '../core/json.ts';
import type { DeclaredModel } from '../core/model.ts';
import type { QuotaWindow } from './quota.ts';

/** Who a login is. Two files of one identity are one account, whatever they are called. */
export interface Identity {
  /** The provider's own id of the account: an account id, a subject, else the e-mail address. */
  readonly account: string;
  /** The workspace, team or project it acts in, where one account can have several. */
  readonly workspace?: string;
  /** What an operator recognises it by; usually the e-mail address. Never a secret. */
  readonly label: string;
}

/** How a login stands. Resting after failures is the pool's business, not a state of the login. */
export type LoginState =
  | { readonly kind: 'ready' }
  | { readonly kind: 'renewing' }
  /** Only a person can mend it; `command` is what to run. */
  | { readonly kind: 'needs-login'; readonly reason: string; readonly command: string }
  | { readonly kind: 'disabled' }
  | { readonly kind: 'invalid'; readonly reason: string; readonly remedy: string };

/**
 * One login for as long as the program runs. The same object serves every runtime, and its fields change when it renews
 * itself, so that whoever sends with it reads them at each use.
 */
export interface Login {
  /** Stable over restarts and file names: from channel, account and workspace. */
  readonly id: string;
  /** The channel it signs in to. */
  readonly channel: string;
  /** The path of its file below the auth folder, with `/`. */
  readonly file: string;
  readonly identity: Identity;
  /** The whole content of its file, as of now. Never change it. */
  readonly fields: Json;
  /** What the channel's `session` got for it, such as a short-lived API token; undefined before the first use. */
  readonly session: Json | undefined;
  readonly state: LoginState;
  /** The newest that the provider told of its quota by endpoint. */
  readonly quota: readonly QuotaWindow[];
  /** The models that the provider listed for it; undefined until it did, or when the channel cannot ask. */
  readonly models: readonly DeclaredModel[] | undefined;
  /**
   * Makes sure that what it holds can be sent: undefined when it can, else a promise of the renewal or session in flight.
   * The renewal goes on when the signal aborts; only the waiting ends.
   * @throws GatewayError `upstream-unauthorized` naming the command to run when only a person can help.
   */
  ready(signal: AbortSignal): Promise<void> | undefined;
  /**
   * The upstream refused what was sent: renews, unless somebody has done so since.
   * @param fields the fields that were sent, as `fields` held them then.
   * @returns whether there is something new to send.
   */
  refused(fields: Json, session: Json | undefined): Promise<boolean>;
}

/** The provider refused a renewal for good, as with a refresh token that was used twice. A person must sign in again. */
export class LoginRefused extends Error {
  override readonly name = 'LoginRefused';
}
