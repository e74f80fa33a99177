/** What the bench says on each wire: requests of about 1 KiB, replies of about 1 KiB, streams of 100 chunks. */

/** What an upstream speaks; `codex` is the dialect of Responses that ChatGPT's own backend speaks. */
export type Wire = ClientWire | 'codex';

export type ClientWire = WholeWire | 'responses' | 'gemini';

/** The wires on which the bench also asks for whole replies. */
export type WholeWire = 'chat' | 'messages';

/** How a reply comes: whole, as a stream as fast as it can, or as a stream that takes 5 seconds. */
export type Pace = 'whole' | 'fast' | 'slow';

const chunksPerStream = 100;
/** Between two chunks of a slow stream. */
export const slowGapMs = 50;

/** Every request carries its own number after this word, and its reply must carry the same number back. */
export const ping = 'ping ';
export const pong = 'pong ';
export const digits = 8;

/** Where a client asks for a model. */
export function pathOf(wire: ClientWire, model: string): string {
  if (wire === 'gemini') return `/v1beta/models/${model}:streamGenerateContent?alt=sse`;
  return { chat: '/v1/chat/completions', messages: '/v1/messages', responses: '/v1/responses' }[wire];
}

/** What the gateway's config names as the address of each upstream, below its host. */
export const roots: Readonly<Record<Wire, string>> = {
  chat: '/v1',
  messages: '',
  responses: '/v1',
  gemini: '',
  codex: '/backend-api/codex',
};

/** The wire of a request that reached the upstream. */
export function wireAt(path: string): Wire {
  if (path.startsWith('/v1beta/')) return 'gemini';
  if (path.startsWith(roots.codex)) return 'codex';
  if (path.startsWith('/v1/responses')) return 'responses';
  return path.startsWith('/v1/messages') ? 'messages' : 'chat';
}

/** The upstream's model; its name also tells the mock how fast to answer. */
export const modelOf = (wire: Wire, pace: Pace): string => `bench-${wire}${pace === 'slow' ? '-slow' : ''}`;

const filler = 'The quick brown fox jumps over the lazy dog near the river bank. '.repeat(16).slice(0, 900);
const turns = [
  { role: 'user', content: `Please remember this text. ${filler.slice(0, 420)}` },
  { role: 'assistant', content: 'I will.' },
  { role: 'user', content: `${filler.slice(0, 300)} ${ping}${'0'.repeat(digits)}` },
];
const instructions = 'You are a careful assistant. Answer briefly and in plain words.';

/** The body of a request in the words of one wire, for a model of any upstream. */
export function requestBody(wire: ClientWire, model: string, stream: boolean): string {
  const common = { model, max_tokens: 1024, stream };
  switch (wire) {
    case 'messages':
      return JSON.stringify({ ...common, system: instructions, messages: turns });
    case 'chat':
      return JSON.stringify({
        ...common,
        messages: [{ role: 'system', content: instructions }, ...turns],
        ...(stream && { stream_options: { include_usage: true } }),
      });
    case 'responses':
      return JSON.stringify({ model, instructions, input: turns, store: false, stream });
    case 'gemini':
      return JSON.stringify({
        systemInstruction: { parts: [{ text: instructions }] },
        contents: turns.map(({ role, content }) => ({
          role: role === 'user' ? 'user' : 'model',
          parts: [{ text: content }],
        })),
        generationConfig: { maxOutputTokens: 1024 },
      });
  }
}

const usage = { prompt_tokens: 180, completion_tokens: 200, total_tokens: 380 };

/** A whole reply to request `number`. */
export function replyBody(wire: WholeWire, number: string): string {
  const text = `${pong}${number} ${filler}`;
  if (wire === 'messages') {
    return JSON.stringify({
      id: 'msg_bench',
      type: 'message',
      role: 'assistant',
      model: modelOf('messages', 'whole'),
      content: [{ type: 'text', text }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 180, output_tokens: 200 },
    });
  }
  return JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1790000000,
    model: modelOf('chat', 'whole'),
    choices: [
      { index: 0, message: { role: 'assistant', content: text }, logprobs: null, finish_reason: 'stop' },
    ],
    usage,
  });
}

/** The stream's parts in order: an opening, one part per chunk, a closing. */
export function streamParts(wire: Wire, number: string): readonly string[] {
  const words = Array.from({ length: chunksPerStream }, (_, at) => `chip${String(at).padStart(3, '0')} `);
  words[0] = `${pong}${number} ${words[0]}`;
  if (wire === 'chat') return chatParts(words);
  if (wire === 'messages') return messagesParts(words);
  return wire === 'gemini' ? geminiParts(words) : responsesParts(words);
}

