import { constants } from 'node:fs';
import { chmod, type FileHandle, open, readdir, stat, unlink } from 'node:fs/promises';
import { basename, extname, join, relative, sep } from 'node:path';
import { type Json, tryParseObject } from '../../core/json.ts';
import { stampOf } from '../../state/watch.ts';
import { refusal, writeAtomic } from '../../state/write.ts';
import type { Log } from '../../telemetry/log.ts';
import { fileNamePart } from '../fields.ts';

/** One JSON file of the auth folder, as it stood when it was read. */
export interface LoginFile {
  /** Its path below the folder, with `/`. */
  readonly file: string;
  readonly path: string;
  readonly fields: Json;
  /** Identifies the content. */
  readonly version: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  readonly createdAt: number;
}

/** A file that cannot be read as a login, and what to do about it. */
export interface BrokenFile extends Pick<LoginFile, 'file' | 'path'> {
  readonly reason: string;
  readonly remedy: string;
}

/** Everything in the folder at one moment. */
export interface Found {
  readonly logins: readonly LoginFile[];
  readonly broken: readonly BrokenFile[];
  /** Every folder, the topmost first; what a watcher looks at. */
  readonly folders: readonly string[];
  /** Files and folders that others can read and that could not be mended, each with the command that does it. */
  readonly lax: readonly { readonly path: string; readonly command: string }[];
}

/** What became of a change to a file. */
export type Patched =
  | { readonly kind: 'written'; readonly login: LoginFile }
  /** The change asked for nothing, or what it asked for is there already. */
  | { readonly kind: 'unchanged'; readonly login: LoginFile }
  | { readonly kind: 'gone' }
  | { readonly kind: 'refused'; readonly reason: string };

/** The folder of the login files. Reading it deletes nothing. */
export interface Store {
  /** Absolute. */
  readonly folder: string;
  read(): Promise<Found>;
  /**
   * Changes one file as it is on disk at that moment: what others wrote meanwhile stays, a file that is gone stays gone.
   * @param change gets the fields on disk, gives the new ones; undefined changes nothing.
   */
  patch(file: string, change: (fields: Json) => Json | undefined): Promise<Patched>;
  /** Writes a new file; a number is added to a name that is taken. @param name such as `codex-you@example.com.json`. */
  create(name: string, fields: Json): Promise<Patched>;
  /** Returns whether there was one. */
  remove(file: string): Promise<boolean>;
}

/** @param log told of modes that were mended or could not be. */
export function createStore(folder: string, log: Log = () => {}): Store {
  const queues = new Map<string, Promise<unknown>>();
  const told = new Set<string>();

  /** One change of a file after the other. */
  function inTurn<T>(file: string, step: () => Promise<T>): Promise<T> {
    const turn = (queues.get(file) ?? Promise.resolve()).then(step, step);
    queues.set(file, turn);
    const forget = () => queues.get(file) === turn && queues.delete(file);
    turn.then(forget, forget);
    return turn;
  }

  async function read(): Promise<Found> {
    const logins: LoginFile[] = [];
    const broken: BrokenFile[] = [];
    const folders: string[] = [];
    const lax: { path: string; command: string }[] = [];
    const mend = async (path: string, mode: number, wanted: number) => {
      const command = await mended(path, mode, wanted);
      if (command !== undefined) lax.push({ path, command });
    };
    for await (const path of filesBelow(folder, folders, mend)) {
      const found = await readFile(folder, path, mend);
      if ('fields' in found) logins.push(found);
      else broken.push(found);
    }
    return { logins, broken, folders, lax };
  }

  /** @returns the command to run where the mode could not be mended. */
  async function mended(path: string, mode: number, wanted: number): Promise<string | undefined> {
    if (process.platform === 'win32' || (mode & 0o077) === 0) return undefined;
    const command = `chmod ${wanted.toString(8)} ${quoted(path)}`;
    const done = await chmod(path, wanted).then(
      () => true,
      () => false,
    );
    if (told.has(path)) return done ? undefined : command;
    told.add(path);
    if (done) log('info', 'login-mode-mended', { path, was: mode.toString(8), now: wanted.toString(8) });
    else log('warn', 'login-mode-lax', { path, mode: mode.toString(8), remedy: command });
    return done ? undefined : command;
  }

  function patch(file: string, change: (fields: Json) => Json | undefined): Promise<Patched> {
    return inTurn(file, async () => {
      for (let attempt = 0; attempt < 5; attempt++) {
        const done = await patchOnce(join(folder, file), change);
        if (done) return done;
      }
      return { kind: 'refused', reason: `${file} keeps changing while it is written` };
    });
  }

  /** @returns undefined when somebody else wrote between reading and renaming. */
  async function patchOnce(path: string, change: (fields: Json) => Json | undefined) {
    const before = stampOf(path);
    if (before === undefined) return { kind: 'gone' } as const;
    const found = await readFile(folder, path);
    if (!('fields' in found)) return { kind: 'refused', reason: found.reason } as const;
    const fields = change(found.fields);
    if (fields === undefined || Bun.deepEquals(fields, found.fields))
      return { kind: 'unchanged', login: found } as const;
    const written = await writeAtomic(path, textOf(fields), { still: () => stampOf(path) === before });
    if (!written.persisted)
      return stampOf(path) === before ? ({ kind: 'refused', reason: written.reason } as const) : undefined;
    return afterWrite(path);
  }

  async function create(name: string, fields: Json): Promise<Patched> {
    for (let attempt = 0; ; attempt++) {
      const path = join(folder, await freeName(folder, name));
      const written = await writeAtomic(path, textOf(fields), { still: () => stampOf(path) === undefined });
      if (written.persisted) return afterWrite(path);
      const taken = stampOf(path) !== undefined && attempt < 5;
      if (!taken) return { kind: 'refused', reason: written.reason };
    }
  }

  async function afterWrite(path: string): Promise<Patched> {
    const login = await readFile(folder, path);
    return 'fields' in login ? { kind: 'written', login } : { kind: 'refused', reason: login.reason };
  }

  return {
    folder,
    read,
    patch,
    create: (name, fields) => inTurn('', () => create(name, fields)),
    remove: (file) =>
      inTurn(file, () =>
        unlink(join(folder, file)).then(
          () => true,
          () => false,
        ),
      ),
  };
}

