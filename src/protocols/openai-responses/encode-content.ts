import { compact, type Json, readObject } from '../../core/json.ts';
import type { Citation, MediaPart, Part } from '../../core/request.ts';
import type { Drop } from '../protocol.ts';
import { id, ownExtra, ownForeign } from './wire.ts';

// ---------------------------------------------------------------------------------------------- the model's words

/** Text of the model, as a content part of its message. */
export const outputText = (
  text: string,
  annotations: readonly Json[] = [],
  logprobs: readonly Json[] = [],
): Json => ({ type: 'output_text', text, annotations, logprobs });

export const refusalPart = (refusal: string): Json => ({ type: 'refusal', refusal });

/**
 * The citations of a text. One that does not say where it applies is about the whole text; one without an address
 * cannot be pointed to, and is reported.
 */
export function encodeAnnotations(citations: readonly Citation[], text: string, drop: Drop): readonly Json[] {
  if (citations.length === 0) return [];
  const length = [...text].length;
  return citations.flatMap((citation): readonly Json[] => {
    const { foreign, url, title, start, end } = citation;
    if (foreign?.protocol === id) return [readObject(foreign.value) ?? {}];
    const place = { start_index: start ?? 0, end_index: end ?? length };
    if (url !== undefined) return [{ type: 'url_citation', ...place, url, title: title ?? '' }];
    drop('citations without a url');
    return [];
  });
}

// ----------------------------------------------------------------------------------------------- the user's words

/** Whom input is for. */
export interface Listener {
  /** It takes sound. OpenAI's published API does not. */
  readonly hears: boolean;
  readonly drop: Drop;
}

/** What a user shows or says, as input content parts: none for what this wire cannot say, which is reported. */
export function inputContent(part: Part, path: string, listener: Listener): readonly Json[] {
  const own = ownForeign(part);
  if (own) return [own];
  switch (part.kind) {
    case 'text':
      return part.text === '' ? [] : [{ type: 'input_text', text: part.text, ...ownExtra(part) }];
    case 'refusal':
      return [{ type: 'input_text', text: part.text }];
    case 'media':
      return [inputMedia(part, path, listener)];
    default:
      listener.drop(`${path}: ${part.kind}`);
      return [];
  }
}

function inputMedia(part: MediaPart, path: string, { hears, drop }: Listener): Json {
  const wire = part.media === 'audio' && !hears ? undefined : encodeMedia(part);
  if (wire) return compact({ ...wire, detail: part.detail, ...ownExtra(part) });
  drop(`${path}: ${part.media}`);
  return { type: 'input_text', text: `[${part.media} omitted: not supported by this model's API]` };
}

function encodeMedia({ media, mime, source, name }: MediaPart): Json | undefined {
  const data = source.kind === 'data' ? `data:${mime};base64,${source.data}` : undefined;
  if (media === 'image') {
    if (source.kind === 'file') return { type: 'input_image', file_id: source.id };
    if (source.kind === 'url') return { type: 'input_image', image_url: source.url };
    return data === undefined ? undefined : { type: 'input_image', image_url: data };
  }
  if (media === 'audio' && source.kind === 'data') {
    const format = mime === 'audio/mpeg' ? 'mp3' : (mime.split('/')[1] ?? 'wav');
    return { type: 'input_audio', input_audio: { data: source.data, format } };
  }
  if (media !== 'document') return undefined;
  if (source.kind === 'text') return { type: 'input_text', text: titled(source.text, name) };
  if (source.kind === 'file') return { type: 'input_file', file_id: source.id };
  if (source.kind === 'url') return { type: 'input_file', file_url: source.url };
  return { type: 'input_file', filename: name ?? fileName(mime), file_data: data };
}

/** A document given in words keeps its title as a heading. */
const titled = (text: string, title: string | undefined): string =>
  title === undefined ? text : `# ${title}\n\n${text}`;

/** The API wants a name, and reads the kind of the file from its ending. */
function fileName(mime: string): string {
  const kind = mime.split(/[/;]/)[1] ?? '';
  return `document.${({ plain: 'txt', markdown: 'md', 'octet-stream': 'bin' } as const)[kind] ?? (kind || 'pdf')}`;
}
