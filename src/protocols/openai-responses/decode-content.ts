import {
  compact,
  type Json,
  omit,
  readNumber,
  readObject,
  readObjects,
  readString,
} from '../../core/json.ts';
import type { Citation, Extra, MediaPart, Part, TextPart } from '../../core/request.ts';
import { id } from './wire.ts';

/** What is left of a content part once its known fields are read; kept for this protocol alone. */
function extraOf(wire: Json, known: ReadonlySet<string>): { extra?: Extra } {
  const rest = omit(wire, known);
  return Object.keys(rest).length > 0 ? { extra: { [id]: rest } } : {};
}

const textNamed = new Set(['type', 'text', 'annotations', 'logprobs']);
const mediaNamed = new Set(
  ['type', 'image_url', 'file_id', 'detail', 'filename'].concat(['file_data', 'file_url', 'input_audio']),
);

/** One content part of a message, in a request or in an answer. */
export function decodeContent(part: Json): Part {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { ...decodeText(part), ...extraOf(part, textNamed) };
    case 'refusal':
      return { kind: 'refusal', text: readString(part.refusal) ?? '' };
    case 'input_image':
      return { ...decodeImage(part), ...extraOf(part, mediaNamed) };
    case 'input_file':
      return { ...decodeFile(part), ...extraOf(part, mediaNamed) };
    case 'input_audio':
      return { ...decodeAudio(readObject(part.input_audio) ?? {}), ...extraOf(part, mediaNamed) };
    default:
      return { kind: 'foreign', foreign: { protocol: id, value: part } };
  }
}

function decodeText(part: Json): TextPart {
  const citations = readObjects(part.annotations).map(decodeAnnotation);
  const logprobs = readObjects(part.logprobs);
  return {
    kind: 'text',
    text: readString(part.text) ?? '',
    ...(citations.length > 0 ? { citations } : {}),
    ...(logprobs.length > 0 ? { logprobs } : {}),
  };
}

/** A `url_citation` in the hall's words, both of which count code points; any other annotation only this wire can say. */
export function decodeAnnotation(annotation: Json): Citation {
  if (annotation.type !== 'url_citation') return { foreign: { protocol: id, value: annotation } };
  return compact({
    url: readString(annotation.url),
    title: readString(annotation.title),
    start: readNumber(annotation.start_index),
    end: readNumber(annotation.end_index),
  });
}

// ---------------------------------------------------------------------------------------------------- media

const dataUrl = /^data:([^;,]*)(?:;[^,]*)?;base64,/;

type Where = Pick<MediaPart, 'mime' | 'source'>;

/** A data: URL as its type and its bytes, or any other URL as it is. */
function decodeUrl(url: string, fallback: string): Where {
  const match = dataUrl.exec(url);
  if (!match) return { mime: '', source: { kind: 'url', url } };
  return { mime: match[1] || fallback, source: { kind: 'data', data: url.slice(match[0].length) } };
}

const fileOf = (part: Json): Where => ({
  mime: '',
  source: { kind: 'file', id: readString(part.file_id) ?? '' },
});

function decodeImage(part: Json): MediaPart {
  // Chat's nested form is a slip that OpenAI's own server understands.
  const url = readString(part.image_url) ?? readString(readObject(part.image_url)?.url);
  const where = url === undefined ? fileOf(part) : decodeUrl(url, 'image/png');
  return compact({ kind: 'media', media: 'image', ...where, detail: readString(part.detail) });
}

function decodeFile(part: Json): MediaPart {
  const data = readString(part.file_data);
  const url = readString(part.file_url);
  const name = readString(part.filename);
  return compact({ kind: 'media', media: 'document', ...whereOf(), name, detail: readString(part.detail) });

  function whereOf(): Where {
    if (data === undefined) return url === undefined ? fileOf(part) : decodeUrl(url, mimeOf(name));
    if (dataUrl.test(data)) return decodeUrl(data, mimeOf(name));
    return { mime: mimeOf(name), source: { kind: 'data', data } };
  }
}

const mimes: Readonly<Record<string, string>> = {
  pdf: 'application/pdf',
  json: 'application/json',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
};

/** A file given as bare base64 says what it is only by its name; without one it is a PDF, as the API takes it. */
function mimeOf(name: string | undefined): string {
  if (name === undefined) return 'application/pdf';
  return mimes[name.slice(name.lastIndexOf('.') + 1).toLowerCase()] ?? 'application/octet-stream';
}

function decodeAudio(audio: Json): MediaPart {
  const format = readString(audio.format) ?? 'wav';
  return {
    kind: 'media',
    media: 'audio',
    mime: format === 'mp3' ? 'audio/mpeg' : `audio/${format}`,
    source: { kind: 'data', data: readString(audio.data) ?? '' },
  };
}
