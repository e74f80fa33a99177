import type { Json } from '../../core/json.ts';
import type { Loss, Protocol, Route, RouteHint } from '../protocol.ts';
import { decodeRequest } from './decode-request.ts';
import { decodeStream } from './decode-stream.ts';
import { encodeRequest } from './encode-request.ts';
import { encodeStream } from './encode-stream.ts';
import { decodeError, encodeError } from './errors.ts';
import { decodeReply, encodeReply, glance } from './reply.ts';
import { countRequest, countResponse, messagesRequest, messagesResponse } from './schema.ts';
import { id, invalid, issuer } from './wire.ts';

/** Model and streaming stand in the body. Like the reference, anything but an absent or false `stream` streams. */
function hint(_params: unknown, { model, stream }: Json): RouteHint {
  if (typeof model !== 'string' || model.trim() === '') throw invalid('model', 'must be the name of a model');
  return { model: model.trim(), stream: stream !== undefined && stream !== null && stream !== false };
}

const example: Json = {
  model: 'demo',
  max_tokens: 1024,
  messages: [{ role: 'user', content: 'Say hello.' }],
};

const routes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/messages',
    kind: 'chat',
    hint,
    docs: {
      summary: 'Create a message (Anthropic Messages)',
      description:
        'With `"stream": true` the answer is a stream of server-sent events in Anthropic’s event grammar.',
      request: messagesRequest,
      response: messagesResponse,
      example,
    },
  },
  {
    method: 'POST',
    path: '/v1/messages/count_tokens',
    kind: 'count-tokens',
    hint: (params, body) => ({ ...hint(params, body), stream: false }),
    docs: {
      summary: 'Count the tokens of a prompt (Anthropic Messages)',
      description:
        'Counted by the provider where it can, else estimated; then `x-gateway-estimated` says so.',
      request: countRequest,
      response: countResponse,
      example: { model: 'demo', messages: [{ role: 'user', content: 'Say hello.' }] },
    },
  },
];

const losses: readonly Loss[] = [
  { what: 'choices', why: 'one message has one answer; further choices are reported as dropped' },
  {
    what: 'finish malformed',
    why: 'Claude has no word for a call that the model could not form; it ends as end_turn',
  },
  { what: 'finish length', why: 'max_tokens and model_context_window_exceeded are one reason in the hall' },
  { what: 'refusal part', why: 'a refusal is text here; stop_reason says that it is one' },
  { what: 'stop_details', why: 'the category of a refusal has no place in the hall' },
  { what: 'container, context_management', why: 'what a reply says of them has no place in the hall' },
  { what: 'caller of tool_use', why: 'a stream’s block has no place for it; requests keep it' },
  { what: 'media part', why: 'Claude makes no media; a note stands in its place and it is reported' },
  {
    what: 'hosted parts',
    why: 'only a web search of another vendor can be said; others are reported as dropped',
  },
  { what: 'logprobs, seed, penalties', why: 'the API has none of them' },
  { what: 'citation range', why: 'Claude cites by block, not by a range of characters of the answer' },
  { what: 'seal of text or tool-call', why: 'only thinking carries a signature here' },
  { what: 'redacted seal with text', why: 'redacted_thinking holds no text' },
  {
    what: 'custom tool, namespace',
    why: 'tools are functions with one flat name; a free text is sent as {input}',
  },
  {
    what: 'args that are no JSON object',
    why: 'a whole reply says them as {_raw_arguments}; a stream as they are',
  },
  { what: 'usage estimated, usage extra of others', why: 'the usage object has no place for them' },
  {
    what: 'output name, description, strict',
    why: 'output_config.format holds a schema only and is always strict',
  },
  { what: 'reasoning summary length', why: 'display is summarized or omitted' },
  { what: 'empty parts', why: 'Anthropic refuses blank text, so it is left out' },
];

/** Anthropic Messages, as clients speak it to us and as we speak it to Anthropic and to servers like it. */
const anthropicMessages: Protocol = {
  id,
  issuer,
  losses,
  client: {
    routes,
    decodeRequest,
    encodeReply,
    encodeStream,
    encodeError: (error, requestId) => ({ ...encodeError(error), request_id: requestId }),
    encodeCount: (tokens) => ({ input_tokens: tokens }),
    heartbeat: 'event: ping\ndata: {"type":"ping"}\n\n',
    closing: 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    headers: [
      'anthropic-version',
      'anthropic-beta',
      'idempotency-key',
      'x-claude-code-session-id',
      'x-session-id',
      'x-client-request-id',
    ],
  },
  upstream: {
    // The API documents ^[a-zA-Z0-9_-]{1,128}$ for tool names.
    tools: { forbidden: /[^A-Za-z0-9_-]/, longest: 128 },
    encodeRequest,
    decodeReply,
    glance,
    decodeStream,
    decodeError,
  },
};

export default anthropicMessages;
