import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { watchFolders } from '../../state/watch.ts';

/** Something that runs until it is closed. */
export interface StoreWatch {
  /** Looks now; resolves when whoever was called back is done. */
  check(): Promise<void>;
  /** Which folders there are now. */
  follow(folders: readonly string[]): void;
  close(): void;
}

export interface StoreWatchOptions {
  readonly folder: string;
  /** Called after something in the folders changed. Our own writes are among the changes. */
  readonly changed: () => Promise<void>;
  /** Milliseconds to wait for a program to finish its writing; 100 by default. */
  readonly debounceMs?: number;
  /** Milliseconds between looks where no event comes, as on network folders and behind links; 5,000 by default. */
  readonly pollMs?: number;
}

/** Watches the auth folder and those below it: files added, changed, removed, renamed, and links that lead elsewhere. */
export function watchStore({
  folder,
  changed,
  debounceMs = 100,
  pollMs = 5000,
}: StoreWatchOptions): StoreWatch {
  const folders = watchFolders(() => void check(), debounceMs);
  let closed = false;
  let seen: string | undefined;
  let checking = Promise.resolve();

  function check(): Promise<void> {
    checking = checking.catch(() => {}).then(look);
    return checking;
  }

  async function look(): Promise<void> {
    const now = await fingerprint(folder);
    if (closed || now === seen) return;
    seen = now;
    await changed();
  }

  const poll = setInterval(() => void check(), pollMs);
  poll.unref();
  return {
    check,
    follow: folders.follow,
    close() {
      closed = true;
      clearInterval(poll);
      folders.close();
    },
  };
}

/** What tells one state of a folder from another without reading its files. */
async function fingerprint(folder: string): Promise<string> {
  const parts: string[] = [];
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) parts.push(`${entry.name}/${await fingerprint(path)}`);
    else if (/\.json$/i.test(entry.name)) parts.push(`${entry.name} ${await versionOf(path)}`);
  }
  return parts.sort().join('\n');
}

/** The file behind a link counts, so that a link which is swapped is a change. */
async function versionOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found ? `${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}` : 'gone';
}
