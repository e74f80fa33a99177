import { readNumber, readObject, readObjects, readString, type Json } from '../../src/core/json.ts';
import { anthropicFault } from './anthropic-checks.ts';
import { piecesOf, type Asked, type Turn } from './script.ts';
import { keyOf, madeUp, simulator, type Refusal, type Simulator, type Vendor } from './simulator.ts';

/** A provider that speaks Anthropic Messages as Anthropic does: `/v1/messages`, its token counter, and `/v1/models`. */
export const anthropicUpstream = (): Simulator => simulator(vendorWith(crypto.randomUUID()));

const hmac = (secret: string, text: string): string =>
  new Bun.CryptoHasher('sha256', secret).update(text).digest('base64');

/** The vendor signs its thoughts and takes back only what it signed. */
function vendorWith(secret: string): Vendor {
  const sign = (thinking: string) => `EsIM${hmac(secret, thinking)}`;
  const verify = (thinking: string, signature: string) => signature === sign(thinking);
  return {
    authorize(received, keys) {
      const key = keyOf(received);
      if (!key) return refusal(401, 'x-api-key header is required');
      return keys.has(key) ? undefined : refusal(401, 'invalid x-api-key');
    },
    other(received) {
      const { path, method, headers, json: body } = received;
      if (!headers.get('anthropic-version')) return refusal(400, 'anthropic-version: header is required');
      // This one keeps no conversations; its clients are told as Anthropic tells them, and send the whole.
      if (path === '/v1/messages' && body.thread) return unthreaded;
      if (path === '/v1/messages' && method === 'POST') return undefined;
      if (path === '/v1/models')
        return json(200, {
          data: [
            {
              type: 'model',
              id: 'claude-sim',
              display_name: 'Claude Sim',
              created_at: '2025-01-01T00:00:00Z',
            },
          ],
          has_more: false,
          first_id: 'claude-sim',
          last_id: 'claude-sim',
        });
      if (path !== '/v1/messages/count_tokens') return refusal(404, 'Not found');
      const fault = anthropicFault(body, verify, true);
      return fault ? refusal(400, fault) : json(200, { input_tokens: 42 });
    },
    check(received) {
      if (Object.keys(received.json).length === 0) return refusal(400, 'The request body is not valid JSON');
      const fault = anthropicFault(received.json, verify);
      return fault === undefined ? undefined : refusal(400, fault);
    },
    asked: ({ json: body }) => asked(body),
    stream: (turn, { json: body }) =>
      events(turn, body, sign).map(
        (event) => `event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`,
      ),
    closing: 2,
    opening: 3,
    whole: (turn, { json: body }) => JSON.stringify(message(turn, body, sign)),
    refusal: (status) => refusal(status, words[status] ?? 'Internal server error'),
    errorFrame: () =>
      `event: error\ndata: ${JSON.stringify({ type: 'error', error: { details: null, type: 'overloaded_error', message: 'Overloaded' }, request_id: madeUp('req_') })}\n\n`,
  };
}

const words: Readonly<Record<number, string>> = {
  401: 'invalid x-api-key',
  403: 'Your API key does not have permission to use the specified resource.',
  404: 'model: claude-sim',
  429: 'This request would exceed the rate limit for your organization of 30,000 input tokens per minute.',
  500: 'Internal server error',
  529: 'Overloaded',
};

const types: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

const unthreaded: Refusal = json(400, {
  type: 'error',
  error: {
    type: 'invalid_request_error',
    message: 'thread: this request cannot be threaded',
    details: { error_code: 'thread_unsupported_request', unsupported: ['model'] },
  },
  request_id: madeUp('req_'),
});

function refusal(status: number, text: string): Refusal {
  const error = { type: types[status] ?? 'api_error', message: text };
  const retry = status === 429 ? { 'retry-after': '7', 'anthropic-ratelimit-requests-remaining': '0' } : {};
  return json(status, { type: 'error', error, request_id: madeUp('req_') }, retry);
}

function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Refusal {
  return {
    status,
    headers: { 'content-type': 'application/json', 'request-id': madeUp('req_'), ...headers },
    body: JSON.stringify(body),
  };
}

