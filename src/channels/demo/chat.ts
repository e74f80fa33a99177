import { newId } from '../../core/id.ts';
import { type Json, readArray, readNumber, readObject, readObjects, readString } from '../../core/json.ts';
import { act, type Answer, type Ask, type Media, outputTokens } from './act.ts';
import { paced, type Piece } from './paced.ts';
import { base64Bytes, jsonAnswer, strings, textOf, tokensOf } from './reading.ts';

/** The demo as a server of OpenAI's Chat Completions. */

/** Answers one request body as the wire would. */
export function answerChat(body: Json, delayMs: number, signal: AbortSignal): Response {
  if (!readArray(body.messages)?.length)
    return refuse(400, "Missing required parameter: 'messages'.", 'messages');
  const ask = readAsk(body);
  const acted = act(ask);
  if (acted.kind === 'refuse')
    return refuse(acted.status, `The demo was asked to fail with ${acted.status}.`);
  const said: Said = { answer: acted, body, promptTokens: ask.promptTokens, id: newId('chatcmpl-') };
  if (body.stream === true)
    return new Response(paced(chunks(said), delayMs, signal), {
      headers: { 'content-type': 'text/event-stream; charset=utf-8', 'x-request-id': said.id },
    });
  if (acted.breaks) return refuse(500, 'The demo was asked to fail midstream.');
  return jsonAnswer(200, completion(said), { 'x-request-id': said.id });
}

function readAsk(body: Json): Ask {
  const messages = readObjects(body.messages);
  const user = messages.findLast((message) => message.role === 'user');
  const trailing = messages.slice(messages.findLastIndex((message) => message.role !== 'tool') + 1);
  const effort = readString(body.reasoning_effort) ?? readString(readObject(body.reasoning)?.effort);
  return {
    text: textOf(user?.content),
    media: readObjects(user?.content).flatMap(mediaOf),
    results: trailing.map((message) => textOf(message.content)),
    tools: readObjects(body.tools).flatMap(({ function: made }) => {
      const tool = readObject(made);
      return tool ? [{ name: readString(tool.name) ?? '', schema: readObject(tool.parameters) ?? {} }] : [];
    }),
    choice: choiceOf(body.tool_choice),
    thinks: (effort !== undefined && effort !== 'none') || readObject(body.thinking)?.type === 'enabled',
    maxTokens: readNumber(body.max_completion_tokens) ?? readNumber(body.max_tokens),
    stop: strings(body.stop),
    output: outputOf(readObject(body.response_format)),
    promptTokens: tokensOf(body.messages) + tokensOf(body.tools),
  };
}

function mediaOf(part: Json): readonly Media[] {
  if (part.type === 'image_url')
    return [linkOrData(readString(readObject(part.image_url)?.url) ?? '', 'image')];
  if (part.type === 'file') return [linkOrData(readString(readObject(part.file)?.file_data) ?? '', 'file')];
  return [];
}

function linkOrData(url: string, fallback: string): Media {
  const data = /^data:([^;,]+)[^,]*,(.*)$/s.exec(url);
  return data ? { mime: data[1]!, bytes: base64Bytes(data[2]!) } : { mime: fallback, url };
}

function choiceOf(choice: unknown): Ask['choice'] {
  if (choice === 'required') return 'any';
  if (choice === 'none') return 'none';
  const name = readString(readObject(readObject(choice)?.function)?.name);
  return name === undefined ? 'auto' : { name };
}

function outputOf(format: Json | undefined): Ask['output'] {
  if (format?.type === 'json_object') return 'json';
  const schema = readObject(readObject(format?.json_schema)?.schema);
  return format?.type === 'json_schema' && schema ? { schema } : undefined;
}

// ------------------------------------------------------------------------------------------------------------ saying

interface Said {
  readonly answer: Answer;
  readonly body: Json;
  readonly promptTokens: number;
  readonly id: string;
}

const finishReasons = { end: 'stop', stop: 'stop', length: 'length', tool: 'tool_calls' } as const;

