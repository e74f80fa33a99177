import { type Json, readObject, readString } from '../../core/json.ts';
import type { MediaPart } from '../../core/request.ts';

/** This protocol's id, and whose thought signatures its wire carries. */
export const id = 'gemini';
export const issuer = 'gemini';

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

/** The same object with its top-level keys in camelCase. */
export function camel(json: Json): Json {
  const out: Record<string, unknown> = {};
  for (const key in json)
    out[key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())] = json[key];
  return out;
}

export const objectField = (json: Json, name: string): Json | undefined => readObject(field(json, name));
export const stringField = (json: Json, name: string): string | undefined => readString(field(json, name));

/** What kind of thing a MIME type names. Documents are whatever is neither picture nor sound. */
export function mediaOf(mime: string): MediaPart['media'] {
  const [kind] = mime.split('/');
  if (kind === 'image' || kind === 'audio' || kind === 'video') return kind;
  return 'document';
}
