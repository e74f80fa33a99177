import { expiryOf, fileNamePart, flagField, instantOf, textField, timeField } from '../../accounts/fields.ts';
import type { Login } from '../../accounts/login.ts';
import type { QuotaWindow } from '../../accounts/quota.ts';
import { compact, type Json, readNumber, readObject, readObjects, readString } from '../../core/json.ts';
import { askCodeAssist, projectAsk, renewAccount, type Setup, setUpAccount } from '../code-assist-setup.ts';
import { projectsOf } from '../code-assist.ts';
import {
  emailIn,
  googleAuthorizeUrl,
  googleEmail,
  googleEndpoints,
  googleIdentity,
  googleScopes,
  type GoogleToken,
  googleToken,
} from '../google-oauth.ts';
import type { Answers, BrowserWay, Import, Logins, Net } from '../login.ts';

const id = 'gemini-cli';

/** The plans of Gemini Code Assist; the words say whose they are. */
const setup: Setup = {
  id,
  metadata: { ideType: 'IDE_UNSPECIFIED', platform: 'PLATFORM_UNSPECIFIED', pluginType: 'GEMINI' },
  leadMs: 5 * 60 * 1000,
  pollMs: 5_000,
  polls: 60,
};

/** The token of a file: in an object of its own, as this program writes it, or beside the other fields. */
const held = (fields: Json): Json => readObject(fields.token) ?? fields;

/** The access token of a file. */
export const tokenIn = (fields: Json): string | undefined => textField(held(fields), 'access_token');

/** A project that Google chose is no workspace: the account has no other, and it may be found after the file was made. */
const workspaceOf = (fields: Json): string | undefined =>
  flagField(fields, 'auto') ? undefined : projectsOf(fields).toSorted().join(',') || undefined;

// ------------------------------------------------------------------------------------------------------- signing in

const browser: BrowserWay = {
  kind: 'browser',
  id: 'browser',
  title: 'Google account in a browser',
  redirect: { host: 'localhost', port: 8085, path: '/oauth2callback' },
  asks: [
    {
      ...projectAsk,
      question: 'Google Cloud project (several with commas; empty: the one that Google gives)',
    },
  ],
  begin: (ticket, net) => Promise.resolve({ url: googleAuthorizeUrl(ticket, net, googleScopes, id) }),
  async finish(code, net, answers) {
    const token = await googleToken(code, net, id);
    const projects = await projectsFor(token.accessToken, answers, net);
    return compact({
      type: logins.types[0],
      email: await googleEmail(token, net),
      ...projects,
      checked: true,
      token: tokenFields(token, net, {}),
    });
  },
};

/** The projects to work in: each that the operator named, once Google agrees, or the one that Google gives. */
async function projectsFor(token: string, answers: Answers, net: Net): Promise<Json> {
  const wished = projectsOf({ project_id: answers.project ?? '' });
  if (wished.length === 0)
    return { project_id: await setUpAccount(token, undefined, net, setup), auto: true };
  const projects: string[] = [];
  for (const project of wished) projects.push(await setUpAccount(token, project, net, setup));
  return { project_id: [...new Set(projects)].join(',') };
}

/** The operator's client is not written down; one that the file itself carries stays, because only it renews the token. */
function tokenFields(token: GoogleToken, net: Net, before: Json): Json {
  return compact({
    ...before,
    access_token: token.accessToken,
    refresh_token: token.refreshToken ?? before.refresh_token,
    scope: token.scope ?? before.scope,
    token_type: 'Bearer',
    token_uri: before.token_uri ?? net.endpoints.token,
    expiry: timeField(token.expiresAt),
  });
}

async function renew(fields: Json, net: Net): Promise<Json> {
  const before = held(fields);
  const { token, project } = await renewAccount(fields, before, net, setup);
  return {
    ...(token ? { token: tokenFields(token, net, tokenOnly(before)) } : {}),
    ...(project === undefined ? {} : { project_id: project, auto: true }),
  };
}

const tokenNames =
  'access_token refresh_token scope scopes token_uri client_id client_secret id_token universe_domain';

/** What belongs to a token, out of a file that holds it beside other fields. */
const tokenOnly = (before: Json): Json =>
  compact(Object.fromEntries(tokenNames.split(' ').map((name) => [name, before[name]])));

