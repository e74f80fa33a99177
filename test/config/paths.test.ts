import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolvePaths } from '../../src/config/paths.ts';
import { temporaryFolder as ourTemporaryFolder } from '../../src/config/places.ts';
import { machine, temporaryFolder } from './support.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
  // A path below a file can be written by nobody, not even by root.
  writeFileSync(at('file'), '');
});
afterEach(() => folder.remove());
const at = (path: string) => join(folder.path, path);
const keys = (auth = '', logs = '', state = '') => ({
  'auth-dir': auth,
  'logs-dir': logs,
  'state-dir': state,
});
const resolve = (config = keys(), environment: Record<string, string> = {}) =>
  resolvePaths(config, at('etc/config.yaml'), machine(folder.path, environment));

describe('where things live', () => {
  test('the user’s state folder, when nothing says otherwise', async () => {
    const { auth, logs, state } = await resolve();
    expect([auth.path, logs.path, state.path]).toEqual(
      ['auth', 'logs', 'state'].map((kind) => at(`home/.local/state/cliproxyapi/${kind}`)),
    );
    expect(auth).toMatchObject({
      why: "the user's state folder",
      writable: true,
      temporary: false,
      passedOver: [],
    });
    expect(existsSync(state.path)).toBe(true);
  });

  test('configured places first: ~ is the home, relative ones start at the config file', async () => {
    const { auth, logs, state } = await resolve(keys('~/mine', 'logs', at('state')), {
      WRITABLE_PATH: at('w'),
    });
    expect([auth.path, logs.path, state.path]).toEqual([at('home/mine'), at('etc/logs'), at('state')]);
    expect([auth.why, logs.why, state.why]).toEqual(['auth-dir', 'logs-dir', 'state-dir']);
  });

  test('WRITABLE_PATH before systemd’s folders, in either case', async () => {
    const environment = { STATE_DIRECTORY: at('s'), LOGS_DIRECTORY: at('l') };
    const both = await resolve(keys(), { ...environment, writable_path: at('w') });
    expect([both.auth.path, both.logs.path]).toEqual([at('w/auth'), at('w/logs')]);
    const systemd = await resolve(keys(), environment);
    expect([systemd.auth.path, systemd.logs.path, systemd.state.path]).toEqual([
      at('s/auth'),
      at('l'),
      at('s/state'),
    ]);
    const stateOnly = await resolve(keys(), { STATE_DIRECTORY: at('s') });
    expect(stateOnly.logs).toMatchObject({ path: at('s/logs'), why: 'STATE_DIRECTORY' });
  });

  test('the login folder of the reference program, when there is one', async () => {
    mkdirSync(at('home/.cli-proxy-api'), { recursive: true });
    expect((await resolve()).auth).toMatchObject({
      path: at('home/.cli-proxy-api'),
      why: 'it exists already',
    });
  });

  test('a place that cannot be written is passed over and named with the reason', async () => {
    const { auth } = await resolve(keys(at('file/auth')), {
      WRITABLE_PATH: at('file'),
      STATE_DIRECTORY: at('s'),
    });
    expect(auth).toMatchObject({ path: at('s/auth'), why: 'STATE_DIRECTORY', writable: true });
    expect(auth.passedOver.map(({ path, why }) => [path, why])).toEqual([
      [at('file/auth'), 'auth-dir'],
      [at('file/auth'), 'WRITABLE_PATH'],
    ]);
    expect(auth.passedOver[0]?.reason).toMatch(/ENOTDIR|EEXIST/);
  });

  test('the temporary folder last, marked as such', async () => {
    const here = machine(folder.path, { XDG_STATE_HOME: at('file/xdg') });
    const { auth } = await resolvePaths(keys(), undefined, here);
    expect(auth).toMatchObject({
      path: join(ourTemporaryFolder(here), 'auth'),
      why: 'nothing else can be written',
      temporary: true,
      writable: true,
    });
  });

  test('nowhere, and it says so instead of throwing', async () => {
    const here = {
      ...machine(folder.path, { XDG_STATE_HOME: at('file/xdg') }),
      temporary: at('file/temporary'),
    };
    const { logs } = await resolvePaths(keys(), undefined, here);
    expect(logs).toMatchObject({ writable: false, reason: expect.stringMatching(/ENOTDIR|EEXIST|belongs/) });
  });

  test('the config file with whether it can be replaced', async () => {
    mkdirSync(at('etc'));
    writeFileSync(at('etc/config.yaml'), '');
    expect((await resolve()).config).toMatchObject({
      path: at('etc/config.yaml'),
      writable: true,
      reason: '',
    });
    const fixed = await resolvePaths(keys(), at('file/config.yaml'), machine(folder.path));
    expect(fixed.config).toMatchObject({ writable: false, reason: expect.stringMatching(/ENOTDIR|EEXIST/) });
    expect((await resolvePaths(keys(), undefined, machine(folder.path))).config).toBeUndefined();
  });
});
