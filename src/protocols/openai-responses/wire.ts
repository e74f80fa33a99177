import { type Json, readObject } from '../../core/json.ts';
import type { ChatRequest, Extra, Part, Tool } from '../../core/request.ts';

/** This protocol's id, and whose encrypted reasoning its wire carries. */
export const id = 'openai-responses';
export const issuer = 'openai';

/** The variant that ChatGPT's own backend speaks: always streamed, never stored, fewer parameters. */
export const codexDialect = 'codex';

/** The variant that xAI speaks: no namespaces, no free-form tools, encrypted reasoning of its own. */
export const xaiDialect = 'xai';

/** Whose encrypted reasoning xAI's is. */
export const xaiIssuer = 'xai';

/** Marks, in the place of a vendor, a thought of an answer of ours that nobody has sealed. */
export const unsealedMark = 'unsealed';

// ------------------------------------------------------------------------------------------- what this wire wrote

/**
 * Under this key a part holds the fields of its wire item that say nothing to anybody else: its id, its status, where a
 * message begins. They stand on the first part of the item. A symbol, because what nobody else would miss is nobody's
 * loss to report.
 */
const written = Symbol('the item as its own wire wrote it');

/** A part with what its item was besides its content. */
export const asWritten = <P extends Part>(part: P, item: Json): P => ({ ...part, [written]: item });

/** The fields of the item that a part begins; undefined for a part of another wire, and for one that goes on. */
export const writtenItem = (part: Part): Json | undefined => (part as { readonly [written]?: Json })[written];

/** Under this key a tool holds what its namespace says of itself. */
const spaced = Symbol('fields of the namespace');

export const inSpace = <T extends Tool>(tool: T, fields: Json): T => ({ ...tool, [spaced]: fields });

export const spaceFields = (tool: Tool): Json | undefined => (tool as { readonly [spaced]?: Json })[spaced];

/** Under this key, the fields of a request that ask for nothing which another wire would fail to do. */
export const honoured = Symbol('what is done without being said');

/** A request's own fields of this wire, those included that nobody else misses; undefined when another wire spoke. */
export function nativeFields({ extra }: Pick<ChatRequest, 'extra'>): Json | undefined {
  const own = extra[id] as (Json & { readonly [honoured]?: Json }) | undefined;
  if (!own) return undefined;
  const { [honoured]: kept, ...visible } = own;
  return { ...visible, ...kept };
}

/** How an answer's encrypted reasoning and its log probabilities are asked for. */
export const sealsIncluded = 'reasoning.encrypted_content';
export const logprobsIncluded = 'message.output_text.logprobs';

/** The fields of a part that only this wire knows. */
export const ownExtra = (thing: { readonly extra?: Extra | undefined }): Json => thing.extra?.[id] ?? {};

/** An item or a content part as this protocol wrote it, when it was this protocol that did. */
export const ownForeign = (part: Part): Json | undefined =>
  'foreign' in part && part.foreign?.protocol === id ? readObject(part.foreign.value) : undefined;
