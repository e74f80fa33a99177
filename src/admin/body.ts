import { type Json, tryParseObject } from '../core/json.ts';
import { Refusal } from './refusal.ts';
import { readText } from './text.ts';

/** A login file is small; this leaves room for a folder of them in one form. */
const longestBody = 4 * 1024 * 1024;

/**
 * A part of a request's path, decoded. @param fromEnd which one, counted from the last.
 * @throws Refusal 400 when it is not encoded as URLs are.
 */
export function partOf({ url }: Request, fromEnd = 1): string {
  const part = new URL(url).pathname.split('/').at(-fromEnd) ?? '';
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Refusal(
      400,
      'invalid path',
      `"${part.slice(0, 200)}" is no encoded text.`,
      'Encode it with encodeURIComponent, or curl --data-urlencode.',
    );
  }
}

/** One file of a form, or the body itself. */
export interface SentFile {
  readonly name: string;
  readonly text: string;
}

export const readBody = (request: Request): Promise<string> => readText(request, longestBody);

/** The body as a JSON object. @throws Refusal 400 */
export async function readJson(request: Request): Promise<Json> {
  const object = tryParseObject(await readBody(request));
  if (object) return object;
  throw new Refusal(
    400,
    'invalid body',
    'The body is not a JSON object.',
    'Send an object as application/json.',
  );
}

/** The files and the text fields of a form, or the body as one file. @param name of the body, where it is no form. */
export async function readFiles(
  request: Request,
  name: string,
): Promise<{ readonly files: readonly SentFile[]; readonly fields: Readonly<Record<string, string>> }> {
  const type = request.headers.get('content-type') ?? '';
  const body = await readBody(request);
  if (!type.toLowerCase().startsWith('multipart/form-data'))
    return { files: [{ name, text: body }], fields: {} };
  const form = await new Response(body, { headers: { 'content-type': type } }).formData().catch(() => {
    throw new Refusal(
      400,
      'invalid body',
      'The form cannot be read.',
      'Send it as curl -F and every FormData do.',
    );
  });
  const files: SentFile[] = [];
  const fields: Record<string, string> = {};
  for (const [key, value] of form) {
    if (typeof value === 'string') fields[key] = value;
    else files.push({ name: value.name, text: await value.text() });
  }
  return { files, fields };
}
