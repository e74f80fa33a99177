import { newId } from '../../core/id.ts';
import { type Json, readArray, readNumber, readObject, readObjects, readString } from '../../core/json.ts';
import { act, type Answer, type Ask, type Media, outputTokens } from './act.ts';
import { paced, type Piece } from './paced.ts';
import { base64Bytes, jsonAnswer, strings, textOf, tokensOf } from './reading.ts';

/** The demo as a server of Anthropic's Messages. */

/** Answers one request body as the wire would. */
export function answerMessages(body: Json, delayMs: number, signal: AbortSignal): Response {
  if (!readArray(body.messages)?.length) return refuse(400, 'messages: Field required');
  if (readNumber(body.max_tokens) === undefined) return refuse(400, 'max_tokens: Field required');
  const forged = forgedThought(body);
  if (forged !== undefined) return refuse(400, `${forged}: Invalid \`signature\` in \`thinking\` block`);
  const ask = readAsk(body);
  const acted = act(ask);
  if (acted.kind === 'refuse')
    return refuse(acted.status, `The demo was asked to fail with ${acted.status}.`);
  const hidden = readObject(body.thinking)?.display === 'omitted';
  const said: Said = { answer: acted, body, promptTokens: ask.promptTokens, id: newId('msg_'), hidden };
  if (body.stream === true)
    return new Response(paced(events(said), delayMs, signal), {
      headers: { 'content-type': 'text/event-stream; charset=utf-8', 'request-id': newId('req_') },
    });
  if (acted.breaks) return refuse(500, 'The demo was asked to fail midstream.');
  return jsonAnswer(200, message(said), { 'request-id': newId('req_') });
}

/** Answers `/v1/messages/count_tokens`. */
export const answerCount = (body: Json): Response => jsonAnswer(200, { input_tokens: promptTokens(body) });

const promptTokens = (body: Json) => tokensOf(body.system) + tokensOf(body.messages) + tokensOf(body.tools);

function readAsk(body: Json): Ask {
  const messages = readObjects(body.messages);
  const last = messages.findLast((message) => message.role === 'user');
  const blocks = readObjects(last?.content);
  const thinking = readObject(body.thinking)?.type;
  return {
    text: textOf(last?.content),
    media: blocks.flatMap(mediaOf),
    results: blocks.filter((block) => block.type === 'tool_result').map((block) => textOf(block.content)),
    tools: readObjects(body.tools).flatMap((tool) => {
      const schema = readObject(tool.input_schema);
      return schema ? [{ name: readString(tool.name) ?? '', schema }] : [];
    }),
    choice: choiceOf(readObject(body.tool_choice)),
    thinks: thinking === 'enabled' || thinking === 'adaptive',
    maxTokens: readNumber(body.max_tokens),
    stop: strings(body.stop_sequences),
    output: outputOf(readObject(readObject(body.output_config)?.format) ?? readObject(body.output_format)),
    promptTokens: promptTokens(body),
  };
}

function mediaOf(block: Json): readonly Media[] {
  if (block.type !== 'image' && block.type !== 'document') return [];
  const source = readObject(block.source);
  const mime = readString(source?.media_type) ?? block.type;
  const data = readString(source?.data);
  if (data === undefined) return [{ mime, url: readString(source?.url) ?? 'no data' }];
  return [{ mime, bytes: source?.type === 'text' ? Buffer.byteLength(data) : base64Bytes(data) }];
}

function choiceOf(choice: Json | undefined): Ask['choice'] {
  if (choice?.type === 'any' || choice?.type === 'none') return choice.type;
  const name = readString(choice?.name);
  return choice?.type === 'tool' && name !== undefined ? { name } : 'auto';
}

function outputOf(format: Json | undefined): Ask['output'] {
  const schema = readObject(format?.schema);
  return format?.type === 'json_schema' && schema ? { schema } : undefined;
}

// -------------------------------------------------------------------------------------------------------- signatures

/** A signature the demo knows again: a digest of the thought. It proves nothing to anybody else. */
function sign(thought: string): string {
  return new Bun.CryptoHasher('sha256', 'demo thought').update(thought).digest('base64');
}

/** The place of a thought in the history that the demo never signed; a hidden one comes back without its text. */
function forgedThought(body: Json): string | undefined {
  for (const [turn, { content }] of readObjects(body.messages).entries())
    for (const [index, block] of readObjects(content).entries()) {
      if (block.type !== 'thinking') continue;
      const thought = readString(block.thinking) ?? '';
      const signature = readString(block.signature);
      if (thought !== '' && signature !== sign(thought)) return `messages.${turn}.content.${index}`;
    }
  return undefined;
}

