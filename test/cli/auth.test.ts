import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UnsecuredJWT } from 'jose';
import { renderUnicodeCompact } from 'uqr';
import { fromReference } from '../../src/cli/reference-flags.ts';
import type { Json } from '../../src/core/json.ts';
import { serviceAccount } from '../support/vertex-upstream.ts';
import { oauthServer, type OauthServer } from '../support/oauth-server.ts';
import { home } from './support.ts';

/** Each command is a process; a busy machine takes its time to start one. */
setDefaultTimeout(60_000);

/** The `auth` commands as a person runs them, with the Codex channel sent to the OAuth simulator. */

let provider: OauthServer;
let place: ReturnType<typeof home>;

const idToken = (email: string, account: string) =>
  new UnsecuredJWT({
    email,
    'https://api.openai.com/auth': { chatgpt_account_id: account, chatgpt_plan_type: 'plus' },
  }).encode();

beforeEach(() => {
  provider = oauthServer({
    clientId: 'our-client',
    more: () => ({ id_token: idToken('you@example.com', 'acc-1') }),
  });
  place = home(
    [
      'oauth-clients: {codex: {client-id: our-client}}',
      'oauth-endpoints:',
      `  codex: {authorize: "${provider.endpoints.authorize}", token: "${provider.endpoints.token}"}`,
    ].join('\n'),
  );
});
afterEach(async () => {
  await provider.stop();
  place.remove();
});

const file = (name: string): Json => JSON.parse(readFileSync(join(place.auth, name), 'utf8')) as Json;
const codexFile = () => {
  const { accessToken, refreshToken } = provider.issue();
  return {
    type: 'codex',
    email: 'you@example.com',
    account_id: 'acc-1',
    id_token: idToken('you@example.com', 'acc-1'),
    access_token: accessToken,
    refresh_token: refreshToken,
    expired: '2026-06-01T12:00:00Z',
  };
};
const keep = (name: string, fields: Json) =>
  writeFileSync(join(place.auth, name), JSON.stringify(fields), { mode: 0o600 });

describe('auth login', () => {
  test('a browser that comes back to this machine ends it, and the login is written', async () => {
    const login = place.start([
      'auth',
      'login',
      'codex',
      '--no-browser',
      '--way',
      'browser',
      '--port',
      '0',
      '--json',
    ]);
    const [, url = ''] = await login.said(/\n {2}(http\S+)\n/);
    const page = await fetch(await provider.visit(url));
    expect(await page.text()).toContain('you@example.com is signed in to codex');
    const { code, out } = await login.ended();
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      outcome: 'added',
      label: expect.stringContaining('you@example.com'),
    });
    const [name = ''] = readdirSync(place.auth);
    expect(file(name)).toMatchObject({ type: 'codex', refresh_token: expect.stringMatching(/^rt-/) });
    expect(statSync(join(place.auth, name)).mode & 0o777).toBe(0o600);
  });

  test('a terminal shows the address as a QR code as well, for a phone', async () => {
    const words = ['auth', 'login', 'codex', '--no-browser', '--way', 'browser', '--port', '0'];
    const shown = await place.inTerminal(words, /The browser then goes to/);
    const [, url = ''] = /\n {2}(http\S+)\n/.exec(shown)!;
    expect(shown).toContain(renderUnicodeCompact(url));
  });

  test('the address that the browser goes to can be pasted where no browser reaches this machine', async () => {
    const login = place.start(['auth', 'login', 'codex', '--no-browser', '--way', 'browser', '--port', '0']);
    const [, url = ''] = await login.said(/\n {2}(http\S+)\n/);
    login.process.stdin.write('http://localhost/auth/callback?code=stray&state=another\n');
    await login.process.stdin.flush();
    await login.said(/belongs to another sign-in/);
    login.process.stdin.write(`${await provider.visit(url)}\n`);
    await login.process.stdin.flush();
    expect((await login.ended()).code).toBe(0);
    expect(readdirSync(place.auth)).toHaveLength(1);
  });

  test('a busy port is only a warning', async () => {
    const busy = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() });
    const login = place.start([
      'auth',
      'login',
      'codex',
      '--way',
      'browser',
      '--no-browser',
      '--port',
      String(busy.port),
    ]);
    const [, url = ''] = await login.said(/\n {2}(http\S+)\n/);
    await login.said(/cannot be listened on[^]*paste it here/);
    login.process.stdin.write(`${await provider.visit(url)}\n`);
    await login.process.stdin.flush();
    expect((await login.ended()).code).toBe(0);
    await busy.stop(true);
  });

  test('what the provider refuses is said, and the exit code is 1', async () => {
    const login = place.start(['auth', 'login', 'codex', '--way', 'browser', '--no-browser', '--port', '0']);
    const [, url = ''] = await login.said(/\n {2}(http\S+)\n/);
    const back = new URL(await provider.visit(url));
    back.searchParams.delete('code');
    back.searchParams.set('error', 'access_denied');
    back.searchParams.set('error_description', '<b>no</b>');
    expect(await (await fetch(back)).text()).toContain('&lt;b&gt;no&lt;/b&gt;');
    const { code, err } = await login.ended();
    expect(code).toBe(1);
    expect(err).toContain('The provider said no: access_denied');
  });

  test.each([
    ['claude', /Create an API key at console\.anthropic\.com/],
    ['cursor', /no documented protocol/],
    ['kimi', /not part of this version yet/],
  ])('%s is left out, and the answer says why', async (name, words) => {
    const { code, err } = await place.run('auth', 'login', name);
    expect(code).toBe(1);
    expect(err).toMatch(words);
  });
});

