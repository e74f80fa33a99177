import { afterEach, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { save } from '../../../src/accounts/logins/save.ts';
import { loginCounts, viewOf } from '../../../src/accounts/logins/view.ts';
import { LoginRefused } from '../../../src/accounts/login.ts';
import { GatewayError } from '../../../src/core/error.ts';
import { loginFields } from '../../support/login-channel.ts';
import { type Desk, type DeskOptions, forever, minutes, noon, openDesk } from './desk.ts';

/** What the files of a folder are, and how they become logins. */

let desk: Desk;
afterEach(() => desk.close());
const open = (options?: DeskOptions) => (desk = openDesk(options));

const views = () => desk.keeper.files.map((kept) => viewOf(kept));

describe('who a file is', () => {
  test('two files of one account are one login: the newest is used, the other is named', async () => {
    open();
    await desk.login(noon + 10 * minutes, {}, 'older.json');
    const login = await desk.login(noon + 60 * minutes, { email: 'PERSON@example.com' }, 'newer.json');
    expect(desk.keeper.logins).toEqual([login]);
    expect(login.file).toBe('newer.json');
    expect(views()[1]).toMatchObject({
      name: 'older.json',
      state: 'invalid',
      duplicate_of: 'newer.json',
      reason: 'newer.json holds the same account and is newer',
    });
  });

  test('two files with one refresh token are never both renewed', async () => {
    open();
    const first = await desk.login(noon - 1000, {}, 'a.json');
    const token = first.fields['refresh_token'];
    await desk.login(noon - 2000, { email: 'other@example.com', refresh_token: token }, 'b.json');
    expect(desk.keeper.logins.map(({ file }) => file)).toEqual(['a.json']);
    await desk.keeper.renewDue();
    expect(desk.provider.counts).toMatchObject({ refresh: 1, reused: 0 });
  });

  test('two workspaces of one e-mail are two logins', async () => {
    open();
    await desk.login(noon + 60 * minutes, {}, 'plus.json');
    await desk.login(noon + 60 * minutes, { team: 'acme' }, 'team.json');
    expect(desk.keeper.logins).toHaveLength(2);
  });

  test('an id never depends on the name of the file: a rename is the same login', async () => {
    open();
    const login = await desk.login(noon + 60 * minutes);
    const fields = desk.read('test-person.json');
    rmSync(join(desk.folder, 'test-person.json'));
    desk.write('team/renamed.json', fields);
    await desk.keeper.load();
    expect(desk.keeper.find('team/renamed.json')!.login).toBe(login);
    expect(login.file).toBe('team/renamed.json');
  });

  test('a type without a channel is listed with the reason and the remedy', async () => {
    open();
    desk.write('claude-you.json', { type: 'claude', access_token: 'x' });
    desk.write('kimi-1.json', { type: 'Kimi' });
    desk.write('odd.json', { type: 'something' });
    desk.write('odder.json', { type: 'constructor' });
    desk.write('settings.json', { api_key: 'no type, no login' });
    await desk.keeper.load();
    expect(views().map(({ name, state, reason }) => [name, state, reason])).toEqual([
      ['claude-you.json', 'invalid', expect.stringContaining('for its own applications')],
      ['kimi-1.json', 'invalid', expect.stringContaining('not part of this version yet')],
      ['odd.json', 'invalid', expect.stringContaining('"something"')],
      ['odder.json', 'invalid', expect.stringContaining('"constructor"')],
    ]);
    expect(views().every(({ remedy }) => remedy !== undefined)).toBe(true);
  });

  test('files are counted by channel and state', async () => {
    open();
    const { provider } = desk;
    desk.write('a.json', loginFields(provider, noon));
    desk.write('b.json', loginFields(provider, noon, { email: 'b@example.com' }));
    desk.write('c.json', loginFields(provider, noon, { email: 'c@example.com', disabled: true }));
    desk.write('d.json', { type: 'claude' });
    await desk.keeper.load();
    expect(loginCounts(desk.keeper.files)).toEqual([
      { channel: 'test', state: 'ready', count: 2 },
      { channel: 'test', state: 'disabled', count: 1 },
      { channel: 'claude', state: 'invalid', count: 1 },
    ]);
  });

  test('a file that does not say who it is, or names a proxy that cannot be, is invalid and never goes out', async () => {
    open();
    desk.write('a.json', { type: 'test' });
    desk.write('b.json', { ...loginFields(desk.provider, noon - 1000), proxy_url: 'ftp://proxy' });
    await desk.keeper.load();
    expect(views().map(({ state, reason }) => [state, reason])).toEqual([
      ['invalid', 'The file has no email.'],
      ['invalid', expect.stringContaining('proxy URL cannot be used')],
    ]);
    await desk.keeper.renewDue();
    expect(desk.provider.received).toHaveLength(0);
  });
});

describe('changes of the folder', () => {
  test('files that come, change and go want another runtime; a renewal does not', async () => {
    open();
    const login = await desk.login(noon + 60 * minutes);
    expect(desk.changes).toBe(1);
    await desk.keeper.load();
    await desk.keeper.renew(login);
    await desk.keeper.load();
    expect(desk.changes).toBe(1);
    await desk.keeper.patch('test-person.json', (fields) => ({ ...fields, priority: 3 }));
    expect(desk.changes).toBe(2);
    expect(desk.keeper.logins[0]).toBe(login);
    await desk.keeper.remove('test-person.json');
    expect(desk.changes).toBe(3);
    expect(login.state).toMatchObject({ kind: 'invalid' });
  });

  test('whoever signs in again is told of, so that nobody makes the login rest for its old tokens', async () => {
    const mended: string[] = [];
    open({ keeper: { mended: ({ id }) => void mended.push(id) } });
    const login = await desk.login(noon - 1000);
    desk.provider.revoke(String(login.fields['refresh_token']));
    await login.ready(forever)!.catch(() => {});
    expect([login.state.kind, mended]).toEqual(['needs-login', []]);
    await desk.keeper.save(login.place, loginFields(desk.provider, noon + 60 * minutes));
    expect([login.state.kind, mended]).toEqual(['ready', [login.id]]);
  });

  test('a disabled login is out of use, is not renewed, and comes back as the same one', async () => {
    open();
    const login = await desk.login(noon - 1000, { disabled: true });
    expect(desk.keeper.logins).toEqual([]);
    expect(login.state).toEqual({ kind: 'disabled' });
    await desk.keeper.renewDue();
    await expect(login.ready(forever)!).rejects.toThrow(/disabled/);
    expect(desk.provider.counts.refresh).toBe(0);
    await desk.keeper.patch('test-person.json', (fields) => ({ ...fields, disabled: false }));
    expect(desk.keeper.logins).toEqual([login]);
  });
});

describe('keeping a new login', () => {
  test('signing in again updates the file of that account and keeps what the operator wrote', async () => {
    open();
    await desk.login(noon - 1000, { proxy_url: 'direct', priority: 4, disabled: true }, 'my-own-name.json');
    const place = desk.keeper.places[0]!;
    const fresh = loginFields(desk.provider, noon + 60 * minutes);
    const saved = await desk.keeper.save(place, fresh, { enable: true });
    expect(saved).toEqual({ outcome: 'updated', file: 'my-own-name.json', label: 'person@example.com' });
    expect(desk.read('my-own-name.json')).toMatchObject({
      proxy_url: 'direct',
      priority: 4,
      disabled: false,
      refresh_token: fresh['refresh_token'],
    });
    expect((await save(desk.keeper.store, desk.keeper.places, place, fresh)).outcome).toBe('unchanged');
    expect(desk.keeper.files).toHaveLength(1);
  });
});

describe('sessions', () => {
  const session = (calls: { count: number }) => (_: unknown, net: { now(): number }) =>
    Promise.resolve({ values: { token: `s-${++calls.count}` }, expiresAt: net.now() + 10 * minutes });

  test('50 concurrent requests open one session, and the next one when it has ended', async () => {
    const calls = { count: 0 };
    open({ logins: { session: session(calls) } });
    const login = await desk.login(noon + 600 * minutes);
    await Promise.all(Array.from({ length: 50 }, () => login.ready(forever)));
    expect([calls.count, login.session]).toEqual([1, { token: 's-1' }]);
    desk.now += 10 * minutes;
    await login.ready(forever);
    expect(calls.count).toBe(2);
  });

  test('a refused session is opened anew, and a fresh one that is refused has its login renewed', async () => {
    const calls = { count: 0 };
    open({ logins: { session: session(calls) } });
    const login = await desk.login(noon + 600 * minutes);
    await login.ready(forever);
    desk.now += minutes;
    expect(await login.refused(login.fields, login.session)).toBe(true);
    expect([calls.count, desk.provider.counts.refresh]).toEqual([2, 0]);
    expect(await login.refused(login.fields, login.session)).toBe(true);
    expect([calls.count, desk.provider.counts.refresh]).toEqual([3, 1]);
  });

  test('a session that needs another token first gets it; a final no needs a person', async () => {
    const answers: (() => Promise<{ values: object; expiresAt: number }>)[] = [
      () => Promise.reject(new GatewayError({ kind: 'upstream-unauthorized' }, 'stale')),
      () => Promise.resolve({ values: {}, expiresAt: noon + minutes }),
      () => Promise.reject(new LoginRefused('The subscription has ended.')),
    ];
    open({ logins: { session: () => answers.shift()!() as never } });
    const login = await desk.login(noon + 600 * minutes);
    await login.ready(forever);
    expect(desk.provider.counts.refresh).toBe(1);
    desk.now += 2 * minutes;
    await expect(login.ready(forever)!).rejects.toThrow(/subscription has ended/);
    expect(login.state.kind).toBe('needs-login');
  });
});

describe('quota and models', () => {
  test('are asked for gently, and another list of models wants another runtime', async () => {
    let asked = 0;
    let models = [{ name: 'm-1' }];
    open({
      logins: {
        quota: () =>
          Promise.resolve([{ name: 'weekly', remainingShare: 0.4, source: 'test', seenAt: ++asked }]),
        models: () => Promise.resolve(models),
      },
    });
    const login = await desk.login(noon + 600 * minutes);
    await desk.keeper.ask(login);
    await desk.keeper.ask(login);
    expect([asked, desk.changes]).toEqual([1, 2]);
    expect(login.models).toEqual([{ name: 'm-1' }]);
    expect(views()[0]!.quota).toEqual([{ name: 'weekly', remaining_share: 0.4, source: 'test' }]);
    models = [{ name: 'm-1' }, { name: 'm-2' }];
    desk.now += 61 * minutes;
    await desk.keeper.ask(login);
    expect([asked, desk.changes]).toEqual([2, 3]);
  });

  test('are asked for again while a login is used, and not while it is idle or before their time', async () => {
    let asked = 0;
    open({ logins: { quota: () => Promise.resolve((asked++, [])) } });
    const login = await desk.login(noon + 600 * minutes);
    await desk.keeper.ask(login);
    desk.now += 60 * minutes;
    await desk.keeper.askUsed();
    expect(asked).toBe(1);
    await login.ready(forever);
    await desk.keeper.askUsed();
    expect(asked).toBe(2);
    await login.ready(forever);
    desk.now += 14 * minutes;
    await desk.keeper.askUsed();
    expect(asked).toBe(2);
  });

  test('a renewal that tells of another plan wants another runtime, and what was refused before is asked again', async () => {
    const mended: string[] = [];
    open({
      logins: {
        plan: (fields) => String(fields['plan']),
        renew: (fields) =>
          Promise.resolve({
            plan: fields['plan'] === 'free' ? 'plus' : fields['plan'],
            expired: new Date(desk.now + 60 * minutes).toISOString(),
          }),
      },
      keeper: { mended: ({ id }) => void mended.push(id) },
    });
    const login = await desk.login(noon + 600 * minutes, { plan: 'free' });
    const before = desk.changes;
    await desk.keeper.renew(login);
    expect([desk.changes - before, mended]).toEqual([1, [login.id]]);
    expect(views()[0]!.plan).toBe('plus');
    desk.now += 30 * minutes;
    await desk.keeper.renew(login);
    expect([desk.changes - before, mended.length]).toEqual([1, 1]);
  });

  test('a provider that fails leaves what was known', async () => {
    open({ logins: { quota: () => Promise.reject(new Error('down')) } });
    const login = await desk.login(noon + 600 * minutes);
    await desk.keeper.ask(login);
    expect(login.state.kind).toBe('ready');
  });
});

test('the keeper clears away what writes that were killed have left, and nothing else', async () => {
  open();
  const written = { '.a.json.0123abcd.tmp': 120, '.b.json.0123abcd.tmp': 1, '.mine.tmp': 120, 'c.json': 120 };
  for (const [name, minutesAgo] of Object.entries(written)) {
    desk.write(`team/${name}`, {});
    const at = (noon - minutesAgo * minutes) / 1000;
    utimesSync(join(desk.folder, 'team', name), at, at);
  }
  desk.keeper.start();
  while (existsSync(join(desk.folder, 'team/.a.json.0123abcd.tmp'))) await Bun.sleep(1);
  expect(readdirSync(join(desk.folder, 'team')).sort()).toEqual([
    '.b.json.0123abcd.tmp',
    '.mine.tmp',
    'c.json',
  ]);
});
