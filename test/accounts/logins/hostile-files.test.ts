import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createStore } from '../../../src/accounts/logins/store.ts';
import { importFiles } from '../../../src/accounts/logins/store-import.ts';
import { temporaryFolder } from '../../config/support.ts';

/** What else than login files may stand in a folder, and names that would lead elsewhere. */

let place: ReturnType<typeof temporaryFolder>;
let folder: string;
const at = (name: string) => join(folder, name);
beforeEach(() => {
  place = temporaryFolder();
  folder = join(place.path, 'auth');
  mkdirSync(folder, { mode: 0o700 });
});
afterEach(() => place.remove());

/** Things with the name of a login file that are none. */
function strange(): void {
  Bun.spawnSync(['mkfifo', at('pipe.json')]);
  symlinkSync('/dev/zero', at('endless.json'));
  symlinkSync(folder, at('folder.json'));
  symlinkSync('..', at('up'));
  symlinkSync(at('loop.json'), at('loop.json'));
  mkdirSync(at('deep.json'));
  writeFileSync(at('large.json'), `{"type":"test","x":"${'a'.repeat(1024 * 1024)}"}`);
  writeFileSync(at('list.json'), '[1]');
  writeFileSync(at('good.json'), '{"type":"test"}');
}

describe('an auth folder', () => {
  test('is read past pipes, devices, loops and files that are too large; each is named with what to do', async () => {
    strange();
    const { logins, broken, folders } = await createStore(folder).read();
    expect(logins.map(({ file }) => file)).toEqual(['good.json']);
    expect(broken.map(({ file }) => file)).toEqual([
      'endless.json',
      'folder.json',
      'large.json',
      'list.json',
      'loop.json',
      'pipe.json',
    ]);
    for (const { reason, remedy } of broken) expect([reason, remedy]).not.toContain('');
    expect(folders).toEqual([folder, at('deep.json')]);
  });

  test.each([
    '../../evil.json',
    '/etc/evil.json',
    '..',
    '.hidden.json',
    'a/../../b.json',
    'nul\0byte.json',
    '',
    'x\\y.json',
  ])('a new file called %j stands in the folder, in sight', async (name) => {
    const made = await createStore(folder).create(name, { type: 'test' });
    expect(made.kind).toBe('written');
    const { path } = (made as Extract<typeof made, { kind: 'written' }>).login;
    expect(dirname(path)).toBe(folder);
    expect(readdirSync(folder)).toEqual([expect.stringMatching(/^[^.][^\0/\\]*\.json$/)]);
    expect(readdirSync(place.path)).toEqual(['auth']);
  });

  test('a new file does not follow a link that waits under its name', async () => {
    const outside = join(place.path, 'outside');
    symlinkSync(outside, at('you.json'));
    await createStore(folder).create('you.json', { type: 'test' });
    expect(existsSync(outside)).toBe(false);
  });
});

describe('an import', () => {
  test('passes over what is no ordinary file', () => {
    strange();
    const found = importFiles(folder).filter(({ content }) => content !== undefined);
    expect(found.map(({ path }) => path)).toEqual([at('good.json')]);
    expect(importFiles(at('pipe.json'))[0]!.content).toBeUndefined();
  });

  test.each(['../secret.json', '/etc/passwd', '..', 'sub/x.json', 'a\0b'])(
    'a file that names %j beside itself is given nothing',
    (name) => {
      writeFileSync(join(place.path, 'secret.json'), '{"found":true}');
      writeFileSync(at('one.json'), '{}');
      expect(importFiles(at('one.json'))[0]!.sibling(name)).toBeUndefined();
    },
  );
});
