import { type FSWatcher, statSync, watch } from 'node:fs';

/** Folders that are watched until it is closed. */
export interface FolderWatch {
  /** Which folders there are now; one that cannot be watched, or is gone, is left to whoever looks now and then. */
  follow(folders: Iterable<string>): void;
  /** Something may have changed: tells of it once nothing more has happened for a moment. */
  soon(): void;
  close(): void;
}

/**
 * @param changed called after something in a folder changed.
 * @param debounceMs how long to wait for a program to finish its writing.
 */
export function watchFolders(changed: () => void, debounceMs: number): FolderWatch {
  const watchers = new Map<string, FSWatcher>();
  let debounce: Timer | undefined;
  let closed = false;

  function follow(folders: Iterable<string>): void {
    const wanted = new Set(folders);
    for (const path of watchers.keys()) if (!wanted.has(path)) forget(path);
    for (const path of wanted) if (!closed && !watchers.has(path)) watchFolder(path);
  }

  function watchFolder(path: string): void {
    try {
      const watcher = watch(path, { persistent: false }, soon);
      watcher.on('error', () => forget(path));
      watchers.set(path, watcher);
    } catch {
      forget(path);
    }
  }

  function forget(path: string): void {
    watchers.get(path)?.close();
    watchers.delete(path);
  }

  function soon(): void {
    clearTimeout(debounce);
    if (closed) return;
    debounce = setTimeout(changed, debounceMs);
    debounce.unref();
  }

  return {
    follow,
    soon,
    close() {
      closed = true;
      clearTimeout(debounce);
      follow([]);
    },
  };
}

/** What tells one version of a file from another without reading it; undefined when there is none. */
export function stampOf(path: string): string | undefined {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch {
    return undefined;
  }
}
