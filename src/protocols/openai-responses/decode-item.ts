import {
  compact,
  type Json,
  omit,
  readArray,
  readNumber,
  readObject,
  readObjects,
  readString,
} from '../../core/json.ts';
import type {
  Citation,
  Extra,
  HostedCallPart,
  HostedTool,
  MediaPart,
  Part,
  ReasoningPart,
} from '../../core/request.ts';
import { decodeSeal } from '../seals.ts';
import { id, issuer } from './wire.ts';

/** What is left of a wire object once its known fields are read; kept for this protocol alone. */
export function extraOf(wire: Json, known: ReadonlySet<string>): { extra: Extra } | undefined {
  const rest = omit(wire, known);
  return Object.keys(rest).length > 0 ? { extra: { [id]: rest } } : undefined;
}

const textNamed = new Set(['type', 'text', 'annotations', 'logprobs']);
const mediaNamed = new Set([
  'type',
  'image_url',
  'file_id',
  'detail',
  'filename',
  'file_data',
  'file_url',
  'input_audio',
]);

/** One content part of a message, in a request or in an answer. */
export function decodeContent(part: Json): Part {
  switch (readString(part.type)) {
    case 'input_text':
    case 'output_text':
    case 'text':
    case 'summary_text':
      return { ...textOf(part), ...extraOf(part, textNamed) };
    case 'refusal':
      return { kind: 'refusal', text: readString(part.refusal) ?? '' };
    case 'input_image':
      return { ...imageOf(part), ...extraOf(part, mediaNamed) };
    case 'input_file':
      return { ...fileOf(part), ...extraOf(part, mediaNamed) };
    case 'input_audio':
      return { ...audioOf(readObject(part.input_audio) ?? {}), ...extraOf(part, mediaNamed) };
    default:
      return { kind: 'foreign', foreign: { protocol: id, value: part } };
  }
}

function textOf(part: Json): Extract<Part, { kind: 'text' }> {
  const citations = readObjects(part.annotations).map(decodeAnnotation);
  const logprobs = readObjects(part.logprobs);
  return {
    kind: 'text',
    text: readString(part.text) ?? '',
    ...(citations.length > 0 ? { citations } : {}),
    ...(logprobs.length > 0 ? { logprobs } : {}),
  };
}

/** A `url_citation` in the hall's words; every other annotation only this wire can say. */
export function decodeAnnotation(annotation: Json): Citation {
  const foreign = { foreign: { protocol: id, value: annotation } };
  if (annotation.type !== 'url_citation') return foreign;
  return compact({
    url: readString(annotation.url),
    title: readString(annotation.title),
    start: readNumber(annotation.start_index),
    end: readNumber(annotation.end_index),
  }) as Citation;
}

const dataUrl = /^data:([^;,]*)(?:;[^,]*)?;base64,/;

/** A data: URL as its type and its bytes, or any other URL as it is. */
function sourceOf(url: string, fallbackMime: string): Pick<MediaPart, 'mime' | 'source'> {
  const match = dataUrl.exec(url);
  if (!match) return { mime: '', source: { kind: 'url', url } };
  return { mime: match[1] || fallbackMime, source: { kind: 'data', data: url.slice(match[0].length) } };
}

function imageOf(part: Json): MediaPart {
  const url = readString(part.image_url) ?? readString(readObject(part.image_url)?.url);
  const file = { mime: '', source: { kind: 'file' as const, id: readString(part.file_id) ?? '' } };
  const where = url === undefined ? file : sourceOf(url, 'image/png');
  return compact({
    kind: 'media' as const,
    media: 'image' as const,
    ...where,
    detail: readString(part.detail),
  }) as MediaPart;
}

function fileOf(part: Json): MediaPart {
  const data = readString(part.file_data);
  const url = readString(part.file_url);
  const name = readString(part.filename);
  const bare =
    data === undefined || dataUrl.test(data)
      ? undefined
      : { mime: mimeOf(name), source: { kind: 'data' as const, data } };
  const where = bare ??
    (data !== undefined ? sourceOf(data, mimeOf(name)) : undefined) ??
    (url !== undefined ? { mime: '', source: { kind: 'url' as const, url } } : undefined) ?? {
      mime: '',
      source: { kind: 'file' as const, id: readString(part.file_id) ?? '' },
    };
  return compact({ kind: 'media' as const, media: 'document' as const, ...where, name }) as MediaPart;
}

/** A file given as bare base64 says what it is only by its name. */
const mimeOf = (name: string | undefined) =>
  name?.toLowerCase().endsWith('.pdf') === false ? 'application/octet-stream' : 'application/pdf';

function audioOf(audio: Json): MediaPart {
  const format = readString(audio.format) ?? 'wav';
  const mime = format === 'mp3' ? 'audio/mpeg' : `audio/${format}`;
  return {
    kind: 'media',
    media: 'audio',
    mime,
    source: { kind: 'data', data: readString(audio.data) ?? '' },
  };
}

const reasoningNamed = new Set(['type', 'summary', 'content', 'encrypted_content', 'status']);

/** A reasoning item: its summary, or its raw text where the server shows it, and its encrypted whole. */
export function decodeReasoning(item: Json): ReasoningPart {
  const texts = (list: unknown) => readObjects(list).flatMap((part) => readString(part.text) ?? []);
  const summary = texts(item.summary);
  const seal = decodeSeal(readString(item.encrypted_content), issuer);
  return {
    kind: 'reasoning',
    text: (summary.length > 0 ? summary : texts(item.content)).join('\n\n'),
    ...(seal ? { seal } : {}),
    ...extraOf(item, reasoningNamed),
  };
}

const hostedTools: Readonly<Record<string, HostedTool>> = {
  web_search_call: 'web-search',
  code_interpreter_call: 'code-execution',
  file_search_call: 'file-search',
  mcp_call: 'mcp',
};

/** An item that stands for what the vendor did itself, or that only this wire knows. */
export function decodeOtherItem(item: Json): Part {
  const foreign = { foreign: { protocol: id, value: item } };
  const type = readString(item.type) ?? '';
  const image = type === 'image_generation_call' ? readString(item.result) : undefined;
  if (image !== undefined)
    return {
      kind: 'media',
      media: 'image',
      mime: `image/${readString(item.output_format) ?? 'png'}`,
      source: { kind: 'data', data: image },
    };
  const tool = hostedTools[type];
  if (!tool) return { kind: 'foreign', ...foreign };
  return {
    kind: 'hosted-call',
    tool,
    callId: readString(item.id) ?? '',
    input: hostedInput(item),
    ...foreign,
  } satisfies HostedCallPart;
}

function hostedInput(item: Json): Json {
  const action = readObject(item.action);
  if (action)
    return compact({ query: readString(action.query) ?? (readArray(action.queries) ?? []).join('; ') });
  return compact({
    code: readString(item.code),
    query: (readArray(item.queries) ?? []).join('; ') || undefined,
  });
}
