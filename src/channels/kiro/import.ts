import { instantOf, timeField } from '../../accounts/fields.ts';
import type { Import } from '../../accounts/steps.ts';
import { GatewayError } from '../../core/error.ts';
import { compact, type Json, readString } from '../../core/json.ts';
import { loginId, methodOf, missing } from './account.ts';

/** A field in the IDE's spelling, `accessToken`, or in that of older tools, `access_token`. */
function either(content: Json, name: string): string | undefined {
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return readString(content[name])?.trim() || readString(content[snake])?.trim() || undefined;
}

/** The token that Kiro's own program keeps, and the client that it was given to, which stands in a file beside it. */
export const kiroCache: Import = {
  title: "Kiro's own sign-in",
  paths: ['~/.aws/sso/cache/kiro-auth-token.json', '~/.kiro/kiro-auth-token.json'],
  read(content, sibling) {
    const marks = ['profileArn', 'authMethod', 'clientIdHash', 'provider'];
    const tokens = [either(content, 'accessToken'), either(content, 'refreshToken')];
    const isKiro = marks.some((name) => either(content, name) !== undefined);
    if (content.type !== undefined || !isKiro || tokens.every((token) => token === undefined))
      return undefined;
    return fieldsOf(content, sibling);
  },
};

function fieldsOf(content: Json, sibling: (name: string) => Json | undefined): Json {
  for (const name of ['accessToken', 'refreshToken'])
    if (either(content, name) === undefined) throw missing(name);
  const hash = either(content, 'clientIdHash');
  const client = hash === undefined ? undefined : sibling(`${hash}.json`);
  const expiry = instantOf(either(content, 'expiresAt'));
  const fields: Json = compact({
    type: 'kiro',
    access_token: either(content, 'accessToken'),
    refresh_token: either(content, 'refreshToken'),
    profile_arn: either(content, 'profileArn'),
    expires_at: expiry === undefined ? undefined : timeField(expiry),
    auth_method: either(content, 'authMethod')?.toLowerCase(),
    provider: either(content, 'provider'),
    client_id: either(content, 'clientId') ?? (client && either(client, 'clientId')),
    client_secret: either(content, 'clientSecret') ?? (client && either(client, 'clientSecret')),
    client_id_hash: hash,
    region: either(content, 'region'),
    start_url: either(content, 'startUrl'),
    email: either(content, 'email'),
  });
  if (methodOf(fields) !== 'social' && fields.client_secret === undefined) throw withoutClient(hash);
  return { ...fields, auth_method: methodOf(fields), login_id: loginId(fields) };
}

/** Without its client nothing of AWS's directories can be renewed, so the login would end within the hour. */
const withoutClient = (hash: string | undefined): GatewayError =>
  new GatewayError(
    { kind: 'invalid-request', field: 'clientIdHash' },
    hash === undefined
      ? 'The file has neither a clientId with its clientSecret nor a clientIdHash.'
      : `The client of this token should stand beside it in ${hash}.json, with clientId and clientSecret.`,
    { remedy: 'Import the file where it lies, or sign in with: cliproxyapi++ auth login kiro' },
  );
