import { compact, type Json, noFields, readObject, readString } from '../../core/json.ts';
import type { MediaPart, MediaSource } from '../../core/request.ts';
import { cacheMark, extraOf, invalid } from './wire.ts';

/** The part types of this wire that hold media; `video_url` is an extension of OpenRouter, Qwen and vLLM. */
export const mediaTypes: ReadonlySet<string> = new Set(['image_url', 'input_audio', 'file', 'video_url']);

const unknownMime = 'application/octet-stream';

interface Located {
  readonly mime: string;
  readonly source: MediaSource;
}

/**
 * Reads a media part of a request or a reply.
 * @throws GatewayError `invalid-request` when it names no media.
 */
export function decodeMedia(part: Json, path: string): MediaPart {
  switch (part['type']) {
    case 'input_audio':
      return decodeAudio(part, path);
    case 'file':
      return decodeFile(part, path);
    case 'video_url':
      return decodeUrlPart(part, 'video_url', 'video', path);
    default:
      return decodeUrlPart(part, 'image_url', 'image', path);
  }
}

const urlFields = {
  image_url: new Set(['type', 'image_url', 'cache_control', 'index']),
  video_url: new Set(['type', 'video_url', 'cache_control', 'index']),
};

/** `image_url: {url, detail}`; Mistral also takes `image_url: "…"` (capture 344c716d…). */
function decodeUrlPart(
  part: Json,
  key: 'image_url' | 'video_url',
  media: 'image' | 'video',
  path: string,
): MediaPart {
  const inner = readObject(part[key]);
  const url = readString(part[key]) ?? readString(inner?.['url']);
  if (!url) throw invalid(`${path}.${key}.url`, 'must be an http(s) URL or a data: URL');
  return {
    kind: 'media',
    media,
    ...locate(url, `${path}.${key}.url`),
    ...compact({ detail: readString(inner?.['detail']) }),
    cache: cacheMark(part),
    extra: extraOf(part, urlFields[key]),
  };
}

/** `input_audio: {data, format}`; Mistral also takes the bare base64. */
function decodeAudio(part: Json, path: string): MediaPart {
  const inner = readObject(part['input_audio']);
  const data = readString(part['input_audio']) ?? readString(inner?.['data']);
  if (!data) throw invalid(`${path}.input_audio.data`, 'must be base64 audio');
  const format = readString(inner?.['format']);
  const located = /^(?:data|https?):/i.test(data) ? locate(data, `${path}.input_audio.data`) : undefined;
  return {
    kind: 'media',
    media: 'audio',
    mime: located?.mime || (format ? (audioMimes.get(format) ?? `audio/${format}`) : audioMimeOf(data)),
    source: located?.source ?? { kind: 'data', data },
    cache: cacheMark(part),
    extra: extraOf(part, audioFields),
  };
}

const audioFields = new Set(['type', 'input_audio', 'cache_control']);

/** What sound is by its first bytes, as base64 shows them: RIFF, Ogg, fLaC, an ID3 tag or a frame of MP3. */
function audioMimeOf(base64: string): string {
  const found = audioStarts.find(([start]) => base64.startsWith(start));
  return found?.[1] ?? unknownMime;
}

const audioStarts: readonly (readonly [string, string])[] = [
  ['UklGR', 'audio/wav'],
  ['T2dnU', 'audio/ogg'],
  ['ZkxhQ', 'audio/flac'],
  ['SUQz', 'audio/mpeg'],
  ['//', 'audio/mpeg'],
];

const audioMimes: ReadonlyMap<string, string> = new Map([
  ['mp3', 'audio/mpeg'],
  ['pcm16', 'audio/pcm'],
]);
const audioFormats: ReadonlyMap<string, string> = new Map([
  ['audio/mpeg', 'mp3'],
  ['audio/x-wav', 'wav'],
  ['audio/wave', 'wav'],
  ['audio/mp4', 'm4a'],
  ['audio/pcm', 'pcm16'],
]);

