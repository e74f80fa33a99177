import { GatewayError } from '../../core/error.ts';
import { type Json, readString } from '../../core/json.ts';
import type { Protocol, Route, RouteHint } from '../protocol.ts';
import { decodeRequest } from './decode-request.ts';
import { decodeStream } from './decode-stream.ts';
import { encodeRequest } from './encode-request.ts';
import { encodeStream } from './encode-stream.ts';
import { decodeError, encodeError } from './errors.ts';
import { decodeReply, encodeReply, glance } from './reply.ts';
import { countSchema, requestSchema, responseSchema } from './schema.ts';
import { id, issuer } from './wire.ts';

function hint(_params: unknown, body: Json): RouteHint {
  const model = readString(body.model)?.trim();
  if (!model)
    throw new GatewayError({ kind: 'invalid-request', field: 'model' }, 'model is missing.', {
      remedy: 'Name one of the models that GET /v1/models lists.',
    });
  return { model, stream: body.stream === true };
}

const example = { model: 'demo', input: 'Say hello.' };

const create: Route = {
  method: 'POST',
  path: '/v1/responses',
  kind: 'chat',
  hint,
  docs: { summary: 'Create a response', request: requestSchema, response: responseSchema, example },
};

/** OpenAI's Responses API over HTTP, and its Codex variant. */
const openaiResponses: Protocol = {
  id,
  issuer,
  client: {
    routes: [
      create,
      {
        ...create,
        path: '/backend-api/codex/responses',
        docs: { ...create.docs, summary: 'Create a response (Codex path)' },
      },
      {
        ...create,
        path: '/v1/responses/input_tokens',
        kind: 'count-tokens',
        docs: {
          summary: 'Count the tokens of a request',
          request: requestSchema,
          response: countSchema,
          example,
        },
      },
    ],
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
      'x-client-request-id',
      'x-codex-*',
      'thread-id',
      'version',
    ],
  },
  upstream: {
    tools: { forbidden: /[^A-Za-z0-9_-]/, longest: 64, namespaces: true, freeForm: true },
    encodeRequest,
    decodeReply,
    glance,
    decodeStream,
    decodeError,
  },
  losses: [
    { what: 'stop sequences, top_k, seed, penalties, n', why: 'Responses has no such parameters' },
    { what: 'stop sequence that ended the text', why: 'a completed response does not name it' },
    { what: 'prompt cache markers', why: 'caching goes by prompt_cache_key' },
    { what: 'the error flag of a tool result', why: 'outputs have none, so the text begins with "Error: "' },
    { what: 'the seal of a tool call', why: 'only reasoning items carry one' },
    { what: 'a pause', why: 'told as incomplete' },
  ],
};

export default openaiResponses;
