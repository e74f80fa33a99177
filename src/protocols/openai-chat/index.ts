import type { Json } from '../../core/json.ts';
import type { Loss, Protocol, Route } from '../protocol.ts';
import { completions } from './completions.ts';
import { decodeRequest, hintOf } from './decode-request.ts';
import { decodeStream } from './decode-stream.ts';
import { encodeRequest } from './encode-request.ts';
import { encodeStream } from './encode-stream.ts';
import { decodeError, encodeErrorBody } from './errors.ts';
import { rawRoutes } from './raw-routes.ts';
import { decodeReply, encodeReply, glance } from './reply.ts';
import { chatRequest, chatResponse, completionsRequest, completionsResponse } from './schema.ts';
import { issuer, protocolId } from './wire.ts';

const example: Json = {
  model: 'demo',
  messages: [{ role: 'user', content: 'Say hello.' }],
};

const routes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/chat/completions',
    kind: 'chat',
    hint: (_params, body) => hintOf(body),
    docs: {
      summary: 'Create a chat completion (OpenAI Chat Completions)',
      description:
        'With `"stream": true` the answer is a stream of `chat.completion.chunk` events that ends with `data: [DONE]`.',
      request: chatRequest,
      response: chatResponse,
      example,
    },
  },
  {
    method: 'POST',
    path: '/v1/completions',
    kind: 'chat',
    hint: (_params, body) => hintOf(body),
    codec: completions,
    docs: {
      summary: 'Complete a prompt (OpenAI legacy Completions)',
      description:
        'The prompt is asked as a message of the user. One prompt a request, as text; suffix and best_of are refused.',
      request: completionsRequest,
      response: completionsResponse,
      example: { model: 'demo', prompt: 'Say hello.', max_tokens: 100 },
    },
  },
  ...rawRoutes,
];

const losses: readonly Loss[] = [
  {
    what: 'law:request-round-trip:reasoning-replay',
    why: 'thoughts of earlier turns go only to upstreams that ask for them (dialects reasoning-history and reasoning-details)',
  },
  {
    what: 'seal',
    why: 'only the extension reasoning_details carries a sealed thought; text has no place for a signature',
  },
  { what: 'tool-result failed', why: 'there is no error flag; the result begins with "Error: " instead' },
  { what: 'media in a tool result', why: 'tool messages hold text; media follow in a message of the user' },
  {
    what: 'media part of an answer',
    why: 'only images have a place (the extension images); others are reported',
  },
  { what: 'document by URL, image by file id', why: 'file parts hold data or a file id, image parts a URL' },
  { what: 'hosted parts', why: 'a search that the vendor ran is not told; its url_citation annotations are' },
  { what: 'citations', why: 'only url_citation annotations exist; a citation without a URL is reported' },
  {
    what: 'text blocks',
    why: 'a message has one content, so blocks in a row become one, and text after a call comes before it',
  },
  {
    what: 'namespace',
    why: 'tool names are flat; the relay qualifies them before they come here',
  },
  { what: 'finish pause, malformed', why: 'neither has a finish_reason; both end as stop' },
  { what: 'usage estimated', why: 'the usage object has no word for a guess' },
  { what: 'audio of a stream', why: 'only its transcript is kept; a whole answer keeps the sound' },
  {
    what: 'reasoning budget, summary',
    why: 'there are levels only, and thinking is shown when the upstream shows it',
  },
  {
    what: 'system_fingerprint, service_tier of an answer',
    why: 'an answer in the hall has no place for them; the direct lane keeps them',
  },
];

/** OpenAI Chat Completions, as clients speak it to us and as we speak it to OpenAI and to every compatible server. */
const openaiChat: Protocol = {
  id: protocolId,
  issuer,
  losses,
  client: {
    routes,
    decodeRequest,
    encodeReply,
    encodeStream,
    encodeError: encodeErrorBody,
    heartbeat: ': keep-alive\n\n',
    closing: 'data: [DONE]\n\n',
    // Not openai-organization and openai-project: they name the client's own account, not the credential we use.
    headers: [
      'openai-beta',
      'idempotency-key',
      'x-client-request-id',
      'x-session-id',
      'session_id',
      'session-id',
    ],
  },
  upstream: {
    // OpenAI documents ^[a-zA-Z0-9_-]{1,64}$ for function names.
    tools: { forbidden: /[^A-Za-z0-9_-]/, longest: 64 },
    encodeRequest,
    decodeReply,
    glance,
    decodeStream,
    decodeError,
  },
};

export default openaiChat;
