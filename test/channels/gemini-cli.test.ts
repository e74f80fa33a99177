import { afterEach, describe, expect, test } from 'bun:test';
import { LoginRefused } from '../../src/accounts/login.ts';
import channel from '../../src/channels/gemini-cli/index.ts';
import type { LoginTools } from '../../src/channels/login.ts';
import type { Json } from '../../src/core/json.ts';
import gemini from '../../src/protocols/gemini/index.ts';
import { testLogin } from '../support/login.ts';
import { simulated, type Simulated } from './google-logins.ts';
import { sent, tools } from './tools.ts';

const logins = channel.logins!;

const running: Simulated[] = [];
afterEach(() => Promise.all(running.splice(0).map((it) => it.stop())));

function start(options: Parameters<typeof simulated>[2] = {}): Simulated {
  const it = simulated('gemini-cli', logins, options);
  running.push(it);
  return it;
}

const file = (more: Json = {}): Json => ({
  type: 'gemini',
  email: 'You@Example.com',
  project_id: 'p-1',
  token: { access_token: 'ya29.a', refresh_token: '1//r', expiry: '2030-01-01T00:00:00Z' },
  ...more,
});

const loginTools = (more: Partial<LoginTools> = {}): LoginTools => ({
  ...tools(),
  endpoints: logins.endpoints,
  naming: { declared: [], excluded: [] },
  ...more,
});

const open = (fields: Json = file(), more: Partial<LoginTools> = {}) =>
  logins.open(testLogin(logins, fields), loginTools(more));

describe('signing in', () => {
  test('sends the person to Google with all that a refresh token needs', async () => {
    const { net } = start();
    const way = logins.ways[0]!;
    if (way.kind !== 'browser') throw new Error('not a browser');
    const { url } = await way.begin(
      { state: 's', challenge: 'c', redirectUri: 'http://localhost:8085/x' },
      net,
      {},
    );
    const query = new URL(url).searchParams;
    expect(Object.fromEntries(query)).toMatchObject({
      client_id: 'test-client',
      access_type: 'offline',
      prompt: 'consent',
      state: 's',
      code_challenge: 'c',
      code_challenge_method: 'S256',
    });
    expect(query.get('scope')).toContain('cloud-platform');
    expect(way.redirect).toEqual({ host: 'localhost', port: 8085, path: '/oauth2callback' });
  });

  test('makes a file with the project that Google gives, and without the client’s secret', async () => {
    const { signIn } = start();
    const fields = await signIn();
    expect(fields).toMatchObject({
      type: 'gemini',
      email: 'person@example.com',
      project_id: 'managed-project',
      auto: true,
      checked: true,
      token: { token_type: 'Bearer', refresh_token: expect.stringMatching(/^rt-/) },
    });
    expect(JSON.stringify(fields)).not.toContain('hush');
    expect(logins.fileName(fields)).toBe('gemini-person@example.com-managed-project.json');
  });

  test('sets up an account that is new, and asks until it is ready', async () => {
    const { signIn, google, slept } = start();
    Object.assign(google.person, { tier: undefined, waits: 2 });
    expect(await signIn()).toMatchObject({ project_id: 'managed-project' });
    expect(google.asked).toMatchObject({ loadCodeAssist: 1, onboardUser: 3 });
    expect(slept).toEqual([5_000, 5_000]);
  });

  test('names no project to a free plan, and names it to any other', async () => {
    const { signIn, google } = start();
    google.person.projects = ['mine'];
    google.person.tier = undefined;
    expect(await signIn({ project: 'mine' })).toMatchObject({ project_id: 'mine' });
    google.person.tier = undefined;
    google.person.offered = 'standard-tier';
    expect(await signIn({ project: 'mine' })).toMatchObject({ project_id: 'mine' });
  });

  test('takes several projects into one file', async () => {
    const { signIn, google } = start();
    google.person.projects = ['one', 'two'];
    const fields = await signIn({ project: 'one, two,one' });
    expect(fields).toMatchObject({ project_id: 'one,two' });
    expect(fields.auto).toBeUndefined();
    expect(logins.fileName(fields)).toBe('gemini-person@example.com-all.json');
  });

  test('says Google’s own reason when an account gets no plan', async () => {
    const { signIn, google } = start();
    Object.assign(google.person, { tier: undefined, projects: [] });
    google.person.offered = 'standard-tier';
    await expect(signIn()).rejects.toThrow('needs a Google Cloud project');
    google.person.tier = undefined;
    google.person.ineligible = [
      { reasonMessage: 'Verify your account.', validationUrl: 'https://accounts.google.com/v' },
    ];
    await expect(signIn()).rejects.toThrow('Verify your account. https://accounts.google.com/v');
    await expect(signIn()).rejects.toBeInstanceOf(LoginRefused);
  });

  test('goes on behind a company’s perimeter when the project is named', async () => {
    const { signIn, google } = start();
    google.person.fenced = true;
    expect(await signIn({ project: 'corp' })).toMatchObject({ project_id: 'corp' });
    await expect(signIn()).rejects.toMatchObject({ upstream: { code: 'SECURITY_POLICY_VIOLATED' } });
  });

  test('needs the operator’s client, and says where to set it', async () => {
    const { net } = start();
    const way = logins.ways[0]!;
    if (way.kind !== 'browser') throw new Error('not a browser');
    const ticket = { state: 's', challenge: 'c', redirectUri: 'r' };
    await expect(
      Promise.resolve().then(() => way.begin(ticket, { ...net, client: { id: 'only-id' } }, {})),
    ).rejects.toThrow('oauth-clients.gemini-cli.client-id');
  });
});

