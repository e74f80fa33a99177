import { describe, expect, test } from 'bun:test';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { answerChat } from '../../src/channels/demo/chat.ts';
import { exampleOf } from '../../src/channels/demo/example.ts';
import { answerMessages } from '../../src/channels/demo/messages.ts';
import demo from '../../src/channels/demo/index.ts';
import { schemaFault } from '../support/schemas.ts';
import { opened, sent } from './tools.ts';

const never = new AbortController().signal;
/** The demo answers by itself. */
const nowhere = () => Promise.reject(new Error('The demo must send nothing.'));
const weather = {
  type: 'object',
  properties: {
    city: { type: 'string' },
    unit: { enum: ['celsius', 'fahrenheit'] },
    days: { type: 'integer', minimum: 3 },
  },
  required: ['city', 'unit', 'days'],
};
const weatherArguments = { city: 'Paris', unit: 'celsius', days: 3 };
const pixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const pixelBytes = Buffer.from(pixel, 'base64').length;

/** Answers are read as a client without types reads them. */
type Any = any;

const read = (response: Response): Promise<Any> => response.json();

async function whole(response: Response, protocol: string): Promise<Any> {
  const body = await read(response);
  if (response.ok) expect(schemaFault(protocol, 'reply', body)).toBeUndefined();
  return body;
}

async function streamed(response: Response, protocol: string): Promise<Any[]> {
  const frames = (await response.text()).split('\n\n').filter((frame) => frame !== '');
  const data = frames.map((frame) => frame.replace(/^(event: .*\n)?data: /, ''));
  const events = data.filter((text) => text !== '[DONE]').map((text) => JSON.parse(text));
  for (const event of events) if (!event.error) expect(schemaFault(protocol, 'event', event)).toBeUndefined();
  return events;
}

