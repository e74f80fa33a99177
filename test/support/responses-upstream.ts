import {
  readArray,
  readNumber,
  readObject,
  readObjects,
  readString,
  type Json,
} from '../../src/core/json.ts';
import { codexFault, responsesFault, type Verify } from './responses-checks.ts';
import { piecesOf, type Asked, type Turn } from './script.ts';
import { keyOf, madeUp, simulator, type Refusal, type Simulator, type Vendor } from './simulator.ts';
import type { Received } from './wire-server.ts';

/**
 * A provider that speaks the Responses API as OpenAI does, under `/v1`, and as ChatGPT's backend does, under
 * `/backend-api/codex`: the latter streams everything, stores nothing and leaves the output out of its last event.
 */
export const responsesUpstream = (): Simulator => simulator(vendorWith(crypto.randomUUID()));

const backend = '/backend-api/codex/responses';
const isBackend = ({ path }: Received): boolean => path === backend;

/** The vendor encrypts its thoughts together with the id of their item, and reads back only what it wrote itself. */
export function vendorWith(secret: string): Vendor {
  const mac = (text: string) =>
    new Bun.CryptoHasher('sha256', secret).update(text).digest('hex').slice(0, 32);
  const seal: Seal = (itemId, thinking) =>
    `gAAAAAB${Buffer.from(JSON.stringify([itemId, thinking, mac(itemId + thinking)])).toString('base64url')}==`;
  const verify: Verify = (token, itemId) => {
    const [written, thinking, proof] = opened(token);
    if (written === undefined || proof !== mac(`${written}${thinking}`))
      return 'Encrypted content could not be decrypted or parsed.';
    if (itemId === undefined || itemId === written) return undefined;
    return 'Encrypted content item_id did not match the target item id.';
  };
  return {
    authorize(received, keys) {
      const key = received.headers.get('authorization') ?? '';
      if (key.startsWith('Bearer ') && keys.has(keyOf(received))) return undefined;
      if (isBackend(received)) return json(401, { detail: 'Could not parse your authentication token.' });
      return refusal(
        401,
        'Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.',
      );
    },
    other({ path, method, json: body }) {
      if (method === 'POST' && (path === '/v1/responses' || path === backend)) return undefined;
      if (path === '/v1/responses/input_tokens')
        return json(200, { object: 'response.input_tokens', input_tokens: 42 });
      if (path.endsWith('/responses/compact')) return compaction(body, seal);
      return refusal(404, `Invalid URL (${method} ${path})`);
    },
    check(received) {
      const { json: body } = received;
      if (Object.keys(body).length === 0)
        return refusal(400, 'We could not parse the JSON body of your request.');
      const detail = isBackend(received) ? codexFault(body) : undefined;
      if (detail) return json(400, { detail });
      const fault = responsesFault(body, verify);
      return fault && refusal(400, fault.message, fault.param, fault.code);
    },
    asked: ({ json: body }) => asked(body),
    stream: (turn, received) => frames(turn, received, seal),
    closing: 1,
    opening: 4,
    whole: (turn, { json: body }) => {
      const items = itemsOf(turn, body, seal);
      return JSON.stringify(response(body, items, ending(turn)));
    },
    refusal: (status) =>
      refusal(status, words[status] ?? 'The server had an error while processing your request.'),
    errorFrame: () =>
      frame({ type: 'error', sequence_number: 99, code: 'server_error', message: words[500], param: null }),
  };
}

type Seal = (itemId: string, thinking: string) => string;

function opened(token: string): readonly (string | undefined)[] {
  try {
    return JSON.parse(Buffer.from(token.slice(7), 'base64url').toString()) as string[];
  } catch {
    return [];
  }
}

// --------------------------------------------------------------------------------------------------------- refusals

const words: Readonly<Record<number, string>> = {
  401: 'Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.',
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
    types[status] ?? (status >= 500 ? ['server_error', 'server_error'] : ['invalid_request_error', null]);
  const error = { message, type, param: param ?? null, code: code ?? usual };
  return json(status, { error }, status === 429 ? { 'retry-after': '7' } : {});
}

function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Refusal {
  return {
    status,
    headers: { 'content-type': 'application/json', 'x-request-id': madeUp('req_'), ...headers },
    body: JSON.stringify(body, null, 2),
  };
}

// ------------------------------------------------------------------------------------------------------ the request

