import {
  allowInsecureRequests,
  type AuthorizationServer,
  type ClientAuth,
  ClientSecretPost,
  customFetch,
  deviceAuthorizationRequest,
  genericTokenEndpointRequest,
  None,
} from 'oauth4webapi';
import { timeField } from '../accounts/fields.ts';
import { LoginRefused } from '../accounts/login.ts';
import type { Code, DevicePrompt, Net, NetRequest } from '../accounts/steps.ts';
import { GatewayError } from '../core/error.ts';
import { compact, type Json, readNumber, readObject, readString, tryParseObject } from '../core/json.ts';

/**
 * The standard steps of OAuth 2 for channels whose provider keeps to them: requests by oauth4webapi, answers read
 * leniently, because providers add fields, nest errors and sign id tokens for other readers than us.
 */

/** Where and as whom a channel speaks OAuth. */
export interface OauthPlace {
  /** The token endpoint. */
  readonly token: string;
  /** The endpoint for device codes, where there is one. */
  readonly device?: string;
  /** How the client proves itself; a secret in the body by default, nothing without a secret. */
  readonly authentication?: ClientAuth;
}

/** Turns a code into the token answer. `more` are further parameters of the request. */
export const exchangeCode = (code: Code, place: OauthPlace, net: Net, more: Parameters = {}): Promise<Json> =>
  grant('authorization_code', place, net, {
    code: code.code,
    redirect_uri: code.redirectUri,
    code_verifier: code.verifier,
    ...more,
  });

/**
 * Renews with a refresh token.
 * @throws LoginRefused when the provider refuses for good.
 */
export const refreshGrant = (
  refreshToken: string,
  place: OauthPlace,
  net: Net,
  more: Parameters = {},
): Promise<Json> => grant('refresh_token', place, net, { refresh_token: refreshToken, ...more });

/**
 * Asks for a device code (RFC 8628).
 * @param fields makes the fields of the new file from the token answer.
 * @param more further parameters of each poll, such as a PKCE verifier.
 */
export async function devicePrompt(
  place: OauthPlace,
  net: Net,
  parameters: Parameters,
  fields: (answer: Json) => Json | Promise<Json>,
  more: Parameters = {},
): Promise<DevicePrompt> {
  const server: AuthorizationServer = { issuer: issuer(place), device_authorization_endpoint: place.device! };
  const response = await deviceAuthorizationRequest(
    server,
    client(net),
    proof(place, net),
    { ...parameters },
    reach(net),
  );
  const answer = await tokenAnswer(response);
  const deviceCode = readString(answer['device_code']);
  const userCode = readString(answer['user_code']);
  const url = readString(answer['verification_uri']) ?? readString(answer['verification_url']);
  if (deviceCode === undefined || userCode === undefined || url === undefined)
    throw badAnswer('device_code, user_code or verification_uri');
  return compact({
    url,
    completeUrl: readString(answer['verification_uri_complete']),
    userCode,
    intervalMs: (readNumber(answer['interval']) ?? 5) * 1000,
    expiresAt: net.now() + (readNumber(answer['expires_in']) ?? 900) * 1000,
    poll: () => pollDevice({ device_code: deviceCode, ...more }, place, net, fields),
  });
}

/** Asks once whether the person has agreed. Some providers answer with an error and HTTP 200. */
async function pollDevice(
  parameters: Parameters,
  place: OauthPlace,
  net: Net,
  fields: (answer: Json) => Json | Promise<Json>,
): Promise<'pending' | 'slow-down' | { readonly fields: Json }> {
  try {
    const answer = await grant('urn:ietf:params:oauth:grant-type:device_code', place, net, parameters);
    return { fields: await fields(answer) };
  } catch (thrown) {
    if (!(thrown instanceof OauthError)) throw thrown;
    if (thrown.word === 'authorization_pending') return 'pending';
    if (thrown.word === 'slow_down') return 'slow-down';
    throw thrown;
  }
}

