import { expiryOf, fileNamePart, shortHash, textField, timeField } from '../../accounts/fields.ts';
import { type Login, LoginRefused } from '../../accounts/login.ts';
import type { QuotaWindow } from '../../accounts/quota.ts';
import { GatewayError } from '../../core/error.ts';
import {
  compact,
  type Json,
  omit,
  readNumber,
  readObject,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import type { BrowserWay, DevicePrompt, DeviceWay, Import, Logins, Net } from '../login.ts';
import { exchangeCode, grantFields, refreshGrant, tokenAnswer } from '../oauth.ts';
import { holderOf, identify } from './identity.ts';
import { usageQuota } from './quota.ts';

/** Signing in with ChatGPT (spec: codex, OAuth). */

const minute = 60_000;

/** The fields of a file from a token answer. */
function fieldsOf(answer: Json, net: Net): Json {
  const fields = grantFields(answer, net.now());
  const { email, account } = holderOf(fields);
  return compact({ type: logins.types[0], email, account_id: account, ...omit(fields, unkept) });
}

const unkept = new Set(['token_type', 'scope']);

const placeOf = ({ endpoints }: Net) => ({ token: endpoints.token! });

const browser: BrowserWay = {
  kind: 'browser',
  id: 'browser',
  title: 'ChatGPT account in a browser',
  redirect: { host: 'localhost', port: 1455, path: '/auth/callback' },
  begin({ challenge, redirectUri, state }, net) {
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: net.client.id ?? '',
      redirect_uri: redirectUri,
      scope: 'openid profile email offline_access',
      code_challenge: challenge,
      code_challenge_method: 'S256',
      state,
      prompt: 'login',
      // The id token then names the workspace that the person chose.
      id_token_add_organizations: 'true',
      codex_cli_simplified_flow: 'true',
    });
    return Promise.resolve({ url: `${net.endpoints.authorize}?${query}` });
  },
  finish: async (code, net) => fieldsOf(await exchangeCode(code, placeOf(net), net), net),
};

// ------------------------------------------------------------------------------------------------ on another device

/** OpenAI's device codes are its own: the answer to a poll is a code with its verifier, to be exchanged like any other. */
const device: DeviceWay = {
  kind: 'device',
  id: 'device',
  title: 'A code that is typed on another device',
  async begin(net) {
    const response = await postJson(net, net.endpoints.device!, { client_id: net.client.id });
    const answer = await tokenAnswer(response);
    const id = readString(answer.device_auth_id);
    const userCode = readString(answer.user_code) ?? readString(answer.usercode);
    if (id === undefined || userCode === undefined)
      throw new GatewayError(
        { kind: 'bad-upstream-data' },
        'The answer of OpenAI has no device_auth_id or no user_code.',
      );
    return {
      url: net.endpoints.verify!,
      userCode,
      intervalMs: (readNumber(Number(answer.interval ?? NaN)) ?? 5) * 1000,
      expiresAt: net.now() + 15 * minute,
      poll: () => poll(net, id, userCode),
    };
  },
};

async function poll(net: Net, id: string, userCode: string): ReturnType<DevicePrompt['poll']> {
  const asked = { device_auth_id: id, user_code: userCode };
  const response = await postJson(net, net.endpoints['device-token']!, asked);
  if (response.status === 403 || response.status === 404) return 'pending';
  if (response.status === 429) return 'slow-down';
  const answer = await tokenAnswer(response);
  const code = {
    code: readString(answer.authorization_code) ?? '',
    verifier: readString(answer.code_verifier) ?? '',
    redirectUri: net.endpoints['device-callback']!,
    memo: undefined,
    parameters: {},
  };
  return { fields: fieldsOf(await exchangeCode(code, placeOf(net), net), net) };
}

const postJson = (net: Net, url: string, body: Json): Promise<Response> =>
  net.fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
  });

// -------------------------------------------------------------------------------------------- taken over from Codex

