import { compact, type Json, omit, readObject, readObjects, readString } from '../../core/json.ts';
import type {
  Extra,
  ForeignPart,
  HostedCallPart,
  HostedResultPart,
  MediaPart,
  Part,
  Seal,
} from '../../core/request.ts';
import { decodeSeal } from '../seals.ts';
import { camel, field, id, issuer, mediaOf, objectField, stringField } from './wire.ts';

const understood = new Set([
  'text',
  'thought',
  'thoughtSignature',
  'thought_signature',
  'inlineData',
  'inline_data',
  'fileData',
  'file_data',
]);

/** What a part says besides its content, such as `videoMetadata`; kept for Gemini alone. */
function extraOf(part: Json): { extra: Extra } | undefined {
  const rest = omit(part, understood);
  return Object.keys(rest).length > 0 ? { extra: { [id]: rest } } : undefined;
}

/** The thought signature of a part. */
export const sealOf = (part: Json): Seal | undefined =>
  decodeSeal(stringField(part, 'thoughtSignature'), issuer);

/**
 * Reads a part that stands for itself, in a request's history or in an answer. Calls and their results need their
 * neighbours, so they are read by whoever knows those.
 */
export function decodePart(part: Json): Part {
  const seal = sealOf(part);
  const rest = { ...extraOf(part), ...(seal ? { seal } : {}) };
  const text = readString(part.text);
  if (text !== undefined) return { kind: part.thought === true ? 'reasoning' : 'text', text, ...rest };
  // The drafts of an image model (Gemini 3 image) are pictures marked as thoughts: no part of the answer.
  if (part.thought === true) return foreign(part);
  const inline = objectField(part, 'inlineData');
  if (inline) return { ...media(inline, { kind: 'data', data: readString(inline.data) ?? '' }), ...rest };
  const file = objectField(part, 'fileData');
  if (file) return { ...media(file, { kind: 'url', url: stringField(file, 'fileUri') ?? '' }), ...rest };
  return hosted(part) ?? foreign(part);
}

function media(wire: Json, source: MediaPart['source']): MediaPart {
  const mime = stringField(wire, 'mimeType') ?? (source.kind === 'url' ? '' : 'application/octet-stream');
  return compact({
    kind: 'media' as const,
    media: mediaOf(mime),
    mime,
    source,
    name: stringField(wire, 'displayName'),
  }) as MediaPart;
}

/** Code that the model ran itself. */
function hosted(part: Json): HostedCallPart | HostedResultPart | undefined {
  const code = objectField(part, 'executableCode');
  if (code)
    return {
      kind: 'hosted-call',
      tool: 'code-execution',
      callId: readString(code.id) ?? '',
      input: { code: readString(code.code) ?? '' },
      foreign: { protocol: id, value: part },
    };
  const result = objectField(part, 'codeExecutionResult');
  if (!result) return undefined;
  return {
    kind: 'hosted-result',
    tool: 'code-execution',
    callId: readString(result.id) ?? '',
    sources: [],
    failed: readString(result.outcome) !== 'OUTCOME_OK' && result.outcome !== 1,
    foreign: { protocol: id, value: part },
  };
}

const foreign = (part: Json): ForeignPart => ({ kind: 'foreign', foreign: { protocol: id, value: part } });

/** The name, id and arguments of a function call. */
export function decodeCall(call: Json): { callId: string | undefined; name: string; args: string } {
  return {
    callId: readString(call.id) || undefined,
    name: readString(call.name) ?? '',
    args: JSON.stringify(readObject(field(call, 'args')) ?? {}),
  };
}

/** What a `functionResponse` brings: its text, the media inside it, and whether it tells of a failure. */
export function decodeResponse(result: Json): { parts: readonly Part[]; failed: boolean } {
  const { text, failed } = responseText(unwrapped(result));
  const said: readonly Part[] = text === '' ? [] : [{ kind: 'text', text }];
  return { parts: [...said, ...readObjects(result.parts).map((part) => decodePart(camel(part)))], failed };
}

/** The AI SDK repeats the name of the function beside what it gave: `{name, content}`. */
function unwrapped({ name, response }: Json): Json {
  const given = readObject(response) ?? {};
  const { name: repeated, content, ...others } = given;
  const wraps = repeated === name && content !== undefined && Object.keys(others).length === 0;
  if (!wraps) return given;
  return typeof content === 'string' ? { result: content } : (readObject(content) ?? given);
}

/** A lone `result` or `output` string is the text of a result, a lone `error` the text of a failure; all else is JSON. */
function responseText(response: Json): { text: string; failed: boolean } {
  const [key, ...others] = Object.keys(response);
  if (key === undefined) return { text: '', failed: false };
  const text = others.length === 0 ? readString(response[key]) : undefined;
  if (text !== undefined && (key === 'result' || key === 'output')) return { text, failed: false };
  if (text !== undefined && key === 'error') return { text, failed: true };
  return { text: JSON.stringify(response), failed: false };
}