describe('as a server of Chat Completions', () => {
  const chatBody = (text: unknown, more: object = {}) => ({
    model: 'demo',
    messages: [{ role: 'user', content: text }],
    ...more,
  });
  const ask = (text: unknown, more: object = {}) => answerChat(chatBody(text, more), 0, never);
  const answer = (text: unknown, more: object = {}) => whole(ask(text, more), 'openai-chat');
  const stream = (text: unknown, more: object = {}) =>
    streamed(ask(text, { stream: true, ...more }), 'openai-chat');
  const tools = [{ type: 'function', function: { name: 'get_weather', parameters: weather } }];

  test('says the last user text back, and counts what adds up', async () => {
    const { choices, usage, model } = await answer('Hello, wörld 🌍!');
    expect([model, choices[0].message.content, choices[0].finish_reason]).toEqual([
      'demo',
      'Hello, wörld 🌍!',
      'stop',
    ]);
    expect(usage.completion_tokens).toBe(3);
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
  });

  test('streams word by word, ends in one finish and [DONE], and gives usage when asked', async () => {
    const events = await stream('one two  three', { stream_options: { include_usage: true } });
    const words = events.flatMap(({ choices }) => choices[0]?.delta.content || []);
    expect(words).toEqual(['one ', 'two  ', 'three']);
    expect(events.flatMap(({ choices }) => choices[0]?.finish_reason || [])).toEqual(['stop']);
    expect(events.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 3 } });
    expect(await ask('x', { stream: true }).text()).toEndWith('data: [DONE]\n\n');
  });

  test('calls a declared tool with arguments its schema accepts', async () => {
    const { choices } = await answer('Please use the tool get_weather.', { tools });
    expect(choices[0].finish_reason).toBe('tool_calls');
    const call = choices[0].message.tool_calls[0].function;
    expect([call.name, JSON.parse(call.arguments)]).toEqual(['get_weather', weatherArguments]);
  });

  test('streams the arguments of a call in pieces under one index', async () => {
    const events = await stream('use the tool get_weather with {"city":"Oslo, Norway"}', { tools });
    const calls = events.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
    expect(calls[0]).toMatchObject({
      index: 0,
      type: 'function',
      function: { name: 'get_weather', arguments: '' },
    });
    expect(calls.map((call) => call.function.arguments).join('')).toBe('{"city":"Oslo, Norway"}');
  });

  test('answers with what the tool answered', async () => {
    const { messages } = chatBody('use the tool get_weather');
    const call = { id: 'c1', type: 'function', function: { name: 'get_weather', arguments: '{}' } };
    const history = [
      ...messages,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c1', content: '21 degrees' },
    ];
    const { choices } = await whole(
      answerChat({ model: 'demo', messages: history, tools }, 0, never),
      'openai-chat',
    );
    expect([choices[0].message.content, choices[0].finish_reason]).toEqual(['21 degrees', 'stop']);
  });

  test('obeys tool_choice, and names the tools it has when it lacks one', async () => {
    const forced = await answer('hi', {
      tools,
      tool_choice: { type: 'function', function: { name: 'get_weather' } },
    });
    expect(forced.choices[0].message.tool_calls).toHaveLength(1);
    const required = await answer('hi', { tools, tool_choice: 'required' });
    expect(required.choices[0].message.tool_calls).toHaveLength(1);
    const none = await answer('use the tool get_weather', { tools, tool_choice: 'none' });
    expect(none.choices[0].message.content).toBe('use the tool get_weather');
    const missing = await answer('use the tool rocket', { tools });
    expect(missing.choices[0].message.content).toBe(
      'No tool named rocket was declared. Declared tools: get_weather.',
    );
  });

  test('thinks when thinking is on, and counts its thoughts', async () => {
    const { choices, usage } = await answer('hi', { reasoning_effort: 'low' });
    expect(choices[0].message.reasoning_content).toBe('The user says 2 characters. I say them back.');
    expect(usage.completion_tokens_details.reasoning_tokens).toBe(9);
    expect((await answer('hi', { reasoning_effort: 'none' })).choices[0].message).not.toHaveProperty(
      'reasoning_content',
    );
  });

  test('stops at the token limit, thoughts first', async () => {
    const { choices, usage } = await answer('one two three', { max_tokens: 2 });
    expect([choices[0].message.content, choices[0].finish_reason, usage.completion_tokens]).toEqual([
      'one two ',
      'length',
      2,
    ]);
    const thinking = await answer('one two three', { max_completion_tokens: 4, reasoning_effort: 'high' });
    expect(thinking.choices[0].message).toMatchObject({
      reasoning_content: 'The user says 13 ',
      content: '',
    });
  });

  test('stops at a stop sequence', async () => {
    const { choices } = await answer('one two three', { stop: ['three', 'two'] });
    expect([choices[0].message.content, choices[0].finish_reason]).toEqual(['one ', 'stop']);
  });

  test('says what pictures and files it was given', async () => {
    const { choices, usage } = await answer([
      { type: 'text', text: 'look' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } },
      { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
      { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBERi0=' } },
    ]);
    expect(choices[0].message.content).toBe(
      `look\n[image/png, ${pixelBytes} bytes]\n[image, https://example.com/a.png]\n[application/pdf, 5 bytes]`,
    );
    expect(usage.prompt_tokens).toBeLessThan(50);
  });

  test('gives a valid instance of a JSON schema', async () => {
    const response_format = { type: 'json_schema', json_schema: { name: 'weather', schema: weather } };
    expect(JSON.parse((await answer('weather?', { response_format })).choices[0].message.content)).toEqual(
      weatherArguments,
    );
  });

  test('gives as many choices as asked for, whole and streamed', async () => {
    const { choices, usage } = await answer('a b', { n: 2 });
    expect([choices.length, usage.completion_tokens]).toEqual([2, 4]);
    const events = await stream('a b', { n: 2 });
    expect(new Set(events.map((event) => event.choices[0].index))).toEqual(new Set([0, 1]));
  });

  test.each([
    [401, 'invalid_api_key', null],
    [404, 'model_not_found', null],
    [429, 'rate_limit_exceeded', '1'],
    [503, null, null],
  ])("fails with %d in OpenAI's own words when told to", async (status, code, retryAfter) => {
    const response = ask(`please fail with ${status}`);
    expect([response.status, response.headers.get('retry-after')]).toEqual([status, retryAfter]);
    expect((await read(response)).error).toMatchObject({ code, param: null, message: expect.any(String) });
  });

  test('breaks in the middle of a stream when told to, without [DONE]', async () => {
    const text = await ask('fail midstream and then some', { stream: true }).text();
    expect(text).not.toContain('[DONE]');
    expect(JSON.parse(text.trim().split('data: ').at(-1)!).error.type).toBe('server_error');
    expect(ask('fail midstream').status).toBe(500);
  });

  test('refuses a request without messages', async () => {
    expect((await read(answerChat({ model: 'demo' }, 0, never))).error.param).toBe('messages');
  });
});

