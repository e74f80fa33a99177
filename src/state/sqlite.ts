import { Database, SQLiteError } from 'bun:sqlite';
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Limits, type Shelf, ShelfBusy } from './state.ts';

/** The shape of the file. A file of another version is not touched. */
const version = 1;

/** How long another process's write is waited for; longer would be felt by requests. */
const busyMs = 100;

/**
 * A shelf in one SQLite file, readable by its owner only. Documents are compressed; deleted ones are wiped.
 * @throws when the file cannot be opened, is no database, or is of a newer version.
 */
export function sqliteShelf(file: string): Shelf {
  const database = open(file);
  const select = database.query<{ value: Uint8Array }, [string, string, number]>(
    'SELECT value FROM entries WHERE space = ? AND key = ? AND expires_at > ?',
  );
  const latest = database.query<{ value: Uint8Array }, [string, number, number]>(
    'SELECT value FROM entries WHERE space = ? AND expires_at > ? ORDER BY seq DESC LIMIT ?',
  );
  const insert = database.query(
    'INSERT OR REPLACE INTO entries (space, key, value, size, expires_at) VALUES (?, ?, ?, ?, ?)',
  );
  const remove = database.query('DELETE FROM entries WHERE space = ? AND key = ?');
  const expire = database.query('DELETE FROM entries WHERE expires_at <= ?');
  const fill = database.query<{ count: number; bytes: number | null }, [string]>(
    'SELECT count(*) AS count, sum(size) AS bytes FROM entries WHERE space = ?',
  );
  const oldest = database.query<{ seq: number; size: number }, [string]>(
    'SELECT seq, size FROM entries WHERE space = ? ORDER BY seq',
  );
  const removeUntil = database.query('DELETE FROM entries WHERE space = ? AND seq <= ?');

  /** What each space has been given since its entries were counted. */
  const given = new Map<string, { entries: number; bytes: number }>();

  /** Counting takes a while where there is much, so a space may grow by a hundredth before it is done again. */
  function mayBeFull(space: string, limits: Limits, rows: readonly Row[]): boolean {
    const { entries, bytes } = given.get(space) ?? { entries: limits.entries, bytes: 0 };
    const now = {
      entries: entries + rows.length,
      bytes: rows.reduce((sum, { value }) => sum + value.length, bytes),
    };
    const full = now.entries * 100 > limits.entries || now.bytes * 100 > limits.bytes;
    given.set(space, full ? { entries: 0, bytes: 0 } : now);
    return full;
  }

  function makeRoom(space: string, limits: Limits): void {
    const { count = 0, bytes } = fill.get(space) ?? {};
    let entriesOver = count - limits.entries;
    let bytesOver = (bytes ?? 0) - limits.bytes;
    let until: number | undefined;
    for (const { seq, size } of oldest.iterate(space)) {
      if (entriesOver <= 0 && bytesOver <= 0) break;
      entriesOver--;
      bytesOver -= size;
      until = seq;
    }
    if (until !== undefined) removeUntil.run(space, until);
  }

  const write = database.transaction((space: string, limits: Limits, rows: readonly Row[]) => {
    for (const { key, value, expiresAt } of rows) insert.run(space, key, value, value.length, expiresAt);
    if (mayBeFull(space, limits, rows)) makeRoom(space, limits);
  });

  return {
    read: (space, key, nowMs) =>
      patiently(() => {
        const row = select.get(space, key, nowMs);
        return row ? unpacked(row) : undefined;
      }),
    newest: (space, limit, nowMs) => patiently(() => latest.all(space, nowMs, limit).map(unpacked)),
    write(space, limits, entries) {
      const rows = entries.map(({ key, text, expiresAt }) => ({
        key,
        value: Bun.zstdCompressSync(text, { level: 1 }),
        expiresAt,
      }));
      patiently(() => write.immediate(space, limits, rows));
    },
    remove: (space, key) => void patiently(() => remove.run(space, key)),
    sweep(nowMs) {
      patiently(() => {
        expire.run(nowMs);
        database.run('PRAGMA incremental_vacuum');
      });
    },
    close() {
      database.close();
    },
  };
}

const unpacked = ({ value }: Pick<Row, 'value'>): string => Bun.zstdDecompressSync(value).toString('utf8');

interface Row {
  readonly key: string;
  readonly value: Uint8Array;
  readonly expiresAt: number;
}

function open(file: string): Database {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // SQLite gives its side files the mode of the main one, so that one is made first.
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
  const database = new Database(file, { strict: true });
  try {
    prepare(database);
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

function prepare(database: Database): void {
  database.run(`PRAGMA busy_timeout = ${busyMs}`);
  database.run('PRAGMA auto_vacuum = INCREMENTAL');
  database.run('PRAGMA journal_mode = WAL');
  database.run('PRAGMA synchronous = NORMAL');
  database.run('PRAGMA journal_size_limit = 4194304');
  database.run('PRAGMA secure_delete = FAST');
  const found = database.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? 0;
  if (found > version) throw new Error(`The file is of version ${found}, this program writes ${version}.`);
  database.run(`
    CREATE TABLE IF NOT EXISTS entries (
      seq INTEGER PRIMARY KEY,
      space TEXT NOT NULL,
      key TEXT NOT NULL,
      value BLOB NOT NULL,
      size INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      UNIQUE (space, key)
    )`);
  database.run('CREATE INDEX IF NOT EXISTS entries_by_age ON entries (space, seq, size)');
  database.run('CREATE INDEX IF NOT EXISTS entries_by_expiry ON entries (expires_at)');
  database.run(`PRAGMA user_version = ${version}`);
}

/** SQLite's words for somebody else's lock. */
const busyCodes = /^SQLITE_(BUSY|LOCKED)/;

function patiently<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof SQLiteError && busyCodes.test(thrown.code ?? ''))
      throw new ShelfBusy(thrown.message, { cause: thrown });
    throw thrown;
  }
}
