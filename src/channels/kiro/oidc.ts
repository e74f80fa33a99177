import { textField, timeField } from '../../accounts/fields.ts';
import { LoginRefused } from '../../accounts/login.ts';
import type {
  Answers,
  Ask,
  BrowserWay,
  Code,
  DevicePrompt,
  DeviceWay,
  Net,
  Ticket,
} from '../../accounts/steps.ts';
import { GatewayError } from '../../core/error.ts';
import { compact, type Json, readNumber, readString } from '../../core/json.ts';
import { OauthError, tokenAnswer } from '../oauth.ts';
import { homeRegion, loginId, type Method, regionFault, startUrlFault } from './account.ts';
import { endpoints, inRegion, named } from './service.ts';

/**
 * Signing in with AWS IAM Identity Center and with AWS Builder ID, which is one such directory that AWS runs for
 * everybody. Its OAuth speaks JSON in camel case, and every installation registers a client of its own.
 */

const scopes = ['completions', 'analysis', 'conversations', 'transformations', 'taskassist'].map(
  (scope) => `codewhisperer:${scope}`,
);

/** Where a person signs in, and with which client. */
interface Directory {
  readonly method: Method;
  readonly region: string;
  readonly startUrl: string;
}

interface Client {
  readonly clientId: string;
  readonly clientSecret: string;
}

