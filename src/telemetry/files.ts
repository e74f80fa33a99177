import { appendFileSync, chmodSync, closeSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { appendFile, mkdir, readdir, rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type Batches, batches } from './batches.ts';

/** `main.log` in a folder, rotated and bounded. It never blocks a request and never throws at a caller who logs. */
export interface LogFile extends Batches {
  readonly folder: string;
  /** False while the disk fails; then no line is worth the attempt. */
  readonly healthy: boolean;
  /** The newest lines of earlier runs, oldest first. */
  earlierLines(limit: number): readonly string[];
  /**
   * Empties main.log and removes the rotated files.
   * @returns the number of files removed.
   * @throws the file system's error.
   */
  clear(): Promise<number>;
}

export interface LogFileOptions {
  readonly folder: string;
  /** Bytes that main.log and the rotated files may take together; 0 means no limit. */
  readonly maxTotalBytes: number;
  readonly now: () => number;
  /** Called when writing begins to fail, once until it works again. */
  failed(error: unknown): void;
  recovered(): void;
}

/** main.log becomes `main-<time>.log` at this size, as users of the reference know it. */
const rotateAt = 10 * 1024 * 1024;
/** A disk that failed is tried again after this long. */
const retryMs = 60_000;
const tailBytes = 4 * 1024 * 1024;

/** Opens the log of a folder, which is made for the owner alone when it is missing. */
export function logFile(options: LogFileOptions): LogFile {
  const { folder, now } = options;
  const path = join(folder, 'main.log');
  const limit = options.maxTotalBytes > 0 ? options.maxTotalBytes : Infinity;
  const fullAt = Math.min(rotateAt, Math.ceil(limit / 4));
  let failing = false;
  let retryAtMs = 0;

  function noteFailure(error: unknown): void {
    retryAtMs = now() + retryMs;
    if (failing) return;
    failing = true;
    options.failed(error);
  }

  function noteSuccess(): void {
    if (!failing) return;
    failing = false;
    options.recovered();
  }

  async function write(text: string): Promise<void> {
    try {
      await append(text);
      await rotate();
      noteSuccess();
    } catch (error) {
      noteFailure(error);
    }
  }

  async function append(text: string): Promise<void> {
    try {
      await appendFile(path, text, { mode: 0o600 });
    } catch (error) {
      // Somebody removed the folder while the program runs.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await appendFile(path, text, { mode: 0o600 });
    }
  }

  async function rotate(): Promise<void> {
    const { size } = await stat(path);
    if (size < fullAt) return;
    await rename(path, join(folder, `main-${fileTime(now())}.log`));
    await removeOldest(limit - fullAt);
  }

  /** Removes the oldest rotated files until the others fit; main.log has its own room. */
  async function removeOldest(room: number): Promise<void> {
    let total = 0;
    for (const name of (await rotated()).reverse()) {
      total += (await stat(join(folder, name))).size;
      if (total > room) await rm(join(folder, name), { force: true });
    }
  }

  /** Names of rotated files, oldest first: their names sort by time. */
  const rotated = async () => (await readdir(folder)).filter((name) => rotatedName.test(name)).sort();

  const queue = batches({
    write,
    writeNow(text) {
      try {
        appendFileSync(path, text, { mode: 0o600 });
      } catch (error) {
        noteFailure(error);
      }
    },
  });

  try {
    prepare(folder, path);
  } catch (error) {
    noteFailure(error);
  }

  return {
    folder,
    add: queue.add,
    flush: queue.flush,
    drained: queue.drained,
    get lost() {
      return queue.lost;
    },
    get healthy() {
      return !failing || now() >= retryAtMs;
    },
    earlierLines: (count) => tail(path, count),
    async clear() {
      await queue.drained();
      await truncate(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
      const names = await rotated();
      for (const name of names) await rm(join(folder, name), { force: true });
      return names.length;
    },
  };
}

const rotatedName = /^main-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log(?:\.gz)?$/;

/** `2026-01-31T23-59-59.999`: the reference's form, in UTC as all times of the log. */
const fileTime = (ms: number) => new Date(ms).toISOString().slice(0, -1).replaceAll(':', '-');

/** Makes the folder and main.log, readable by the owner only, also when an older main.log was not. */
function prepare(folder: string, path: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  appendFileSync(path, '', { mode: 0o600 });
  chmodSync(path, 0o600);
}

/** The last lines of a file, as far as they stand in its last 4 MiB; none when it cannot be read. */
function tail(path: string, count: number): readonly string[] {
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      const from = Math.max(0, size - tailBytes);
      const bytes = Buffer.alloc(size - from);
      readSync(file, bytes, 0, bytes.length, from);
      const lines = bytes.toString('utf8').split('\n');
      return lines
        .slice(from > 0 ? 1 : 0)
        .filter((line) => line !== '')
        .slice(-count);
    } finally {
      closeSync(file);
    }
  } catch {
    return [];
  }
}