describe('as a server of Messages', () => {
  const body = (content: unknown, more: object = {}) => ({
    model: 'demo-claude',
    max_tokens: 100,
    messages: [{ role: 'user', content }],
    ...more,
  });
  const ask = (content: unknown, more: object = {}) => answerMessages(body(content, more), 0, never);
  const answer = (content: unknown, more: object = {}) => whole(ask(content, more), 'anthropic-messages');
  const stream = (content: unknown, more: object = {}) =>
    streamed(ask(content, { stream: true, ...more }), 'anthropic-messages');
  const tools = [{ name: 'get_weather', input_schema: weather }];
  const thinking = { type: 'enabled', budget_tokens: 1024 };

  test('says the last user text back', async () => {
    const { content, stop_reason, usage } = await answer('Hello there');
    expect([content, stop_reason]).toEqual([[{ type: 'text', text: 'Hello there' }], 'end_turn']);
    expect(usage.output_tokens).toBe(2);
  });

  test('streams the events of the real wire in their order', async () => {
    const events = await stream('one two', { thinking });
    const types = events.map((event) => event.type);
    expect([types[0], types[1], types.at(-2), types.at(-1)]).toEqual([
      'message_start',
      'ping',
      'message_delta',
      'message_stop',
    ]);
    const deltas = events.flatMap((event) => (event.type === 'content_block_delta' ? [event.delta] : []));
    expect(deltas.flatMap((delta) => delta.text ?? [])).toEqual(['one ', 'two']);
    expect(deltas.filter((delta) => delta.type === 'signature_delta')).toHaveLength(1);
    expect(events.at(-2)).toMatchObject({
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 11 },
    });
  });

  test('thinks under a signature that it knows again, and refuses a forged one', async () => {
    const first = await answer('hi', { thinking });
    expect(first.content.map((block: Any) => block.type)).toEqual(['thinking', 'text']);
    const again = (thought: object) => ({
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: [thought, first.content[1]] },
        { role: 'user', content: 'go on' },
      ],
    });
    expect(ask('', again(first.content[0])).status).toBe(200);
    const forged = ask('', again({ ...first.content[0], thinking: 'other' }));
    expect(forged.status).toBe(400);
    expect((await read(forged)).error.message).toBe(
      'messages.1.content.0: Invalid `signature` in `thinking` block',
    );
  });

  test('hides its thoughts and keeps their signature when told to', async () => {
    const { content } = await answer('hi', { thinking: { type: 'adaptive', display: 'omitted' } });
    expect(content[0]).toMatchObject({ type: 'thinking', thinking: '', signature: expect.any(String) });
  });

  test('calls several tools in one turn, whole and streamed', async () => {
    const both = [...tools, { name: 'get_time', input_schema: { type: 'object', properties: {} } }];
    const text = 'use the tool get_weather, then use the tool get_time';
    const { content, stop_reason } = await answer(text, { tools: both });
    expect(content.map((block: Any) => [block.name, block.input])).toEqual([
      ['get_weather', weatherArguments],
      ['get_time', {}],
    ]);
    expect(stop_reason).toBe('tool_use');
    const events = await stream(text, { tools: both });
    const json = events.flatMap((event) => event.delta?.partial_json ?? []).join('');
    expect(json).toBe(`${JSON.stringify(weatherArguments)}{}`);
  });

  test('answers with what the tool answered', async () => {
    const result = {
      type: 'tool_result',
      tool_use_id: 't1',
      content: [{ type: 'text', text: '21 degrees' }],
    };
    expect((await answer([result], { tools })).content).toEqual([{ type: 'text', text: '21 degrees' }]);
  });

  test('names the stop sequence, and the token limit', async () => {
    expect(await answer('one STOP two', { stop_sequences: ['STOP'] })).toMatchObject({
      stop_reason: 'stop_sequence',
      stop_sequence: 'STOP',
      content: [{ text: 'one ' }],
    });
    expect(await answer('one two three', { max_tokens: 1 })).toMatchObject({
      stop_reason: 'max_tokens',
      stop_sequence: null,
    });
  });

  test('says what pictures and documents it was given', async () => {
    const { content } = await answer([
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } },
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'ünder' } },
    ]);
    expect(content[0].text).toBe(`[image/png, ${pixelBytes} bytes]\n[text/plain, 6 bytes]`);
  });

  test('gives a valid instance of a JSON schema', async () => {
    const output_config = { format: { type: 'json_schema', schema: weather } };
    expect(JSON.parse((await answer('weather?', { output_config })).content[0].text)).toEqual(
      weatherArguments,
    );
  });

  test.each([
    [401, 'authentication_error'],
    [404, 'not_found_error'],
    [429, 'rate_limit_error'],
    [500, 'api_error'],
    [529, 'overloaded_error'],
  ])("fails with %d in Anthropic's own words when told to", async (status, type) => {
    const response = ask(`fail with ${status}`);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({
      type: 'error',
      error: { type },
      request_id: expect.any(String),
    });
  });

  test('breaks in the middle of a stream when told to', async () => {
    const events = await stream('fail midstream and then some');
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
    expect(events.map((event) => event.type)).not.toContain('message_stop');
  });

  test.each([
    [{ max_tokens: undefined }, 'max_tokens: Field required'],
    [{ messages: [] }, 'messages: Field required'],
  ])('refuses %j as the real one does', async (more, message) => {
    expect((await read(ask('hi', more))).error.message).toBe(message);
  });
});

