import { afterAll, beforeAll, expect, test } from 'bun:test';
import { Database } from 'bun:sqlite';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, clientKey, type Program, until } from '../support/binary.ts';
import { serviceAccount } from '../support/vertex-upstream.ts';
import { signedInHome, type Home } from './signed-in.ts';

/**
 * Secrets of logins go in wherever they can, at providers that repeat all they are sent, and come out nowhere but in the
 * login files, the export that was asked for, and the download. None has a shape by which it could be told.
 */

const tail = '9fK2mQ7xW1pLz8vR4tY6';
const canaries: string[] = [];
const canary = (name: string): string => {
  canaries.push(`${name}${tail.slice(0, 8)}`);
  return name + tail;
};

/** A provider that refuses everything, and repeats what it was sent in every way there is. */
const heard: string[] = [];
let refusal = 'server_error';
const provider = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  async fetch(request) {
    const text = await request.text();
    const { pathname } = new URL(request.url);
    heard.push(pathname);
    const sent = `${text} ${[...request.headers].map(([name, value]) => `${name} ${value}`).join(' ')}`;
    if (pathname.startsWith('/html'))
      return new Response(`<html><title>${sent}</title>${sent}`, {
        status: 500,
        headers: { 'content-type': 'text/html' },
      });
    const body = {
      error: refusal,
      error_description: sent,
      message: sent,
      parts: Object.fromEntries(new URLSearchParams(text)),
    };
    return Response.json(body, { status: refusal === 'told_in_a_200' ? 200 : 400 });
  },
});
const url = `http://127.0.0.1:${provider.port}`;

const account = serviceAccount();
const privateKey = account.key.private_key.split('\n')[3]!;
canaries.push(privateKey.slice(8, 40));

const past = '2020-01-01T00:00:00Z';
const tokens = (name: string) => ({
  access_token: canary(`${name}Access`),
  refresh_token: canary(`${name}Refresh`),
});
const files = {
  'codex.json': {
    type: 'codex',
    ...tokens('codex'),
    id_token: canary('codexIdentity'),
    account_id: 'acct-1',
    email: 'codex@example.com',
    expired: past,
  },
  'codex-live.json': {
    type: 'codex',
    ...tokens('live'),
    account_id: 'acct-2',
    email: 'live@example.com',
    expired: '2099-01-01T00:00:00Z',
  },
  'codex-proxied.json': {
    type: 'codex',
    ...tokens('proxied'),
    account_id: 'acct-3',
    email: 'proxied@example.com',
    expired: past,
    proxy_url: `http://user:${canary('proxyPassword')}@127.0.0.1:1`,
    headers: { 'x-mine': canary('headerValue') },
  },
  'kiro.json': {
    type: 'kiro',
    ...tokens('kiro'),
    client_id: 'client-1',
    client_secret: canary('kiroSecret'),
    auth_method: 'builder-id',
    email: 'kiro@example.com',
    expires_at: past,
  },
  'kiro-social.json': {
    type: 'kiro',
    ...tokens('social'),
    auth_method: 'social',
    provider: 'Google',
    email: 'social@example.com',
    expires_at: past,
  },
  'gemini.json': {
    type: 'gemini',
    email: 'gemini@example.com',
    project_id: 'p',
    token: {
      ...tokens('gemini'),
      client_id: 'c',
      client_secret: canary('geminiSecret'),
      expiry: past,
    },
  },
  'github.json': { type: 'github-copilot', access_token: canary('githubAccess'), username: 'octo' },
  'vertex.json': { type: 'vertex', service_account: account.key, project_id: 'p', location: 'global' },
  'iflow.json': { type: 'iflow', cookie: canary('iflowCookie'), email: 'iflow@example.com' },
  'claude.json': { type: 'claude', ...tokens('claude'), sessionKey: canary('claudeSession') },
  'invalid.json': { type: 'kiro', ...tokens('invalid'), region: canary('regionValue') },
};