function asked(body: Json): Asked {
  const items =
    typeof body.input === 'string' ? [{ role: 'user', content: body.input }] : readObjects(body.input);
  const user = items.findLast((item) => item.role === 'user');
  const isResult = (item: Json) => String(item.type).endsWith('_call_output');
  const trailing = items.slice(items.findLastIndex((item) => !isResult(item)) + 1);
  const reasoning = readObject(body.reasoning);
  const format = readObject(readObject(body.text)?.format);
  return {
    text: textOf(user?.content),
    results: trailing.map((item) => textOf(item.output)),
    tools: readObjects(body.tools).flatMap(toolOf),
    images: [...readObjects(user?.content), ...trailing.flatMap((item) => readObjects(item.output))].flatMap(
      (part) => imageOf(readString(part.image_url)),
    ),
    thinking: reasoning?.effort !== undefined && reasoning.effort !== 'none',
    maxTokens: readNumber(body.max_output_tokens) ?? Infinity,
    ...(format?.type === 'json_object' ? { json: true } : {}),
    ...(format?.type === 'json_schema' ? { json: readObject(format.schema) ?? {} } : {}),
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

function toolOf(tool: Json): readonly { name: string; schema: Json }[] {
  if (tool.type === 'namespace') return readObjects(tool.tools).flatMap(toolOf);
  const name = readString(tool.name) ?? '';
  if (tool.type === 'custom') return [{ name, schema: {} }];
  return tool.type === 'function' ? [{ name, schema: readObject(tool.parameters) ?? {} }] : [];
}

/** Where a tool stands, as a call to it repeats. */
function placeOf(name: string, body: Json): Json {
  for (const tool of readObjects(body.tools)) {
    if (tool.type === 'custom' && tool.name === name) return { custom: true };
    const inner = readObjects(tool.tools).some((each) => each.name === name);
    if (tool.type === 'namespace' && inner) return { namespace: tool.name };
  }
  return {};
}

// ------------------------------------------------------------------------------------------------------- the answer

/** The items of a turn: thoughts first, told only as far as they were asked for, then words, then calls. */
function itemsOf(turn: Turn, body: Json, seal: Seal): Json[] {
  const text = turn.words.join('');
  const part =
    turn.reason === 'refusal'
      ? { type: 'refusal', refusal: text }
      : { type: 'output_text', text, annotations: [], logprobs: [] };
  const status = turn.reason === 'length' ? 'incomplete' : 'completed';
  const message = { id: madeUp('msg_'), type: 'message', status, role: 'assistant', content: [part] };
  if (readObject(body.tool_choice)?.type === 'image_generation') return [pictureOf(body)];
  return [
    ...(turn.thinking ? [thoughtOf(turn.thinking, body, seal)] : []),
    ...(text ? [message] : []),
    ...turn.calls.map(({ name, args }) => callOf(name, args, body)),
  ];
}

function thoughtOf(thinking: string, body: Json, seal: Seal): Json {
  const id = madeUp('rs_');
  const sealed = readArray(body.include)?.includes('reasoning.encrypted_content');
  const told = readObject(body.reasoning)?.summary !== undefined;
  return {
    id,
    type: 'reasoning',
    summary: told ? [{ type: 'summary_text', text: thinking }] : [],
    ...(sealed ? { encrypted_content: seal(id, thinking) } : {}),
  };
}

/** A picture of one point, by the tool that the request forces. */
function pictureOf(body: Json): Json {
  const tool = readObjects(body.tools).find(({ type }) => type === 'image_generation');
  return {
    id: madeUp('ig_'),
    type: 'image_generation_call',
    status: 'completed',
    result:
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    output_format: tool?.output_format ?? 'png',
    revised_prompt: `A picture, drawn by ${String(tool?.model)}.`,
  };
}

function callOf(name: string, args: string, body: Json): Json {
  const { custom, ...place } = placeOf(name, body);
  const common = { status: 'completed', call_id: madeUp('call_'), name, ...place };
  if (custom) return { id: madeUp('ctc_'), type: 'custom_tool_call', ...common, input: `free text: ${args}` };
  return { id: madeUp('fc_'), type: 'function_call', ...common, arguments: args };
}

/** How a turn ends, as the response says it. */
const ending = (turn: Turn): Json => ({
  status: turn.reason === 'length' ? 'incomplete' : 'completed',
  incomplete_details: turn.reason === 'length' ? { reason: 'max_output_tokens' } : null,
  usage: usageOf(turn),
});

function usageOf(turn: Turn): Json {
  const output = turn.words.length + 4 * turn.calls.length + (turn.thinking ? 6 : 0);
  return {
    input_tokens: 11,
    input_tokens_details: { cached_tokens: 3 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: turn.thinking ? 6 : 0 },
    total_tokens: 11 + output,
  };
}

const response = (body: Json, output: readonly Json[], state: Json): Json => ({
  id: madeUp('resp_'),
  object: 'response',
  created_at: 1_700_000_000,
  error: null,
  incomplete_details: null,
  instructions: body.instructions ?? null,
  metadata: body.metadata ?? {},
  model: body.model,
  output,
  parallel_tool_calls: body.parallel_tool_calls ?? true,
  reasoning: { effort: null, summary: null, ...readObject(body.reasoning) },
  temperature: body.temperature ?? 1,
  tool_choice: body.tool_choice ?? 'auto',
  tools: body.tools ?? [],
  top_p: body.top_p ?? 1,
  store: body.store ?? true,
  ...state,
});

const frame = (event: Json): string => `event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`;

/** A stream as OpenAI sends it, each delta with some padding against eavesdroppers. */
function frames(turn: Turn, received: Received, seal: Seal): readonly string[] {
  const { json: body } = received;
  const items = itemsOf(turn, body, seal);
  const begun = response(body, [], { status: 'in_progress', usage: null });
  const output = isBackend(received) ? [] : items;
  const { status } = ending(turn);
  const events: Json[] = [
    ...(isBackend(received) ? [{ type: 'codex.rate_limits', limit_reached: false }] : []),
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...items.flatMap((item, place) => itemEvents(item, place, turn)),
    { type: `response.${String(status)}`, response: { ...begun, ...ending(turn), output } },
  ];
  return events.map(({ type, ...rest }, index) => frame({ type, sequence_number: index, ...rest }));
}

function itemEvents(item: Json, output_index: number, turn: Turn): readonly Json[] {
  const at = { item_id: item.id, output_index };
  const bare = { ...item, content: [], summary: [], arguments: '', input: '' };
  const added = Object.fromEntries(Object.entries(bare).filter(([key]) => key in item));
  return [
    { type: 'response.output_item.added', output_index, item: { ...added, status: 'in_progress' } },
    ...innerEvents(item, at, turn),
    { type: 'response.output_item.done', output_index, item },
  ];
}

function innerEvents(item: Json, at: Json, turn: Turn): readonly Json[] {
  const padded = (type: string, place: Json, pieces: readonly string[]): Json[] =>
    pieces.map((delta) => ({ type, ...place, delta, obfuscation: 'x'.repeat(1 + (delta.length % 7)) }));
  if (item.type === 'reasoning')
    return readObjects(item.summary).flatMap((part, summary_index) => {
      const place = { ...at, summary_index };
      return [
        { type: 'response.reasoning_summary_part.added', ...place, part: { ...part, text: '' } },
        ...padded('response.reasoning_summary_text.delta', place, piecesOf(String(part.text))),
        { type: 'response.reasoning_summary_text.done', ...place, text: part.text },
        { type: 'response.reasoning_summary_part.done', ...place, part },
      ];
    });
  if (item.type === 'message') {
    const place = { ...at, content_index: 0 };
    const [part = {}] = readObjects(item.content);
    const said = part.type === 'refusal' ? 'refusal' : 'output_text';
    const field = part.type === 'refusal' ? 'refusal' : 'text';
    return [
      { type: 'response.content_part.added', ...place, part: { ...part, [field]: '' } },
      ...padded(`response.${said}.delta`, place, turn.words),
      { type: `response.${said}.done`, ...place, [field]: part[field] },
      { type: 'response.content_part.done', ...place, part },
    ];
  }
  if (item.type === 'image_generation_call')
    return [{ type: 'response.image_generation_call.completed', ...at }];
  const custom = item.type === 'custom_tool_call';
  const name = custom ? 'custom_tool_call_input' : 'function_call_arguments';
  const text = String(custom ? item.input : item.arguments);
  return [
    ...padded(`response.${name}.delta`, at, piecesOf(text)),
    {
      type: `response.${name}.done`,
      ...at,
      ...(custom ? { input: text } : { name: item.name, arguments: text }),
    },
  ];
}

function compaction(body: Json, seal: Seal): Refusal {
  const unknown = ['stream', 'store', 'tools'].find((key) => key in body);
  if (unknown) return refusal(400, `Unknown parameter: '${unknown}'.`, unknown, 'unknown_parameter');
  const id = madeUp('cmp_');
  return json(200, {
    id: madeUp('resp_'),
    object: 'response.compaction',
    created_at: 1_700_000_000,
    output: [{ id, type: 'compaction', encrypted_content: seal(id, JSON.stringify(body.input)) }],
    usage: { input_tokens: 11, output_tokens: 5, total_tokens: 16 },
  });
}
