import { compact, type Json, omit, readObject, readString } from '../../core/json.ts';
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
import { field, id, issuer, mediaOf, objectField, stringField } from './wire.ts';

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
    failed: readString(result.outcome) !== 'OUTCOME_OK',
    foreign: { protocol: id, value: part },
  };
}

const foreign = (part: Json): ForeignPart => ({ kind: 'foreign', foreign: { protocol: id, value: part } });

/** The name, id and arguments of a function call. */
export function decodeCall(call: Json): { callId: string | undefined; name: string; args: string } {
  return {
    callId: readString(call.id),
    name: readString(call.name) ?? '',
    args: JSON.stringify(readObject(field(call, 'args')) ?? {}),
  };
}
