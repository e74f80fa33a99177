import { GatewayError } from '../../core/error.ts';
import type { Protocol, Route, RouteHint, RouteKind } from '../protocol.ts';
import { decodeRequest } from './decode-request.ts';
import { decodeStream } from './decode-stream.ts';
import { encodeRequest } from './encode-request.ts';
import { encodeStream } from './encode-stream.ts';
import { decodeError, encodeErrorBody } from './errors.ts';
import { decodeReply, encodeReply } from './reply.ts';
import { requestSchema, responseSchema } from './schema.ts';
import { id, issuer } from './wire.ts';

/** The verbs that stand after the colon of a path, and what each asks for. */
const verbs: Readonly<Record<string, { readonly kind: RouteKind; readonly stream: boolean }>> = {
  generateContent: { kind: 'chat', stream: false },
  streamGenerateContent: { kind: 'chat', stream: true },
  countTokens: { kind: 'count-tokens', stream: false },
};

/** Splits `models/NAME:VERB`, as it stands at the end of the path; a name may hold slashes and colons of its own. */
function hint(params: Readonly<Record<string, string>>, _body: unknown, query: URLSearchParams): RouteHint {
  const target = decodeURIComponent(params['*'] ?? '');
  const colon = target.lastIndexOf(':');
  const verb = verbs[target.slice(colon + 1)];
  if (colon < 0 || !verb)
    throw new GatewayError(
      { kind: 'not-found', what: 'route' },
      `There is no method "${target.slice(colon + 1)}" on a model.`,
      {
        remedy: `Use one of ${Object.keys(verbs).join(', ')}, as in /v1beta/models/NAME:generateContent.`,
      },
    );
  const framing = verb.stream && query.get('alt') !== 'sse' ? { framing: 'json-array' as const } : {};
  return { model: target.slice(0, colon), ...verb, ...framing };
}

const example = {
  contents: [{ role: 'user', parts: [{ text: 'Say hello.' }] }],
  generationConfig: { maxOutputTokens: 256 },
};

const models: Route = {
  method: 'POST',
  path: '/v1beta/models/*',
  kind: 'chat',
  hint,
  docs: {
    summary: 'Generate content',
    description:
      'The last part of the path is `NAME:generateContent`, `NAME:streamGenerateContent` (add `?alt=sse` for server-sent events; a JSON array otherwise) or `NAME:countTokens`.',
    request: requestSchema,
    response: responseSchema,
    example,
  },
};

/** Google's Gemini API: GenerateContent, streamed and whole. */
const gemini: Protocol = {
  id,
  issuer,
  client: {
    routes: [
      models,
      {
        ...models,
        path: '/v1beta1/publishers/google/models/*',
        docs: { ...models.docs, summary: 'Generate content (Vertex path)' },
      },
    ],
    decodeRequest,
    encodeReply,
    encodeStream,
    encodeError: encodeErrorBody,
    encodeCount: (tokens) => ({ totalTokens: tokens }),
    heartbeat: ': keep-alive\n\n',
    closing: '',
    headers: ['x-goog-user-project', 'x-goog-request-params'],
  },
  upstream: {
    tools: { forbidden: /[^A-Za-z0-9_.:-]/, longest: 64 },
    encodeRequest,
    decodeReply,
    decodeStream,
    decodeError,
  },
  losses: [
    { what: 'parallel_tool_calls: false', why: 'GenerateContent cannot forbid parallel calls' },
    {
      what: 'prompt cache markers',
      why: 'caching is implicit, or by a cached content that only Google knows',
    },
    { what: 'the end user’s name', why: 'GenerateContent has no field for it' },
    { what: 'tool definitions: strict', why: 'VALIDATED mode is for a whole request, not for one tool' },
    { what: 'refusal as a kind of its own', why: 'a refusal is text here, and the reason of the finish' },
    { what: 'stop sequence that ended the text', why: 'STOP does not name it' },
  ],
};

export default gemini;
