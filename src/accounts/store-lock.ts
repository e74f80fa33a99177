import { open, readFile, stat, unlink } from 'node:fs/promises';
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
 * @returns undefined when another process has it. Where no file can be made there is nobody to share with either.
 */
export async function takeLock(folder: string, name: string): Promise<Lock | undefined> {
  const path = join(folder, `.${name}.lock`);
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(mark());
      await file.close();
      return { release: () => unlink(path).catch(() => {}) };
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') return { release: () => Promise.resolve() };
      if (!(await isStale(path))) return undefined;
      await unlink(path).catch(() => {});
    }
  }
  return undefined;
}

const mark = () => `${hostname()} ${process.pid}`;

/** Whether the process that made it is gone. Process ids mean something on the same machine only. */
async function isStale(path: string): Promise<boolean> {
  try {
    const [found, text] = [await stat(path), await readFile(path, 'utf8')];
    if (Date.now() - found.mtimeMs > staleMs) return true;
    const [host, pid] = text.split(' ');
    return host === hostname() && pid !== undefined && !isAlive(Number(pid));
  } catch (error) {
    return (error as { code?: string }).code === 'ENOENT';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM';
  }
}
