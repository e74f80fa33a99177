import type { Json } from '../../core/json.ts';
import {
  type Citation,
  isPlain,
  type MediaPart,
  type Part,
  type ReasoningPart,
  type TextPart,
} from '../../core/request.ts';
import type { Drop } from '../protocol.ts';
import { encodeCache, encodeExtra, id, issuer, ownForeign } from './wire.ts';

/**
 * One part of a request as a content block; undefined when nothing is left to say. Calls and their results are not
 * for this function: `encode-messages.ts` pairs them first. The part is named by its list and its place there in reports.
 */
export function encodePart(part: Part, list: string, at: number, drop: Drop): Json | undefined {
  // Nothing of plain words could be reported, so nobody asks where they stand.
  if (isPlain(part)) return spoken(part.text);
  const path = `${list}[${at}]`;
  const block = encodeBare(part, path, drop);
  if (!block) return undefined;
  const extra = encodeExtra(part.extra, path, drop);
  // Anthropic refuses cache marks on thinking.
  return part.kind === 'reasoning'
    ? { ...block, ...extra }
    : { ...block, ...extra, ...encodeCache(part.cache) };
}

/** The parts of a list that something is left of. */
export function encodeParts(parts: readonly Part[], list: string, drop: Drop): Json[] {
  const blocks: Json[] = [];
  for (let at = 0; at < parts.length; at++) {
    const block = encodePart(parts[at]!, list, at, drop);
    if (block) blocks.push(block);
  }
  return blocks;
}

function encodeBare(part: Part, path: string, drop: Drop): Json | undefined {
  switch (part.kind) {
    case 'text':
      return encodeText(part, path, drop);
    case 'refusal':
      return spoken(part.text);
    case 'media':
      return encodeMedia(part, path, drop);
    case 'reasoning':
      return encodeThinking(part, drop);
    case 'hosted-call':
    case 'hosted-result':
    case 'foreign': {
      const own = ownForeign(part.foreign);
      if (!own) drop(part.kind === 'foreign' ? path : `${path}: ${part.tool} ${part.kind.slice(7)}`);
      return own;
    }
    default:
      drop(path);
      return undefined;
  }
}

/** Anthropic refuses text blocks that are empty or only white space. */
const spoken = (text: string): Json | undefined => (text.trim() === '' ? undefined : { type: 'text', text });

function encodeText(part: TextPart, path: string, drop: Drop): Json | undefined {
  if (part.seal) drop(foreignSeal);
  const block = spoken(part.text);
  if (!block || !part.citations) return block;
  // A citation's place in its source is what Anthropic checks, so one that it did not make cannot be replayed.
  const own = part.citations.flatMap(({ foreign }) => (foreign?.protocol === id ? [foreign.value] : []));
  if (own.length < part.citations.length) drop(`${path}.citations`);
  return own.length > 0 ? { ...block, citations: own } : block;
}

/** What is reported of a thought that Anthropic cannot verify. */
export const foreignSeal = 'reasoning: sealed by another vendor or not at all';

/** A thought goes back as Anthropic sealed it, or not at all: it refuses one that is changed or unsigned. */
function encodeThinking({ text, seal }: ReasoningPart, drop: Drop): Json | undefined {
  if (seal?.issuer !== issuer) {
    drop(foreignSeal);
    return undefined;
  }
  if (seal.redacted) return { type: 'redacted_thinking', data: seal.value };
  return { type: 'thinking', thinking: text, signature: seal.value };
}

// ---------------------------------------------------------------------------------------------------- media

function encodeMedia(part: MediaPart, path: string, drop: Drop): Json {
  const source = encodeSource(part);
  if (!source) {
    drop(`${path}: ${part.media}`);
    return { type: 'text', text: `[${part.media} omitted: not supported by this model's API]` };
  }
  if (part.detail !== undefined && part.detail !== 'auto') drop(`${path}.detail`);
  return {
    type: part.media,
    source,
    ...(part.name !== undefined && part.media === 'document' ? { title: part.name } : {}),
  };
}

function encodeSource({ media, mime, source }: MediaPart): Json | undefined {
  if (media !== 'image' && media !== 'document') return undefined;
  switch (source.kind) {
    case 'url':
      return { type: 'url', url: source.url };
    case 'file':
      // Anthropic's own file ids begin with `file_`, OpenAI's with `file-`; nobody knows the other's.
      return source.id.startsWith('file_') ? { type: 'file', file_id: source.id } : undefined;
    case 'text':
      return media === 'document' ? plain(source.text) : undefined;
    case 'data':
      if (media === 'image') return { type: 'base64', media_type: mime, data: source.data };
      return encodeDocument(mime, source.data);
  }
}

const plain = (text: string): Json => ({ type: 'text', media_type: 'text/plain', data: text });

/** Documents are PDF or plain text. `JVBERi` is how every PDF begins in Base64. */
function encodeDocument(mime: string, data: string): Json | undefined {
  if (mime === 'application/pdf' || data.startsWith('JVBERi'))
    return { type: 'base64', media_type: 'application/pdf', data };
  if (!/^text\/|[/+](json|xml|yaml)$/.test(mime)) return undefined;
  return plain(Buffer.from(data, 'base64').toString('utf8'));
}

/** A citation of a reply. One that another vendor made becomes a citation of a web page; without an address it is none. */
export function encodeCitation(citation: Citation): Json | undefined {
  const own = ownForeign(citation.foreign);
  if (own) return own;
  const { url, title, quote } = citation;
  if (url === undefined) return undefined;
  return {
    type: 'web_search_result_location',
    url,
    title: title ?? null,
    cited_text: quote ?? '',
    encrypted_index: '',
  };
}
