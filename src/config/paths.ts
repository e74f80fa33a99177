import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type Candidate,
  expandPath,
  isOurs,
  stateFolder,
  systemdFolder,
  temporaryFolder,
  type Whereabouts,
  writablePath,
} from './places.ts';
import type { Config } from './schema.ts';
import { canWrite, probe } from '../state/write.ts';

/** One of the program's places on disk. */
export interface Place {
  /** Absolute. */
  readonly path: string;
  /** Why this one: the key or variable that names it. */
  readonly why: string;
  readonly writable: boolean;
  /** Why it cannot be written; '' when it can. */
  readonly reason: string;
  /** What is here is lost at the next reboot. */
  readonly temporary: boolean;
  /** Better places that refused, each with its reason; a configured one may still be read. */
  readonly passedOver: readonly { readonly path: string; readonly why: string; readonly reason: string }[];
}

/** Where everything lives. Each place was tried by writing to it. */
export interface Paths {
  /** The config file; undefined when the program runs without one. */
  readonly config: Place | undefined;
  readonly auth: Place;
  readonly logs: Place;
  readonly state: Place;
}

type Keys = Pick<Config, 'auth-dir' | 'logs-dir' | 'state-dir'>;

/**
 * Chooses the folders for a config: the configured one, else `WRITABLE_PATH`, else systemd's, else the user's state
 * folder, else a temporary one; each only when a real write works there.
 * @param configPath the config file, which relative paths in it start from.
 */
export async function resolvePaths(
  config: Keys,
  configPath: string | undefined,
  here: Whereabouts,
): Promise<Paths> {
  const base = configPath === undefined ? here.cwd : dirname(configPath);
  const configured = (key: keyof Keys): Candidate[] =>
    config[key] === '' ? [] : [{ path: expandPath(config[key], base, here), why: key }];
  const older = join(here.home, '.cli-proxy-api');
  const [auth, logs, state] = await Promise.all([
    choose([
      ...configured('auth-dir'),
      ...usual(
        'auth',
        'STATE_DIRECTORY',
        here,
        existsSync(older) ? [{ path: older, why: 'it exists already' }] : [],
      ),
    ]),
    choose([...configured('logs-dir'), ...usual('logs', 'LOGS_DIRECTORY', here)]),
    choose([...configured('state-dir'), ...usual('state', 'STATE_DIRECTORY', here)]),
  ]);
  return { config: await configPlace(configPath), auth, logs, state };
}

/** The places for one kind of folder when none is configured, best first; the last one is temporary. */
function usual(
  kind: 'auth' | 'logs' | 'state',
  variable: 'STATE_DIRECTORY' | 'LOGS_DIRECTORY',
  here: Whereabouts,
  known: readonly Candidate[] = [],
): Candidate[] {
  const writable = writablePath(here);
  const systemd = systemdFolder(here, variable);
  const stateDirectory = systemdFolder(here, 'STATE_DIRECTORY');
  return [
    ...(writable ? [{ path: join(writable, kind), why: 'WRITABLE_PATH' }] : []),
    ...(systemd
      ? [{ path: variable === 'LOGS_DIRECTORY' ? systemd : join(systemd, kind), why: variable }]
      : []),
    ...(variable === 'LOGS_DIRECTORY' && stateDirectory
      ? [{ path: join(stateDirectory, kind), why: 'STATE_DIRECTORY' }]
      : []),
    ...known,
    { path: join(stateFolder(here), kind), why: "the user's state folder" },
    { path: join(temporaryFolder(here), kind), why: temporaryReason },
  ];
}

const temporaryReason = 'nothing else can be written';

async function choose(candidates: readonly Candidate[]): Promise<Place> {
  const passedOver: { path: string; why: string; reason: string }[] = [];
  for (const { path, why } of candidates) {
    const temporary = why === temporaryReason;
    const tried = await probe(path);
    const ours = !temporary || isOurs(dirname(path));
    if (tried.persisted && ours) return { path, why, writable: true, reason: '', temporary, passedOver };
    const reason = tried.persisted ? `${dirname(path)} belongs to somebody else` : tried.reason;
    passedOver.push({ path, why, reason });
  }
  const last = passedOver.at(-1) ?? { path: '', why: '', reason: '' };
  return { ...last, writable: false, temporary: true, passedOver: passedOver.slice(0, -1) };
}

/** The config file is replaced by rename, so its folder is what must be writable; a mounted file is its own case. */
async function configPlace(path: string | undefined): Promise<Place | undefined> {
  if (path === undefined) return undefined;
  const tried = await canWrite(path);
  const reason = tried.persisted ? '' : tried.reason;
  return {
    path,
    why: 'the config file',
    writable: tried.persisted,
    reason,
    temporary: false,
    passedOver: [],
  };
}
