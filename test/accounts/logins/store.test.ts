import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createStore, type Store } from '../../../src/accounts/logins/store.ts';
import { takeLock } from '../../../src/accounts/logins/store-lock.ts';
import { watchStore } from '../../../src/accounts/logins/store-watch.ts';
import { recordingLog, temporaryFolder } from '../../config/support.ts';

let place: ReturnType<typeof temporaryFolder>;
let folder: string;
let store: Store;
let lines: ReturnType<typeof recordingLog>;
beforeEach(() => {
  place = temporaryFolder();
  folder = join(place.path, 'auth');
  mkdirSync(folder, { mode: 0o700 });
  lines = recordingLog();
  store = createStore(folder, lines.log);
});
afterEach(() => place.remove());

const at = (name: string) => join(folder, name);
const write = (name: string, text: string, mode = 0o600) => writeFileSync(at(name), text, { mode });
const modeOf = (name: string) => statSync(at(name)).mode & 0o777;

describe('reading', () => {
  test('finds *.json in every folder, in any case, and nothing with a dot in front', async () => {
    mkdirSync(at('team'), { mode: 0o700 });
    write('a.json', '{"type":"test"}');
    write('team/B.JSON', '\ufeff{"type":"test"}');
    write('.oauth-codex-state.oauth', '{}');
    write('.a.json.12345678.tmp', '{');
    write('a.json.cds', '{}');
    write('.hidden.json', '{}');
    const { logins, broken } = await store.read();
    expect(logins.map(({ file }) => file)).toEqual(['a.json', 'team/B.JSON']);
    expect(broken).toEqual([]);
    expect(existsSync(at('.oauth-codex-state.oauth'))).toBe(true);
  });

  test.each([
    ['', /empty/],
    ['{"type":', /not a JSON object/],
    ['[1]', /not a JSON object/],
  ])('a file with %j is named with what to do', async (text, reason) => {
    write('x.json', text);
    expect((await store.read()).broken).toEqual([
      {
        file: 'x.json',
        path: at('x.json'),
        reason: expect.stringMatching(reason) as string,
        remedy: expect.any(String) as string,
      },
    ]);
  });

  test('a link that leads nowhere is named, and a link to a file is read and stays a link', async () => {
    writeFileSync(join(place.path, 'real.json'), '{"type":"test","n":1}', { mode: 0o600 });
    symlinkSync(join(place.path, 'real.json'), at('link.json'));
    symlinkSync(join(place.path, 'gone.json'), at('loose.json'));
    const { logins, broken } = await store.read();
    expect(logins.map(({ file }) => file)).toEqual(['link.json']);
    expect(broken.map(({ file }) => file)).toEqual(['loose.json']);
    await store.patch('link.json', (fields) => ({ ...fields, n: 2 }));
    expect(readFileSync(join(place.path, 'real.json'), 'utf8')).toContain('"n": 2');
  });

  test('a folder that does not exist holds nothing', async () => {
    rmSync(folder, { recursive: true });
    expect((await store.read()).logins).toEqual([]);
  });

  test('modes that let others read are mended, and told of once', async () => {
    write('a.json', '{"type":"test"}', 0o644);
    chmodSync(at('a.json'), 0o644);
    chmodSync(folder, 0o755);
    await store.read();
    expect([modeOf('a.json'), modeOf('.')]).toEqual([0o600, 0o700]);
    expect(lines.events()).toEqual(['login-mode-mended', 'login-mode-mended']);
  });
});

