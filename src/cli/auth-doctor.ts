import { examine, type Finding } from '../accounts/logins/doctor.ts';
import { readImport } from '../accounts/logins/import.ts';
import { localFiles } from '../accounts/logins/store-import.ts';
import type { Options } from './arguments.ts';
import type { AuthDesk } from './auth-desk.ts';
import { channelsWithLogins } from './auth-files.ts';
import { print, printJson } from './print.ts';

/**
 * `auth doctor`: what is wrong with the logins or will be. `--live` also asks the providers, for their clocks and for
 * whether they still take the logins. @returns 0 all is well, 1 warnings, 2 failures.
 */
export async function authDoctor(options: Options, desk: AuthDesk): Promise<number> {
  const { keeper } = desk;
  if (options.live) await Promise.all(keeper.files.map(({ login }) => login && keeper.ask(login)));
  const skews = options.live
    ? await keeper.measureSkew(channelsWithLogins(keeper))
    : new Map<string, number>();
  const local = localFiles(keeper.places, desk.home).flatMap(({ place, file }) => {
    const imported = file.content && readImport(file.content, file.sibling, keeper.places, place);
    return imported?.kind === 'login' ? [{ path: file.path, fields: imported.fields }] : [];
  });
  const findings = examine({ files: keeper.files, found: keeper.found, local, skews, now: Date.now() });
  if (options.json) printJson({ folder: desk.folder, findings });
  else
    print(
      findings.length === 0
        ? `The ${keeper.files.length} logins in ${desk.folder} are well.`
        : findings.map(line).join('\n'),
    );
  if (findings.some(({ severity }) => severity === 'failure')) return 2;
  return findings.length > 0 ? 1 : 0;
}

const line = ({ id, severity, where, what, remedy }: Finding) =>
  `${severity.padEnd(7)}  ${id}  ${where}: ${what}. ${remedy}`;