describe('auth import', () => {
  test('importing a folder of any types twice leaves one login of each account, and names what is missing', async () => {
    const folder = join(place.path, 'old');
    mkdirSync(folder);
    const put = (name: string, fields: Json) => writeFileSync(join(folder, name), JSON.stringify(fields));
    put('codex-you.json', codexFile());
    put('broken.json', { type: 'codex', access_token: 'x' });
    put('claude-you.json', { type: 'claude', access_token: 'x' });
    put('package.json', { name: 'something else' });
    const first = await place.run('auth', 'import', folder, '--json');
    expect(first.code).toBe(0);
    const rows = (JSON.parse(first.out) as { imported: { outcome: string; reason?: string }[] }).imported;
    expect(rows.map(({ outcome }) => outcome)).toEqual(['skipped', 'skipped', 'added', 'skipped']);
    expect(rows[0]!.reason).toMatch(/account_id/);
    const second = await place.run('auth', 'import', folder);
    expect(second.out).toContain('unchanged');
    expect(readdirSync(place.auth)).toHaveLength(1);
  });

  test('takes a folder of the replaced program with files of every type, twice, and names those that have no channel', async () => {
    const folder = join(place.path, 'old');
    mkdirSync(join(folder, 'below'), { recursive: true });
    const put = (name: string, fields: Json) => writeFileSync(join(folder, name), JSON.stringify(fields));
    const tokens = { access_token: 'at-1', refresh_token: 'rt-1', email: 'you@example.com' };
    const key = serviceAccount().key;
    put('codex-you@example.com-plus.json', codexFile());
    put('antigravity-you.json', { type: 'antigravity', ...tokens, refresh_token: 'rt-2', expires_in: 3599 });
    put('you@example.com-project.json', {
      type: 'gemini',
      token: { access_token: 'at-3', refresh_token: 'rt-3' },
      project_id: 'project-a,project-b',
      email: 'you@example.com',
      checked: true,
    });
    put('below/vertex-sim.json', {
      type: 'vertex',
      service_account: key,
      project_id: key.project_id,
      email: key.client_email,
      location: 'us-central1',
    });
    put('kiro-google.json', { type: 'kiro', ...tokens, refresh_token: 'rt-4', auth_method: 'social' });
    put('github-copilot-octo.json', { type: 'github-copilot', access_token: 'ghu_1', username: 'octo' });
    const without = [
      'claude',
      'cursor',
      'codebuddy',
      'kimi',
      'xai',
      'qwen',
      'iflow',
      'kilo',
      'gitlab',
      'new',
    ];
    for (const type of without) put(`${type}.json`, { type, ...tokens });
    put('openrouter-api-key.json', { api_key: 'sk-or-1' });
    writeFileSync(join(folder, 'codex.cds'), '{}');
    const imported = async () => {
      const { out, code } = await place.run('auth', 'import', folder, '--json');
      expect(code).toBe(0);
      return (JSON.parse(out) as { imported: (Json & { from: string; outcome: string })[] }).imported;
    };
    const first = await imported();
    expect(
      first
        .filter(({ outcome }) => outcome === 'added')
        .map(({ channel }) => channel)
        .toSorted(),
    ).toEqual(['antigravity', 'codex', 'gemini-cli', 'github-copilot', 'kiro', 'vertex']);
    const skipped = first.filter(({ outcome }) => outcome === 'skipped');
    expect(skipped).toHaveLength(without.length + 1);
    for (const { reason } of skipped) expect(reason).toBeString();
    expect(skipped.find(({ from }) => from.endsWith('claude.json'))!.remedy).toContain('API key');
    const again = await imported();
    expect(new Set(again.map(({ outcome }) => outcome))).toEqual(new Set(['unchanged', 'skipped']));
    expect(readdirSync(place.auth)).toHaveLength(6);
    const listed = JSON.parse((await place.run('auth', 'list', '--json')).out) as { logins: Json[] };
    expect(listed.logins.map(({ state }) => state)).toEqual(Array(6).fill('ready'));
  });

  test('finds what other programs left on this machine, and leaves newer tokens alone', async () => {
    mkdirSync(join(place.path, '.codex'));
    const { id_token, access_token, refresh_token, account_id } = codexFile();
    const tokens = { id_token, access_token, refresh_token, account_id };
    const at = join(place.path, '.codex/auth.json');
    writeFileSync(at, JSON.stringify({ tokens, last_refresh: '2026-05-02T00:00:00Z' }));
    expect((await place.run('auth', 'import', 'codex')).out).toMatch(/^added/);
    const older = { tokens: { ...tokens, refresh_token: 'rt-old' }, last_refresh: '2026-05-01T00:00:00Z' };
    writeFileSync(at, JSON.stringify(older));
    expect((await place.run('auth', 'import')).out).toMatch(/^unchanged/);
    const [name = ''] = readdirSync(place.auth);
    expect(file(name)['refresh_token']).toBe(refresh_token);
  });
});

