import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readObject, tryParseObject, type Json } from '../../src/core/json.ts';

/** Exchanges with the real providers, and requests of real clients. Shared between projects, never copied here. */
const shared = join(import.meta.dir, '../../../shared');

/** Why nothing recorded is tried, to end a title with; empty when the recordings are here. */
export const absent = existsSync(shared) ? '' : ' (skipped: ../shared is absent)';

/** The folder of each protocol's recordings. */
export const folders: Readonly<Record<string, string>> = {
  'openai-chat': 'openai-chat',
  'openai-responses': 'openai-responses',
  'anthropic-messages': 'anthropic',
  gemini: 'gemini',
};

/** One recorded exchange. */
export interface Recorded {
  /** Its file, as in `openai-chat/stream/0123456789abcdef.json`. */
  readonly name: string;
  readonly stream: boolean;
  readonly url: string;
  /** The request's body; undefined where the recorder kept none, or no JSON. */
  readonly asked: Json | undefined;
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** The recordings in a folder of `../shared/fixtures`, by name. */
export function exchanges(folder: string): readonly Recorded[] {
  return filesOf(join('fixtures', folder)).map(({ name: path, file }) => {
    const name = `${folder}/${path}`;
    const request = readObject(file.request) ?? {};
    const response = readObject(file.response) ?? {};
    return {
      name,
      stream: file.stream === true,
      url: String(request.url),
      asked: bodyOf(request.body),
      status: Number(response.status),
      headers: new Headers(response.headers as Record<string, string>),
      bytes: asEvents(bytesOf(response), file.stream === true),
    };
  });
}

/** A request as a coding client or an SDK sends it, with its long texts cut short. */
export interface Shape {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  readonly body: Json | undefined;
}

export const shapes = (): readonly Shape[] =>
  filesOf('shapes').map(({ name, file }) => ({
    name,
    method: String(file.method),
    url: String(file.url),
    body: uncut(bodyOf(file.body)) as Json | undefined,
  }));

/** Without the marks of items that the recorder left out of a list. */
function uncut(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !isMark(item)).map(uncut);
  const object = readObject(value);
  return object
    ? Object.fromEntries(Object.entries(object).map(([key, child]) => [key, uncut(child)]))
    : value;
}

const isMark = (item: unknown): boolean => typeof item === 'string' && /^…<\d+ items>$/.test(item);

function filesOf(folder: string): readonly { readonly name: string; readonly file: Json }[] {
  const root = join(shared, folder);
  if (absent || !existsSync(root)) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => ({ name, file: JSON.parse(readFileSync(join(root, name), 'utf8')) as Json }));
}

function bytesOf({ body, body_base64 }: Json): Uint8Array {
  if (typeof body_base64 === 'string') return new Uint8Array(Buffer.from(body_base64, 'base64'));
  return new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
}

/** Two streams of Gemini's were recorded as the array they are without `alt=sse`, which the gateway always asks for. */
function asEvents(bytes: Uint8Array, stream: boolean): Uint8Array {
  if (!stream || bytes[0] !== '['.charCodeAt(0)) return bytes;
  const chunks = JSON.parse(new TextDecoder().decode(bytes)) as readonly Json[];
  return new TextEncoder().encode(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join(''));
}

const bodyOf = (body: unknown): Json | undefined =>
  typeof body === 'string' ? tryParseObject(body) : readObject(body);
