import type { Seal } from '../core/request.ts';

/**
 * How a seal of one vendor travels through the signature field of another vendor's wire: `gw1.<issuer>.<value>`,
 * with `gw1r.` for a redacted thought. A wire's own issuer stays bare, so its clients and servers see what they know.
 */
const marked = /^gw1(r?)\.([a-z0-9-]+)\.(.*)$/s;

/** The text of a seal on the wire of `issuer`. */
export function encodeSeal(seal: Seal, issuer: string): string {
  if (seal.issuer === issuer) return seal.value;
  return `gw1${seal.redacted ? 'r' : ''}.${seal.issuer}.${seal.value}`;
}

/** The seal behind a text found on the wire of `issuer`; undefined for an empty one. */
export function decodeSeal(
  text: string | undefined | null,
  issuer: string,
  redacted = false,
): Seal | undefined {
  if (!text) return undefined;
  const match = marked.exec(text);
  if (match) return seal(match[2]!, match[3]!, match[1] === 'r');
  return seal(issuer, text, redacted);
}

const seal = (issuer: string, value: string, redacted: boolean): Seal =>
  redacted ? { issuer, value, redacted } : { issuer, value };
