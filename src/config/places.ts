import { lstatSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { type Environment, firstSet } from './environment.ts';

/** Where a process stands: what decides which folders it means. */
export interface Whereabouts {
  readonly environment: Environment;
  /** The working folder. */
  readonly cwd: string;
  readonly home: string;
  /** The system's temporary folder. */
  readonly temporary: string;
  /** What absolute system paths such as `/etc` are under; `/` but in tests. */
  readonly root: string;
}

/** Where this process stands. */
export const hereabouts = (): Whereabouts => ({
  environment: process.env,
  cwd: process.cwd(),
  home: homedir(),
  temporary: tmpdir(),
  root: '/',
});

/** A place with the reason for it. */
export interface Candidate {
  readonly path: string;
  readonly why: string;
}

/** The folder of this program's own config: `$XDG_CONFIG_HOME/cliproxyapi`, by default `~/.config/cliproxyapi`. */
export const configFolder = (here: Whereabouts): string =>
  join(absoluteOr(here.environment.XDG_CONFIG_HOME, join(here.home, '.config')), 'cliproxyapi');

/** `$XDG_STATE_HOME/cliproxyapi`, by default `~/.local/state/cliproxyapi`. */
export const stateFolder = (here: Whereabouts): string =>
  join(absoluteOr(here.environment.XDG_STATE_HOME, join(here.home, '.local', 'state')), 'cliproxyapi');

/** A folder of our own below the temporary one. The user's number is in it: others may not prepare it for us. */
export const temporaryFolder = (here: Whereabouts): string =>
  join(here.temporary, `cliproxyapi-${process.getuid?.() ?? 'user'}`);

/** Where a hosting platform lets us write: `WRITABLE_PATH`, in either case. */
export const writablePath = (here: Whereabouts): string | undefined =>
  absolute(firstSet(here.environment, ['WRITABLE_PATH', 'writable_path']), here);

/** systemd's folder of a kind, the first of the list it may be. */
export const systemdFolder = (here: Whereabouts, variable: 'STATE_DIRECTORY' | 'LOGS_DIRECTORY') =>
  absolute(here.environment[variable]?.split(':')[0]?.trim(), here);

/** False when something that is not our own stands at a path in a folder that everybody may write to. */
export function isOurs(path: string): boolean {
  const found = statOf(path);
  if (!found || process.getuid === undefined) return true;
  return found.isDirectory() && found.uid === process.getuid() && (found.mode & 0o022) === 0;
}

function statOf(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** A path with `~` and relative parts resolved; relative to `base`. */
export function expandPath(path: string, base: string, here: Whereabouts): string {
  if (path === '~' || path.startsWith('~/') || path.startsWith('~\\')) return join(here.home, path.slice(1));
  return resolve(base, path);
}

const absolute = (path: string | undefined, here: Whereabouts) =>
  path ? expandPath(path, here.cwd, here) : undefined;

/** The XDG specification: a relative path is invalid and ignored. */
const absoluteOr = (path: string | undefined, fallback: string) =>
  path && isAbsolute(path) ? path : fallback;