const usageOf = ({ answer, promptTokens }: Said, choices: number) => {
  const completion = outputTokens(answer) * choices;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completion,
    total_tokens: promptTokens + completion,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: answer.thinking.length * choices },
  };
};

const head = ({ id, body }: Said, object: string) => ({
  id,
  object,
  created: Math.floor(Date.now() / 1000),
  model: readString(body.model) ?? 'demo',
});

const choicesIn = (body: Json) => Math.min(Math.max(readNumber(body.n) ?? 1, 1), 8);

function completion(said: Said): Json {
  const { answer, body } = said;
  const choices = choicesIn(body);
  const toolCalls = answer.calls.map(({ name, args }) => ({
    id: newId('call_'),
    type: 'function',
    function: { name, arguments: args.join('') },
  }));
  const message = {
    role: 'assistant',
    content: toolCalls.length > 0 ? null : answer.words.join(''),
    ...(answer.thinking.length > 0 ? { reasoning_content: answer.thinking.join('') } : {}),
    ...(toolCalls.length > 0 ? { tool_calls: toolCalls } : {}),
    refusal: null,
  };
  return {
    ...head(said, 'chat.completion'),
    choices: Array.from({ length: choices }, (_, index) => ({
      index,
      message,
      logprobs: null,
      finish_reason: finishReasons[answer.end],
    })),
    usage: usageOf(said, choices),
  };
}

function* chunks(said: Said): Iterable<Piece> {
  const { answer, body } = said;
  const opening = head(said, 'chat.completion.chunk');
  const frame = (more: Json, word = false): Piece => ({
    text: `data: ${JSON.stringify({ ...opening, ...more })}\n\n`,
    word,
  });
  const choices = choicesIn(body);
  for (let index = 0; index < choices; index++) {
    const delta = (content: Json, word = false) =>
      frame({ choices: [{ index, delta: content, logprobs: null, finish_reason: null }] }, word);
    yield delta({ role: 'assistant', content: '' });
    for (const word of answer.thinking) yield delta({ reasoning_content: word }, true);
    const spoken = answer.breaks ? answer.words.slice(0, Math.ceil(answer.words.length / 2)) : answer.words;
    for (const word of spoken) yield delta({ content: word }, true);
    if (answer.breaks) return yield brokenFrame();
    for (const [call, { name, args }] of answer.calls.entries()) {
      const made = { index: call, id: newId('call_'), type: 'function', function: { name, arguments: '' } };
      yield delta({ tool_calls: [made] });
      for (const piece of args)
        yield delta({ tool_calls: [{ index: call, function: { arguments: piece } }] }, true);
    }
    yield frame({
      choices: [{ index, delta: {}, logprobs: null, finish_reason: finishReasons[answer.end] }],
    });
  }
  if (readObject(body.stream_options)?.include_usage === true)
    yield frame({ choices: [], usage: usageOf(said, choices) });
  yield { text: 'data: [DONE]\n\n', word: false };
}

const brokenFrame = (): Piece => ({
  text: `data: ${JSON.stringify(errorBody(500, 'The demo was asked to fail midstream.'))}\n\n`,
  word: false,
});

// ------------------------------------------------------------------------------------------------------------ errors

const errorTypes: Readonly<Record<number, readonly [type: string, code: string | null]>> = {
  400: ['invalid_request_error', null],
  401: ['invalid_request_error', 'invalid_api_key'],
  402: ['insufficient_quota', 'insufficient_quota'],
  403: ['invalid_request_error', 'unsupported_country_region_territory'],
  404: ['invalid_request_error', 'model_not_found'],
  429: ['rate_limit_error', 'rate_limit_exceeded'],
};

function errorBody(status: number, message: string, param: string | null = null): Json {
  const [type, code] = errorTypes[status] ?? [status >= 500 ? 'server_error' : 'invalid_request_error', null];
  return { error: { message, type, param, code } };
}

/** An error in OpenAI's words. */
export const refuse = (status: number, message: string, param: string | null = null): Response =>
  jsonAnswer(status, errorBody(status, message, param), {
    'x-request-id': newId('req_'),
    ...(status === 429 ? { 'retry-after': '1' } : {}),
  });