function asked(body: Json): Asked {
  const messages = readObjects(body.messages);
  const last = messages.at(-1);
  const results = readObjects(last?.content).filter((block) => block.type === 'tool_result');
  const user = messages.findLast((message) => message.role === 'user' && textOf(message.content) !== '');
  const thinking = readObject(body.thinking)?.type;
  const format = readObject(readObject(body.output_config)?.format) ?? readObject(body.output_format);
  return {
    text: textOf(user?.content),
    results: results.map((block) => textOf(block.content)),
    tools: readObjects(body.tools).map((tool) => ({
      name: readString(tool.name) ?? '',
      schema: readObject(tool.input_schema) ?? {},
    })),
    images: readObjects(last?.content).flatMap((block) => imageOf(block)),
    thinking: thinking === 'enabled' || thinking === 'adaptive',
    maxTokens: readNumber(body.max_tokens) ?? 0,
    ...(format ? { json: readObject(format.schema) ?? {} } : {}),
  };
}

const textOf = (content: unknown): string =>
  readString(content) ??
  readObjects(content)
    .filter((block) => block.type === 'text')
    .map((block) => readString(block.text) ?? '')
    .join('');

function imageOf(block: Json): Asked['images'] {
  const source = readObject(block.source);
  if (block.type !== 'image' || !source) return [];
  const data = readString(source.data);
  if (data) return [{ mime: readString(source.media_type) ?? '', size: Buffer.from(data, 'base64').length }];
  return [{ mime: 'image/url', size: String(source.url).length }];
}

const stopReasons = { end: 'end_turn', length: 'max_tokens', tool: 'tool_use', refusal: 'refusal' } as const;

const usageOf = (turn: Turn) => ({
  input_tokens: 8,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 3,
  output_tokens: turn.words.length + 4 * turn.calls.length + (turn.thinking ? 6 : 0),
  service_tier: 'standard',
});

/** The blocks of a turn, thoughts first and signed. */
function blocks(turn: Turn, sign: (thinking: string) => string): Json[] {
  const text = turn.words.join('');
  return [
    ...(turn.thinking ? [{ type: 'thinking', thinking: turn.thinking, signature: sign(turn.thinking) }] : []),
    ...(text ? [{ type: 'text', text }] : []),
    ...turn.calls.map(({ name, args }) => ({
      type: 'tool_use',
      id: madeUp('toolu_'),
      name,
      input: JSON.parse(args) as Json,
    })),
  ];
}

const envelope = (body: Json): Json => ({
  id: madeUp('msg_'),
  type: 'message',
  role: 'assistant',
  model: body.model,
});

function message(turn: Turn, body: Json, sign: (thinking: string) => string): Json {
  return {
    ...envelope(body),
    content: blocks(turn, sign),
    stop_reason: stopReasons[turn.reason],
    stop_sequence: null,
    usage: usageOf(turn),
  };
}

/** A stream as Anthropic sends it: message_start, a ping, blocks one after the other, message_delta, message_stop. */
function events(turn: Turn, body: Json, sign: (thinking: string) => string): Json[] {
  const usage = usageOf(turn);
  const opening = {
    ...envelope(body),
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...usage, output_tokens: 1 },
  };
  return [
    { type: 'message_start', message: opening },
    { type: 'ping' },
    ...blocks(turn, sign).flatMap((block, index) => blockEvents(block, index, turn)),
    {
      type: 'message_delta',
      delta: { stop_reason: stopReasons[turn.reason], stop_sequence: null },
      usage: { ...usage, service_tier: undefined },
    },
    { type: 'message_stop' },
  ];
}

function blockEvents(block: Json, index: number, turn: Turn): Json[] {
  const delta = (value: Json): Json => ({ type: 'content_block_delta', index, delta: value });
  const around = (empty: Json, deltas: readonly Json[]): Json[] => [
    { type: 'content_block_start', index, content_block: empty },
    ...deltas.map(delta),
    { type: 'content_block_stop', index },
  ];
  if (block.type === 'text')
    return around(
      { type: 'text', text: '' },
      turn.words.map((text) => ({ type: 'text_delta', text })),
    );
  if (block.type === 'thinking')
    return around({ type: 'thinking', thinking: '', signature: '' }, [
      ...piecesOf(String(block.thinking)).map((thinking) => ({ type: 'thinking_delta', thinking })),
      { type: 'signature_delta', signature: block.signature },
    ]);
  const pieces = ['', ...piecesOf(JSON.stringify(block.input))];
  return around(
    { ...block, input: {} },
    pieces.map((piece) => ({ type: 'input_json_delta', partial_json: piece })),
  );
}