/** The fields that every file of a standard login has, from a token answer. */
export function grantFields(answer: Json, now: number): Json {
  const lifetime = readNumber(Number(answer['expires_in'] ?? NaN));
  return compact({
    access_token: readString(answer['access_token']),
    refresh_token: readString(answer['refresh_token']) || undefined,
    id_token: readString(answer['id_token']),
    token_type: readString(answer['token_type']),
    scope: readString(answer['scope']),
    expired: lifetime === undefined ? undefined : timeField(now + lifetime * 1000),
    last_refresh: timeField(now),
  });
}

type Parameters = Readonly<Record<string, string>>;

async function grant(type: string, place: OauthPlace, net: Net, parameters: Parameters): Promise<Json> {
  const server: AuthorizationServer = { issuer: issuer(place), token_endpoint: place.token };
  const sent = { ...parameters };
  const response = await genericTokenEndpointRequest(
    server,
    client(net),
    proof(place, net),
    type,
    sent,
    reach(net),
  );
  const answer = await tokenAnswer(response);
  if (readString(answer['access_token']) === undefined) throw badAnswer('access_token');
  return answer;
}

const issuer = ({ token }: OauthPlace) => new URL(token).origin;

function client(net: Net) {
  if (net.client.id !== undefined) return { client_id: net.client.id };
  throw new GatewayError({ kind: 'invalid-request', field: 'client-id' }, 'There is no OAuth client id.', {
    remedy: 'Set oauth-clients.<channel>.client-id in config.yaml.',
  });
}

const proof = (place: OauthPlace, { client: { secret } }: Net): ClientAuth =>
  place.authentication ?? (secret === undefined ? None() : ClientSecretPost(secret));

/** Endpoints are the channel's data and the operator's overrides; simulators and local relays speak plain HTTP. */
const reach = (net: Net) => ({
  [allowInsecureRequests]: true,
  [customFetch]: (url: string, init: { method: string; headers: Record<string, string>; body?: unknown }) =>
    net.fetch(url, {
      method: init.method as 'POST',
      headers: init.headers,
      body: init.body as Exclude<NetRequest['body'], undefined>,
    }),
});

/** What an OAuth endpoint answers when it refuses; `word` is one word of RFC 6749, RFC 8628 or the provider's own. */
export class OauthError extends GatewayError {
  constructor(
    readonly word: string,
    status: number,
    message: string,
  ) {
    super({ kind: 'upstream-failed', status }, message, { scope: 'credential' });
  }
}

/** Codes after which trying again with the same token or device code cannot help. */
const finalCodes = new Set([
  'access_denied',
  'app_session_terminated',
  'expired_token',
  'invalid_grant',
  'refresh_token_expired',
  'refresh_token_invalidated',
  'refresh_token_reused',
]);

/**
 * Reads the answer of an OAuth endpoint.
 * @throws LoginRefused when it refuses for good, OauthError when it refuses for now or for another reason.
 */
export async function tokenAnswer(response: Response): Promise<Json> {
  const { status } = response;
  const text = await response.text();
  const answer = tryParseObject(text);
  const code = answer ? errorCode(answer) : undefined;
  if (response.ok && answer && code === undefined) return answer;
  if (response.ok && code === undefined) throw badAnswer('a JSON object');
  const words = [code, answer ? errorWords(answer) : undefined].filter((part) => part !== undefined);
  const message = `The provider answered ${status}${words.length > 0 ? ` (${words.join(': ')})` : ''}.`;
  if (code !== undefined && finalCodes.has(code)) throw new LoginRefused(message);
  throw new OauthError(code ?? String(status), status, message);
}

/** `{"error": "invalid_grant"}` as RFC 6749 has it, or `{"error": {"code": …}}` as OpenAI has it. */
function errorCode(answer: Json): string | undefined {
  const nested = readObject(answer['error']);
  if (nested) return readString(nested['code']) ?? readString(nested['type']) ?? 'error';
  return readString(answer['error']);
}

function errorWords(answer: Json): string | undefined {
  const words =
    readString(answer['error_description']) ?? readString(readObject(answer['error'])?.['message']);
  return words?.slice(0, 300);
}

const badAnswer = (missing: string) =>
  new GatewayError({ kind: 'bad-upstream-data' }, `The answer of the provider has no ${missing}.`);
