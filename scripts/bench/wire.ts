/** What the bench says on both wires: requests of about 1 KiB, replies of about 1 KiB, streams of 100 chunks. */

export type Wire = 'chat' | 'messages';

/** How a reply comes: whole, as a stream as fast as it can, or as a stream that takes 5 seconds. */
export type Pace = 'whole' | 'fast' | 'slow';

export const chunksPerStream = 100;
/** Between two chunks of a slow stream. */
export const slowGapMs = 50;

/** Every request carries its own number after this word, and its reply must carry the same number back. */
export const ping = 'ping ';
export const pong = 'pong ';
export const digits = 8;

export const paths: Readonly<Record<Wire, string>> = {
  chat: '/v1/chat/completions',
  messages: '/v1/messages',
};

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
export function requestBody(wire: Wire, model: string, stream: boolean): string {
  const common = { model, max_tokens: 1024, stream };
  if (wire === 'messages') return JSON.stringify({ ...common, system: instructions, messages: turns });
  return JSON.stringify({
    ...common,
    messages: [{ role: 'system', content: instructions }, ...turns],
    ...(stream && { stream_options: { include_usage: true } }),
  });
}

const usage = { prompt_tokens: 180, completion_tokens: 200, total_tokens: 380 };

/** A whole reply to request `number`. */
export function replyBody(wire: Wire, number: string): string {
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

/** The stream's parts in order: an opening, one part per chunk, a closing. Only the first chunk depends on the request. */
export function streamParts(wire: Wire, number: string): readonly string[] {
  const words = Array.from({ length: chunksPerStream }, (_, at) => `chip${String(at).padStart(3, '0')} `);
  words[0] = `${pong}${number} ${words[0]}`;
  return wire === 'chat' ? chatParts(words) : messagesParts(words);
}

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
  const event = (type: string, rest: object = {}) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
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
    event('message_start', { message }) +
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    ...words.map((text) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
    event('content_block_stop', { index: 0 }) +
      event('message_delta', {
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: 200 },
      }) +
      event('message_stop'),
  ];
}

/** What is wrong with an answer to request `number`; undefined when it is whole and belongs to it. */
export function fault(wire: Wire, stream: boolean, number: string, body: Buffer): string | undefined {
  if (!body.includes(`${pong}${number}`)) return 'it is not the answer to its request';
  if (!stream) return isJson(body) ? undefined : 'it is not JSON';
  const end = wire === 'chat' ? 'data: [DONE]' : '"message_stop"';
  if (body.indexOf(end, Math.max(0, body.length - 120)) < 0) return 'its terminal event is missing';
  const chunks = body.toString('latin1').split('chip').length - 1;
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