const managementKey = canary('managementKey');
const config = [
  `remote-management: {secret-key: ${managementKey}}`,
  'debug: true',
  'logging-to-file: true',
  'oauth-clients:',
  '  codex: {client-id: c}',
  `  antigravity: {client-id: c, client-secret: ${canary('antigravitySecret')}}`,
  'oauth-endpoints:',
  ...Object.entries({
    codex: ['api', 'usage', 'token', 'device', 'device-token'],
    kiro: ['api', 'fallback', 'oidc', 'social'],
    'gemini-cli': ['api', 'token', 'userinfo'],
    antigravity: ['api', 'second', 'token', 'userinfo'],
    'github-copilot': ['api', 'github', 'device', 'token'],
    vertex: ['api', 'token'],
  }).flatMap(([channel, names]) => [`  ${channel}:`, ...names.map((name) => `    ${name}: ${url}/${name}`)]),
  '',
].join('\n');

let home: Home;
let program: Program;
beforeAll(async () => {
  home = signedInHome(config);
  for (const [name, fields] of Object.entries(files)) home.write(name, fields);
  writeFileSync(
    join(home.path, 'auth', 'broken.json'),
    `{"type":"codex","refresh_token":"${canary('brokenRefresh')}`,
  );
  program = await home.serve();
  // Everybody whose time is over has tried to renew itself.
  await until(program, () => Promise.resolve(heard.filter((path) => path.startsWith('/token')).length >= 2));
});
afterAll(async () => {
  await cleanUp();
  await provider.stop(true);
});

const said: string[] = [];
/** Asks, and keeps what is said. */
async function ask(path: string, init: RequestInit = {}, key = managementKey): Promise<string> {
  const response = await fetch(program.url + path, {
    ...init,
    headers: { authorization: `Bearer ${key}`, ...init.headers },
  });
  const text = await response.text();
  said.push(text, JSON.stringify([...response.headers]));
  return text;
}
const run = async (...words: string[]) => {
  const { output } = await home.run(...words);
  said.push(output);
  return output;
};

/** Everything that the program wrote but the login files and the config, what is packed unpacked. */
function written(): string {
  const names = readdirSync(home.path, { recursive: true, encoding: 'utf8' });
  return names
    .filter(
      (name) =>
        !name.startsWith('auth/') && name !== 'config.yaml' && statSync(join(home.path, name)).isFile(),
    )
    .flatMap((name) => {
      const path = join(home.path, name);
      const texts = [readFileSync(path).toString('latin1')];
      if (name.endsWith('state.sqlite')) texts.push(...rows(path));
      return texts;
    })
    .join('\n');
}

function rows(path: string): readonly string[] {
  const database = new Database(path);
  const all = database.query<{ key: string; value: Uint8Array }, []>('SELECT key, value FROM entries').all();
  database.close();
  return all.map(({ key, value }) => `${key} ${Bun.zstdDecompressSync(value).toString('utf8')}`);
}

const leaked = (text: string) => canaries.filter((secret) => text.includes(secret));
const chat = (model: string, stream = false) =>
  ask(
    '/v1/chat/completions',
    { method: 'POST', body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'hi' }] }) },
    clientKey,
  );
const models = ['gpt-5.5', 'kiro-claude-sonnet-4.5', 'gemini-2.5-pro', 'gpt-4.1', 'claude-sonnet-4.5'];

test('secrets of logins are in no answer, no log, no trace and no state', async () => {
  for (const word of ['server_error', 'invalid_request', 'told_in_a_200', 'invalid_grant']) {
    refusal = word;
    for (const model of models) for (const stream of [false, true]) await chat(model, stream);
    for (const channel of ['codex', 'kiro', 'gemini-cli', 'github-copilot', 'vertex'])
      await ask(`/v0/management/auths/${channel}/refresh`, { method: 'POST' });
  }
  for (const path of [
    ...['auth-files?live=1', 'auth-files', 'config', 'traces?limit=1000', 'logs', 'models'].map(
      (name) => `/v0/management/${name}`,
    ),
    ...Object.keys(files).map((name) => `/v0/management/auth-files/models?name=${name}`),
    '/v1/metrics/providers',
    '/metrics',
    '/readyz',
    '/v0/oauth/kiro',
  ])
    await ask(path);
  for (const model of models) await ask(`/v0/management/models/explain?model=${model}`);
  expect(said.join('\n')).toContain('codex@example.com');
  await program.stop();
  for (const path of ['/token', '/oidc', '/social', '/github', '/api', '/usage'])
    expect(heard.some((one) => one.startsWith(path)) ? path : `${path} was not asked`).toBe(path);
  expect(leaked(said.join('\n'))).toEqual([]);
  expect(leaked(program.output())).toEqual([]);
  expect(written()).toContain('login-needs-person');
  expect(leaked(written())).toEqual([]);
});

