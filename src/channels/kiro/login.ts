import { fileNamePart, textField } from '../../accounts/fields.ts';
import { LoginRefused } from '../../accounts/login.ts';
import type { Net } from '../../accounts/steps.ts';
import type { Json } from '../../core/json.ts';
import type { Logins } from '../login.ts';
import { homeRegion, identify, loginId, methodOf, sourceOf } from './account.ts';
import { open } from './connection.ts';
import { kiroCache } from './import.ts';
import { builderIdDevice, identityCenterBrowser, identityCenterDevice, renewInDirectory } from './oidc.ts';
import { endpoints, models, quota } from './service.ts';
import { renewSocial, socialWay } from './social.ts';
import { id } from './wire.ts';

/** Whoever vouched for the account renews it. The id of an account without a name stays that of its first token. */
async function renew(fields: Json, net: Net): Promise<Json> {
  const refreshToken = textField(fields, 'refresh_token');
  if (refreshToken === undefined) throw new LoginRefused('The file has no refresh_token.');
  const method = methodOf(fields);
  const region = method === 'idc' ? (textField(fields, 'region') ?? homeRegion) : homeRegion;
  const renewed =
    method === 'social'
      ? await renewSocial(refreshToken, net)
      : await renewInDirectory(fields, refreshToken, region, net);
  return { ...renewed, login_id: loginId(fields) };
}

/** Signing in to Kiro and Amazon Q Developer. */
export const logins: Logins = {
  types: [id],
  endpoints,
  leadMs: 20 * 60_000,
  identify,
  fileName: (fields) =>
    `kiro-${sourceOf(fields)}-${fileNamePart(textField(fields, 'email') ?? textField(fields, 'user_id') ?? loginId(fields))}.json`,
  renew,
  open,
  ways: [
    builderIdDevice,
    socialWay('google', 'Google, in a browser on this machine', 'Google'),
    socialWay('github', 'GitHub, in a browser on this machine', 'Github'),
    identityCenterDevice,
    identityCenterBrowser,
  ],
  imports: [kiroCache],
  quota,
  models,
  manual: {
    title: 'Kiro and Amazon Q Developer',
    needs:
      'An AWS Builder ID, an account of an organisation’s IAM Identity Center, or a Google or GitHub account that Kiro knows; or the file that Kiro itself keeps after signing in.',
    serves:
      'Claude models, listed as kiro-claude-…, to clients of every protocol: text, tools, pictures and thinking, streamed.',
    limits:
      'The service has no field for instructions, tool choice or structured output: the first stands before the user’s words, the others are asked for in words. No stop sequences, no documents but text. Tokens are estimated when the service does not count them. Credits by plan, shown as quota.',
    terms:
      'AWS’s terms for Kiro and Amazon Q Developer decide what an account may be used for; read them before using it here. Requests say that they come from cliproxyapi++.',
  },
};
