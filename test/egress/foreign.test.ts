import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LiveLogin } from '../../src/accounts/logins/live-login.ts';
import { createSignIns } from '../../src/accounts/logins/sign-in.ts';
import { channels } from '../../src/channels/index.ts';
import { buildRuntime } from '../../src/config/build.ts';
import { placesOf } from '../../src/config/logins.ts';
import { openKeeper } from '../../src/cli/keeping.ts';
import type { Json } from '../../src/core/json.ts';
import { temporaryFolder } from '../config/support.ts';
import { standing } from '../relay/support.ts';
import { loginChannel } from '../support/login-channel.ts';
import { testNet } from '../support/net.ts';
import { oauthServer } from '../support/oauth-server.ts';
import { serviceAccount } from '../support/vertex-upstream.ts';

/** A login file says whose a login is, and never where its tokens go: addresses are the channel's and the operator's. */

const asked = { own: [] as string[], foreign: [] as string[] };
const place = temporaryFolder();
const server = (heard: string[]) =>
  Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      heard.push(`${new URL(request.url).pathname} ${await request.text()}`);
      return Response.json({ error: 'server_error' }, { status: 500 });
    },
  });
const own = server(asked.own);
const foreign = server(asked.foreign);
const foreignUrl = `http://127.0.0.1:${foreign.port}`;
afterAll(async () => {
  await own.stop(true);
  await foreign.stop(true);
  place.remove();
});

/** Every name by which some program says where to go. */
const elsewhere: Json = Object.fromEntries(
  `base_url base-url baseUrl api_base api_url apiUrl url host endpoint endpoints token_uri token_url tokenUrl tokenUri
   token_endpoint auth_uri resource_url resourceUrl upstream redirect_uri issuer universe_domain oauth_endpoints
   start_url startUrl api proxy_pass`
    .split(/\s+/)
    .map((name) => [name, name === 'endpoints' ? { api: foreignUrl, token: foreignUrl } : foreignUrl]),
);
const key = { ...serviceAccount().key, ...elsewhere };
const past = '2020-01-01T00:00:00Z';
const files: Readonly<Record<string, Json>> = {
  codex: {
    type: 'codex',
    access_token: 'access-1',
    refresh_token: 'refresh-1',
    account_id: 'a',
    expired: past,
  },
  kiro: {
    type: 'kiro',
    access_token: 'access-2',
    refresh_token: 'refresh-2',
    client_id: 'c',
    client_secret: 'secret-2',
    auth_method: 'idc',
    profile_arn: `arn:aws:x:${foreignUrl}/:1:y`,
    api_region: `${foreignUrl}/`,
    expires_at: past,
  },
  gemini: {
    type: 'gemini',
    email: 'a@x',
    project_id: 'p',
    token: {
      ...elsewhere,
      access_token: 'access-3',
      refresh_token: 'refresh-3',
      client_id: 'c',
      client_secret: 'secret-3',
      expiry: past,
    },
  },
  antigravity: {
    type: 'antigravity',
    email: 'a@x',
    project_id: 'p',
    access_token: 'access-4',
    refresh_token: 'refresh-4',
    client_id: 'c',
    client_secret: 'secret-4',
    expired: past,
  },
  'github-copilot': { type: 'github-copilot', access_token: 'access-5', username: 'octo' },
  vertex: { type: 'vertex', service_account: key, project_id: '../../evil', location: 'us-central1' },
};

test('nothing that a login file says of addresses moves a token anywhere', async () => {
  const auth = join(place.path, 'auth');
  mkdirSync(auth, { mode: 0o700 });
  for (const [name, fields] of Object.entries(files))
    writeFileSync(join(auth, `${name}.json`), JSON.stringify({ ...elsewhere, ...fields }), { mode: 0o600 });
  const places = placesOf(channels);
  const rows = places.flatMap(({ id, steps }) => [
    `  ${id}:`,
    ...Object.keys(steps.endpoints).map((name) => `    ${name}: http://127.0.0.1:${own.port}/${id}/${name}`),
  ]);
  const config = ['proxy-url: direct', 'request-retry: 0', 'oauth-endpoints:', ...rows, ''].join('\n');
  const { runtime } = buildRuntime(config, { file: 'config.yaml', environment: {} });
  const keeper = openKeeper({ folder: auth, config: () => runtime.config, environment: {}, log: () => {} });
  await keeper.load();
  expect(keeper.logins.map(({ channel }) => channel).sort()).toEqual(places.map(({ id }) => id).sort());
  const logins = keeper.logins as readonly LiveLogin[];
  for (const login of logins) {
    if (login.place.steps.renew) await keeper.renew(login).catch(() => {});
    await Promise.resolve(login.ready(new AbortController().signal)).catch(() => {});
    // As if it had what it needs.
    login.fields = { ...login.fields, expired: '2099-01-01T00:00:00Z', expires_at: '2099-01-01T00:00:00Z' };
    await keeper.ask(login);
  }
  const gateway = standing(config, [], () => keeper.logins);
  for (const model of ['gpt-5.5', 'kiro-claude-sonnet-4.5', 'gemini-2.5-pro', 'gpt-4.1'])
    await gateway.post(
      '/v1/chat/completions',
      JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
    );
  await gateway.stop();
  await keeper.close();
  expect(asked.foreign).toEqual([]);
  const reached = asked.own.map((line) => line.split('/')[1]);
  for (const channel of ['codex', 'kiro', 'gemini-cli', 'antigravity', 'github-copilot', 'vertex'])
    expect(reached).toContain(channel);
});

