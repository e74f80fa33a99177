import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { stampOf, watchFolders } from '../state/watch.ts';
import type { Log } from '../telemetry/log.ts';
import { ConfigError, placeOf, sentenceOf } from './fault.ts';
import type { Steward } from './runtime.ts';

export interface WatchOptions {
  readonly path: string;
  readonly steward: Pick<Steward, 'current' | 'reload'>;
  readonly log: Log;
  /** Milliseconds to wait for an editor to finish; 150 by default. */
  readonly debounceMs?: number;
  /** Milliseconds between looks at the file where no event comes, as on network and shared folders; 5,000 by default. */
  readonly pollMs?: number;
}

/** Something that runs until it is closed. */
export interface Watch {
  /** Looks at the file now; resolves when what was found is in effect or refused. */
  check(): Promise<void>;
  close(): void;
}

/**
 * Keeps a steward in step with its config file: edits in place, renames over it, swapped symlinks (Kubernetes), removal
 * and return. A file that cannot be used is told once and changes nothing; our own writes are no news.
 */
export function watchConfig(options: WatchOptions): Watch {
  const { path, steward, log, debounceMs = 150, pollMs = 5000 } = options;
  const folders = watchFolders(() => void check(), debounceMs);
  let closed = false;
  let checking = Promise.resolve();
  let seen = stampOf(path);
  let last: string | undefined = steward.current.text;

  /** Watches the folder of every hop from the path to the file itself: a swap of any link is then seen. */
  function rewatch(): void {
    folders.follow(hops(path).map((hop) => dirname(hop)));
  }

  function check(): Promise<void> {
    checking = checking.then(look);
    return checking;
  }

  async function look(): Promise<void> {
    if (closed) return;
    rewatch();
    seen = stampOf(path);
    const content = contentOf(path);
    if (content === last) return;
    last = content;
    if (content === undefined) return log('warn', 'config-gone', { file: path, kept });
    if (content === steward.current.text) return;
    await reload();
  }

  async function reload(): Promise<void> {
    try {
      await steward.reload();
    } catch (error) {
      // One line each, the path apart from the sentence: a redactor takes "secret-key: …" for a secret.
      for (const fault of error instanceof ConfigError ? error.faults : [])
        log('error', 'config-fault', { where: placeOf(fault), path: fault.path, fault: sentenceOf(fault) });
      const reason = error instanceof ConfigError ? `faults: ${error.faults.length}` : String(error);
      log('error', 'config-refused', { file: path, reason, kept });
    }
  }

  rewatch();
  folders.soon();
  const poll = setInterval(() => {
    if (stampOf(path) !== seen) void check();
  }, pollMs);
  poll.unref();

  return {
    check,
    close() {
      closed = true;
      clearInterval(poll);
      folders.close();
    },
  };
}

const mostHops = 16;

const kept = 'the last config stays in effect';

/** A path and, as long as it is a symlink, what it points to. */
function hops(path: string): string[] {
  const found = [path];
  for (let at = path; found.length < mostHops;) {
    const target = linkAt(at);
    if (target === undefined) break;
    at = resolve(dirname(at), target);
    found.push(at);
  }
  return found;
}

function linkAt(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