const textOf = (fields: Json) => `${JSON.stringify(fields, null, 2)}\n`;

const quoted = (path: string) =>
  /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;

type Mend = (path: string, mode: number, wanted: number) => Promise<void>;

/**
 * The `*.json` files of a folder and those below it. Names with a dot in front are other things: our own files being
 * written, locks, and what the replaced program left (`.oauth-…`). Links to folders are not followed.
 */
async function* filesBelow(folder: string, folders: string[], mend: Mend): AsyncIterable<string> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
  if (!entries) return;
  folders.push(folder);
  const found = await stat(folder).catch(() => undefined);
  if (found) await mend(folder, found.mode & 0o777, 0o700);
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path, folders, mend);
    else if (extname(entry.name).toLowerCase() === '.json') yield path;
  }
}

/** A login of megabytes is none. */
const longest = 1024 * 1024;

async function readFile(folder: string, path: string, mend?: Mend): Promise<LoginFile | BrokenFile> {
  const file = relative(folder, path).split(sep).join('/');
  const broken = (reason: string, remedy: string): BrokenFile => ({ file, path, reason, remedy });
  let handle: FileHandle | undefined;
  try {
    // A pipe of that name must not be waited for.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await handle.stat();
    const { size, mtimeMs, birthtimeMs, mode } = found;
    if (!found.isFile()) return broken('it is no ordinary file', 'Remove it from the auth folder.');
    if (size > longest) return broken('the file is too large for a login', 'Move it out of the auth folder.');
    await mend?.(path, mode & 0o777, 0o600);
    const text = await handle.readFile('utf8');
    const fields = tryParseObject(text.replace(/^\ufeff/, ''));
    if (!fields)
      return broken(
        text.trim() === '' ? 'the file is empty' : 'the file is not a JSON object',
        'Restore it from a backup, or remove it and sign in again.',
      );
    const version = new Bun.CryptoHasher('sha256').update(text).digest('hex').slice(0, 16);
    return { file, path, fields, version, size, modifiedAt: mtimeMs, createdAt: birthtimeMs || mtimeMs };
  } catch (error) {
    return broken(
      refusal(error, basename(path)),
      'Check the owner and the mode of the file, and whether a link leads somewhere.',
    );
  } finally {
    await handle?.close();
  }
}

/** A name that is not taken yet, made only of what `fileNamePart` lets through: it cannot leave the folder. */
async function freeName(folder: string, name: string): Promise<string> {
  const stem = fileNamePart(basename(name).replace(/\.json$/i, ''));
  for (let number = 1; ; number++) {
    const candidate = `${stem}${number === 1 ? '' : `-${number}`}.json`;
    if (stampOf(join(folder, candidate)) === undefined) return candidate;
  }
}

/** Removes what a write that was killed left behind: our own temporary files that are older than an hour. */
export async function tidy({ folder }: Pick<Store, 'folder'>, now: number): Promise<void> {
  const names = await readdir(folder, { recursive: true }).catch(() => [] as string[]);
  for (const name of names) {
    if (!/^\..+\.[0-9a-f]{8}\.tmp$/.test(basename(name))) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && now - found.mtimeMs >= 3_600_000) await unlink(path).catch(() => {});
  }
}
