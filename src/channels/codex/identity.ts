import { decodeJwt } from 'jose';
import { textField } from '../../accounts/fields.ts';
import type { Identity } from '../../accounts/login.ts';
import { GatewayError } from '../../core/error.ts';
import { compact, type Json, readNumber, readObject, readString } from '../../core/json.ts';
import { rememberedBy } from '../../core/remember.ts';

/**
 * Who a ChatGPT login is. Its tokens say it in their claims; no signature is checked, because the file that they come
 * from is the operator's own.
 */
export interface Holder {
  readonly email?: string;
  /** The person, whichever workspace is used. */
  readonly user?: string;
  /** The account or workspace that pays, as requests must name it. */
  readonly account?: string;
  /** In lower case, such as `plus` or `team`. */
  readonly plan?: string;
  /** When the access token ends, in milliseconds since 1970. */
  readonly expiresAt?: number;
}

/** A file's holder. Every request asks for it, so the tokens of a file are read once. */
export const holderOf = rememberedBy(read);

/** Its own fields count first, then the id token, then the access token. */
function read(fields: Json): Holder {
  const id = claimsOf(fields, 'id_token');
  const access = claimsOf(fields, 'access_token');
  const about = { ...readObject(access[aboutAccount]), ...readObject(id[aboutAccount]) };
  const profile = readObject(access[aboutPerson]) ?? {};
  const end = readNumber(access.exp);
  return compact({
    email: textField(fields, 'email') ?? readString(id.email) ?? readString(profile.email),
    user: readString(about.chatgpt_user_id) ?? readString(about.user_id) ?? readString(id.sub),
    account: textField(fields, 'account_id') ?? readString(about.chatgpt_account_id),
    plan: planOf(textField(fields, 'plan_type') ?? readString(about.chatgpt_plan_type)),
    expiresAt: end === undefined ? undefined : end * 1000,
  });
}

const aboutAccount = 'https://api.openai.com/auth';
const aboutPerson = 'https://api.openai.com/profile';

function claimsOf(fields: Json, name: string): Json {
  try {
    return decodeJwt(textField(fields, name) ?? '') as Json;
  } catch {
    return {};
  }
}

const planOf = (told: string | undefined): string | undefined =>
  told?.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-') || undefined;

/**
 * A person in a workspace: the same person may have several, and several persons share one.
 * @throws GatewayError `invalid-request` when the file names no account.
 */
export function identify(fields: Json): Identity {
  const { email, user, account } = holderOf(fields);
  if (account === undefined)
    throw new GatewayError(
      { kind: 'invalid-request', field: 'account_id' },
      'The file does not say which ChatGPT account it is for: it has neither account_id nor an id_token that names one.',
      { remedy: 'Sign in again with: cliproxyapi++ auth login codex' },
    );
  return { account: user ?? email ?? account, workspace: account, label: email ?? account };
}
