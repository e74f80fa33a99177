import { type Json, tryParseObject } from '../../core/json.ts';
import type { Secret } from '../account.ts';
import type { NetRequest } from '../steps.ts';

/** Which texts are secrets, for whoever tells what a provider said: some providers repeat what they were sent. */

/** Names of what opens an account, in every spelling that files and bodies have. */
const secretNames =
  /token|secret|cookie|password|private_?key|api_?key|^key$|^code$|_code$|deviceCode|device_auth_id|verifier|assertion|jwt/i;
/** Names that only look like it. */
const plainNames =
  /(?:type|uri|url|endpoint|expires?|expiry|_at|method|limit|key_?id|usercode|user_code|status_code)$|[a-z]At$/i;
/** Shorter texts stand in too many sentences. */
const shortest = 8;

export const isSecretField = (name: string): boolean => secretNames.test(name) && !plainNames.test(name);

/** Every secret in the fields of a file, of a session or of a body, however deep. */
export function secretsIn(value: unknown, secret = false): readonly string[] {
  if (typeof value === 'string') return secret && value.length >= shortest ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, child]) =>
    secretsIn(child, isSecretField(name) || (secret && (typeof child !== 'string' || Array.isArray(value)))),
  );
}

/** What requests of a credential carry. */
export function secretsOf(credential: Secret): readonly string[] {
  if (credential.kind === 'api-key') return secretsIn({ token: credential.key });
  if (credential.kind === 'none') return [];
  return [...secretsIn(credential.login.fields), ...secretsIn(credential.login.session ?? {})];
}

/** What a step of signing in or renewing sends. */
export function secretsSent({ headers, body }: NetRequest): readonly string[] {
  const authorization = new Headers(headers).get('authorization')?.split(' ').at(-1) ?? '';
  return [...secretsIn({ token: authorization }), ...secretsIn(fieldsIn(body))];
}

const fieldsIn = (body: NetRequest['body']): Json =>
  typeof body === 'string' ? (tryParseObject(body) ?? {}) : Object.fromEntries(body ?? []);
