import { compact, type Json, readObject, tryParseObject } from '../../core/json.ts';
import type { MediaPart, Part, ReasoningPart, ToolCallPart, ToolResultPart } from '../../core/request.ts';
import { spelling } from '../foreign.ts';
import type { Drop, Target } from '../protocol.ts';
import { encodeSeal } from '../seals.ts';
import { generationOf, id, issuer, mimeOfName, vertex } from './wire.ts';

/** A part that anyone may say, in a request. Thoughts and calls are the model's alone, so a user's are left out. */
export function encodeSpoken(part: Part, target: Target): readonly Json[] {
  const foreign = ownForeign(part);
  if (foreign) return [foreign];
  if (part.kind === 'text') {
    if (part.text === '' && part.seal?.issuer !== issuer) return [];
    return [
      compact({ text: part.text, thoughtSignature: signatureOf(part), ...readObject(part.extra?.[id]) }),
    ];
  }
  if (part.kind === 'refusal') return [{ text: part.text }];
  if (part.kind === 'media')
    return [compact({ ...encodeMedia(part, target), thoughtSignature: signatureOf(part) })];
  target.drop(part.kind === 'foreign' ? `${part.kind} ${part.foreign.protocol}` : part.kind);
  return [];
}

/** Whether a part is one that only Gemini itself could have written. */
export const ownForeign = (part: Part): Json | undefined =>
  'foreign' in part && part.foreign?.protocol === id ? readObject(part.foreign.value) : undefined;

/** The signature of a part that Gemini signed; that of another vendor is nobody's business here. */
const signatureOf = (part: Part): string | undefined =>
  'seal' in part && part.seal?.issuer === issuer ? encodeSeal(part.seal, issuer) : undefined;

/** A thought of the history. One that Gemini neither signed nor told this client itself would only mislead it. */
export function encodeThought(part: ReasoningPart, { drop }: Target): readonly Json[] {
  const thoughtSignature = signatureOf(part);
  if (thoughtSignature !== undefined || part.extra?.[id])
    return [compact({ text: part.text, thought: true, thoughtSignature })];
  drop('reasoning of another provider in the history');
  return [];
}

// ------------------------------------------------------------------------------------------------ calls and results

/** A tool call's arguments as the object Gemini wants. Free text and broken JSON go under a key of their own. */
export function encodeArgs(part: Pick<ToolCallPart, 'args' | 'custom'>, drop: Drop): Json {
  if (part.custom) return { input: part.args };
  if (part.args.trim() === '') return {};
  const args = tryParseObject(part.args);
  if (args) return args;
  drop('tool call arguments that are not a JSON object: sent as {"_raw": "…"}');
  return { _raw: part.args };
}

/** A call of the history. */
export function encodeCall(part: ToolCallPart, { dialect, drop }: Target): Json {
  const callId = dialect === vertex ? undefined : part.callId || undefined;
  return compact({
    functionCall: compact({ id: callId, name: part.name, args: encodeArgs(part, drop) }),
    thoughtSignature: signatureOf(part),
  });
}

/**
 * A result as Gemini answers it. Media go inside it where the model takes them there (documented from Gemini 3 on), and
 * stand beside it otherwise.
 */
export function encodeResult(part: ToolResultPart, name: string, target: Target): readonly Json[] {
  const { [spelling]: spelled, ...rest } = part.extra?.[id] ?? {};
  const own = { ...readObject(spelled), ...rest };
  const text = part.parts.flatMap((piece) => (piece.kind === 'text' ? [piece.text] : [])).join('\n');
  const media = own.parts === undefined ? part.parts.filter((piece) => piece.kind === 'media') : [];
  for (const piece of part.parts)
    if (piece.kind !== 'text' && piece.kind !== 'media') target.drop(`${piece.kind} in a tool result`);
  const response = readObject(own.response) ?? (part.failed ? { error: text } : { result: text });
  const callId = target.dialect === vertex ? undefined : part.callId || undefined;
  const inside = (piece: MediaPart) =>
    piece.source.kind === 'data' && (generationOf(target.model) ?? 0) >= 3 && !part.failed;
  const parts = media.filter(inside).map((piece) => encodeMedia(piece, target));
  return [
    {
      functionResponse: compact({
        ...(parts.length > 0 ? { parts } : {}),
        ...own,
        id: callId,
        name,
        response,
      }),
    },
    ...media.filter((piece) => !inside(piece)).map((piece) => encodeMedia(piece, target)),
  ];
}

// ------------------------------------------------------------------------------------------------------------ media

/** A picture, sound, film or document. A file of another vendor cannot be had, so a note stands in its place. */
export function encodeMedia(part: MediaPart, { dialect, drop }: Pick<Target, 'dialect' | 'drop'>): Json {
  const own = readObject(part.extra?.[id]) ?? {};
  const { source, name } = part;
  const mime = mimeOf(part);
  const displayName = dialect === vertex ? name : undefined;
  // Only Vertex has a field for a name.
  if (name !== undefined && displayName === undefined) drop(`name of ${part.media}`);
  if (source.kind === 'data')
    return {
      inlineData: compact({
        mimeType: mime ?? 'application/octet-stream',
        data: source.data,
        displayName,
      }),
      ...own,
    };
  if (source.kind === 'url')
    return { fileData: compact({ mimeType: mime, fileUri: source.url, displayName }), ...own };
  if (source.kind === 'text') return { text: source.text };
  drop(`${part.media} by file id`);
  return { text: `[${part.media} omitted: it is a file of another provider]` };
}

/** The MIME type, by the ending of the name or the URL where nobody said it. */
function mimeOf({ mime, name, source }: MediaPart): string | undefined {
  if (mime !== '' && mime !== 'application/octet-stream') return mime;
  return (
    mimeOfName(name) ?? (source.kind === 'url' ? mimeOfName(source.url) : undefined) ?? (mime || undefined)
  );
}
