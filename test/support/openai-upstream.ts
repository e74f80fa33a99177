import { readNumber, readObject, readObjects, readString, type Json } from '../../src/core/json.ts';
import { openaiFault } from './openai-checks.ts';
import { piecesOf, type Asked, type Turn } from './script.ts';
import { keyOf, madeUp, simulator, type Refusal, type Simulator, type Vendor } from './simulator.ts';

/** A provider that speaks OpenAI Chat Completions as OpenAI does: `/v1/chat/completions` and `/v1/models`. */
export const openaiUpstream = (): Simulator => simulator(vendor);

const vendor: Vendor = {
  authorize(received, keys) {
    const key = received.headers.get('authorization') ?? '';
    if (key.startsWith('Bearer ') && keys.has(keyOf(received))) return undefined;
    return refusal(
      401,
      `Incorrect API key provided: ${masked(keyOf(received))}. You can find your API key at https://platform.openai.com/account/api-keys.`,
    );
  },
  other({ path, method }) {
    if (path === '/v1/chat/completions' && method === 'POST') return undefined;
    if (path === '/v1/models' && method === 'GET')
      return json(200, {
        object: 'list',
        data: [{ id: 'gpt-sim', object: 'model', created: 1_700_000_000, owned_by: 'openai' }],
      });
    return refusal(404, `Invalid URL (${method} ${path})`);
  },
  check(received) {
    if (!/^application\/json\b/.test(received.headers.get('content-type') ?? ''))
      return refusal(400, 'Unsupported Content-Type. Expected application/json.');
    if (Object.keys(received.json).length === 0)
      return refusal(400, 'We could not parse the JSON body of your request.');
    const fault = openaiFault(received.json);
    return fault && refusal(400, fault.message, fault.param, fault.code);
  },
  asked: ({ json: body }) => asked(body),
  stream: (turn, { json: body }) => chunks(turn, body).map((chunk) => `data: ${chunk}\n\n`),
  closing: 1,
  opening: 1,
  whole: (turn, { json: body }) => JSON.stringify(completion(turn, body)),
  refusal: (status) =>
    refusal(status, words[status] ?? 'The server had an error while processing your request.'),
  errorFrame: () =>
    `data: ${JSON.stringify({ error: { message: words[500], type: 'server_error', param: null, code: null } })}\n\n`,
};

const words: Readonly<Record<number, string>> = {
  401: 'Incorrect API key provided: sk-…. You can find your API key at https://platform.openai.com/account/api-keys.',
  403: 'You are not allowed to sample from this model',
  404: 'The model `gpt-sim` does not exist or you do not have access to it.',
  429: 'Rate limit reached for gpt-sim in organization org-sim on tokens per min (TPM): Limit 30000. Please try again in 7s.',
  500: 'The server had an error while processing your request. Sorry about that!',
  503: 'The engine is currently overloaded, please try again later',
};

const types: Readonly<Record<number, readonly [string, string | null]>> = {
  401: ['invalid_request_error', 'invalid_api_key'],
  403: ['invalid_request_error', null],
  404: ['invalid_request_error', 'model_not_found'],
  429: ['tokens', 'rate_limit_exceeded'],
};

function refusal(status: number, message: string, param?: string, code?: string): Refusal {
  const [type, usual] =
    types[status] ?? (status >= 500 ? ['server_error', null] : ['invalid_request_error', null]);
  const error = { message, type, param: param ?? null, code: code ?? usual };
  const retry = status === 429 ? { 'retry-after': '7', 'x-ratelimit-remaining-tokens': '0' } : {};
  return json(status, { error }, retry);
}

function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Refusal {
  return {
    status,
    headers: { 'content-type': 'application/json', 'x-request-id': madeUp('req_'), ...headers },
    body: JSON.stringify(body, null, 2),
  };
}

const masked = (key: string): string => (key.length > 12 ? `${key.slice(0, 7)}****${key.slice(-4)}` : '****');