describe('looking after logins', () => {
  test('list, show, disable, enable, refresh, export and remove do what they say, and show no secret', async () => {
    const fields = codexFile();
    keep('codex-you.json', fields);
    const list = await place.run('auth', 'list', '--json');
    expect(JSON.parse(list.out)).toMatchObject({
      logins: [
        { name: 'codex-you.json', channel: 'codex', state: 'ready', expires_at: '2026-06-01T12:00:00.000Z' },
      ],
    });
    const show = await place.run('auth', 'show', 'codex-you');
    for (const secret of [fields.access_token, fields.refresh_token, fields.id_token])
      expect(show.out + list.out).not.toContain(secret);
    await place.run('auth', 'disable', 'codex-you');
    expect(file('codex-you.json')['disabled']).toBe(true);
    await place.run('auth', 'enable', 'codex-you');
    expect(file('codex-you.json')['disabled']).toBe(false);
    expect((await place.run('auth', 'refresh')).out).toContain('renewed');
    expect(file('codex-you.json')['refresh_token']).not.toBe(fields.refresh_token);
    const target = join(place.path, 'copy.json');
    expect((await place.run('auth', 'export', 'codex-you', target)).code).toBe(1);
    expect((await place.run('auth', 'export', 'codex-you', target, '--yes')).code).toBe(0);
    expect(statSync(target).mode & 0o777).toBe(0o600);
    expect((await place.run('auth', 'remove', 'codex-you', '--yes')).code).toBe(0);
    expect(readdirSync(place.auth)).toEqual([]);
  });

  test('a refused renewal is remembered: list names the command in another process', async () => {
    const fields = codexFile();
    keep('codex-you.json', fields);
    provider.revoke(fields.refresh_token);
    expect((await place.run('auth', 'refresh')).code).toBe(1);
    const { out } = await place.run('auth', 'list');
    expect(out).toContain('needs_login');
    expect(out).toContain('Run `cliproxyapi++ auth login codex`.');
  });

  test('doctor names duplicates, shared tokens and what nobody can use, each with a remedy', async () => {
    const fields = codexFile();
    keep('codex-you.json', { ...fields, last_refresh: '2026-05-30T00:00:00Z' });
    keep('codex-copy.json', { ...fields, last_refresh: '2026-05-01T00:00:00Z' });
    keep('claude-you.json', { type: 'claude', access_token: 'x' });
    mkdirSync(join(place.path, '.codex'));
    writeFileSync(join(place.path, '.codex/auth.json'), JSON.stringify({ tokens: fields }));
    const { code, out } = await place.run('auth', 'doctor', '--json');
    const { findings } = JSON.parse(out) as { findings: { id: string; where: string; remedy: string }[] };
    expect(code).toBe(2);
    expect(findings.map(({ id, where }) => `${id} ${where}`)).toEqual([
      'AUTH-INVALID claude-you.json',
      'AUTH-DUPLICATE codex-copy.json',
      'AUTH-SHARED codex-you.json',
    ]);
    expect(findings.every(({ remedy }) => remedy !== '')).toBe(true);
  });

  test('a folder and a file that others can read are closed to them', async () => {
    keep('codex-you.json', codexFile());
    chmodSync(place.auth, 0o755);
    chmodSync(join(place.auth, 'codex-you.json'), 0o644);
    await place.run('auth', 'list');
    expect(statSync(place.auth).mode & 0o777).toBe(0o700);
    expect(statSync(join(place.auth, 'codex-you.json')).mode & 0o777).toBe(0o600);
  });
});

describe('the flags of the replaced program', () => {
  test.each([
    [['-codex-login', '-no-browser'], 'auth login codex --way browser -no-browser'],
    [['--codex-device-login'], 'auth login codex --way device'],
    [['-kiro-import'], 'auth import kiro'],
    [['-vertex-import', 'key.json'], 'auth import vertex key.json'],
    [
      ['-vertex-import=key.json', '-vertex-import-prefix', 'team'],
      'auth import vertex key.json --set prefix=team',
    ],
    [
      ['-login', '-project_id', 'p-1', '-oauth-callback-port=9000'],
      'auth login gemini-cli --set project=p-1 --port 9000',
    ],
    [
      ['-kiro-idc-login', '-kiro-idc-flow', 'authcode'],
      'auth login kiro --way identity-center --way identity-center-browser',
    ],
    [['serve', '-config', 'login'], 'serve -config login'],
    [['-constructor', '--toString'], '-constructor --toString'],
  ])('%j is read as %s', (argv, expected) => {
    expect(fromReference(argv).join(' ')).toBe(expected);
  });
});
