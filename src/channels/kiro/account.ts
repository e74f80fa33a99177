import { shortHash, textField } from '../../accounts/fields.ts';
import type { Identity } from '../../accounts/login.ts';
import { GatewayError } from '../../core/error.ts';
import type { Json } from '../../core/json.ts';

/** What the fields of a Kiro file say: whose it is, how it was signed in, and where it is served. */

/** How an account signed in, which decides how it is renewed and whether requests name its profile. */
export type Method = 'social' | 'idc' | 'builder-id';

export function methodOf(fields: Json): Method {
  const said = textField(fields, 'auth_method')?.toLowerCase();
  if (said === 'social' || said === 'idc' || said === 'builder-id') return said;
  if (textField(fields, 'client_id') === undefined) return 'social';
  return textField(fields, 'start_url') === undefined ? 'builder-id' : 'idc';
}

/** Who vouches for the account, as file names say it: `google`, `github`, `aws`, `idc`. */
export function sourceOf(fields: Json): string {
  const method = methodOf(fields);
  if (method === 'social') return textField(fields, 'provider')?.toLowerCase() ?? 'social';
  return method === 'idc' ? 'idc' : 'aws';
}

/** Only the profile of a social login is named in requests; with the others AWS answers 403. */
export const profileOf = (fields: Json): string | undefined =>
  methodOf(fields) === 'social' ? textField(fields, 'profile_arn') : undefined;

export const homeRegion = 'us-east-1';

const regionPattern = /^[a-z]{2}(?:-[a-z]+)+-\d{1,2}$/;

/** What is wrong with a region; undefined when nothing is. It becomes part of a host's name. */
export const regionFault = (region: string): string | undefined =>
  regionPattern.test(region) ? undefined : 'must be an AWS region such as us-east-1';

/** Where an account is served, which is not where it signs in: its own word, else its profile's region. */
export function apiRegion(fields: Json): string {
  const profile = textField(fields, 'profile_arn')?.split(':')[3];
  const told = [textField(fields, 'api_region'), profile];
  return told.find((region) => region !== undefined && regionPattern.test(region)) ?? homeRegion;
}

/** What is wrong with a start URL; undefined when nothing is. It is where a person types a password. */
export function startUrlFault(text: string): string | undefined {
  const url = URL.parse(text.trim());
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '')
    return 'must be an https address such as https://d-1234567890.awsapps.com/start';
  const host = url.hostname.toLowerCase();
  const numeric = host.startsWith('[') || /^[\d.]+$/.test(host);
  const local = !host.includes('.') || /\.(?:localhost|local|internal|lan|home\.arpa)$/.test(host);
  return numeric || local ? 'must name a public host, not an address or a host of this network' : undefined;
}

/**
 * Who a file is. Access tokens say nothing, so it is the e-mail address that the service told at sign-in, else an id kept
 * with the file. It is made of the first refresh token, which is another one after each renewal.
 * @throws GatewayError `invalid-request`
 */
export function identify(fields: Json): Identity {
  if (textField(fields, 'access_token') === undefined && textField(fields, 'refresh_token') === undefined)
    throw missing('access_token');
  const fault = regionFault(textField(fields, 'region') ?? homeRegion);
  if (fault !== undefined)
    throw new GatewayError({ kind: 'invalid-request', field: 'region' }, `region ${fault}.`, {
      remedy: 'Correct it in the file.',
    });
  const source = sourceOf(fields);
  const email = textField(fields, 'email')?.toLowerCase();
  const name = email ?? textField(fields, 'user_id') ?? loginId(fields);
  return { account: `${source}:${name}`, label: email ?? `${source} ${name}` };
}

/** What stands for an account of which nobody tells a name. */
export const loginId = (fields: Json): string =>
  textField(fields, 'login_id') ??
  shortHash(textField(fields, 'refresh_token') ?? textField(fields, 'access_token') ?? '');

/** The refusal of a file without a field. */
export const missing = (field: string): GatewayError =>
  new GatewayError({ kind: 'invalid-request', field }, `The file has no ${field}.`, {
    remedy: 'Sign in with Kiro once more and import its file again, or run: cliproxyapi++ auth login kiro',
  });