function asked(body: Json): Asked {
  const messages = readObjects(body.messages);
  const user = messages.findLast((message) => message.role === 'user');
  const trailing = messages.slice(messages.findLastIndex((message) => message.role !== 'tool') + 1);
  const format = readObject(body.response_format);
  return {
    text: textOf(user?.content),
    results: trailing.map((message) => textOf(message.content)),
    tools: readObjects(body.tools).map((tool) => {
      const definition = readObject(tool.function);
      return { name: readString(definition?.name) ?? '', schema: readObject(definition?.parameters) ?? {} };
    }),
    images: readObjects(user?.content).flatMap((part) =>
      imageOf(readString(readObject(part.image_url)?.url)),
    ),
    thinking: body.reasoning_effort !== undefined && body.reasoning_effort !== 'none',
    maxTokens: readNumber(body.max_completion_tokens) ?? readNumber(body.max_tokens) ?? Infinity,
    ...(format?.type === 'json_object' ? { json: true } : {}),
    ...(format?.type === 'json_schema'
      ? { json: readObject(readObject(format.json_schema)?.schema) ?? {} }
      : {}),
  };
}

const textOf = (content: unknown): string =>
  readString(content) ??
  readObjects(content)
    .map((part) => readString(part.text) ?? '')
    .join('');

function imageOf(url: string | undefined): Asked['images'] {
  const [, mime, data] = /^data:([^;]+);base64,(.*)$/.exec(url ?? '') ?? [];
  if (mime) return [{ mime, size: Buffer.from(data ?? '', 'base64').length }];
  return url ? [{ mime: 'image/url', size: url.length }] : [];
}

const finishReasons = { end: 'stop', length: 'length', tool: 'tool_calls', refusal: 'stop' } as const;

const usageOf = (turn: Turn) => ({
  prompt_tokens: 11,
  completion_tokens: turn.words.length + 4 * turn.calls.length + (turn.thinking ? 6 : 0),
  total_tokens: 11 + turn.words.length + 4 * turn.calls.length + (turn.thinking ? 6 : 0),
  prompt_tokens_details: { cached_tokens: 3, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: turn.thinking ? 6 : 0 },
});

function completion(turn: Turn, body: Json): unknown {
  const text = turn.words.join('');
  const refused = turn.reason === 'refusal';
  const message = {
    role: 'assistant',
    content: refused ? null : text,
    refusal: refused ? text : null,
    ...(turn.thinking ? { reasoning_content: turn.thinking } : {}),
    ...(turn.calls.length > 0
      ? {
          tool_calls: turn.calls.map(({ name, args }) => ({
            id: madeUp('call_'),
            type: 'function',
            function: { name, arguments: args },
          })),
        }
      : {}),
  };
  return {
    id: madeUp('chatcmpl-'),
    object: 'chat.completion',
    created: 1_700_000_000,
    model: body.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReasons[turn.reason] }],
    usage: usageOf(turn),
    system_fingerprint: 'fp_sim',
  };
}

/** A stream as OpenAI sends it: role first, then deltas; parallel calls one after the other; usage when asked for. */
function chunks(turn: Turn, body: Json): string[] {
  const common = {
    id: madeUp('chatcmpl-'),
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model: body.model,
  };
  const chunk = (delta: Json, finish: string | null = null) =>
    JSON.stringify({ ...common, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] });
  const spoken = turn.reason === 'refusal' ? 'refusal' : 'content';
  const lines = [
    chunk({ role: 'assistant', content: '', refusal: null }),
    ...(turn.thinking ? piecesOf(turn.thinking).map((piece) => chunk({ reasoning_content: piece })) : []),
    ...turn.words.map((word) => chunk({ [spoken]: word })),
    ...turn.calls.flatMap(({ name, args }, index) => [
      chunk({
        tool_calls: [{ index, id: madeUp('call_'), type: 'function', function: { name, arguments: '' } }],
      }),
      ...piecesOf(args).map((piece) => chunk({ tool_calls: [{ index, function: { arguments: piece } }] })),
    ]),
    chunk({}, finishReasons[turn.reason]),
  ];
  if (readObject(body.stream_options)?.include_usage === true)
    lines.push(JSON.stringify({ ...common, choices: [], usage: usageOf(turn) }));
  return [...lines, '[DONE]'];
}
