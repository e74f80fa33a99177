import { afterAll, describe, expect, test } from 'bun:test';
import { Database } from 'bun:sqlite';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryShelf } from '../../src/state/memory.ts';
import { sqliteShelf } from '../../src/state/sqlite.ts';
import { random } from '../support/random.ts';
import { createState, type Limits, type Shelf, ShelfBusy } from '../../src/state/state.ts';

const folder = mkdtempSync(join(tmpdir(), 'cliproxyapi-state-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const freshFile = () => join(folder, `${files++}`, 'state.sqlite');

const limits: Limits = { entries: 100, bytes: 1_000_000, entryBytes: 100_000, ttlMs: 1_000 };
const small: Limits = { ...limits, entries: 3 };

const shelves: readonly { name: string; open: () => Shelf }[] = [
  { name: 'memory', open: memoryShelf },
  { name: 'sqlite', open: () => sqliteShelf(freshFile()) },
];

const entry = (key: string, text: string, expiresAt = 10) => ({ key, text, expiresAt });

describe.each(shelves)('a shelf in $name', ({ open }) => {
  test('gives back what was written, text of every kind', () => {
    const shelf = open();
    const text = `{"a":"\u0000 é 世 😀 ${'x'.repeat(50_000)}"}`;
    shelf.write('s', limits, [entry('k', text), entry('', 'empty key')]);
    expect(shelf.read('s', 'k', 0)).toBe(text);
    expect(shelf.read('s', '', 0)).toBe('empty key');
    shelf.close();
  });

  test('keeps spaces apart', () => {
    const shelf = open();
    shelf.write('one', limits, [entry('k', '1')]);
    shelf.write('two', limits, [entry('k', '2')]);
    shelf.remove('one', 'k');
    expect([shelf.read('one', 'k', 0), shelf.read('two', 'k', 0)]).toEqual([undefined, '2']);
    shelf.close();
  });

  test('replaces an entry, and counts it once and as the newest', () => {
    const shelf = open();
    shelf.write('s', small, [entry('a', '1'), entry('b', '1'), entry('c', '1')]);
    shelf.write('s', small, [entry('a', '2')]);
    shelf.write('s', small, [entry('d', '1')]);
    expect(['a', 'b', 'c', 'd'].map((key) => shelf.read('s', key, 0))).toEqual(['2', undefined, '1', '1']);
    shelf.close();
  });

  test('tells what was written last, newest first, and nothing that has expired', () => {
    const shelf = open();
    shelf.write('s', limits, [entry('a', '1'), entry('b', '2', 5), entry('c', '3')]);
    shelf.write('s', limits, [entry('a', '4')]);
    shelf.write('other', limits, [entry('d', '5')]);
    expect(shelf.newest('s', 10, 5)).toEqual(['4', '3']);
    expect(shelf.newest('s', 1, 0)).toEqual(['4']);
    shelf.close();
  });

  test('gives nothing that has expired, and sweeps it away', () => {
    const shelf = open();
    shelf.write('s', limits, [entry('old', '1', 5), entry('new', '1', 6)]);
    expect([shelf.read('s', 'old', 5), shelf.read('s', 'new', 5)]).toEqual([undefined, '1']);
    shelf.sweep(5);
    expect([shelf.read('s', 'old', 0), shelf.read('s', 'new', 0)]).toEqual([undefined, '1']);
    shelf.close();
  });

  test('makes room by bytes, the oldest first', () => {
    const shelf = open();
    // Digits without a pattern, which no compression makes much smaller.
    const chance = random(7);
    const text = () => Array.from({ length: 8_000 }, () => chance.below(36).toString(36)).join('');
    for (let n = 0; n < 20; n++) shelf.write('s', { ...limits, bytes: 40_000 }, [entry(`${n}`, text())]);
    const left = Array.from({ length: 20 }, (_, n) => shelf.read('s', `${n}`, 0) !== undefined);
    expect([left[0], left[19]]).toEqual([false, true]);
    expect(left.lastIndexOf(false)).toBe(left.indexOf(true) - 1);
    shelf.close();
  });
});

describe('a state', () => {
  test('keeps documents over a restart, in a file for its owner only', () => {
    const file = freshFile();
    const first = createState({ open: () => sqliteShelf(file) });
    first.space('s', limits).put('k', { a: [1, 'zwei'] });
    first.close();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const second = createState({ open: () => sqliteShelf(file) });
    expect(second.space('s', limits).get('k')).toEqual({ a: [1, 'zwei'] });
    second.close();
  });

  test('gives what was put at once, deleted is gone at once, and expired is gone in time', () => {
    let now = 0;
    const state = createState({ open: () => sqliteShelf(freshFile()), now: () => now });
    const space = state.space('s', limits);
    space.put('k', { n: 1 });
    space.put('k', { n: 2 });
    expect(space.get('k')).toEqual({ n: 2 });
    expect([space.delete('k'), space.delete('k'), space.get('k')]).toEqual([true, false, undefined]);
    space.put('late', { n: 3 });
    now = 1_000;
    expect([space.get('late'), space.delete('late')]).toEqual([undefined, false]);
    state.close();
  });

  test('does not keep a document that is larger than its space takes', () => {
    const file = freshFile();
    const state = createState({ open: () => sqliteShelf(file) });
    state.space('s', limits).put('k', { text: 'x'.repeat(limits.entryBytes) });
    state.close();
    const again = createState({ open: () => sqliteShelf(file) });
    expect(again.space('s', limits).get('k')).toBeUndefined();
    again.close();
  });

  test('opens its file when it is first needed, and not before', () => {
    let opened = 0;
    const open = () => {
      opened++;
      return memoryShelf();
    };
    const state = createState({ open });
    const space = state.space('s', limits);
    expect(opened).toBe(0);
    space.get('k');
    space.get('k');
    expect(opened).toBe(1);
    state.close();
  });

  test.each([
    [
      'a file that is no database',
      () => writeFileSync(join(folder, 'broken'), 'not a database'.repeat(100)),
      'broken',
    ],
    ['a place where no file can be', () => writeFileSync(join(folder, 'file'), ''), 'file/state.sqlite'],
    ['a file of a newer version', () => newer(join(folder, 'newer')), 'newer'],
  ])('goes on in memory with one warning over %s', (_, prepare, name) => {
    prepare();
    const warnings: string[] = [];
    const state = createState({
      open: () => sqliteShelf(join(folder, name)),
      warn: (message) => warnings.push(message),
    });
    const space = state.space('s', limits);
    expect(space.get('k')).toBeUndefined();
    space.put('k', { n: 1 });
    expect([space.get('k'), space.delete('k')]).toEqual([{ n: 1 }, true]);
    expect(warnings).toHaveLength(1);
    state.close();
  });

  test('loses nothing that is waiting when its shelf breaks', () => {
    const broken: Shelf = {
      ...memoryShelf(),
      write: () => {
        throw new Error('disk full');
      },
    };
    const warnings: string[] = [];
    const state = createState({ open: () => broken, warn: (message) => warnings.push(message) });
    const one = state.space('one', limits);
    const two = state.space('two', limits);
    one.put('k', { n: 1 });
    two.put('k', { n: 2 });
    state.flush();
    expect([one.get('k'), two.get('k'), warnings.length]).toEqual([{ n: 1 }, { n: 2 }, 1]);
    state.close();
  });

  test('waits for a shelf that is busy, and a document deleted meanwhile stays deleted', () => {
    const shelf = memoryShelf();
    let busy = false;
    const guard = <A extends unknown[], R>(work: (...given: A) => R) => {
      return (...given: A): R => {
        if (busy) throw new ShelfBusy('locked');
        return work(...given);
      };
    };
    const patient: Shelf = {
      ...shelf,
      read: guard(shelf.read),
      write: guard(shelf.write),
      remove: guard(shelf.remove),
    };
    const state = createState({ open: () => patient, warn: () => expect().fail('it was only busy') });
    const space = state.space('s', limits);
    space.put('old', { n: 1 });
    state.flush();
    busy = true;
    space.put('new', { n: 2 });
    space.delete('old');
    state.flush();
    expect([space.get('new'), space.get('old')]).toEqual([{ n: 2 }, undefined]);
    busy = false;
    state.flush();
    expect([shelf.read('s', 'new', 0), shelf.read('s', 'old', 0)]).toEqual(['{"n":2}', undefined]);
    state.close();
  });

  test('lets a large space grow by a hundredth at most before it makes room', () => {
    const large: Limits = { ...limits, entries: 1_000 };
    const shelf = sqliteShelf(freshFile());
    const held = () => shelf.newest('s', 5_000, 0).length;
    let most = 0;
    for (let index = 0; index < 1_100; index++) {
      shelf.write('s', large, [entry(`${index}`, 'x')]);
      if (index >= 980) most = Math.max(most, held());
    }
    expect(most).toBeGreaterThanOrEqual(1_000);
    expect(most).toBeLessThanOrEqual(1_010);
    shelf.close();
  });

  test('two programs share one file', () => {
    const file = freshFile();
    const [one, two] = [sqliteShelf(file), sqliteShelf(file)];
    one.write('s', limits, [entry('a', '1')]);
    two.write('s', limits, [entry('b', '2')]);
    expect([one.read('s', 'b', 0), two.read('s', 'a', 0)]).toEqual(['2', '1']);
    one.close();
    two.close();
  });

  test('a file that another program writes for long is busy, not broken', () => {
    const file = freshFile();
    const shelf = sqliteShelf(file);
    const other = new Database(file);
    other.run('BEGIN IMMEDIATE');
    expect(() => shelf.write('s', limits, [entry('a', '1')])).toThrow(ShelfBusy);
    expect(shelf.read('s', 'a', 0)).toBeUndefined();
    other.run('ROLLBACK');
    other.close();
    shelf.close();
  });

  test('what was deleted is not left in the file', () => {
    const file = freshFile();
    const shelf = sqliteShelf(file);
    shelf.write('s', limits, [entry('needle-in-the-key', 'x')]);
    shelf.remove('s', 'needle-in-the-key');
    shelf.close();
    expect(readFileSync(file).includes('needle-in-the-key')).toBe(false);
  });
});

function newer(file: string): void {
  const database = new Database(file);
  database.run('PRAGMA user_version = 99');
  database.close();
}