/** `file: {file_id}` or `file: {filename, file_data}`, whose data is a data: URL, bare base64, or (OpenRouter) an http(s) URL. */
function decodeFile(part: Json, path: string): MediaPart {
  const file = readObject(part['file']) ?? noFields;
  const id = readString(file['file_id']);
  const data = readString(file['file_data']);
  const name = readString(file['filename']);
  if (!id && !data) throw invalid(`${path}.file`, 'needs a file_id or file_data');
  const located: Located = data
    ? locateFile(data, name, path)
    : { mime: '', source: { kind: 'file', id: id! } };
  return {
    kind: 'media',
    media: mediaOfMime(located.mime),
    ...located,
    name,
    cache: cacheMark(part),
    extra: extraOf(part, fileFields),
  };
}

const fileFields = new Set(['type', 'file', 'cache_control']);

function locateFile(data: string, name: string | undefined, path: string): Located {
  if (/^(?:data|https?):/i.test(data)) return locate(data, `${path}.file.file_data`);
  return { mime: mimeOfFile(name, data), source: { kind: 'data', data } };
}

/** What a file is by its name, or by the first bytes of a PDF. */
function mimeOfFile(name: string | undefined, base64: string): string {
  const ending = name?.slice(name.lastIndexOf('.') + 1).toLowerCase() ?? '';
  return fileMimes.get(ending) ?? (base64.startsWith('JVBERi') ? 'application/pdf' : unknownMime);
}

const fileMimes: ReadonlyMap<string, string> = new Map([
  ['pdf', 'application/pdf'],
  ['txt', 'text/plain'],
  ['md', 'text/markdown'],
  ['csv', 'text/csv'],
  ['html', 'text/html'],
  ['json', 'application/json'],
  ['png', 'image/png'],
  ['jpg', 'image/jpeg'],
  ['jpeg', 'image/jpeg'],
  ['gif', 'image/gif'],
  ['webp', 'image/webp'],
]);

function mediaOfMime(mime: string): MediaPart['media'] {
  const kind = mime.slice(0, mime.indexOf('/'));
  return kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'document';
}

/** Where the bytes are: in a data: URL, or behind any other URL. */
function locate(url: string, field: string): Located {
  if (!/^data:/i.test(url)) return { mime: '', source: { kind: 'url', url } };
  const comma = url.indexOf(',');
  if (comma < 0) throw invalid(field, 'is a data: URL without data');
  const [mime, ...parameters] = url.slice(5, comma).split(';');
  const data = url.slice(comma + 1);
  const base64 = parameters.some((parameter) => parameter.trim().toLowerCase() === 'base64');
  return {
    mime: mime?.trim().toLowerCase() || unknownMime,
    source: { kind: 'data', data: base64 ? data : base64OfPercent(data, field) },
  };
}

function base64OfPercent(data: string, field: string): string {
  try {
    return Buffer.from(decodeURIComponent(data)).toString('base64');
  } catch {
    throw invalid(field, 'is a data: URL whose data is neither base64 nor percent-encoded text');
  }
}

/** The part as this wire writes it; undefined when it has no form for it, such as a document behind a URL. */
export function encodeMedia(part: MediaPart): Json | undefined {
  const { source } = part;
  if (source.kind === 'text') return { type: 'text', text: source.text };
  if (source.kind === 'file')
    return part.media === 'document' ? { type: 'file', file: { file_id: source.id } } : undefined;
  const url = source.kind === 'url' ? source.url : `data:${part.mime || unknownMime};base64,${source.data}`;
  if (part.media === 'image') return { type: 'image_url', image_url: compact({ url, detail: part.detail }) };
  if (part.media === 'video') return { type: 'video_url', video_url: { url } };
  if (source.kind === 'url') return undefined;
  if (part.media === 'audio')
    return { type: 'input_audio', input_audio: { data: source.data, format: audioFormat(part.mime) } };
  return { type: 'file', file: { filename: part.name ?? fileName(part.mime), file_data: url } };
}

const audioFormat = (mime: string): string => audioFormats.get(mime) ?? mime.slice(mime.indexOf('/') + 1);

/** A name for a file that came without one: OpenAI wants one beside `file_data`. */
function fileName(mime: string): string {
  const ending = [...fileMimes].find(([, known]) => known === mime)?.[0];
  return `document.${ending ?? 'bin'}`;
}
