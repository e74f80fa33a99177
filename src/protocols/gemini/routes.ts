import { GatewayError } from '../../core/error.ts';
import type { Json } from '../../core/json.ts';
import type { Route, RouteHint, RouteKind } from '../protocol.ts';
import { requestSchema, responseSchema } from './schema.ts';

/** The verbs that stand after the colon of a path, and what each asks for. */
const verbs: Readonly<Record<string, { readonly kind: RouteKind; readonly stream: boolean }>> = {
  generateContent: { kind: 'chat', stream: false },
  streamGenerateContent: { kind: 'chat', stream: true },
  countTokens: { kind: 'count-tokens', stream: false },
  embedContent: { kind: 'raw', stream: false },
  batchEmbedContents: { kind: 'raw', stream: false },
  predict: { kind: 'raw', stream: false },
};

/** Splits `NAME:VERB`, as it stands at the end of the path; a name may hold slashes and colons of its own. */
function hint(params: Readonly<Record<string, string>>, _body: Json, query: URLSearchParams): RouteHint {
  const target = decoded(params['*'] ?? '');
  const colon = target.lastIndexOf(':');
  const verb = colon > 0 ? verbs[target.slice(colon + 1)] : undefined;
  if (!verb) throw unknownVerb(target.slice(colon + 1));
  const framing = verb.stream && query.get('alt') !== 'sse' ? { framing: 'json-array' as const } : {};
  return { model: target.slice(0, colon), ...verb, ...framing };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function unknownVerb(said: string): GatewayError {
  const known = Object.keys(verbs).join(', ');
  return new GatewayError(
    { kind: 'not-found', what: 'route' },
    `There is no method "${said}" on a model here.`,
    { remedy: `Use one of ${known}, as in /v1beta/models/NAME:generateContent.` },
  );
}

const example = {
  contents: [{ role: 'user', parts: [{ text: 'Say hello.' }] }],
  generationConfig: { maxOutputTokens: 256 },
};

/** The same route under another path. */
const under = (path: string, summary: string): Route => ({
  method: 'POST',
  path,
  kind: 'chat',
  hint,
  docs: {
    summary,
    description:
      'The last part of the path is `NAME:generateContent`, `NAME:streamGenerateContent` (add `?alt=sse` for server-sent events; a JSON array otherwise) or `NAME:countTokens`; for models whose provider has them also `NAME:embedContent`, `NAME:batchEmbedContents` and `NAME:predict` (Imagen).',
    request: requestSchema,
    response: responseSchema,
    example,
  },
});

/**
 * Where Gemini clients ask. The version is the client's choice and means the same to us: Google's SDK took `v1beta` up
 * to its second major version and takes `v1` since, and talks to Vertex AI under a path of its own.
 */
export const routes: readonly Route[] = [
  under('/v1beta/models/*', 'Generate content'),
  under('/v1/models/*', 'Generate content (v1)'),
  under('/v1beta1/publishers/google/models/*', 'Generate content (Vertex path)'),
  under('/v1/publishers/google/models/*', 'Generate content (Vertex path, v1)'),
];
