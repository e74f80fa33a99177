import { GatewayError } from '../../core/error.ts';
import { type Json, readString } from '../../core/json.ts';
import type { Protocol, Route, RouteHint, ToolRule } from '../protocol.ts';
import { mendCodex, toCodex } from './codex.ts';
import { continuing } from './continuing.ts';
import { decodeRequest } from './decode-request.ts';
import { decodeStream } from './decode-stream.ts';
import { encodeRequest } from './encode-request.ts';
import { encodeStream } from './encode-stream.ts';
import { decodeError, encodeError } from './errors.ts';
import { decodeReply, encodeReply, glance } from './reply.ts';
import { compactionSchema, countSchema, requestSchema, responseSchema } from './schema.ts';
import { socket } from './socket.ts';
import { codexDialect, id, issuer, xaiDialect } from './wire.ts';
import { upstreamSession } from './upstream-socket.ts';
import { fitsXai, toXai } from './xai.ts';

function hint(_params: unknown, body: Json): RouteHint {
  const model = readString(body.model)?.trim();
  if (!model)
    throw new GatewayError({ kind: 'invalid-request', field: 'model' }, 'model is missing.', {
      remedy: 'Name one of the models that GET /v1/models lists.',
    });
  return { model, stream: body.stream === true };
}

/** A compaction comes whole; the reference programs refuse a streamed one in these words. */
function compactionHint(params: unknown, body: Json): RouteHint {
  const asked = hint(params, body);
  if (!asked.stream) return asked;
  throw new GatewayError(
    { kind: 'invalid-request', field: 'stream' },
    'Streaming not supported for compact responses.',
    { remedy: 'Leave stream out.' },
  );
}

const example = { model: 'demo', input: 'Say hello.' };

/** What each route is called on the paths that Codex uses when its base URL is ChatGPT's. */
const onCodexPath = (route: Route): Route => ({
  ...route,
  path: route.path.replace('/v1/', '/backend-api/codex/'),
  docs: { ...route.docs, summary: `${route.docs.summary} (Codex path)` },
});

const create: Route = {
  method: 'POST',
  path: '/v1/responses',
  kind: 'chat',
  hint,
  docs: { summary: 'Create a response', request: requestSchema, response: responseSchema, example },
};

const compaction: Route = {
  method: 'POST',
  path: '/v1/responses/compact',
  kind: 'raw',
  hint: compactionHint,
  docs: {
    summary: 'Compact a conversation',
    description: 'Only for models of a provider that has this endpoint; its answer comes back unchanged.',
    request: requestSchema,
    response: compactionSchema,
    example,
  },
};

const count: Route = {
  method: 'POST',
  path: '/v1/responses/input_tokens',
  kind: 'count-tokens',
  hint,
  docs: { summary: 'Count the tokens of a request', request: requestSchema, response: countSchema, example },
};

const names: ToolRule = { forbidden: /[^A-Za-z0-9_-]/, longest: 64 };

/** OpenAI's Responses API over HTTP, and its Codex and xAI variants. */
const openaiResponses: Protocol = {
  id,
  issuer,
  client: {
    routes: [create, onCodexPath(create), compaction, onCodexPath(compaction), count],
    decodeRequest,
    encodeReply,
    encodeStream,
    encodeError,
    encodeCount: (tokens) => ({ object: 'response.input_tokens', input_tokens: tokens }),
    heartbeat: ': keep-alive\n\n',
    closing: '',
    headers: [
      'openai-beta',
      'idempotency-key',
      'session_id',
      'session-id',
      'conversation_id',
      'x-client-request-id',
      'x-codex-*',
      'thread-id',
      'version',
    ],
    continuing,
    socket,
  },
  upstream: {
    tools: { ...names, namespaces: true, freeForm: true },
    dialects: {
      [codexDialect]: { adapt: (body, { drop }) => toCodex(body, drop), mend: mendCodex },
      [xaiDialect]: {
        tools: names,
        adapt: (body, target) => (fitsXai(body) ? toXai(body, target) : undefined),
      },
    },
    encodeRequest,
    decodeReply,
    glance,
    decodeStream,
    socket: upstreamSession,
    decodeError,
  },
  losses: [
    { what: 'stop sequences, top_k, seed, penalties, n', why: 'Responses has no such parameters' },
    { what: 'stop sequence that ended the text', why: 'a completed response does not name it' },
    { what: 'prompt cache markers', why: 'caching goes by prompt_cache_key' },
    { what: 'the error flag of a tool result', why: 'outputs have none, so the text begins with "Error: "' },
    { what: 'the seal of a text', why: 'only reasoning items carry one' },
    { what: 'citations without a url', why: 'an annotation of a web page must point to it' },
    { what: 'hosted tools but web search', why: 'an item of theirs names things only OpenAI has' },
    { what: 'a tool call that could not be formed', why: 'told as a failed response, which clients retry' },
  ],
};

export default openaiResponses;
