import type { Reply } from '../../core/event.ts';
import type { Json } from '../../core/json.ts';
import type { Loss, Protocol } from '../../protocols/protocol.ts';
import { decodeStream } from './decode-stream.ts';
import { encodeRequest } from './encode-request.ts';
import { badData, decodeError, decodeException } from './errors.ts';
import { id } from './wire.ts';

const losses: readonly Loss[] = [
  { what: 'system', why: 'the wire has no field for it, so it stands before the first words of the user' },
  { what: 'tool_choice, parallel_tool_calls, response_format', why: 'asked for in words and reported' },
  { what: 'stop, top_k, seed, penalties, n, logprobs', why: 'the wire has maxTokens, temperature and topP' },
  { what: 'thoughts of earlier turns', why: 'the wire has no place for them' },
  { what: 'an answer to go on with', why: 'the last message is always the user’s' },
  { what: 'pictures by URL, documents but text', why: 'the wire carries pictures as bytes and nothing else' },
  { what: 'pictures in a tool result', why: 'they stand beside it in the same turn' },
  { what: 'hosted tools, strict tools', why: 'every tool is a function that the client runs' },
  { what: 'model, id of an answer', why: 'the service says neither' },
  {
    what: 'calls written as text',
    why: 'a text such as "[Called name with args: …]" stays text: nothing on the wire tells it from a quotation',
  },
];

/**
 * What the service behind Kiro and Amazon Q speaks: JSON in, a binary event stream out. Only this channel uses it, so it
 * lives here and not among the protocols. Answers reach `decodeStream` as frames (see `frames.ts`).
 */
export const kiroProtocol: Protocol = {
  id,
  issuer: id,
  losses,
  upstream: {
    tools: { forbidden: /[^A-Za-z0-9_-]/, longest: 64 },
    encodeRequest,
    decodeReply,
    glance: () => undefined,
    decodeStream,
    decodeError,
  },
};

/** The service always streams; a whole body is an error, whatever its status. */
function decodeReply(body: Json): Reply {
  if (body.message ?? body.Message ?? body.__type) throw decodeException(body);
  throw badData('it is a JSON object');
}
