import { type Options, UsageError } from './arguments.ts';
import { type AuthDesk, openAuthDesk } from './auth-desk.ts';
import { authDoctor } from './auth-doctor.ts';
import { authExport, authList, authRefresh, authRemove, authShow, authSwitch } from './auth-files.ts';
import { authImport } from './auth-import.ts';
import { authLogin } from './auth-login.ts';
import { print } from './print.ts';

type Work = (words: readonly string[], options: Options, desk: AuthDesk) => number | Promise<number>;

const works: Readonly<Record<string, Work>> = {
  login: ([channel], options, desk) => authLogin(channel, options, desk),
  import: authImport,
  list: (_, options, desk) => authList(options, desk),
  show: ([file], options, desk) => authShow(file, options, desk),
  refresh: authRefresh,
  disable: ([file], _, desk) => authSwitch(file, true, desk),
  enable: ([file], _, desk) => authSwitch(file, false, desk),
  remove: ([file], options, desk) => authRemove(file, options, desk),
  export: authExport,
  doctor: (_, options, desk) => authDoctor(options, desk),
};

/** What `auth` alone and `auth help` print. */
const authHelp = `cliproxyapi++ auth: sign in to channels, and look after the logins

  auth login [CHANNEL]         sign in; without a channel, list them
      --way WAY                another way of signing in, such as device
      --no-browser             print the address instead of opening it
      --port N                 listen there for the browser's return
      --proxy-url URL          a proxy for this login alone, signing in included
      --set NAME=VALUE         answer a question of the way
  auth import [CHANNEL] [FILE|FOLDER]
                               take over logins; without a path, what other programs left on this machine
  auth list [--live]           every login with its state; --live asks the providers what is left
  auth show FILE [--live]      one login, its secrets masked
  auth refresh [FILE …]        renew now
  auth disable|enable FILE     take a login out of use, and back
  auth remove FILE [--yes]     delete a login
  auth export FILE TARGET [--yes]
                               write a login with its secrets to another file
  auth doctor [--live]         duplicates, shared tokens, modes, ends that are near, clocks

Options
  --account-dir FOLDER         another folder than auth-dir of the config
  --json                       print for a program
Exit codes: 0 ok, 1 failed (doctor: warnings), 2 doctor: failures, 64 wrong command line, 78 wrong configuration.`;

/** Does one of the `auth` commands. @returns the exit code. */
export async function auth(words: readonly string[], options: Options): Promise<number> {
  const [name = 'help', ...rest] = words;
  if (name === 'help' || options.help) return print(authHelp);
  const work = Object.hasOwn(works, name) ? works[name] : undefined;
  if (!work) throw new UsageError(`There is no command "auth ${name}"; \`cliproxyapi++ auth\` lists them.`);
  process.umask(0o077);
  const desk = await openAuthDesk(options);
  try {
    return await work(rest, options, desk);
  } finally {
    await desk.close();
  }
}
