import { expiryOf, fileNamePart, instantOf, textField, timeField } from '../../accounts/fields.ts';
import type { Login } from '../../accounts/login.ts';
import type { QuotaWindow } from '../../accounts/quota.ts';
import { compact, type Json, readNumber, readObject, readString } from '../../core/json.ts';
import type { DeclaredModel } from '../../core/model.ts';
import { askCodeAssist, projectAsk, renewAccount, type Setup, setUpAccount } from '../code-assist-setup.ts';
import { projectsOf } from '../code-assist.ts';
import {
  googleAuthorizeUrl,
  googleEmail,
  googleEndpoints,
  googleIdentity,
  googleScopes,
  type GoogleToken,
  googleToken,
} from '../google-oauth.ts';
import type { BrowserWay, Logins, Net } from '../login.ts';

const id = 'antigravity';

/** Every address that is used; `second` is asked when `api` has nothing left. */
export const endpoints = {
  api: 'https://daily-cloudcode-pa.googleapis.com',
  second: 'https://cloudcode-pa.googleapis.com',
  ...googleEndpoints,
};

const scopes = [
  ...googleScopes,
  'https://www.googleapis.com/auth/cclog',
  'https://www.googleapis.com/auth/experimentsandconfigs',
];

/** The plans of Antigravity: the type is how the service knows which product an account is set up for. */
const setup: Setup = {
  id,
  metadata: { ideType: 'ANTIGRAVITY' },
  leadMs: 5 * 60 * 1000,
  pollMs: 2_000,
  polls: 5,
};

// ------------------------------------------------------------------------------------------------------- signing in

const browser: BrowserWay = {
  kind: 'browser',
  id: 'browser',
  title: 'Google account in a browser',
  redirect: { host: 'localhost', port: 51_121, path: '/oauth-callback' },
  asks: [projectAsk],
  begin: (ticket, net) => Promise.resolve({ url: googleAuthorizeUrl(ticket, net, scopes, id) }),
  async finish(code, net, answers) {
    const token = await googleToken(code, net, id);
    const project = await setUpAccount(token.accessToken, answers.project?.trim() || undefined, net, setup);
    const email = await googleEmail(token, net);
    return compact({ type: id, email, project_id: project, ...tokenFields(token, net.now()) });
  },
};

const tokenFields = (token: GoogleToken, now: number): Json =>
  compact({
    access_token: token.accessToken,
    refresh_token: token.refreshToken,
    expires_in: token.lifetimeSeconds,
    timestamp: now,
    expired: timeField(token.expiresAt),
  });

async function renew(fields: Json, net: Net): Promise<Json> {
  const { token, project } = await renewAccount(fields, fields, net, setup);
  return {
    ...(token ? tokenFields(token, net.now()) : {}),
    ...(project === undefined ? {} : { project_id: project }),
  };
}

/** The file says when it ends, or when its token was given and for how long. */
function expiresAt(fields: Json): number | undefined {
  // Without a project nothing can be sent, and renewing finds it.
  if (projectsOf(fields).length === 0) return 1;
  const [given, lifetime] = [instantOf(fields.timestamp), readNumber(fields.expires_in)];
  const counted = given === undefined || lifetime === undefined ? undefined : given + lifetime * 1000;
  return expiryOf(fields) ?? counted;
}

// ------------------------------------------------------------------------------------------------- models and quotas

/** Each model that the account may use, with what the service says of it. */
async function available(login: Login, net: Net): Promise<readonly (readonly [name: string, said: Json])[]> {
  const { fields } = login;
  const [project] = projectsOf(fields);
  const token = textField(fields, 'access_token') ?? '';
  const answer = await askCodeAssist(net, 'fetchAvailableModels', token, compact({ project }));
  return Object.entries(readObject(answer.models) ?? {})
    .map(([name, said]) => [name, readObject(said) ?? {}] as const)
    .filter(([name]) => !completions.test(name));
}

/** Models of an editor's completions, which do not chat. */
const completions = /^(tab|chat)_/;

async function models(login: Login, net: Net): Promise<readonly DeclaredModel[]> {
  return (await available(login, net)).map(([name, said]) =>
    compact({
      name,
      displayName: readString(said.displayName),
      contextWindow: readNumber(said.maxTokens),
      maxOutputTokens: readNumber(said.maxOutputTokens),
    }),
  );
}

async function quota(login: Login, net: Net): Promise<readonly QuotaWindow[]> {
  return (await available(login, net)).flatMap(([model, said]) => {
    const info = readObject(said.quotaInfo);
    if (!info) return [];
    return compact({
      name: 'requests',
      model,
      // What is zero is left out.
      remainingShare: readNumber(info.remainingFraction) ?? 0,
      resetsAt: instantOf(info.resetTime),
      source: 'fetchAvailableModels',
      seenAt: net.now(),
    });
  });
}

/** Signing in to Antigravity. */
export const logins: Omit<Logins, 'open'> = {
  types: [id],
  endpoints,
  client: {
    needsSecret: true,
    environment: { id: ['ANTIGRAVITY_OAUTH_CLIENT_ID'], secret: ['ANTIGRAVITY_OAUTH_CLIENT_SECRET'] },
  },
  leadMs: setup.leadMs,
  identify: (fields) => googleIdentity(fields, id),
  fileName: (fields) => {
    const email = textField(fields, 'email');
    return email === undefined ? 'antigravity.json' : `antigravity-${fileNamePart(email)}.json`;
  },
  expiresAt,
  renew,
  ways: [browser],
  quota,
  models,
  manual: {
    title: 'Antigravity',
    needs:
      'A Google account, and the id and secret of an OAuth client: oauth-clients.antigravity in config.yaml, or ' +
      'ANTIGRAVITY_OAUTH_CLIENT_ID and ANTIGRAVITY_OAUTH_CLIENT_SECRET. A file that carries its client needs neither.',
    serves: 'Gemini, Claude and gpt-oss models: chats whole and streamed, pictures, and token counts.',
    limits:
      'The service may refuse programs that do not call themselves Antigravity, and models by the version of it. This ' +
      'gateway calls itself by its own name, leaves out the field that names a client, and passes such a refusal on.',
    terms:
      "Google's terms decide what a consumer login may be used for; those of Antigravity forbid its use by other programs, " +
      'and accounts have been closed for it. Use an API key of Gemini or Vertex AI instead wherever you can.',
  },
};
