import { compact, type Json, readObject, tryParseObject } from '../../core/json.ts';
import type { MediaPart, Part, ToolCallPart, ToolResultPart } from '../../core/request.ts';
import type { Drop } from '../protocol.ts';
import { encodeSeal } from '../seals.ts';
import { id, issuer } from './wire.ts';

/** A tool call's arguments as the object Gemini wants. Free text and broken JSON go under a key of their own. */
export function encodeArgs(part: Pick<ToolCallPart, 'args' | 'custom'>, drop: Drop): Json {
  if (part.custom) return { input: part.args };
  if (part.args.trim() === '') return {};
  const args = tryParseObject(part.args);
  if (args) return args;
  drop('tool call arguments that are not a JSON object: sent as {"_raw": "…"}');
  return { _raw: part.args };
}

export function encodeCall(part: ToolCallPart, drop: Drop): Json {
  return compact({
    functionCall: compact({ id: part.callId || undefined, name: part.name, args: encodeArgs(part, drop) }),
    thoughtSignature: part.seal ? encodeSeal(part.seal, issuer) : undefined,
  });
}

/** A picture, sound, film or document. A file of another vendor cannot be had, so a note stands in its place. */
export function encodeMedia(part: MediaPart, drop: Drop): Json {
  const own = readObject(part.extra?.[id]) ?? {};
  const { source, mime, name } = part;
  if (source.kind === 'data')
    return {
      inlineData: compact({
        mimeType: mime || 'application/octet-stream',
        data: source.data,
        displayName: name,
      }),
      ...own,
    };
  if (source.kind === 'url')
    return {
      fileData: compact({ mimeType: mime || undefined, fileUri: source.url, displayName: name }),
      ...own,
    };
  if (source.kind === 'text') return { text: source.text };
  drop(`${part.media} by file id`);
  return { text: `[${part.media} omitted: it is a file of another provider]` };
}

/** A result as Gemini answers it, and the media that cannot stand inside it. */
export function encodeResult(part: ToolResultPart, name: string, drop: Drop): readonly Json[] {
  const own = readObject(part.extra?.[id]);
  const text = part.parts.flatMap((piece) => (piece.kind === 'text' ? [piece.text] : [])).join('\n');
  const media = part.parts.filter((piece) => piece.kind === 'media');
  for (const piece of part.parts)
    if (piece.kind !== 'text' && piece.kind !== 'media') drop(`${piece.kind} in a tool result`);
  const response = readObject(own?.response) ?? (part.failed ? { error: text } : { result: text });
  return [
    { functionResponse: compact({ ...own, id: part.callId || undefined, name, response }) },
    ...media.map((piece) => encodeMedia(piece, drop)),
  ];
}

/** Whether a part is one that only Gemini itself could have written. */
export const ownForeign = (part: Part): Json | undefined =>
  'foreign' in part && part.foreign?.protocol === id ? readObject(part.foreign.value) : undefined;
