import { readImport } from '../accounts/logins/import.ts';
import { type ImportFile, importFiles, localFiles } from '../accounts/logins/store-import.ts';
import type { Place } from '../accounts/logins/roster.ts';
import { expandPath, hereabouts } from '../config/places.ts';
import type { Options } from './arguments.ts';
import { type AuthDesk, AuthFailure, placeNamed } from './auth-desk.ts';
import { answersOf } from './auth-login.ts';
import { print, printJson } from './print.ts';

/** What became of one file. */
interface Row {
  readonly from: string;
  readonly outcome: 'added' | 'updated' | 'unchanged' | 'skipped';
  readonly channel?: string;
  readonly label?: string;
  readonly file?: string;
  readonly reason?: string;
  readonly remedy?: string;
}

/**
 * Takes over logins: of a file, of a folder and those below it, or without either of what other programs left on this
 * machine. Importing again changes nothing. @returns 1 when nothing at all could be taken.
 */
export async function authImport(
  words: readonly string[],
  options: Options,
  desk: AuthDesk,
): Promise<number> {
  const { place, path } = asked(words, desk);
  const sources =
    path === undefined
      ? localFiles(place ? [place] : desk.keeper.places, desk.home)
      : filesAt(path).map((file) => ({ place, file }));
  if (sources.length === 0) throw new AuthFailure(nothing(place, path, desk));
  const rows: Row[] = [];
  for (const { place: wanted, file } of sources) rows.push(await importOne(file, wanted, options, desk));
  if (options.json) printJson({ folder: desk.folder, imported: rows });
  else print(rows.map(line).join('\n'));
  return rows.some(({ outcome }) => outcome !== 'skipped') ? 0 : 1;
}

/** `[CHANNEL] [FILE|FOLDER]`: a single word is a channel when there is one of that name. */
function asked(
  words: readonly string[],
  { keeper }: AuthDesk,
): { place: Place | undefined; path: string | undefined } {
  const [first, second] = words;
  if (first === undefined) return { place: undefined, path: undefined };
  if (second !== undefined) return { place: placeNamed(first, keeper), path: second };
  const place = keeper.places.find(({ id, steps }) => id === first || steps.types.includes(first));
  return place ? { place, path: undefined } : { place: undefined, path: first };
}

function filesAt(path: string): readonly ImportFile[] {
  const here = hereabouts();
  const whole = expandPath(path, here.cwd, here);
  try {
    return importFiles(whole);
  } catch (error) {
    throw new AuthFailure(`${whole} cannot be read: ${(error as Error).message}`);
  }
}

function nothing(place: Place | undefined, path: string | undefined, { keeper }: AuthDesk): string {
  if (path !== undefined) return `There is no JSON file in ${path}.`;
  const places = place ? [place] : keeper.places;
  const looked = places.flatMap(({ steps }) => (steps.imports ?? []).flatMap(({ paths }) => paths));
  return `Nothing to import was found on this machine. Looked at:\n${looked.map((each) => `  ${each}`).join('\n')}`;
}

async function importOne(
  file: ImportFile,
  wanted: Place | undefined,
  options: Options,
  { keeper }: AuthDesk,
): Promise<Row> {
  const from = file.path;
  if (!file.content) return { from, outcome: 'skipped', reason: 'it is not a JSON object' };
  const imported = readImport(file.content, file.sibling, keeper.places, wanted);
  if (imported.kind === 'other')
    return { from, outcome: 'skipped', reason: 'it is no login that anybody here knows' };
  if (imported.kind === 'refused')
    return { from, outcome: 'skipped', reason: imported.reason, remedy: imported.remedy };
  const fields = { ...imported.fields, ...answersOf(options) };
  const saved = await keeper.save(imported.place, fields, { unlessOlder: true });
  return { from, channel: imported.place.id, ...saved };
}

function line({ from, outcome, channel, label, file, reason, remedy }: Row): string {
  if (outcome === 'skipped') return `skipped    ${from}: ${[reason, remedy].filter(Boolean).join(' ')}`;
  return `${outcome.padEnd(9)}  ${from}: ${label} of ${channel}, in ${file}`;
}
