import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { canWrite, probe, writeAtomic } from '../../src/state/write.ts';
import { temporaryFolder } from '../config/support.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => (folder = temporaryFolder()));
afterEach(() => folder.remove());
const at = (path: string) => join(folder.path, path);
const modeOf = (path: string) => statSync(path).mode & 0o777;

describe('writeAtomic', () => {
  test('makes missing folders for their owner alone, and the file too', async () => {
    expect(await writeAtomic(at('a/b/config.yaml'), 'port: 1\n')).toEqual({
      persisted: true,
      path: at('a/b/config.yaml'),
    });
    expect(readFileSync(at('a/b/config.yaml'), 'utf8')).toBe('port: 1\n');
    expect([modeOf(at('a')), modeOf(at('a/b')), modeOf(at('a/b/config.yaml'))]).toEqual([
      0o700, 0o700, 0o600,
    ]);
  });

  test('replaces the file with a new one and leaves nothing else behind', async () => {
    writeFileSync(at('config.yaml'), 'old');
    chmodSync(at('config.yaml'), 0o644);
    const { ino } = statSync(at('config.yaml'));
    await writeAtomic(at('config.yaml'), 'new');
    expect(readFileSync(at('config.yaml'), 'utf8')).toBe('new');
    expect(statSync(at('config.yaml')).ino).not.toBe(ino);
    expect(modeOf(at('config.yaml'))).toBe(0o600);
    expect(readdirSync(folder.path)).toEqual(['config.yaml']);
  });

  test('keeps a symlink and writes what it points to', async () => {
    mkdirSync(at('real'));
    writeFileSync(at('real/file.yaml'), 'old');
    symlinkSync('real/file.yaml', at('config.yaml'));
    expect(await writeAtomic(at('config.yaml'), 'new')).toEqual({
      persisted: true,
      path: at('real/file.yaml'),
    });
    expect(lstatSync(at('config.yaml')).isSymbolicLink()).toBe(true);
    expect(readFileSync(at('real/file.yaml'), 'utf8')).toBe('new');
  });

  test('says why instead of throwing when the place refuses', async () => {
    writeFileSync(at('file'), '');
    mkdirSync(at('folder/inside'), { recursive: true });
    expect(await writeAtomic(at('file/config.yaml'), 'x')).toMatchObject({
      persisted: false,
      reason: expect.stringMatching(/config\.yaml: .*\((ENOTDIR|EEXIST)\)$/),
    });
    expect(await writeAtomic(at('folder'), 'x')).toMatchObject({ persisted: false });
    expect(readdirSync(at('folder'))).toEqual(['inside']);
    expect(readdirSync(folder.path).sort()).toEqual(['file', 'folder']);
  });
});

describe('the write test', () => {
  test('makes the folder and leaves it empty', async () => {
    expect(await probe(at('new/folder'))).toEqual({ persisted: true, path: at('new/folder') });
    expect(readdirSync(at('new/folder'))).toEqual([]);
    expect(modeOf(at('new/folder'))).toBe(0o700);
  });

  test('says why a place refuses', async () => {
    writeFileSync(at('file'), '');
    expect(await probe(at('file'))).toMatchObject({
      persisted: false,
      reason: expect.stringContaining(at('file')),
    });
    expect(await probe(at('file/below'))).toMatchObject({ persisted: false });
  });

  test('of a file changes nothing in it', async () => {
    writeFileSync(at('config.yaml'), 'kept');
    expect(await canWrite(at('config.yaml'))).toEqual({ persisted: true, path: at('config.yaml') });
    expect(readFileSync(at('config.yaml'), 'utf8')).toBe('kept');
    expect(await canWrite(at('config.yaml/below'))).toMatchObject({ persisted: false });
  });
});