/** What Gemini CLI leaves behind: a token, and beside it the address of whose it is. It names no project. */
const geminiCli: Import = {
  title: "Gemini CLI's credentials",
  paths: ['~/.gemini/oauth_creds.json'],
  read(content, sibling) {
    if (content.type !== undefined || readNumber(content.expiry_date) === undefined) return undefined;
    if (textField(content, 'refresh_token') === undefined) return undefined;
    const expiry = instantOf(content.expiry_date);
    return compact({
      type: logins.types[0],
      email: readString(sibling('google_accounts.json')?.active) ?? emailIn(content.id_token),
      token: compact({ ...tokenOnly(content), expiry: expiry === undefined ? undefined : timeField(expiry) }),
    });
  },
};

// ------------------------------------------------------------------------------------------------------------ quotas

interface Bucket {
  readonly project: string;
  readonly bucket: Json;
}

/** What Code Assist counts, for each model of each project. */
async function bucketsOf(login: Login, net: Net): Promise<readonly Bucket[]> {
  const { fields } = login;
  const token = tokenIn(fields) ?? '';
  const asked = projectsOf(fields).map(async (project) => {
    const answer = await askCodeAssist(net, 'retrieveUserQuota', token, { project });
    return readObjects(answer.buckets).map((bucket) => ({ project, bucket }));
  });
  return (await Promise.all(asked)).flat();
}

async function quota(login: Login, net: Net): Promise<readonly QuotaWindow[]> {
  const several = projectsOf(login.fields).length > 1;
  return (await bucketsOf(login, net)).map(({ project, bucket }) => {
    const unit = (readString(bucket.tokenType) ?? 'requests').toLowerCase();
    return compact({
      name: several ? `${unit} of ${project}` : unit,
      model: readString(bucket.modelId),
      workspace: several ? project : undefined,
      remaining: readNumber(Number(bucket.remainingAmount ?? NaN)),
      // What is zero is left out.
      remainingShare: readNumber(bucket.remainingFraction) ?? 0,
      resetsAt: instantOf(bucket.resetTime),
      source: 'retrieveUserQuota',
      seenAt: net.now(),
    });
  });
}

/** What there is a quota for may be used. Names with `_vertex` are the same models under another counter. */
async function models(login: Login, net: Net) {
  const names = (await bucketsOf(login, net)).map(({ bucket }) => readString(bucket.modelId));
  const known = names.filter((name) => name !== undefined && !name.endsWith('_vertex')) as string[];
  return [...new Set(known)].map((name) => ({ name }));
}

/** Signing in to Gemini Code Assist. */
export const logins: Omit<Logins, 'open'> = {
  types: ['gemini', 'gemini-cli'],
  endpoints: { api: 'https://cloudcode-pa.googleapis.com', ...googleEndpoints },
  client: {
    needsSecret: true,
    environment: {
      id: ['GEMINI_OAUTH_CLIENT_ID', 'GEMINI_CLIENT_ID'],
      secret: ['GEMINI_OAUTH_CLIENT_SECRET', 'GEMINI_CLIENT_SECRET'],
    },
  },
  leadMs: setup.leadMs,
  identify: (fields) => googleIdentity(fields, id, workspaceOf(fields)),
  fileName(fields) {
    const [first, ...others] = projectsOf(fields);
    const project = others.length > 0 ? 'all' : first;
    const parts = ['gemini', textField(fields, 'email') ?? '', ...(project === undefined ? [] : [project])];
    return `${parts.map(fileNamePart).join('-')}.json`;
  },
  // Without a project nothing can be sent, and renewing finds it.
  expiresAt: (fields) => (projectsOf(fields).length > 0 ? expiryOf(held(fields)) : 1),
  renew,
  ways: [browser],
  imports: [geminiCli],
  quota,
  models,
  manual: {
    title: 'Gemini CLI (Code Assist)',
    needs:
      'A Google account, and the id and secret of an OAuth client: oauth-clients.gemini-cli in config.yaml, or ' +
      'GEMINI_OAUTH_CLIENT_ID and GEMINI_OAUTH_CLIENT_SECRET. A file that carries its client needs neither. Accounts of ' +
      'a company or a school, and paid plans, need a Google Cloud project.',
    serves:
      'Gemini models: chats whole and streamed, and token counts. Several projects of one account are several accounts.',
    limits:
      'Requests are counted for each model and day. Thinking, tools, images and search work as in Vertex AI; embeddings ' +
      'and Imagen are not served.',
    terms:
      "Google's terms decide what a consumer login may be used for; those of Gemini Code Assist forbid some uses by other " +
      'programs. This gateway says who it is. For production use an API key of Gemini or Vertex AI.',
  },
};