const named = (type: string, rest: object = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;

function chatParts(words: readonly string[]): readonly string[] {
  const event = (choices: readonly unknown[], rest: object = {}) =>
    `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1790000000, model: 'bench-chat', choices, ...rest })}\n\n`;
  const delta = (value: object, reason: string | null = null) =>
    event([{ index: 0, delta: value, logprobs: null, finish_reason: reason }]);
  return [
    delta({ role: 'assistant', content: '' }),
    ...words.map((content) => delta({ content })),
    `${delta({}, 'stop')}${event([], { usage })}data: [DONE]\n\n`,
  ];
}

function messagesParts(words: readonly string[]): readonly string[] {
  const message = {
    id: 'msg_bench',
    type: 'message',
    role: 'assistant',
    model: 'bench-messages',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 180, output_tokens: 1 },
  };
  return [
    named('message_start', { message }) +
      named('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    ...words.map((text) => named('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
    named('content_block_stop', { index: 0 }) +
      named('message_delta', {
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: 200 },
      }) +
      named('message_stop'),
  ];
}

function responsesParts(words: readonly string[]): readonly string[] {
  const text = words.join('');
  let sequence = 0;
  const event = (type: string, rest: object) =>
    named(`response.${type}`, { sequence_number: sequence++, ...rest });
  const at = { item_id: 'msg_bench', output_index: 0, content_index: 0 };
  const part = { type: 'output_text', annotations: [], logprobs: [], text };
  const item = { id: at.item_id, type: 'message', status: 'completed', role: 'assistant', content: [part] };
  const response = {
    id: 'resp_bench',
    object: 'response',
    created_at: 1790000000,
    model: 'bench-responses',
    status: 'in_progress',
    error: null,
    incomplete_details: null,
    output: [] as unknown[],
    usage: null as unknown,
  };
  const counts = {
    input_tokens: 180,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 200,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 380,
  };
  const complete = { ...response, status: 'completed', output: [item], usage: counts };
  return [
    event('created', { response }) +
      event('in_progress', { response }) +
      event('output_item.added', { output_index: 0, item: { ...item, status: 'in_progress', content: [] } }) +
      event('content_part.added', { ...at, part: { ...part, text: '' } }),
    ...words.map((delta) => event('output_text.delta', { ...at, delta, logprobs: [] })),
    event('output_text.done', { ...at, text, logprobs: [] }) +
      event('content_part.done', { ...at, part }) +
      event('output_item.done', { output_index: 0, item }) +
      event('completed', { response: complete }),
  ];
}

function geminiParts(words: readonly string[]): readonly string[] {
  const chunk = (text: string, candidate: object = {}, rest: object = {}) =>
    `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ text }], role: 'model' }, index: 0, ...candidate }], ...rest, modelVersion: 'bench-gemini', responseId: 'bench' })}\n\n`;
  const counts = { promptTokenCount: 180, candidatesTokenCount: 200, totalTokenCount: 380 };
  return [
    chunk(''),
    ...words.map((text) => chunk(text)),
    chunk('', { finishReason: 'STOP' }, { usageMetadata: counts }),
  ];
}

/** What every right stream has near its end, and how near. A Responses stream says all of its text there once more. */
const endings: Readonly<Record<ClientWire, readonly [mark: string, within: number]>> = {
  chat: ['data: [DONE]', 120],
  messages: ['"message_stop"', 120],
  responses: ['event: response.completed', 4_000],
  gemini: ['"finishReason":"STOP"', 500],
};

/** What is wrong with an answer to request `number`; undefined when it is whole and belongs to it. */
export function fault(wire: ClientWire, stream: boolean, number: string, body: Buffer): string | undefined {
  if (!body.includes(`${pong}${number}`)) return 'it is not the answer to its request';
  if (!stream) return isJson(body) ? undefined : 'it is not JSON';
  const [mark, within] = endings[wire];
  const closed = body.at(-1) === 10 && body.at(-2) === 10;
  const whole = closed && body.indexOf(mark, Math.max(0, body.length - within)) >= 0;
  if (!whole) return 'its terminal event is missing';
  const said = wire === 'responses' ? body.subarray(0, body.indexOf('response.output_text.done')) : body;
  const chunks = said.toString('latin1').split('chip').length - 1;
  return chunks === chunksPerStream ? undefined : `it has ${chunks} chunks instead of ${chunksPerStream}`;
}

function isJson(body: Buffer): boolean {
  try {
    JSON.parse(body.toString());
    return true;
  } catch {
    return false;
  }
}
