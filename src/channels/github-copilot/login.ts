import { fileNamePart, shortHash, textField } from '../../accounts/fields.ts';
import type { Identity } from '../../accounts/login.ts';
import type { DeviceWay, Net } from '../../accounts/steps.ts';
import { GatewayError } from '../../core/error.ts';
import { compact, type Json, readString } from '../../core/json.ts';
import { devicePrompt, grantFields } from '../oauth.ts';
import type { Logins } from '../login.ts';
import { open } from './connection.ts';
import { hostsFile } from './import.ts';
import { models, quota } from './service.ts';
import { askGithub, session } from './session.ts';
import { endpoints, id } from './wire.ts';

const device: DeviceWay = {
  kind: 'device',
  id: 'device',
  title: 'GitHub, with a code on any device',
  begin: (net) =>
    devicePrompt(
      { device: net.endpoints.device ?? endpoints.device, token: net.endpoints.token ?? endpoints.token },
      net,
      { scope: 'user:email' },
      (answer) => named({ type: id, ...grantFields(answer, net.now()) }, net),
    ),
};

/** Adds whose account it is, which the token does not say. A sign-in does not fail for want of it. */
async function named(fields: Json, net: Net): Promise<Json> {
  const user = await askGithub('user', fields, net).catch((): Json => ({}));
  return compact({ ...fields, username: readString(user.login), email: readString(user.email) || undefined });
}

/** @throws GatewayError `invalid-request` */
function identify(fields: Json): Identity {
  const token = textField(fields, 'access_token');
  if (token === undefined)
    throw new GatewayError(
      { kind: 'invalid-request', field: 'access_token' },
      'The file has no access_token.',
      {
        remedy: 'Sign in with: cliproxyapi++ auth login github-copilot',
      },
    );
  const name = textField(fields, 'username');
  return name === undefined
    ? { account: shortHash(token), label: `login ${shortHash(token)}` }
    : { account: name.toLowerCase(), label: name };
}

/** Signing in to GitHub Copilot. GitHub's token stays; what is sent is a session of half an hour that it opens. */
export const logins: Logins = {
  types: [id],
  endpoints,
  // The public client of Copilot's editor plugins; the service gives sessions to tokens of few clients.
  client: { id: 'Iv1.b507a08c87ecfe98' },
  leadMs: 0,
  identify,
  fileName: (fields) => `${id}-${fileNamePart(identify(fields).account)}.json`,
  session,
  open,
  ways: [device],
  imports: [hostsFile],
  quota,
  models,
  manual: {
    title: 'GitHub Copilot',
    needs:
      'A GitHub account with a Copilot plan; or the token that a Copilot plugin keeps in ~/.config/github-copilot.',
    serves:
      'The models of the plan, to clients of every protocol: text, tools, pictures and thinking, streamed. A model is spoken to in Messages, Chat Completions or Responses, as the service lists it.',
    limits:
      'No token counts by the provider. On Chat Completions only function tools; a tool that must be called is offered alone. No service tiers. What is left of the plan is shown as quota.',
    terms:
      'GitHub’s terms for Copilot decide what a plan may be used for; read them before using it here. Requests say that they come from cliproxyapi++; only the integration id, which the service takes from a list of its own, is that of the client id in use.',
  },
};
