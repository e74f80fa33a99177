import {
  compact,
  type Draft,
  type Json,
  omit,
  readArray,
  readObject,
  readObjects,
  readString,
  unread,
} from '../../core/json.ts';
import type {
  Citation,
  HostedTool,
  MediaPart,
  MediaSource,
  Message,
  Part,
  ReasoningPart,
} from '../../core/request.ts';
import { decodeSeal } from '../seals.ts';
import { argsOf, decodeCache, decodeExtra, id, invalid, issuer } from './wire.ts';

type Role = Message['role'];

/**
 * The content of a message: a string, or blocks. `path` is where it stands, such as `messages[2].content`.
 * @throws GatewayError `invalid-request` for what is neither.
 */
export function decodeContent(content: unknown, path: string, role: Role): readonly Part[] {
  if (typeof content === 'string') return [{ kind: 'text', text: content }];
  const blocks = readArray(content);
  if (!blocks) throw invalid(path, 'must be a string or an array of content blocks');
  const parts: Part[] = [];
  for (let index = 0; index < blocks.length; index++) {
    const block = readObject(blocks[index]);
    const at = `${path}[${index}]`;
    if (!block || typeof block.type !== 'string') throw invalid(at, 'must be a content block with a type');
    if (role === 'assistant' || !spokenByModel.has(block.type)) parts.push(decodeBlock(block, at));
  }
  return parts;
}

/** Only the model says these. In a user's message they would put words into its mouth, so they are ignored there. */
const spokenByModel = new Set([
  'thinking',
  'redacted_thinking',
  'tool_use',
  'server_tool_use',
  'mcp_tool_use',
]);

function decodeBlock(block: Json, path: string): Part {
  switch (block.type) {
    case 'text':
      return decodeText(block, path);
    case 'image':
    case 'document':
      return decodeMedia(block, path) ?? decodeHosted(block);
    case 'search_result':
      return decodeSearchResult(block);
    case 'thinking':
    case 'redacted_thinking':
      return decodeThinking(block);
    case 'tool_use':
      return decodeCall(block, path);
    case 'tool_result':
      return decodeResult(block, path);
    default:
      return decodeHosted(block);
  }
}

const known = (...keys: readonly string[]): ReadonlySet<string> =>
  new Set(['type', 'cache_control', ...keys]);

const textFields = known('text', 'citations');

function decodeText(block: Json, path: string): Part {
  const text = readString(block.text);
  if (text === undefined) throw invalid(`${path}.text`, 'must be a string');
  const citations = readObjects(block.citations);
  return {
    kind: 'text',
    text,
    citations: citations.length > 0 ? citations.map(decodeCitation) : undefined,
    cache: decodeCache(block.cache_control),
    extra: decodeExtra(block, textFields),
  };
}

/** A citation of any of the five kinds. Positions in it are of the source, not of the answer, so only `foreign` holds them. */
export const decodeCitation = (wire: Json): Citation =>
  compact({
    url: readString(wire.url) ?? readString(wire.source),
    title: readString(wire.title) ?? readString(wire.document_title),
    quote: readString(wire.cited_text),
    foreign: { protocol: id, value: wire },
  });

const thinkingFields = known('thinking', 'signature', 'data');

function decodeThinking(block: Json): Part {
  const redacted = block.type === 'redacted_thinking';
  const seal = decodeSeal(readString(redacted ? block.data : block.signature), issuer, redacted);
  const part: Draft<ReasoningPart> = {
    kind: 'reasoning',
    text: readString(block.thinking) ?? '',
    cache: decodeCache(block.cache_control),
    extra: decodeExtra(block, thinkingFields),
  };
  if (seal) part.seal = seal;
  return part;
}

// ---------------------------------------------------------------------------------------------------- tools

const callFields = known('id', 'name', 'input');

function decodeCall(block: Json, path: string): Part {
  const callId = readString(block.id);
  const name = readString(block.name);
  if (!callId) throw invalid(`${path}.id`, 'must be a string');
  if (!name) throw invalid(`${path}.name`, 'must be a string');
  return {
    kind: 'tool-call',
    callId,
    name,
    args: argsOf(block.input),
    cache: decodeCache(block.cache_control),
    extra: decodeExtra(block, callFields),
  };
}

const resultFields = known('tool_use_id', 'content', 'is_error');

function decodeResult(block: Json, path: string): Part {
  const callId = readString(block.tool_use_id);
  if (!callId) throw invalid(`${path}.tool_use_id`, 'must be a string');
  return {
    kind: 'tool-result',
    callId,
    parts: decodeResultContent(block.content, `${path}.content`),
    failed: block.is_error === true,
    cache: decodeCache(block.cache_control),
    extra: decodeExtra(block, resultFields),
  };
}

