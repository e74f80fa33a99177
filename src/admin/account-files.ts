import { readImport } from '../accounts/logins/import.ts';
import type { Keeper, Kept } from '../accounts/logins/keeper.ts';
import type { Place } from '../accounts/logins/roster.ts';
import type { Saved } from '../accounts/logins/save.ts';
import { GatewayError } from '../core/error.ts';
import { type Json, readArray, readObject, tryParseObject } from '../core/json.ts';
import { readBody, readFiles } from './body.ts';
import type { Visit } from './hall.ts';
import { Refusal } from './refusal.ts';

/** What is said of a name that is not on the list. */
export function notFound(name: string): Refusal {
  return new Refusal(
    404,
    'auth file not found',
    `There is no login file "${name.slice(0, 200)}".`,
    'GET /v0/management/auth-files lists them.',
  );
}

/** Only names of the list lead to a file, so none leads out of the folder. */
export function fileNamed(name: string | null | undefined, keeper: Keeper): Kept {
  if (!name) throw new Refusal(400, 'missing name', 'No file is named.', 'Say ?name=, as the list has it.');
  const kept = keeper.find(name);
  if (kept) return kept;
  throw notFound(name);
}

/** Takes over the files that were sent. */
export async function upload({ request, query }: Visit, keeper: Keeper): Promise<Response> {
  const { files } = await readFiles(request, query.get('name') ?? 'body.json');
  if (files.length === 0)
    throw new Refusal(400, 'missing file', 'The form holds no file.', 'Add the file to the form.');
  const uploaded: { name: string; outcome: Saved['outcome'] }[] = [];
  const failed: { name: string; error: string }[] = [];
  for (const { name, text } of files) {
    try {
      const saved = await take(name, text, keeper);
      uploaded.push({ name: saved.file, outcome: saved.outcome });
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      if (files.length === 1) throw thrown;
      failed.push({ name, error: `${thrown.message} ${thrown.remedy}` });
    }
  }
  const status = failed.length === 0 ? 'ok' : uploaded.length === 0 ? 'error' : 'partial';
  return Response.json(
    { status, uploaded: uploaded.length, files: uploaded, failed },
    { status: failed.length === 0 ? 200 : uploaded.length === 0 ? 400 : 207 },
  );
}

/** @throws Refusal saying what is wrong with the file. */
async function take(
  name: string,
  text: string,
  keeper: Keeper,
  wanted?: Place,
  more: Json = {},
): Promise<Saved> {
  if (!/^[^/\\\0]+\.json$/i.test(name))
    throw new Refusal(
      400,
      'invalid name',
      'The name of a login file ends in .json and has no slash.',
      'Name it like codex-you.json.',
    );
  const content = tryParseObject(text.replace(/^\ufeff/, ''));
  if (!content) throw new Refusal(400, 'invalid file', `${name} is not a JSON object.`, 'Send a login file.');
  const imported = readImport({ ...content, ...more }, () => undefined, keeper.places, wanted);
  if (imported.kind === 'refused') throw new Refusal(400, 'invalid file', imported.reason, imported.remedy);
  if (imported.kind === 'other')
    throw new Refusal(
      400,
      'invalid file',
      `${name} is no login that a channel here knows.`,
      'A login file has a `type`, such as codex.',
    );
  return keeper.save(imported.place, imported.fields).catch(refusedWrite);
}

function refusedWrite(thrown: unknown): never {
  if (!(thrown instanceof GatewayError)) throw thrown;
  throw new Refusal(500, 'write_failed', thrown.message, thrown.remedy ?? '');
}

/** Takes over a JSON key of Google Cloud. */
export async function importVertex({ request }: Visit, keeper: Keeper): Promise<Response> {
  const place = keeper.places.find(({ id }) => id === 'vertex');
  if (!place) throw new Refusal(404, 'not_found', 'There is no vertex channel.', 'Use another version.');
  const { files, fields } = await readFiles(request, 'key.json');
  const [file] = files;
  if (!file)
    throw new Refusal(400, 'file required', 'The form holds no file.', 'Add the JSON key as `file`.');
  const location = fields['location']?.trim() || undefined;
  const saved = await take('key.json', file.text, keeper, place, location === undefined ? {} : { location });
  const kept = keeper.find(saved.file)?.login?.fields ?? {};
  const { project_id, email } = kept;
  return Response.json({
    status: 'ok',
    'auth-file': saved.file,
    project_id,
    email,
    location: kept['location'],
  });
}

/** Removes the files that are named, or all. */
export async function removeFiles({ request, query }: Visit, keeper: Keeper): Promise<Response> {
  if (/^(true|1|\*)$/.test(query.get('all') ?? '')) {
    const names = keeper.files.map(({ name }) => name);
    for (const name of names) await keeper.remove(name);
    return Response.json({ status: 'ok', deleted: names.length });
  }
  const named = query.getAll('name');
  const names = named.length > 0 ? named : namesIn(await readBody(request));
  if (names.length === 0)
    throw new Refusal(400, 'missing name', 'No file is named.', 'Say ?name= or ?all=true.');
  const missing = names.filter((name) => !keeper.find(name));
  if (missing.length === names.length) throw notFound(missing[0]!);
  for (const name of names) if (keeper.find(name)) await keeper.remove(name);
  const deleted = names.length - missing.length;
  return Response.json(
    {
      status: missing.length === 0 ? 'ok' : 'partial',
      deleted,
      failed: missing.map((name) => ({ name, error: 'auth file not found' })),
    },
    { status: missing.length === 0 ? 200 : 207 },
  );
}

/** `{"name": …}`, `{"names": […]}` or `[…]`. */
function namesIn(text: string): readonly string[] {
  const list = tryParseObject(`{"list":${text.trim() || 'null'}}`)?.['list'];
  const object = readObject(list);
  const names = readArray(list) ?? readArray(object?.['names']) ?? [object?.['name']];
  return names.filter((name) => typeof name === 'string');
}
