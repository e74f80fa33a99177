import type { GatewayError } from '../../core/error.ts';
import type { ChatRequest, Message, Part } from '../../core/request.ts';

/**
 * What upstreams say when they refuse a thought of the history: Anthropic of an invalid signature, of a block that is
 * bound to another conversation, of a turn that has lost its thought; Google; OpenAI of what it cannot decrypt or has
 * not stored; and servers that do not know the fields in which chat messages carry thoughts.
 */
const words = [
  /signature.{0,20}thinking|thinking\.signature|redacted_thinking/is,
  /thought[ _]?signature/i,
  /encrypted[ _]content.{0,400}(?:could not be|was not|did not|invalid)/is,
  /'rs_\w+'|items are not persisted/i,
  /(?:unknown|unrecognized|unexpected|unsupported|extra|additional).{0,80}reasoning_(?:content|details)/is,
  /reasoning_(?:content|details).{0,80}(?:unknown|unrecognized|unexpected|unsupported|extra|not (?:permitted|allowed))/is,
];

/** Whether an upstream refused a request for the thoughts in its history, so that it may be sent again without them. */
export function refusesThoughts({ scope, message, upstream }: GatewayError): boolean {
  if (scope !== 'request') return false;
  if (upstream?.code === 'invalid_encrypted_content') return true;
  const said = `${upstream?.param ?? ''} ${message}`;
  return words.some((pattern) => pattern.test(said));
}

/** A request without any thought or seal in its history; the very same when there was none. */
export function withoutThoughts(request: ChatRequest): ChatRequest {
  if (!request.messages.some(hasThoughts)) return request;
  const messages = request.messages.map((message) =>
    hasThoughts(message)
      ? { ...message, parts: message.parts.filter(({ kind }) => kind !== 'reasoning').map(unsealed) }
      : message,
  );
  return { ...request, messages };
}

const hasThoughts = ({ parts }: Message): boolean =>
  parts.some((part) => part.kind === 'reasoning' || ('seal' in part && part.seal !== undefined));

/** A part without its seal. */
export function unsealed(part: Part): Part {
  if (!('seal' in part) || part.seal === undefined) return part;
  const { seal: _, ...rest } = part;
  return rest;
}
