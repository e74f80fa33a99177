import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { discoverConfig, usualPlaces } from '../../src/config/discover.ts';
import { temporaryFolder as ourTemporaryFolder } from '../../src/config/places.ts';
import { readConfig } from '../../src/config/read.ts';
import { machine, refused, temporaryFolder } from './support.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => (folder = temporaryFolder()));
afterEach(() => folder.remove());

const at = (path: string) => join(folder.path, path);
function put(path: string): string {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), 'port: 1\n');
  return at(path);
}
const found = (environment: Record<string, string> = {}, flag?: string) =>
  discoverConfig(machine(folder.path, environment), flag).found;

describe('a config file that is named', () => {
  test('by --config wins, relative to the working folder', () => {
    put('cwd/config.yaml');
    put('named.yaml');
    const other = put('cwd/other.yaml');
    expect(found({ CONFIG: at('named.yaml') }, 'other.yaml')).toEqual({ path: other, why: '--config' });
  });

  test('by a variable wins over the usual places, in the order of the variables', () => {
    put('cwd/config.yaml');
    const [a, b] = [put('a.yaml'), put('b.yaml')];
    expect(found({ CLIPROXY_CONFIG_PATH: a, CONFIG_PATH: b })).toEqual({ path: b, why: 'env CONFIG_PATH' });
    expect(found({ CLIPROXY_CONFIG_PATH: a, CLIPROXY_CONFIG: '' })).toEqual({
      path: a,
      why: 'env CLIPROXY_CONFIG_PATH',
    });
  });

  test('may begin with ~', () => {
    const path = put('home/my.yaml');
    expect(found({}, '~/my.yaml')).toEqual({ path, why: '--config' });
  });

  test('and does not exist is a fault, never another file in its place', () => {
    put('cwd/config.yaml');
    expect(refused(() => found({}, 'gone.yaml')).message).toBe(
      `${at('cwd/gone.yaml')}: there is no such file, and --config names it; expected an existing file; create it, correct the path after --config, or leave it out to have one found or written.`,
    );
    expect(refused(() => found({ CLIPROXY_CONFIG: at('gone.yaml') })).message).toContain(
      'env CLIPROXY_CONFIG names it; expected an existing file; create it, correct CLIPROXY_CONFIG,',
    );
  });
});

describe('a config file that nobody names', () => {
  const environment = () => ({ WRITABLE_PATH: at('writable'), STATE_DIRECTORY: `${at('state')}:/other` });

  test('is looked for in this order', () => {
    const here = machine(folder.path, environment());
    const places = usualPlaces(here).map(({ path, why }) => [path.slice(folder.path.length + 1), why]);
    expect(places).toEqual([
      ['cwd/config.yaml', 'found in the working folder'],
      ['cwd/config/config.yaml', 'found in config/ of the working folder'],
      ['home/.config/cliproxyapi/config.yaml', "found in the user's config folder"],
      ['etc/cliproxyapi/config.yaml', 'found in /etc/cliproxyapi'],
      ['CLIProxyAPI/config.yaml', 'found in /CLIProxyAPI'],
      ['config/config.yaml', 'found in /config'],
      ['app/config.yaml', 'found in /app'],
      ['writable/config.yaml', 'found in WRITABLE_PATH'],
      ['state/config.yaml', 'found in STATE_DIRECTORY'],
      [
        join(ourTemporaryFolder(here), 'config.yaml').slice(folder.path.length + 1),
        'found in the temporary folder',
      ],
    ]);
  });

  test('is taken from the first place that has it', () => {
    const here = machine(folder.path, environment());
    for (const { path, why } of usualPlaces(here).toReversed()) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(path, '');
      expect(discoverConfig(here).found).toEqual({ path, why });
    }
  });

  test('is looked for under XDG_CONFIG_HOME when that is an absolute path', () => {
    const path = put('xdg/cliproxyapi/config.yaml');
    expect(found({ XDG_CONFIG_HOME: at('xdg') })?.path).toBe(path);
    expect(found({ XDG_CONFIG_HOME: 'xdg' })).toBeUndefined();
  });

  test('and is nowhere leaves nothing found, with the list of places', () => {
    const { found: nothing, looked } = discoverConfig(machine(folder.path));
    expect(nothing).toBeUndefined();
    expect(looked).toHaveLength(8);
  });

  test('is not taken from a temporary folder that others may write to', () => {
    const here = machine(folder.path);
    mkdirSync(here.temporary);
    mkdirSync(ourTemporaryFolder(here), { mode: 0o777 });
    Bun.spawnSync(['chmod', '777', ourTemporaryFolder(here)]);
    writeFileSync(join(ourTemporaryFolder(here), 'config.yaml'), '');
    expect(discoverConfig(here).found).toBeUndefined();
  });

  test('and is a folder, as Docker makes them, is told with the fix', () => {
    mkdirSync(at('CLIProxyAPI/config.yaml'), { recursive: true });
    const path = found()?.path ?? '';
    expect(path).toBe(at('CLIProxyAPI/config.yaml'));
    expect(refused(() => readConfig(path)).message).toBe(
      `${path}: this is a folder, not a file; expected a file; if Docker made the folder because the file to mount was missing, remove it (rmdir ${path}), create the file, or mount the folder around it.`,
    );
  });
});

describe('reading the file', () => {
  test('a folder with a config in it is told by the name of that file', () => {
    const inside = put('folder/config.yaml');
    expect(refused(() => readConfig(at('folder'))).message).toContain(`expected the file itself, ${inside}.`);
  });

  test('understands what Windows editors write', () => {
    writeFileSync(at('bom.yaml'), '\ufeffport: 1\r\n');
    writeFileSync(
      at('wide.yaml'),
      Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('port: 2\n', 'utf16le')]),
    );
    expect(readConfig(at('bom.yaml'))).toBe('port: 1\r\n');
    expect(readConfig(at('wide.yaml'))).toBe('port: 2\n');
  });

  test('refuses what is no text', () => {
    writeFileSync(at('latin.yaml'), Buffer.from([0x61, 0x3a, 0x20, 0xe4]));
    expect(refused(() => readConfig(at('latin.yaml'))).message).toContain('this file is not UTF-8 text');
  });
});