test('what a sign-in is told and sends is in no page, no answer and no log', async () => {
  program = await home.serve();
  said.splice(0);
  refusal = 'invalid_grant';
  const begin = async (channel: string): Promise<URL> =>
    new URL(JSON.parse(await ask(`/v0/management/${channel}-auth-url?way=browser`)).url);
  const states: string[] = [];
  for (const channel of ['codex', 'antigravity']) {
    const state = (await begin(channel)).searchParams.get('state')!;
    states.push(state);
    const page = await ask(`/${channel}/callback?state=${state}&code=${canary(`${channel}Code`)}`, {}, '');
    expect(page).toContain('Not signed in');
    const again = (await begin(channel)).searchParams.get('state')!;
    states.push(again);
    const address = `http://localhost:1455/auth/callback?state=${again}&code=${canary(`${channel}Pasted`)}`;
    const body = JSON.stringify({ provider: channel, redirect_url: address });
    await ask('/v0/management/oauth-callback', { method: 'POST', body });
    await ask(
      `/${channel}/callback?state=${canary(`${channel}State`)}&code=${canary(`${channel}Stray`)}`,
      {},
      '',
    );
    await ask(
      `/${channel}/callback?state=x&error=denied&error_description=${canary(`${channel}Words`)}`,
      {},
      '',
    );
  }
  for (const state of states) await ask(`/v0/management/get-auth-status?state=${state}`);
  for (const body of [
    { type: 'kiro', refresh_token: canary('uploadedRefresh'), region: 'nowhere at all' },
    { type: 'nobody', access_token: canary('uploadedAccess') },
  ])
    await ask('/v0/management/auth-files?name=x.json', { method: 'POST', body: JSON.stringify(body) });
  await ask(
    '/v0/oauth/kiro/import',
    { method: 'POST', body: JSON.stringify({ refreshToken: canary('importedKiro') }) },
    '',
  );
  await ask('/v0/management/logs');
  await ask('/v0/management/traces');
  await program.stop();
  expect(leaked(said.join('\n'))).toEqual([]);
  expect(leaked(program.output())).toEqual([]);
  expect(leaked(written())).toEqual([]);
});

test('commands show no secret; the export and the download hold what was asked for', async () => {
  said.splice(0);
  const [, ...lines] = (await run('auth', 'list')).trim().split('\n');
  expect(lines.length).toBeGreaterThan(5);
  await run('auth', 'list', '--json', '--live');
  for (const name of Object.keys(files))
    for (const json of [[], ['--json']]) await run('auth', 'show', name, ...json);
  await run('auth', 'doctor', '--live');
  await run('auth', 'doctor', '--json');
  await run('auth', 'refresh');
  await run('auth', 'refresh', '--json');
  const key = JSON.stringify({ ...account.key, type: 'other' });
  await run('auth', 'login', 'vertex', '--way', 'service-account', '--set', `key=${key}`);
  await run('auth', 'import', join(home.path, 'auth'));
  await run('check', '--explain');
  await run('models');
  expect(leaked(said.join('\n'))).toEqual([]);

  const target = join(home.path, 'auth', 'exported.json.txt');
  await run('auth', 'export', 'codex.json', target, '--yes');
  expect(readFileSync(target, 'utf8')).toContain(files['codex.json'].refresh_token);
  expect(leaked(said.join('\n'))).toEqual([]);

  program = await home.serve();
  const held = await ask('/v0/management/auth-files/download?name=codex.json');
  expect(held).toContain(files['codex.json'].refresh_token);
  said.splice(0);
  const id = (
    await fetch(`${program.url}/v1/models`, { headers: { authorization: `Bearer ${clientKey}` } })
  ).headers.get('x-request-id')!;
  await chat('gpt-5.5');
  await run('models', 'explain', 'gpt-5.5', '--management-key', managementKey);
  await run('trace', id, '--management-key', managementKey);
  await program.stop();
  expect(leaked(said.join('\n'))).toEqual([]);
  expect(leaked(program.output())).toEqual([]);
}, 120_000);
