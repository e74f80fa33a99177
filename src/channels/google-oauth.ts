import { textField } from '../accounts/fields.ts';
import { type Identity, LoginRefused } from '../accounts/login.ts';
import { GatewayError } from '../core/error.ts';
import { compact, type Json, readNumber, readObject, readString, tryParseObject } from '../core/json.ts';
import type { Code, Net, Ticket } from './login.ts';
import { exchangeCode, refreshGrant } from './oauth.ts';

/** Signing in with Google, as its channels share it. Google never rotates a refresh token. */

/** The addresses that a channel of Google accounts takes into its own. */
export const googleEndpoints = {
  authorize: 'https://accounts.google.com/o/oauth2/v2/auth',
  token: 'https://oauth2.googleapis.com/token',
  userinfo: 'https://www.googleapis.com/oauth2/v1/userinfo',
};

/** The scopes that every channel of Google accounts asks for. */
export const googleScopes = [
  'https://www.googleapis.com/auth/cloud-platform',
  'https://www.googleapis.com/auth/userinfo.email',
  'https://www.googleapis.com/auth/userinfo.profile',
];

/** The page where a person agrees. Only with `access_type` and `prompt` does Google give a refresh token each time. */
export function googleAuthorizeUrl(
  ticket: Ticket,
  net: Net,
  scopes: readonly string[],
  channel: string,
): string {
  const { id } = clientOf(net, {}, channel);
  const query = new URLSearchParams({
    client_id: id,
    redirect_uri: ticket.redirectUri,
    response_type: 'code',
    scope: scopes.join(' '),
    access_type: 'offline',
    prompt: 'consent',
    state: ticket.state,
    code_challenge: ticket.challenge,
    code_challenge_method: 'S256',
  });
  return `${net.endpoints.authorize}?${query}`;
}

/** What Google gives for a code or a refresh token. */
export interface GoogleToken {
  readonly accessToken: string;
  readonly refreshToken?: string;
  readonly scope?: string;
  readonly idToken?: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly lifetimeSeconds: number;
}

/** Turns a code into a token. */
export async function googleToken(code: Code, net: Net, channel: string): Promise<GoogleToken> {
  const answer = await exchangeCode(code, placeOf(net), withClient(net, {}, channel));
  const token = tokenOf(answer, net.now());
  if (token.refreshToken !== undefined) return token;
  throw new LoginRefused(
    'Google gave no refresh token; remove the access at myaccount.google.com and sign in again.',
  );
}

/**
 * Renews a token.
 * @param held where the file holds the token; it may carry the OAuth client that the token was given to.
 * @throws LoginRefused when Google refuses for good.
 */
export async function renewedGoogleToken(held: Json, net: Net, channel: string): Promise<GoogleToken> {
  const refreshToken = textField(held, 'refresh_token');
  if (refreshToken === undefined) throw new LoginRefused('The file has no refresh_token.');
  return tokenOf(await refreshGrant(refreshToken, placeOf(net), withClient(net, held, channel)), net.now());
}

const placeOf = ({ endpoints }: Net) => ({ token: endpoints.token! });

const withClient = (net: Net, held: Json, channel: string): Net => ({
  ...net,
  client: clientOf(net, held, channel),
});

/** The client that a token was given to is the only one that can renew it, so that of the file comes first. */
function clientOf(net: Net, held: Json, channel: string): { readonly id: string; readonly secret: string } {
  const own = { id: textField(held, 'client_id'), secret: textField(held, 'client_secret') };
  const { id, secret } = own.id !== undefined && own.secret !== undefined ? own : net.client;
  if (id !== undefined && secret !== undefined) return { id, secret };
  // No refusal of the login: it works again as soon as the operator names the client.
  throw new GatewayError(
    { kind: 'invalid-request', field: 'client-id' },
    'Google wants the id and the secret of an OAuth client, which this program does not bring: ' +
      `set oauth-clients.${channel}.client-id and client-secret in config.yaml.`,
  );
}

function tokenOf(answer: Json, now: number): GoogleToken {
  const lifetimeSeconds = readNumber(Number(answer.expires_in ?? NaN)) ?? 3600;
  return compact({
    accessToken: readString(answer.access_token) ?? '',
    refreshToken: readString(answer.refresh_token),
    scope: readString(answer.scope),
    idToken: readString(answer.id_token),
    expiresAt: now + lifetimeSeconds * 1000,
    lifetimeSeconds,
  });
}

/** The e-mail address of whoever signed in; the id token tells it when the endpoint does not. */
export async function googleEmail(token: GoogleToken, net: Net): Promise<string | undefined> {
  const headers = { authorization: `Bearer ${token.accessToken}` };
  const response = await net.fetch(`${net.endpoints.userinfo}?alt=json`, { headers }).catch(() => undefined);
  const told = response?.ok ? tryParseObject(await response.text()) : undefined;
  return readString(told?.email) ?? emailIn(token.idToken);
}

/** The e-mail address in an id token. Its signature is not checked: the file it comes from is the operator's own. */
export function emailIn(idToken: unknown): string | undefined {
  const payload = readString(idToken)?.split('.')[1];
  if (payload === undefined) return undefined;
  return readString(tryParseObject(Buffer.from(payload, 'base64url').toString('utf8'))?.email);
}

/** Who a file of a Google account is. @param workspace the project, where the operator chose it. */
export function googleIdentity(fields: Json, channel: string, workspace?: string): Identity {
  const email = textField(fields, 'email') ?? emailIn(fields.id_token ?? readObject(fields.token)?.id_token);
  if (email === undefined)
    throw new GatewayError(
      { kind: 'invalid-request', field: 'email' },
      'The file does not say whose account it is.',
      {
        remedy: `Add "email" to it, or sign in with: cliproxyapi++ auth login ${channel}`,
      },
    );
  return compact({ account: email.toLowerCase(), label: email, workspace });
}