describe('renewing', () => {
  test('keeps what the file holds, and takes the refresh token that comes', async () => {
    const { provider, net } = start();
    const { refreshToken } = provider.issue();
    const token = { access_token: 'old', refresh_token: refreshToken, token_uri: 'u', universe_domain: 'd' };
    const changes = await logins.renew!(file({ token }), net);
    expect(changes).toEqual({
      token: {
        access_token: expect.stringMatching(/^at-/),
        refresh_token: expect.not.stringMatching(refreshToken),
        token_uri: 'u',
        universe_domain: 'd',
        token_type: 'Bearer',
        expiry: expect.any(String),
      },
    });
    await expect(logins.renew!(file({ token }), net)).rejects.toBeInstanceOf(LoginRefused);
    expect(provider.counts.reused).toBe(1);
  });

  test('of a file that holds its token beside other fields moves it into one of its own', async () => {
    const { provider, net } = start();
    const { refreshToken } = provider.issue();
    const flat = {
      type: 'gemini',
      email: 'a@b.c',
      project_id: 'p',
      access_token: 'old',
      refresh_token: refreshToken,
      expired: '2020-01-01T00:00:00Z',
    };
    expect(logins.expiresAt!(flat)).toBe(Date.UTC(2020, 0, 1));
    const renewed = { ...flat, ...(await logins.renew!(flat, net)) };
    expect(logins.expiresAt!(renewed)).toBeGreaterThan(Date.now());
    expect(renewed).not.toHaveProperty('token.email');
  });

  test('is done as the client that the file carries', async () => {
    const { provider, net } = start({ clientId: 'its-client', clientSecret: 'its-secret' });
    const { refreshToken } = provider.issue();
    const token = { refresh_token: refreshToken, client_id: 'its-client', client_secret: 'its-secret' };
    expect(await logins.renew!(file({ token }), net)).toHaveProperty('token.access_token');
  });

  test('finds the project of a file that names none, without spending a good token', async () => {
    const { provider, net } = start();
    const { accessToken, refreshToken } = provider.issue();
    const expiry = new Date(Date.now() + 3_600_000).toISOString();
    const fields = file({
      project_id: '',
      token: { access_token: accessToken, refresh_token: refreshToken, expiry },
    });
    expect(logins.expiresAt!(fields)).toBe(1);
    expect(await logins.renew!(fields, net)).toEqual({ project_id: 'managed-project', auto: true });
    expect(provider.counts.refresh).toBe(0);
    expect(logins.expiresAt!({ ...fields, project_id: 'x' })).toBe(Date.parse(expiry));
  });

  test('a project that Google gave is no other account', () => {
    const before = logins.identify(file({ project_id: undefined }));
    expect(logins.identify(file({ project_id: 'found', auto: true }))).toEqual(before);
    expect(logins.identify(file({ project_id: 'mine' })).workspace).toBe('mine');
    expect(before.account).toBe('you@example.com');
    const [one, other] = ['a,b', 'b, a'].map((project_id) => logins.identify(file({ project_id })));
    expect(one).toEqual(other!);
    expect(() => logins.identify({ token: {} })).toThrow('whose account');
  });
});

describe('importing', () => {
  const creds = {
    access_token: 'ya29.a',
    refresh_token: '1//r',
    scope: 'openid',
    token_type: 'Bearer',
    id_token: `x.${Buffer.from('{"email":"id@example.com"}').toString('base64url')}.y`,
    expiry_date: 1_900_000_000_000,
  };
  const read = logins.imports![0]!.read;

  test('takes over what Gemini CLI left, with the address of whose it is', () => {
    const fields = read(creds, (name) =>
      name === 'google_accounts.json' ? { active: 'me@example.com' } : undefined,
    );
    expect(fields).toEqual({
      type: 'gemini',
      email: 'me@example.com',
      token: {
        access_token: 'ya29.a',
        refresh_token: '1//r',
        scope: 'openid',
        id_token: creds.id_token,
        expiry: '2030-03-17T17:46:40Z',
      },
    });
    expect(read(creds, () => undefined)).toMatchObject({ email: 'id@example.com' });
  });

  test('leaves other files alone', () => {
    expect(read({ type: 'service_account' }, () => undefined)).toBeUndefined();
    expect(read({ type: 'codex', refresh_token: 'r', expiry_date: 1 }, () => undefined)).toBeUndefined();
    expect(read({ tokens: {} }, () => undefined)).toBeUndefined();
  });
});