describe('what becomes part of a host’s name is checked', () => {
  const hostile = [
    foreignUrl,
    'evil.example/',
    'x@evil.example',
    'evil.example#',
    'us-east-1.evil.example',
    '..',
    'a b',
  ];

  test.each(hostile)('a region or location of %j makes the login invalid', async (text) => {
    const folder = join(place.path, crypto.randomUUID());
    mkdirSync(folder, { mode: 0o700 });
    for (const [name, fields] of [
      ['kiro', { ...files.kiro, region: text }],
      ['vertex', { ...files.vertex, location: text }],
    ] as const)
      writeFileSync(join(folder, `${name}.json`), JSON.stringify(fields), { mode: 0o600 });
    const { runtime } = buildRuntime('proxy-url: direct\n', { file: 'config.yaml', environment: {} });
    const keeper = openKeeper({ folder, config: () => runtime.config, environment: {}, log: () => {} });
    await keeper.load();
    expect(keeper.logins).toEqual([]);
    expect(keeper.files.map(({ entry }) => entry.kind)).toEqual(['invalid', 'invalid']);
    await keeper.close();
  });

  test.each([
    ...hostile,
    'http://d-1.awsapps.com/start',
    'https://localhost/start',
    'https://10.0.0.1/',
    'https://[::1]/',
    'https://u:p@x.example/',
    'file:///etc/passwd',
  ])('a start URL or region of %j begins no sign-in', async (text) => {
    const kiro = placesOf(channels).find(({ id }) => id === 'kiro')!;
    const reached: string[] = [];
    const signIns = createSignIns({
      keep: () => Promise.reject(new Error('kept')),
      net: () => ({
        ...testNet(kiro.steps.endpoints),
        fetch: (url) => Promise.reject(new Error(String(reached.push(url)))),
      }),
    });
    for (const way of kiro.steps.ways.filter(({ id }) => id.startsWith('identity-center')))
      for (const answers of [
        { 'start-url': text },
        { 'start-url': 'https://d-1.awsapps.com/start', region: text },
      ]) {
        if (!text.includes(':') && !text.includes('.') && answers.region === undefined) continue;
        const said = await signIns
          .begin(kiro, way, { answers, listen: false, port: 9 })
          .then(() => 'begun', String);
        expect([answers, said]).toEqual([answers, expect.stringMatching(/GatewayError: .* is wrong: /)]);
      }
    await signIns.close();
    expect(reached).toEqual([]);
  });
});

test.each(['javascript:alert(1)', 'file:///etc/passwd', 'data:text/html,x', '--flag', ''])(
  'a provider that wants %j to be opened is not obeyed',
  async (url) => {
    const provider = oauthServer();
    const steps = loginChannel(provider).logins!;
    const signIns = createSignIns({
      keep: () => Promise.reject(new Error('kept')),
      net: () => testNet(steps.endpoints),
    });
    const prompt = {
      url,
      userCode: 'X',
      intervalMs: 1,
      expiresAt: Date.now() + 60_000,
      poll: () => Promise.resolve('pending' as const),
    };
    const ways = [
      { kind: 'device', id: 'd', title: 'D', begin: () => Promise.resolve(prompt) },
      { ...steps.ways[0]!, begin: () => Promise.resolve({ url }) },
    ] as typeof steps.ways;
    for (const way of ways)
      expect(
        await signIns.begin({ id: 'test', steps }, way, { port: 0 }).then(() => 'begun', String),
      ).toContain('no web page');
    await signIns.close();
    await provider.stop();
  },
);