/** Some clients send one block, or plain JSON, where the API wants a string or a list. */
function decodeResultContent(content: unknown, path: string): readonly Part[] {
  if (content === undefined || content === null || content === '') return [];
  const object = readObject(content);
  if (!object) return decodeContent(content, path, 'user');
  if (typeof object.type === 'string') return decodeContent([object], path, 'user');
  return [{ kind: 'text', text: JSON.stringify(object) }];
}

// ---------------------------------------------------------------------------------------------------- media

const mediaFields = known('source', 'title');

/** An image or document; undefined when its source is of a kind nobody knows. */
function decodeMedia(block: Json, path: string): Part | undefined {
  const source = readObject(block.source);
  if (!source) throw invalid(`${path}.source`, 'must be an object');
  if (source.type === 'content') return decodeTextDocument(block, source.content, { source });
  const read = decodeSource(source);
  if (!read) return undefined;
  return {
    kind: 'media',
    media: block.type === 'image' ? 'image' : 'document',
    ...read,
    name: readString(block.title),
    cache: decodeCache(block.cache_control),
    extra: decodeExtra(block, mediaFields),
  };
}

/** `base64` for `data` and `mime_type` for `media_type` are slips of clients that other gateways accept too. */
function decodeSource(source: Json): { mime: string; source: MediaSource } | undefined {
  const data = readString(source.data) ?? readString(source.base64);
  const mime = readString(source.media_type) ?? readString(source.mime_type) ?? '';
  const url = readString(source.url);
  const file = readString(source.file_id);
  if (source.type === 'text' && data !== undefined)
    return { mime: mime || 'text/plain', source: { kind: 'text', text: data } };
  if (source.type === 'base64' && data !== undefined)
    return { mime: mime || 'application/octet-stream', source: { kind: 'data', data } };
  if (source.type === 'url' && url !== undefined) return { mime, source: { kind: 'url', url } };
  if (source.type === 'file' && file !== undefined) return { mime, source: { kind: 'file', id: file } };
  return undefined;
}

/** A search result that the client gives is a text document for everyone else; `extra` makes it what it was. */
function decodeSearchResult(block: Json): Part {
  return decodeTextDocument(block, block.content, { type: 'search_result', ...omit(block, searchFields) });
}

const searchFields = known();

function decodeTextDocument(block: Json, content: unknown, own: Json): MediaPart {
  const texts = typeof content === 'string' ? [content] : readObjects(content).map(({ text }) => text);
  return {
    kind: 'media',
    media: 'document',
    mime: 'text/plain',
    source: { kind: 'text', text: texts.filter((text) => typeof text === 'string').join('\n') },
    name: readString(block.title),
    cache: decodeCache(block.cache_control),
    extra: { [id]: { ...unread(block, mediaFields), ...own } },
  };
}

// ------------------------------------------------------------------------------------- tools that Anthropic runs

const hostedTools: Readonly<Record<string, HostedTool>> = {
  web_search: 'web-search',
  web_fetch: 'web-fetch',
  code_execution: 'code-execution',
  bash_code_execution: 'code-execution',
  text_editor_code_execution: 'code-execution',
};

/** Which hosted tool the wire means by `web_search`, `web_search_20250305` or `web_search_tool_result`. */
export function hostedTool(name: string): HostedTool {
  if (name.startsWith('mcp_')) return 'mcp';
  return hostedTools[name.replace(/(_\d{8}|_tool_result)$/, '')] ?? 'other';
}

/** A call or result of a hosted tool; anything else nobody knows is kept as it is. Never throws. */
export function decodeHosted(wire: Json): Part {
  const block = omit(wire, cacheField);
  const foreign = { protocol: id, value: block };
  const cache = decodeCache(wire.cache_control);
  const type = readString(block.type) ?? '';
  if (type === 'server_tool_use' || type === 'mcp_tool_use') {
    const tool = type === 'mcp_tool_use' ? 'mcp' : hostedTool(readString(block.name) ?? '');
    const callId = readString(block.id) ?? '';
    return { kind: 'hosted-call', tool, callId, input: readObject(block.input) ?? {}, foreign, cache };
  }
  if (!type.endsWith('_tool_result')) return { kind: 'foreign', foreign, cache };
  return {
    kind: 'hosted-result',
    tool: hostedTool(type),
    callId: readString(block.tool_use_id) ?? '',
    sources: sourcesOf(block.content),
    failed: block.is_error === true || readObject(block.content)?.error_code !== undefined,
    foreign,
    cache,
  };
}

/** The mark is the hall's; everything else of a foreign thing stays as it is. */
export const cacheField = new Set(['cache_control']);

/** The pages a search found, or the one that was fetched. */
function sourcesOf(content: unknown): readonly Citation[] {
  const one = readObject(content);
  return (one ? [one] : readObjects(content)).flatMap((found) => {
    const url = readString(found.url);
    const title = readString(found.title) ?? readString(readObject(found.content)?.title);
    return url === undefined ? [] : [compact({ url, title })];
  });
}