describe('requests', () => {
  test('travel in the wrapping, as ourselves', async () => {
    const body = '{ "contents": [ ] }';
    const outgoing = await sent(open(), { model: 'gemini-2.5-pro', body, stream: true, query: 'alt=json' });
    expect(outgoing.url).toBe('https://cloudcode-pa.googleapis.com/v1internal:streamGenerateContent?alt=sse');
    expect(outgoing.body).toBe(`{"model":"gemini-2.5-pro","project":"p-1","request":${body}}`);
    expect(outgoing.headers.get('authorization')).toBe('Bearer ya29.a');
    expect(outgoing.headers.get('user-agent')).toStartWith('cliproxyapi++/');
    expect((await sent(open())).url).toEndWith('/v1internal:generateContent');
  });

  test('lose what only the Gemini API knows, and nothing that is merely called so', async () => {
    const said = async (body: string) => JSON.parse((await sent(open(), { body })).body as string).request;
    expect(await said('{"contents":[],"serviceTier":"flex","store":true}')).toEqual({ contents: [] });
    const inside = '{ "contents": [{"parts": [{"functionCall": {"name": "f", "args": {"store": 1}}}]}] }';
    expect((await sent(open(), { body: inside })).body).toEndWith(`"request":${inside}}`);
  });

  test('a count has no project, and the model inside', async () => {
    const wrapped = { generateContentRequest: { model: 'models/x', contents: [], tools: [] } };
    for (const body of [{ contents: [], tools: [], safetySettings: [] }, wrapped]) {
      const { url, body: said } = await sent(open(), {
        model: 'm',
        operation: 'count-tokens',
        body: JSON.stringify(body),
      });
      expect(url).toEndWith('/v1internal:countTokens');
      expect(JSON.parse(said as string)).toEqual({ request: { model: 'models/m', contents: [], tools: [] } });
    }
  });

  test('several projects are several accounts with one token', async () => {
    const connection = open(file({ project_id: 'one, two' }));
    const { accounts } = connection;
    expect(accounts.map((account) => account.workspace)).toEqual(['one', 'two']);
    expect(new Set(accounts.map((account) => account.id)).size).toBe(2);
    for (const account of accounts) {
      const { body } = await sent(connection, { account });
      expect(JSON.parse(body as string)).toMatchObject({ project: account.workspace });
    }
  });

  test('a flat file works as well, and its headers are set', async () => {
    const flat = {
      type: 'gemini-cli',
      email: 'a@b.c',
      project_id: 'p',
      access_token: 'flat',
      headers: { 'X-Team': 'a' },
    };
    const { headers } = await sent(open(flat));
    expect([headers.get('authorization'), headers.get('x-team')]).toEqual(['Bearer flat', 'a']);
  });

  test('a login without a project says what to run', async () => {
    await expect(sent(open(file({ project_id: undefined })))).rejects.toMatchObject({
      fault: { kind: 'upstream-unauthorized' },
      remedy: 'The operator should run: cliproxyapi++ auth login gemini-cli',
    });
  });

  test('speak Gemini as Vertex does, chat and count', () => {
    const connection = open();
    expect([connection.speaks('m'), connection.dialect]).toEqual([gemini, 'vertex']);
    expect(connection.can!('/v1/embeddings', 'm')).toBe(false);
    expect(connection.can!('count-tokens', 'm')).toBe(true);
    expect(connection.models.catalog).toBe('gemini');
  });
});

test('what is left is told for each model, and those models may be used', async () => {
  const { provider, net, google } = start();
  google.person.quota = { 'gemini-3-sim': 0.25, 'gemini-3-sim_vertex': 1, 'gemini-2-sim': 0 };
  const fields = file({
    project_id: 'managed-project',
    token: { access_token: provider.issue().accessToken },
  });
  const login = testLogin(logins, fields);
  const windows = await logins.quota!(login, net);
  expect(windows[0]).toMatchObject({
    name: 'requests',
    model: 'gemini-3-sim',
    remaining: 250,
    remainingShare: 0.25,
    resetsAt: Date.parse('2026-12-01T08:00:00Z'),
    source: 'retrieveUserQuota',
  });
  expect(windows[2]).toMatchObject({ model: 'gemini-2-sim', remainingShare: 0 });
  expect(await logins.models!(login, net)).toEqual([{ name: 'gemini-3-sim' }, { name: 'gemini-2-sim' }]);
});
