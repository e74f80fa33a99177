import { join } from 'node:path';
import type { Entitlements } from '../accounts/pool/entitlements.ts';
import type { Keeper, Kept } from '../accounts/logins/keeper.ts';
import type { Place } from '../accounts/logins/roster.ts';
import { absenceOf, isAbsent } from '../accounts/logins/absent.ts';
import { expandPath, hereabouts } from '../config/places.ts';
import { resolvePaths } from '../config/paths.ts';
import { sqliteShelf } from '../state/sqlite.ts';
import { createState } from '../state/state.ts';
import type { Log } from '../telemetry/log.ts';
import { type Options, UsageError } from './arguments.ts';
import { type Grounds, groundsOf } from './ask.ts';
import { openEntitlements, openKeeper } from './keeping.ts';

/** What the `auth` commands work on: the same folder, config and memory as the gateway, which may be running. */
export interface AuthDesk extends Grounds {
  readonly keeper: Keeper;
  readonly entitlements: Entitlements;
  readonly folder: string;
  readonly home: string;
  readonly cwd: string;
  close(): Promise<void>;
}

/** Commands speak for themselves; only what went wrong is worth a line on standard error. */
const log: Log = (level, event, fields = {}) => {
  if (level === 'error') process.stderr.write(`${event}: ${JSON.stringify(fields)}\n`);
};

export async function openAuthDesk(options: Options): Promise<AuthDesk> {
  const here = hereabouts();
  const grounds = groundsOf(options);
  const { config, path } = grounds;
  const paths = await resolvePaths(config, path, here);
  const chosen = options['account-dir'];
  const folder = chosen === undefined ? paths.auth.path : expandPath(chosen, here.cwd, here);
  const file = join(paths.state.path, 'state.sqlite');
  const state = createState(paths.state.writable ? { open: () => sqliteShelf(file) } : {});
  const { environment, home, cwd } = here;
  const keeper = openKeeper({ folder, config: () => config, environment, log, state });
  await keeper.load();
  return {
    ...grounds,
    keeper,
    entitlements: openEntitlements(state),
    folder,
    home,
    cwd,
    async close() {
      await keeper.close();
      state.close();
    },
  };
}

/** A command that cannot do what was asked; the message says why and what to do. Exit code 1. */
export class AuthFailure extends Error {
  override readonly name = 'AuthFailure';
  readonly exitCode = 1;
}

/** @throws AuthFailure for a channel that is left out, UsageError for one that nobody knows. */
export function placeNamed(name: string, { places }: Keeper): Place {
  const wanted = name.toLowerCase();
  const place = places.find(({ id, steps }) => id === wanted || steps.types.includes(wanted));
  if (place) return place;
  const known = places.map(({ id }) => id).join(', ');
  if (!isAbsent(wanted))
    throw new UsageError(`There is no channel "${name}" to sign in to; there are ${known}.`);
  const { reason, remedy } = absenceOf(wanted);
  throw new AuthFailure(`${wanted}: ${reason}. ${remedy}`);
}

/** The file that a word names: its path below the folder, with or without `.json`, or the label or id of its login. */
export function keptNamed(word: string | undefined, { files }: Keeper): Kept {
  if (word === undefined)
    throw new UsageError('Which login? Name its file; `cliproxyapi++ auth list` shows them.');
  const exact = files.find(
    ({ name, login }) => name === word || name === `${word}.json` || login?.id === word,
  );
  if (exact) return exact;
  const named = files.filter(({ login }) => login?.identity.label.toLowerCase() === word.toLowerCase());
  if (named.length === 1) return named[0]!;
  if (named.length === 0)
    throw new AuthFailure(`There is no login "${word}"; \`cliproxyapi++ auth list\` shows them.`);
  throw new AuthFailure(
    `"${word}" stands for several logins: ${named.map(({ name }) => name).join(', ')}. Name one file.`,
  );
}
