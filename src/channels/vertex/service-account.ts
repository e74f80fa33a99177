import { createPrivateKey, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { textField } from '../../accounts/fields.ts';
import { GatewayError } from '../../core/error.ts';
import { type Json, readNumber, readObject, readString } from '../../core/json.ts';
import type { Net, Session } from '../login.ts';
import { tokenAnswer } from '../oauth.ts';

/** A Google service account: a private key signs a short statement, and Google gives a token for it (RFC 7523). */

/** The service account of a login file. */
export const serviceAccountIn = (fields: Json): Json => readObject(fields.service_account) ?? {};

/**
 * A service account as a login file holds it.
 * @throws GatewayError `invalid-request` naming the field that is missing or wrong.
 */
export function checkedAccount(account: Json): Json {
  for (const name of ['client_email', 'project_id', 'private_key'])
    if (textField(account, name) === undefined) throw unusable(name, 'is missing');
  return { ...account, private_key: normalKey(textField(account, 'private_key')!) };
}

/**
 * A private key as PKCS#8 with plain line ends. Copies of it come with CRLF, with the two characters `\n` for a line
 * end, and as PKCS#1.
 */
export function normalKey(pem: string): string {
  return keyOf(pem).export({ type: 'pkcs8', format: 'pem' }).toString();
}

function keyOf(pem: string): KeyObject {
  const lines = pem.replaceAll('\\r', '').replaceAll('\\n', '\n').replaceAll('\r', '').trim();
  let key: KeyObject;
  try {
    key = createPrivateKey(`${lines}\n`);
  } catch {
    throw unusable('private_key', 'is no private key in PEM');
  }
  if (key.asymmetricKeyType === 'rsa') return key;
  throw unusable('private_key', 'is no RSA key');
}

const unusable = (name: string, what: string) =>
  new GatewayError(
    { kind: 'invalid-request', field: `service_account.${name}` },
    `The field ${name} of the service account ${what}.`,
    { remedy: 'Take the JSON key as Google Cloud gave it: IAM, Service Accounts, Keys, Add key, JSON.' },
  );

const scope = 'https://www.googleapis.com/auth/cloud-platform';
const hourMs = 60 * 60 * 1000;

/**
 * A token for a service account; Google makes it valid for an hour.
 * @throws LoginRefused when the key or the account is no more.
 */
export async function serviceAccountSession(fields: Json, net: Net): Promise<Session> {
  const account = serviceAccountIn(fields);
  const token = net.endpoints.token!;
  const now = Math.floor(net.now() / 1000);
  const keyId = readString(account.private_key_id);
  const assertion = await new SignJWT({ scope })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) })
    .setIssuer(readString(account.client_email) ?? '')
    .setAudience(token)
    .setIssuedAt(now)
    .setExpirationTime(now + 3600)
    .sign(keyOf(readString(account.private_key) ?? ''));
  const grant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  const body = new URLSearchParams({ grant_type: grant, assertion });
  const answer = await tokenAnswer(await net.fetch(token, { method: 'POST', body }));
  const accessToken = readString(answer.access_token);
  if (accessToken === undefined)
    throw new GatewayError({ kind: 'bad-upstream-data' }, 'The answer of Google has no access_token.');
  const lifetimeMs = (readNumber(answer.expires_in) ?? 0) * 1000 || hourMs;
  return { values: { access_token: accessToken }, expiresAt: net.now() + lifetimeMs };
}
