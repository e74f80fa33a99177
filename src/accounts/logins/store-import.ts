import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Json, tryParseObject } from '../../core/json.ts';
import type { Place } from './roster.ts';

/** A file that may be imported. */
export interface ImportFile {
  readonly path: string;
  /** Undefined when it is not one JSON object. */
  readonly content: Json | undefined;
  sibling(name: string): Json | undefined;
}

const longest = 1024 * 1024;
const mostFiles = 10_000;

/** A file, or every `*.json` of a folder and those below it. @throws when there is nothing at the path. */
export function importFiles(path: string): readonly ImportFile[] {
  if (!statSync(path).isDirectory()) return [importFile(path)];
  return jsonBelow(path).slice(0, mostFiles).sort().map(importFile);
}

/** Links to folders are not followed, and a folder that cannot be read keeps nobody from the others. */
function jsonBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return /^[^.].*\.json$/i.test(entry.name) ? [path] : [];
    try {
      return jsonBelow(path);
    } catch {
      return [];
    }
  });
}

/** What the programs that channels know leave on this machine. */
export function localFiles(
  places: readonly Place[],
  home: string,
): readonly { place: Place; file: ImportFile }[] {
  return places.flatMap((place) =>
    (place.steps.imports ?? [])
      .flatMap(({ paths }) => paths)
      .flatMap((path) => expanded(path, home))
      .map((path) => ({ place, file: importFile(path) })),
  );
}

function importFile(path: string): ImportFile {
  return {
    path,
    content: contentOf(path),
    // A name from a file must not lead elsewhere.
    sibling: (name) => (basename(name) === name ? contentOf(join(dirname(path), name)) : undefined),
  };
}

function contentOf(path: string): Json | undefined {
  try {
    const found = statSync(path);
    if (!found.isFile() || found.size > longest) return undefined;
    return tryParseObject(readFileSync(path, 'utf8').replace(/^\ufeff/, ''));
  } catch {
    return undefined;
  }
}

/** The existing files that a path with `~` and `*` stands for. */
function expanded(path: string, home: string): readonly string[] {
  const whole = path.replace(/^~(?=\/)/, () => home);
  const name = basename(whole);
  if (!name.includes('*')) return existsSync(whole) ? [whole] : [];
  const pattern = new RegExp(`^${name.split('*').map(RegExp.escape).join('.*')}$`);
  try {
    return readdirSync(dirname(whole))
      .filter((candidate) => pattern.test(candidate))
      .map((candidate) => join(dirname(whole), candidate));
  } catch {
    return [];
  }
}