const post = async (net: Net, region: string, path: string, body: Json): Promise<Json> =>
  tokenAnswer(
    await net.fetch(`${inRegion(net.endpoints.oidc, region)}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  );

async function register(net: Net, { region, startUrl }: Directory, more: Json): Promise<Client> {
  const answer = await post(net, region, '/client/register', {
    clientName: 'cliproxyapi++',
    clientType: 'public',
    scopes,
    issuerUrl: startUrl,
    ...more,
  });
  const [clientId, clientSecret] = [readString(answer.clientId), readString(answer.clientSecret)];
  if (clientId && clientSecret) return { clientId, clientSecret };
  throw new GatewayError(
    { kind: 'bad-upstream-data' },
    'AWS registered no client: clientId or clientSecret is missing.',
  );
}

/** The fields of a new file. */
function fieldsOf(answer: Json, client: Client, directory: Directory, net: Net): Promise<Json> {
  const fields: Json = {
    type: 'kiro',
    ...tokenFields(answer, net.now()),
    auth_method: directory.method,
    provider: directory.method === 'idc' ? 'Enterprise' : 'BuilderId',
    client_id: client.clientId,
    client_secret: client.clientSecret,
    region: directory.region,
    start_url: directory.startUrl,
  };
  return named({ ...fields, login_id: loginId(fields) }, net);
}

/** What every answer with tokens says, whether of AWS's directories or of Kiro's own. */
export function tokenFields(answer: Json, now: number): Json {
  const accessToken = readString(answer.accessToken);
  if (!accessToken)
    throw new GatewayError({ kind: 'bad-upstream-data' }, 'The answer with the tokens has no accessToken.');
  return compact({
    access_token: accessToken,
    refresh_token: readString(answer.refreshToken) || undefined,
    profile_arn: readString(answer.profileArn) || undefined,
    expires_at: timeField(now + (readNumber(answer.expiresIn) ?? 3600) * 1000),
    last_refresh: timeField(now),
  });
}

// --------------------------------------------------------------------------------------------------------- the ways

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

async function beginDevice(net: Net, directory: Directory): Promise<DevicePrompt> {
  const { region, startUrl } = directory;
  const client = await register(net, directory, { grantTypes: [deviceGrant, 'refresh_token'] });
  const answer = await post(net, region, '/device_authorization', { ...client, startUrl });
  const [deviceCode, userCode, url] = [answer.deviceCode, answer.userCode, answer.verificationUri].map(
    readString,
  );
  if (!deviceCode || !userCode || !url)
    throw new GatewayError({ kind: 'bad-upstream-data' }, 'AWS gave no device code.');
  return compact({
    url,
    completeUrl: readString(answer.verificationUriComplete),
    userCode,
    intervalMs: (readNumber(answer.interval) ?? 5) * 1000,
    expiresAt: net.now() + (readNumber(answer.expiresIn) ?? 600) * 1000,
    async poll() {
      try {
        const tokens = await post(net, region, '/token', { ...client, deviceCode, grantType: deviceGrant });
        return { fields: await fieldsOf(tokens, client, directory, net) };
      } catch (thrown) {
        if (thrown instanceof OauthError && thrown.word === 'authorization_pending') return 'pending';
        if (thrown instanceof OauthError && thrown.word === 'slow_down') return 'slow-down';
        throw thrown;
      }
    },
  });
}

export const builderIdDevice: DeviceWay = {
  kind: 'device',
  id: 'builder-id',
  title: 'AWS Builder ID, with a code on any device',
  begin: (net) =>
    beginDevice(net, {
      method: 'builder-id',
      region: homeRegion,
      startUrl: net.endpoints.start ?? endpoints.start,
    }),
};

const asks: readonly Ask[] = [
  {
    name: 'start-url',
    question: 'Start URL of your organisation',
    check: startUrlFault,
  },
  {
    name: 'region',
    question: 'AWS region of its IAM Identity Center',
    fallback: homeRegion,
    check: (value) => regionFault(value.trim()),
  },
];

/** @throws GatewayError `invalid-request`, also when nobody has checked the answers before. */
function directoryOf(answers: Answers): Directory {
  const startUrl = (answers['start-url'] ?? '').trim();
  const region = (answers.region ?? '').trim() || homeRegion;
  const faults = { 'start-url': startUrlFault(startUrl), region: regionFault(region) };
  for (const [field, fault] of Object.entries(faults))
    if (fault !== undefined)
      throw new GatewayError({ kind: 'invalid-request', field }, `${field} ${fault}.`, {
        remedy: 'Ask the administrator of your organisation for it.',
      });
  return { method: 'idc', region, startUrl };
}

export const identityCenterDevice: DeviceWay = {
  kind: 'device',
  id: 'identity-center',
  title: 'IAM Identity Center of an organisation, with a code on any device',
  asks,
  begin: async (net, answers) => beginDevice(net, directoryOf(answers)),
};

export const identityCenterBrowser: BrowserWay = {
  kind: 'browser',
  id: 'identity-center-browser',
  title: 'IAM Identity Center of an organisation, in a browser on this machine',
  asks,
  redirect: { host: '127.0.0.1', port: 19877, path: '/oauth/callback' },
  async begin(ticket: Ticket, net, answers) {
    const directory = directoryOf(answers);
    const grantTypes = ['authorization_code', 'refresh_token'];
    const client = await register(net, directory, { grantTypes, redirectUris: [ticket.redirectUri] });
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: client.clientId,
      redirect_uri: ticket.redirectUri,
      scopes: scopes.join(','),
      state: ticket.state,
      code_challenge: ticket.challenge,
      code_challenge_method: 'S256',
    });
    return {
      url: `${inRegion(net.endpoints.oidc, directory.region)}/authorize?${query}`,
      memo: { ...client },
    };
  },
  async finish({ code, verifier, redirectUri, memo }: Code, net, answers) {
    const directory = directoryOf(answers);
    const client = { clientId: String(memo?.clientId), clientSecret: String(memo?.clientSecret) };
    const tokens = await post(net, directory.region, '/token', {
      ...client,
      code,
      codeVerifier: verifier,
      redirectUri,
      grantType: 'authorization_code',
    });
    return fieldsOf(tokens, client, directory, net);
  },
};

// ---------------------------------------------------------------------------------------------------------- renewal

/**
 * Renews a login of a directory, with the client that it was given to.
 * @throws LoginRefused also when the registration of that client has ended, which AWS limits to 90 days.
 */
export async function renewInDirectory(
  fields: Json,
  refreshToken: string,
  region: string,
  net: Net,
): Promise<Json> {
  const [clientId, clientSecret] = [textField(fields, 'client_id'), textField(fields, 'client_secret')];
  if (clientId === undefined || clientSecret === undefined)
    throw new LoginRefused('The file has no client_id and client_secret, without which AWS renews nothing.');
  try {
    const grant = { clientId, clientSecret, refreshToken, grantType: 'refresh_token' };
    return tokenFields(await post(net, region, '/token', grant), net.now());
  } catch (thrown) {
    if (thrown instanceof OauthError && clientWords.has(thrown.word)) throw new LoginRefused(thrown.message);
    throw thrown;
  }
}

const clientWords: ReadonlySet<string> = new Set(['invalid_client', 'unauthorized_client']);
