import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { discoverConfig } from '../../src/config/discover.ts';
import { firstConfig, firstRun, newKey } from '../../src/config/first-run.ts';
import { listenAddress } from '../../src/config/listen.ts';
import { temporaryFolder as ourTemporaryFolder } from '../../src/config/places.ts';
import { machine, parse, temporaryFolder } from './support.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
  writeFileSync(at('file'), '');
});
afterEach(() => folder.remove());
const at = (path: string) => join(folder.path, path);

describe('a first run', () => {
  test('writes a config into the user’s config folder, for its owner alone', async () => {
    const here = machine(folder.path);
    const { path, why, text, key, temporary } = await firstRun(here);
    expect(path).toBe(at('home/.config/cliproxyapi/config.yaml'));
    expect(why).toBe("written at first run into the user's config folder");
    expect(temporary).toBe(false);
    expect(readFileSync(path ?? '', 'utf8')).toBe(text);
    expect(text).toContain(key);
    expect(statSync(path ?? '').mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path ?? '')).mode & 0o777).toBe(0o700);
  });

  test('is found by the next start', async () => {
    const here = machine(folder.path);
    const { path } = await firstRun(here);
    expect(discoverConfig(here).found?.path).toBe(path ?? '');
  });

  test.each([
    ['WRITABLE_PATH', { STATE_DIRECTORY: 'state', WRITABLE_PATH: 'writable' }, 'writable/config.yaml'],
    ['STATE_DIRECTORY', { STATE_DIRECTORY: 'state' }, 'state/config.yaml'],
    ['STATE_DIRECTORY', { STATE_DIRECTORY: 'state', WRITABLE_PATH: 'file/none' }, 'state/config.yaml'],
  ])('goes to %s, where the platform says %j', async (name, variables, path) => {
    const environment = Object.fromEntries(Object.entries(variables).map(([key, value]) => [key, at(value)]));
    const here = machine(folder.path, environment);
    const first = await firstRun(here);
    expect(first).toMatchObject({
      path: at(path),
      why: `written at first run into ${name}`,
      temporary: false,
    });
    expect(first.refused).toHaveLength(
      Object.values(variables).filter((place) => place.startsWith('file')).length,
    );
    expect(discoverConfig(here).found).toEqual({ path: at(path), why: `found in ${name}` });
  });

  test('goes to the temporary folder last, and says that it will not last', async () => {
    const here = machine(folder.path, { XDG_CONFIG_HOME: at('file/xdg') });
    const first = await firstRun(here);
    expect(first).toMatchObject({ path: join(ourTemporaryFolder(here), 'config.yaml'), temporary: true });
    expect(discoverConfig(here).found?.path).toBe(first.path ?? '');
  });

  test('lives in memory when nothing can be written', async () => {
    const here = { ...machine(folder.path, { XDG_CONFIG_HOME: at('file/xdg') }), temporary: at('file/tmp') };
    const { path, text, key, refused } = await firstRun(here);
    expect(path).toBeUndefined();
    expect(parse(text).config['api-keys']).toEqual([key]);
    expect(refused.length).toBeGreaterThan(0);
  });
});

describe('the first config', () => {
  test('is accepted without a word, listens on this machine and has the demo', () => {
    const { config, notices } = parse(firstConfig('sk-test'));
    expect(notices).toEqual([]);
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 8317,
      'api-keys': ['sk-test'],
      demo: { enabled: true },
    });
    expect(listenAddress(config)).toMatchObject({ loopback: true });
  });

  test('is accepted with every example in it switched on', () => {
    const text = firstConfig('sk-test').replaceAll(/^# (?=( *- |  |[a-z-]+:$))/gm, '');
    const { config, notices } = parse(text, {
      environment: { OPENROUTER_API_KEY: 'sk-or-1', ANTHROPIC_API_KEY: 'sk-ant-1' },
    });
    expect(notices).toEqual([]);
    expect(Object.keys(config)).toEqual(
      expect.arrayContaining(['openrouter', 'openai-compatibility', 'claude-api-key', 'demo']),
    );
    expect(config['remote-management']['secret-key']).toBe('choose-a-strong-one');
  });

  test('has a key of its own each time: sk- and 48 hex digits', () => {
    expect(newKey()).toMatch(/^sk-[0-9a-f]{48}$/);
    expect(newKey()).not.toBe(newKey());
  });
});
