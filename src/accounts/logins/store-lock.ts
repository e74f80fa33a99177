import { link, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/**
 * A lock that holds between processes, such as a running gateway and `auth refresh`: a file that only one can make. It
 * keeps one refresh token from being sent twice, which providers answer by ending the login.
 */
export interface Lock {
  release(): Promise<void>;
}

/** A renewal is over long before; a lock that is older was left by a process that is gone. */
const staleMs = 120_000;

/**
 * Takes a lock, unless another process holds it.
 * @param name hex digits; the file is `.<name>.lock`.
 * @returns undefined when another process has it. Where no file or no link can be made nobody is kept out.
 */
export async function takeLock(folder: string, name: string): Promise<Lock | undefined> {
  const path = join(folder, `.${name}.lock`);
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      await makeWhole(path);
      return { release: () => unlink(path).catch(() => {}) };
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') return { release: () => Promise.resolve() };
      const stale = await staleMark(path);
      if (stale === undefined) return undefined;
      await takeAway(path, stale).catch(() => {});
    }
  }
  return undefined;
}

/** The file appears with its content or not at all: one without would belong to nobody for a long time. */
async function makeWhole(path: string): Promise<void> {
  const fresh = besides(path);
  await writeFile(fresh, mark(), { flag: 'wx', mode: 0o600 });
  try {
    await link(fresh, path);
  } finally {
    await unlink(fresh).catch(() => {});
  }
}

const mark = () => `${hostname()} ${process.pid}`;

/** What is in a lock whose process is gone; undefined while it holds. Process ids mean something on one machine only. */
async function staleMark(path: string): Promise<string | undefined> {
  try {
    const [found, text] = [await stat(path), await readFile(path, 'utf8')];
    const [host, pid] = text.split(' ');
    const gone = host === hostname() && pid !== undefined && !isAlive(Number(pid));
    return gone || Date.now() - found.mtimeMs > staleMs ? text : undefined;
  } catch (error) {
    return (error as { code?: string }).code === 'ENOENT' ? '' : undefined;
  }
}

/** Somebody else may have taken it away and made a new one since it was read; that one is put back. */
async function takeAway(path: string, stale: string): Promise<void> {
  const aside = besides(path);
  await rename(path, aside);
  try {
    if ((await readFile(aside, 'utf8')) !== stale) await link(aside, path);
  } finally {
    await unlink(aside);
  }
}

/** A name for a moment, which `tidy` removes should nobody else. */
const besides = (path: string) => `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM';
  }
}