describe('writing', () => {
  test('keeps fields that nobody here knows, and the order of all', async () => {
    write('a.json', '{"zeta":1,"type":"test","unknown":{"deep":[1]},"token":"old"}');
    await store.patch('a.json', (fields) => ({ ...fields, token: 'new' }));
    expect(readFileSync(at('a.json'), 'utf8')).toBe(
      `${JSON.stringify({ zeta: 1, type: 'test', unknown: { deep: [1] }, token: 'new' }, null, 2)}\n`,
    );
    expect(modeOf('a.json')).toBe(0o600);
  });

  test('what is there already is not written again', async () => {
    write('a.json', '{"type":"test"}');
    const before = statSync(at('a.json')).ino;
    expect((await store.patch('a.json', (fields) => ({ ...fields }))).kind).toBe('unchanged');
    expect(statSync(at('a.json')).ino).toBe(before);
  });

  test('a file that is gone stays gone', async () => {
    expect(await store.patch('a.json', () => ({ type: 'test' }))).toEqual({ kind: 'gone' });
    expect(existsSync(at('a.json'))).toBe(false);
  });

  test('somebody who writes while a change is made is not overwritten: the change is made again on theirs', async () => {
    write('a.json', '{"type":"test","token":"old"}');
    let rounds = 0;
    const patched = await store.patch('a.json', (fields) => {
      if (rounds++ === 0) write('a.json', '{"type":"test","token":"old","priority":5}');
      return { ...fields, token: 'new' };
    });
    expect(rounds).toBe(2);
    expect(patched).toMatchObject({ kind: 'written', login: { fields: { token: 'new', priority: 5 } } });
  });

  test('changes of one file come one after the other', async () => {
    write('a.json', '{"n":0}');
    await Promise.all(
      Array.from({ length: 20 }, () => store.patch('a.json', ({ n }) => ({ n: Number(n) + 1 }))),
    );
    expect(readFileSync(at('a.json'), 'utf8')).toContain('"n": 20');
  });

  test.each([
    '../../evil.json',
    '/etc/passwd',
    'a/../../b.json',
    '..\\evil',
    '.hidden',
    'C:\\x.json',
    'nul\0.json',
  ])('a new file called %j lies in the folder under a harmless name', async (name) => {
    const created = await store.create(name, { type: 'test' });
    const file = created.kind === 'written' ? created.login.file : '';
    expect(file).toMatch(/^[\p{L}\p{N}@_+-][\p{L}\p{N}@._+-]*\.json$/u);
    expect(existsSync(at(file))).toBe(true);
  });

  test('a name that is taken gets a number', async () => {
    await store.create('a.json', { n: 1 });
    expect(await store.create('a.json', { n: 2 })).toMatchObject({ login: { file: 'a-2.json' } });
  });

  test('a folder that cannot be written is a reason, not an exception', async () => {
    const file = join(place.path, 'file');
    writeFileSync(file, '');
    const created = await createStore(join(file, 'auth')).create('a.json', {});
    expect(created).toMatchObject({ kind: 'refused', reason: expect.stringContaining('ENOTDIR') as string });
  });
});

describe('the lock', () => {
  test('only one holds it, and the next gets it after that', async () => {
    const lock = await takeLock(folder, 'token-1');
    expect(await takeLock(folder, 'token-1')).toBeUndefined();
    await lock!.release();
    expect(await takeLock(folder, 'token-1')).toBeDefined();
  });

  test('one that a dead process left is taken over', async () => {
    const { hostname } = await import('node:os');
    const dead = Bun.spawnSync(['true']).pid;
    write('.token-2.lock', `${hostname()} ${dead}`);
    expect(await takeLock(folder, 'token-2')).toBeDefined();
  });

  test('a process of another machine is left alone', async () => {
    write('.token-3.lock', 'elsewhere 1');
    expect(await takeLock(folder, 'token-3')).toBeUndefined();
  });
});

describe('the watch', () => {
  test('sees files that are added, changed, removed and renamed, and links that are swapped', async () => {
    let changes = 0;
    const watch = watchStore({
      folder,
      changed: async () => void changes++,
      pollMs: 3_600_000,
      debounceMs: 3_600_000,
    });
    const looks = async (act: () => void) => {
      const before = changes;
      act();
      await watch.check();
      return changes - before;
    };
    await watch.check();
    expect(await looks(() => write('a.json', '{}'))).toBe(1);
    expect(await looks(() => {})).toBe(0);
    expect(await looks(() => write('a.json', '{"n":1}'))).toBe(1);
    expect(await looks(() => renameSync(at('a.json'), at('b.json')))).toBe(1);
    writeFileSync(join(place.path, 'one'), '{}');
    writeFileSync(join(place.path, 'two'), '{ }');
    expect(await looks(() => symlinkSync(join(place.path, 'one'), at('link.json')))).toBe(1);
    const swap = () => {
      symlinkSync(join(place.path, 'two'), at('fresh'));
      renameSync(at('fresh'), at('link.json'));
    };
    expect(await looks(swap)).toBe(1);
    expect(await looks(() => unlinkSync(at('b.json')))).toBe(1);
    expect(await looks(() => write('.b.json.12345678.tmp', '{}'))).toBe(0);
    watch.close();
  });

  test('an event of the system is enough', async () => {
    const changed = Promise.withResolvers<void>();
    const watch = watchStore({
      folder,
      changed: async () => {
        if (existsSync(at('a.json'))) changed.resolve();
      },
      pollMs: 3_600_000,
      debounceMs: 1,
    });
    await watch.check();
    watch.follow([folder]);
    write('a.json', '{}');
    await changed.promise;
    watch.close();
  });
});
