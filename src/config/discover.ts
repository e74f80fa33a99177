import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigError, faultWithout } from './fault.ts';
import {
  type Candidate,
  configFolder,
  expandPath,
  isOurs,
  systemdFolder,
  temporaryFolder,
  type Whereabouts,
  writablePath,
} from './places.ts';

/** What became of the search for a config file. */
export interface Discovery {
  /** The file taken and why; undefined when there is none anywhere. */
  readonly found: Candidate | undefined;
  /** Every place that was looked at, in order. */
  readonly looked: readonly Candidate[];
}

const variables = ['CONFIG', 'CONFIG_PATH', 'CLIPROXY_CONFIG', 'CLIPROXY_CONFIG_PATH'];

/**
 * Finds the config file: the one named by `--config`, else by a variable, else the first of the usual places.
 * @throws ConfigError when a named file does not exist, or a folder stands where the file should be.
 */
export function discoverConfig(here: Whereabouts, flag?: string): Discovery {
  const named = namedFile(here, flag);
  if (named) return { found: existing(named), looked: [named] };
  const looked: Candidate[] = [];
  for (const candidate of usualPlaces(here)) {
    looked.push(candidate);
    if (exists(candidate.path)) return { found: candidate, looked };
  }
  return { found: undefined, looked };
}

function namedFile(here: Whereabouts, flag: string | undefined): Candidate | undefined {
  if (flag !== undefined) return { path: expandPath(flag, here.cwd, here), why: '--config' };
  for (const variable of variables) {
    const value = here.environment[variable]?.trim();
    if (value) return { path: expandPath(value, here.cwd, here), why: `env ${variable}` };
  }
  return undefined;
}

/** A named file is meant: another one in its place would be a surprise. */
function existing(named: Candidate): Candidate {
  if (exists(named.path)) return named;
  const source = named.why === '--config' ? 'the path after --config' : named.why.replace('env ', '');
  throw new ConfigError([
    faultWithout(
      named.path,
      '',
      `there is no such file, and ${named.why} names it`,
      `an existing file; create it, correct ${source}, or leave it out to have one found or written`,
    ),
  ]);
}

/** The places looked at when nothing names a file, most personal first; last, where a first run may have written. */
export function usualPlaces(here: Whereabouts): Candidate[] {
  const system = (path: string) => join(here.root, path);
  const places: Candidate[] = [
    { path: resolve(here.cwd, 'config.yaml'), why: 'found in the working folder' },
    { path: resolve(here.cwd, 'config', 'config.yaml'), why: 'found in config/ of the working folder' },
    { path: join(configFolder(here), 'config.yaml'), why: "found in the user's config folder" },
    ...['etc/cliproxyapi', 'CLIProxyAPI', 'config', 'app'].map((folder) => ({
      path: join(system(folder), 'config.yaml'),
      why: `found in /${folder}`,
    })),
  ];
  for (const place of writtenPlaces(here)) {
    if (place.path === configFolder(here)) continue;
    places.push({ path: join(place.path, 'config.yaml'), why: `found in ${place.why}` });
  }
  return places;
}

/** The folders a first run writes its config into, best first: what the platform says before what the user usually has. */
export function writtenPlaces(here: Whereabouts): Candidate[] {
  const state = systemdFolder(here, 'STATE_DIRECTORY');
  const writable = writablePath(here);
  const temporary = temporaryFolder(here);
  return [
    ...(writable ? [{ path: writable, why: 'WRITABLE_PATH' }] : []),
    ...(state ? [{ path: state, why: 'STATE_DIRECTORY' }] : []),
    { path: configFolder(here), why: "the user's config folder" },
    ...(isOurs(temporary) ? [{ path: temporary, why: 'the temporary folder' }] : []),
  ];
}

/** Whether something is there: a folder too, so that reading it tells of the mistake. */
function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}
