import { textField } from '../../accounts/fields.ts';
import { LoginRefused } from '../../accounts/login.ts';
import type { Net, Session } from '../../accounts/steps.ts';
import { GatewayError } from '../../core/error.ts';
import { type Json, readNumber, readObject, readString, tryParseObject } from '../../core/json.ts';
import { errorWords, plainText, upstreamError } from '../../protocols/errors.ts';
import { refaulted } from '../../protocols/remedies.ts';
import { editorHeaders, endpoints } from './wire.ts';

/** A session's values: what is sent, and where to. */
export interface ApiToken {
  readonly token: string;
  readonly base: string;
}

/** A session is renewed this long before its end. */
const leadMs = 5 * 60_000;
/** How long one lasts whose end is not told. */
const usualMs = 25 * 60_000;

/** Gets the short-lived token of the API with the token of GitHub. @throws LoginRefused when GitHub knows that no more. */
export async function session(fields: Json, net: Net): Promise<Session> {
  const answer = await askGithub('copilot_internal/v2/token', fields, net);
  const token = readString(answer.token);
  if (!token)
    throw new GatewayError({ kind: 'bad-upstream-data' }, 'GitHub gave no token for the Copilot API.');
  const own = readString(readObject(answer.endpoints)?.api);
  const overridden = net.endpoints.api !== undefined && net.endpoints.api !== endpoints.api;
  const base = (overridden ? net.endpoints.api : own) ?? endpoints.api;
  const end = readNumber(answer.expires_at);
  return {
    values: { token, base: base.replace(/\/+$/, '') } satisfies ApiToken,
    expiresAt: end === undefined ? net.now() + usualMs : end * 1000 - leadMs,
  };
}

/** The token and the address that a session holds. */
export function apiToken(values: Json | undefined): ApiToken {
  const [token, base] = [readString(values?.token), readString(values?.base)];
  if (token !== undefined && base !== undefined) return { token, base };
  throw new GatewayError(
    { kind: 'upstream-unauthorized' },
    'This login has no token of the Copilot API yet.',
    {
      remedy: 'The operator should run: cliproxyapi++ auth login github-copilot',
    },
  );
}

/** Asks GitHub's own API as the person who signed in. @throws GatewayError what GitHub refuses it with. */
export async function askGithub(path: string, fields: Json, net: Net): Promise<Json> {
  const response = await net.fetch(`${net.endpoints.github ?? endpoints.github}/${path}`, {
    headers: { ...editorHeaders, authorization: `token ${textField(fields, 'access_token') ?? ''}` },
  });
  const text = await response.text();
  if (!response.ok) throw refusal(response, text);
  return tryParseObject(text) ?? {};
}

/** GitHub's tokens never renew, so one that it does not know is for a person to replace. */
function refusal({ status, headers }: Response, text: string): Error {
  if (status === 401) return new LoginRefused('GitHub does not accept the token any more (401).');
  const details = readObject(tryParseObject(text)?.error_details);
  const told = readString(details?.message);
  const words = told === undefined ? errorWords(text) : { message: plainText(told) };
  const error = upstreamError(status, headers, words);
  // GitHub hides what an account may not see behind 404.
  if (status !== 403 && status !== 404) return error;
  const limited = headers.get('x-ratelimit-remaining') === '0';
  if (limited) return refaulted(error, { kind: 'rate-limited' });
  return refaulted(error, { kind: 'upstream-forbidden', status: 403, reason: 'not_entitled' }).with({
    scope: 'credential',
    remedy: 'The owner of the account should check at github.com/settings/copilot that it has Copilot.',
  });
}
