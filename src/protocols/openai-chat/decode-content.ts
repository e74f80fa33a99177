import { compact, type Json, readArray, readObject, readString } from '../../core/json.ts';
import type { Message, Part, TextPart } from '../../core/request.ts';
import { decodeMedia, mediaTypes } from './media.ts';
import { cacheMark, extraOf, invalid, protocolId, typeName } from './wire.ts';

type Role = Message['role'];

const textFields: ReadonlySet<string> = new Set(['type', 'text', 'cache_control', 'image_url', 'index']);

/**
 * The content of a message: a text, or a list of parts. Null, absent and empty are no parts.
 * @param path of the message, such as `messages[2]`.
 */
export function decodeContent(content: unknown, role: Role, path: string): readonly Part[] {
  if (content === undefined || content === null || content === '') return [];
  if (typeof content === 'string') return [{ kind: 'text', text: content }];
  const single = readObject(content);
  const items = readArray(content) ?? (single ? [single] : undefined);
  if (!items) throw invalid(`${path}.content`, `must be a string or an array, but is ${typeName(content)}`);
  return items.map((item, index) => decodePart(item, role, `${path}.content[${index}]`));
}

function decodePart(value: unknown, role: Role, path: string): Part {
  if (typeof value === 'string') return { kind: 'text', text: value };
  const part = readObject(value);
  if (!part) throw invalid(path, `must be an object, but is ${typeName(value)}`);
  const type = part['type'] ?? (typeof part['text'] === 'string' ? 'text' : undefined);
  if (typeof type !== 'string') throw invalid(`${path}.type`, 'is missing');
  if (mediaTypes.has(type)) return decodeMedia(part, path);
  return decodeSpoken(type, part, path) ?? decodeMixed(type, part, role, path) ?? foreign(part);
}

function decodeSpoken(type: string, part: Json, path: string): Part | undefined {
  switch (type) {
    case 'text':
    // Clients that also speak Responses mix its names in.
    case 'input_text':
    case 'output_text':
      return decodeText(part, path);
    case 'refusal':
      return { kind: 'refusal', text: readString(part['refusal']) ?? readString(part['text']) ?? '' };
    default:
      return undefined;
  }
}

function decodeText(part: Json, path: string): TextPart {
  const text = readString(part['text']);
  if (text === undefined) throw invalid(`${path}.text`, `must be a string, but is ${typeName(part['text'])}`);
  return { kind: 'text', text, cache: cacheMark(part), extra: extraOf(part, textFields) };
}

/**
 * Parts of Anthropic's and Responses' wires inside chat messages, as Cursor and other clients of several APIs send
 * them. Thoughts and calls count only in the assistant's own messages.
 */
function decodeMixed(type: string, part: Json, role: Role, path: string): Part | undefined {
  const cache = compact({ cache: cacheMark(part) });
  if (type === 'input_image') return decodeMedia({ ...part, type: 'image_url' }, path);
  if (type === 'image') {
    const source = readObject(part['source']) ?? {};
    const data = readString(source['data']);
    const url = data
      ? `data:${readString(source['media_type']) ?? ''};base64,${data}`
      : readString(source['url']);
    return { ...decodeMedia({ type: 'image_url', image_url: { url } }, path), ...cache };
  }
  if (type === 'tool_result' && role === 'user')
    return {
      kind: 'tool-result',
      callId: readString(part['tool_use_id']) ?? '',
      parts: decodeContent(part['content'], 'user', path),
      failed: part['is_error'] === true,
      ...cache,
    };
  if (role !== 'assistant') return undefined;
  if (type === 'tool_use')
    return {
      kind: 'tool-call',
      callId: readString(part['id']) ?? '',
      name: readString(part['name']) ?? '',
      args: JSON.stringify(part['input'] ?? {}),
      ...cache,
    };
  if (type !== 'thinking') return undefined;
  const value = readString(part['signature']);
  const seal = value ? { seal: { issuer: 'anthropic', value } } : {};
  return { kind: 'reasoning', text: readString(part['thinking']) ?? '', ...seal };
}

const foreign = (value: Json): Part => ({ kind: 'foreign', foreign: { protocol: protocolId, value } });

/** Marks the last part, unless it has a mark of its own: what `cache_control` on a whole message means. */
export function markLast(parts: readonly Part[], message: Json): readonly Part[] {
  const cache = cacheMark(message);
  const last = parts.at(-1);
  return cache && last && !last.cache ? [...parts.slice(0, -1), { ...last, cache }] : parts;
}