const codexFile: Import = {
  title: "Codex's auth.json",
  paths: ['~/.codex/auth.json'],
  read(content) {
    const tokens = readObject(content.tokens);
    if (!tokens && readString(content.OPENAI_API_KEY) && content.type === undefined) throw keyInstead();
    if (!tokens || readString(tokens.refresh_token) === undefined) return undefined;
    const { email, account, expiresAt } = holderOf(tokens);
    return compact({
      type: logins.types[0],
      email,
      account_id: account,
      id_token: tokens.id_token,
      access_token: tokens.access_token,
      refresh_token: tokens.refresh_token,
      last_refresh: content.last_refresh ?? undefined,
      expired: expiresAt === undefined ? undefined : timeField(expiresAt),
    });
  },
};

const keyInstead = () =>
  new GatewayError(
    { kind: 'invalid-request', field: 'tokens' },
    'This auth.json holds an API key and no ChatGPT login.',
    {
      remedy:
        'Put the key under codex-api-key in config.yaml, or sign in with: cliproxyapi++ auth login codex',
    },
  );

// ---------------------------------------------------------------------------------------------------------- renewal

async function renew(fields: Json, net: Net): Promise<Json> {
  const token = textField(fields, 'refresh_token');
  if (token === undefined) throw new LoginRefused('The file has no refresh_token.');
  const answer = await refreshGrant(token, placeOf(net), net, { scope: 'openid profile email' });
  return fieldsOf(answer, net);
}

/** What is left of the plan's windows. */
async function quota(login: Login, net: Net): Promise<readonly QuotaWindow[]> {
  const response = await net.fetch(net.endpoints.usage!, { headers: credentials(login.fields) });
  if (!response.ok) await tokenAnswer(response);
  return usageQuota(tryParseObject(await response.text()) ?? {}, net.now());
}

/** What every request of a login says of it. */
export function credentials(fields: Json): Record<string, string> {
  const { account } = holderOf(fields);
  return {
    authorization: `Bearer ${textField(fields, 'access_token') ?? ''}`,
    ...(account === undefined ? {} : { 'chatgpt-account-id': account }),
    originator: 'cliproxyapi++',
  };
}

/** Signing in with a ChatGPT account, for Codex. */
export const logins: Omit<Logins, 'open'> = {
  types: ['codex'],
  endpoints: {
    api: 'https://chatgpt.com/backend-api/codex',
    usage: 'https://chatgpt.com/backend-api/wham/usage',
    authorize: 'https://auth.openai.com/oauth/authorize',
    token: 'https://auth.openai.com/oauth/token',
    device: 'https://auth.openai.com/api/accounts/deviceauth/usercode',
    'device-token': 'https://auth.openai.com/api/accounts/deviceauth/token',
    'device-callback': 'https://auth.openai.com/deviceauth/callback',
    verify: 'https://auth.openai.com/codex/device',
  },
  client: { id: 'app_EMoamEEZ73f0CkXaXp7hrann' },
  leadMs: 5 * 24 * 60 * minute,
  identify,
  fileName(fields) {
    const { email, account, plan } = holderOf(fields);
    const who = fileNamePart(email ?? account ?? '');
    if (plan === 'team') return `codex-${shortHash(account ?? '')}-${who}-team.json`;
    return plan === undefined ? `codex-${who}.json` : `codex-${who}-${plan}.json`;
  },
  plan: (fields) => holderOf(fields).plan,
  expiresAt: (fields) => expiryOf(fields) ?? holderOf(fields).expiresAt,
  renew,
  ways: [browser, device],
  imports: [codexFile],
  quota,
  manual: {
    title: 'Codex (ChatGPT login)',
    needs: 'A ChatGPT account. A login of Codex on this machine can be taken over with: auth import codex',
    serves:
      "The models of the account's plan over the Responses API, HTTP and WebSocket, from every client protocol; " +
      'compaction of conversations; with a paid plan, pictures by the gpt-image models.',
    limits:
      'Use is counted in windows of hours and of a week, which differ by plan. The backend stores no answers and takes ' +
      'no token limit, temperature or top_p; what is left out is named in X-Gateway-Dropped. `"websockets": true` in ' +
      'the file lets turns of WebSocket clients travel over one WebSocket.',
    terms:
      "OpenAI's terms decide what a ChatGPT login may be used for. This gateway says who it is; for production use an " +
      'API key under codex-api-key.',
  },
};