// ------------------------------------------------------------------------------------------------------------ saying

interface Said {
  readonly answer: Answer;
  readonly body: Json;
  readonly promptTokens: number;
  readonly id: string;
  /** Thoughts are signed but not shown. */
  readonly hidden: boolean;
}

const stopReasons = {
  end: 'end_turn',
  stop: 'stop_sequence',
  length: 'max_tokens',
  tool: 'tool_use',
} as const;

const head = ({ id, body }: Said) => ({
  id,
  type: 'message',
  role: 'assistant',
  model: readString(body.model) ?? 'demo-claude',
});

const usageOf = (inputTokens: number, output: number) => ({
  input_tokens: inputTokens,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  output_tokens: output,
});

function message(said: Said): Json {
  const { answer, hidden } = said;
  const thought = answer.thinking.join('');
  const text = answer.words.join('');
  return {
    ...head(said),
    content: [
      ...(thought === ''
        ? []
        : [{ type: 'thinking', thinking: hidden ? '' : thought, signature: sign(thought) }]),
      ...(text === '' ? [] : [{ type: 'text', text }]),
      ...answer.calls.map(({ name, args }) => ({
        type: 'tool_use',
        id: newId('toolu_'),
        name,
        input: argumentsOf(args),
      })),
    ],
    stop_reason: stopReasons[answer.end],
    stop_sequence: answer.stop ?? null,
    usage: usageOf(said.promptTokens, outputTokens(answer)),
  };
}

/** A call that ran out of tokens has no whole arguments; the wire has only objects for them. */
function argumentsOf(pieces: readonly string[]): unknown {
  try {
    return JSON.parse(pieces.join(''));
  } catch {
    return {};
  }
}

function* events(said: Said): Iterable<Piece> {
  const { answer, promptTokens: input } = said;
  const usage = usageOf(input, 1);
  yield event('message_start', {
    message: { ...head(said), content: [], stop_reason: null, stop_sequence: null, usage },
  });
  yield event('ping', {});
  let index = 0;
  if (answer.thinking.length > 0) yield* thinkingBlock(said, index++);
  if (answer.words.length > 0) {
    yield event('content_block_start', { index, content_block: { type: 'text', text: '' } });
    const spoken = answer.breaks ? answer.words.slice(0, Math.ceil(answer.words.length / 2)) : answer.words;
    for (const text of spoken) yield delta(index, { type: 'text_delta', text }, true);
    if (answer.breaks) return yield brokenEvent();
    yield event('content_block_stop', { index: index++ });
  }
  for (const { name, args } of answer.calls) {
    const block = { type: 'tool_use', id: newId('toolu_'), name, input: {} };
    yield event('content_block_start', { index, content_block: block });
    for (const piece of args) yield delta(index, { type: 'input_json_delta', partial_json: piece }, true);
    yield event('content_block_stop', { index: index++ });
  }
  yield event('message_delta', {
    delta: { stop_reason: stopReasons[answer.end], stop_sequence: answer.stop ?? null },
    usage: usageOf(input, outputTokens(answer)),
  });
  yield event('message_stop', {});
}

function* thinkingBlock({ answer, hidden }: Said, index: number): Iterable<Piece> {
  yield event('content_block_start', {
    index,
    content_block: { type: 'thinking', thinking: '', signature: '' },
  });
  if (!hidden)
    for (const thinking of answer.thinking) yield delta(index, { type: 'thinking_delta', thinking }, true);
  yield delta(index, { type: 'signature_delta', signature: sign(answer.thinking.join('')) });
  yield event('content_block_stop', { index });
}

const event = (type: string, fields: Json, word = false): Piece => ({
  text: `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`,
  word,
});

const delta = (index: number, change: Json, word = false): Piece =>
  event('content_block_delta', { index, delta: change }, word);

const brokenEvent = (): Piece =>
  event('error', { error: { type: 'api_error', message: 'The demo was asked to fail midstream.' } });

// ------------------------------------------------------------------------------------------------------------ errors

const errorTypes: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

function refuse(status: number, text: string): Response {
  const requestId = newId('req_');
  const type = errorTypes[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
  return jsonAnswer(
    status,
    { type: 'error', error: { type, message: text }, request_id: requestId },
    { 'request-id': requestId, ...(status === 429 ? { 'retry-after': '1' } : {}) },
  );
}