describe('as a connection', () => {
  const on = (slice: unknown) => opened(demo, 'demo', slice).connections;

  test('is there only when it is switched on', () => {
    expect([true, { enabled: true }, {}].map((slice) => on(slice).length)).toEqual([1, 1, 1]);
    expect([false, { enabled: false }].map((slice) => on(slice).length)).toEqual([0, 0]);
  });

  test.each([
    ['demo', 'chat', 'choices'],
    ['demo-claude', 'chat', 'content'],
    ['demo-claude', 'count-tokens', 'input_tokens'],
  ] as const)('%s answers a %s on its own wire', async (model, operation, field) => {
    const [connection] = on(true);
    const body = JSON.stringify({ model, max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] });
    const response = await connection!.send!(
      await sent(connection!, { model, operation, body }),
      never,
      nowhere,
    );
    expect(await response.json()).toHaveProperty(field);
    expect(connection!.can!(operation, model)).toBe(true);
    expect(connection!.speaks(model).id).toBe(model === 'demo' ? 'openai-chat' : 'anthropic-messages');
  });

  test('says nothing before it is asked for more, and stops when cancelled', async () => {
    const text = Array.from({ length: 1_000 }, () => 'word').join(' ');
    const response = answerChat({ stream: true, messages: [{ role: 'user', content: text }] }, 0, never);
    const reader = response.body!.getReader();
    await reader.read();
    const second = new TextDecoder().decode((await reader.read()).value);
    expect(second.match(/data: /g)).toHaveLength(1);
    await reader.cancel();
    expect((await reader.read()).done).toBe(true);
  });

  test('an abort ends a stream that pauses', async () => {
    const abort = new AbortController();
    const response = answerChat(
      { stream: true, messages: [{ role: 'user', content: 'a b' }] },
      60_000,
      abort.signal,
    );
    const reader = response.body!.getReader();
    await reader.read();
    const pending = reader.read();
    abort.abort();
    await expect(pending).rejects.toThrow();
  });
});

describe('made-up values', () => {
  const schemas: readonly object[] = [
    weather,
    {
      type: 'object',
      properties: {
        a: { type: 'string', format: 'date-time' },
        b: { type: 'array', items: { type: 'number' }, minItems: 2 },
      },
    },
    {
      $ref: '#/$defs/node',
      $defs: {
        node: {
          type: 'object',
          properties: {
            value: { type: 'integer' },
            next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] },
          },
          required: ['value', 'next'],
        },
      },
    },
    {
      allOf: [
        { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
        { properties: { b: { const: 7 } }, required: ['b'] },
      ],
    },
    {
      type: 'object',
      properties: {
        email: { type: 'string', format: 'email' },
        short: { type: 'string', maxLength: 2 },
        long: { type: 'string', minLength: 30 },
      },
    },
    { type: 'integer', exclusiveMinimum: 4, multipleOf: 5 },
    { type: 'number', maximum: -3 },
    { type: ['string', 'null'], enum: ['x', null] },
    { oneOf: [{ type: 'null' }, { type: 'boolean' }] },
    { type: 'array', prefixItems: [{ type: 'string' }, { type: 'integer' }], items: false },
    { type: 'object', additionalProperties: false, properties: {} },
    {},
  ];

  test.each(schemas.map((schema) => [JSON.stringify(schema), schema] as const))(
    'are valid for %s',
    (_, schema) => {
      const ajv = new Ajv2020({ strict: false });
      addFormats(ajv);
      const validate = ajv.compile(schema);
      expect([validate(exampleOf(schema, schema as Any)), validate.errors]).toEqual([true, null]);
    },
  );
});
