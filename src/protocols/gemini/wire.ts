import { type Json, readObject, readString } from '../../core/json.ts';
import type { MediaPart } from '../../core/request.ts';

/** This protocol's id, and whose thought signatures its wire carries. */
export const id = 'gemini';
export const issuer = 'gemini';

/** The variant that Vertex AI speaks: no ids on calls and results, and names on media. */
export const vertex = 'vertex';

/** A field by its camelCase name or, as many clients write it, by its snake_case name. */
export function field(json: Json, name: string): unknown {
  return json[name] ?? json[snake(name)];
}

const snakes = new Map<string, string>();

function snake(name: string): string {
  let spelled = snakes.get(name);
  if (spelled === undefined) {
    spelled = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    snakes.set(name, spelled);
  }
  return spelled;
}

/**
 * The same object with its top-level keys in camelCase and without its null values, which proto JSON takes for absent;
 * the very same where it is spelled so already, as Google spells.
 */
export function camel(json: Json): Json {
  if (isCamel(json)) return json;
  const out: Record<string, unknown> = {};
  for (const key in json) {
    const value = json[key];
    if (value === null || value === undefined) continue;
    out[key.includes('_') ? spelledCamel(key) : key] = value;
  }
  return out;
}

function isCamel(json: Json): boolean {
  for (const key in json) {
    const value = json[key];
    if (value === null || value === undefined || key.includes('_')) return false;
  }
  return true;
}

const spelledCamel = (key: string): string =>
  key.replaceAll(/(?<=.)_([a-z])/g, (_, letter: string) => letter.toUpperCase());

export const objectField = (json: Json, name: string): Json | undefined => readObject(field(json, name));
export const stringField = (json: Json, name: string): string | undefined => readString(field(json, name));

/** What kind of thing a MIME type names. Documents are whatever is neither picture nor sound. */
export function mediaOf(mime: string): MediaPart['media'] {
  const [kind] = mime.split('/');
  if (kind === 'image' || kind === 'audio' || kind === 'video') return kind;
  return 'document';
}

/** The MIME types that Google documents as input, by the ending of a file's name. */
const mimes: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  heif: 'image/heif',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  html: 'text/html',
  csv: 'text/csv',
  xml: 'text/xml',
  json: 'application/json',
  wav: 'audio/wav',
  mp3: 'audio/mpeg',
  m4a: 'audio/m4a',
  aac: 'audio/aac',
  ogg: 'audio/ogg',
  flac: 'audio/flac',
  aiff: 'audio/aiff',
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  webm: 'video/webm',
  mpeg: 'video/mpeg',
  avi: 'video/x-msvideo',
};

/** The MIME type that the ending of a name or a URL tells; undefined when it tells none. */
export function mimeOfName(name: string | undefined): string | undefined {
  const ending = /\.([a-z0-9]+)(?:[?#]|$)/i.exec(name ?? '')?.[1];
  return ending === undefined ? undefined : mimes[ending.toLowerCase()];
}

/** The generation of a Gemini model, by its name; `-latest` names the newest. Undefined for any other name. */
export function generationOf(model: string): number | undefined {
  const named = /gemini-(\d+)/.exec(model)?.[1];
  if (named !== undefined) return Number(named);
  return /gemini-[a-z-]*latest/.test(model) ? Infinity : undefined;
}
