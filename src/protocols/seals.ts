import { type Json, readArray, readObject, readObjects } from '../core/json.ts';
import type { Seal } from '../core/request.ts';

/**
 * How a seal of one vendor travels through the signature field of another vendor's wire: `gw1.<issuer>.<value>`, with
 * `gw1r.` for a redacted thought, and `gw1.<issuer>/<model>@<account>.<value>` where it is known who made it for whom.
 * A wire's own issuer stays bare, so its clients and servers see what they know.
 */
const marked = /^gw1(r?)\.([a-z0-9-]+)(?:\/([^.@]*)@([^.@]*))?\.(.*)$/s;

/** The text of a seal on the wire of `issuer`. */
export function encodeSeal(seal: Seal, issuer: string): string {
  if (seal.issuer === issuer) return seal.value;
  return `gw1${seal.redacted ? 'r' : ''}.${seal.issuer}${encodeOrigin(seal)}.${seal.value}`;
}

/** The seal behind a text found on the wire of `issuer`; undefined for an empty one. */
export function decodeSeal(
  text: string | undefined | null,
  issuer: string,
  redacted = false,
): Seal | undefined {
  if (!text) return undefined;
  const match = marked.exec(text);
  if (!match) return { issuer, value: text, ...(redacted ? { redacted } : {}) };
  const [, hidden, maker, model, account, value] = match;
  return {
    issuer: maker!,
    ...(model ? { model: decodeName(model) } : {}),
    ...(account ? { account: decodeName(account) } : {}),
    value: value!,
    ...(hidden ? { redacted: true } : {}),
  };
}

/**
 * Whether a client's body holds thoughts that its own vendor would refuse, because another vendor answered through this
 * gateway before: seals with our mark, or thinking blocks of Anthropic's wire that nobody signed.
 */
export const holdsForeignThoughts = (text: string, body: Json): boolean =>
  (text.includes('"gw1') && ownMark.test(text)) ||
  readObjects(body.messages).some(({ content }) => readArray(content)?.some(isUnsigned));

/** The start of a string in JSON; a quote within one stands behind a backslash. */
const ownMark = /[^\\]"gw1r?\./;

function isUnsigned(value: unknown): boolean {
  const block = readObject(value);
  return block?.type === 'thinking' && !block.signature;
}

function encodeOrigin({ model, account }: Seal): string {
  if (model === undefined && account === undefined) return '';
  return `/${encodeName(model ?? '')}@${encodeName(account ?? '')}`;
}

/** Names without the characters that separate them; a model's may hold any. */
const encodeName = (name: string): string => encodeURIComponent(name).replaceAll('.', '%2E');

/** A name that is no encoding of ours stays as it is. */
function decodeName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
