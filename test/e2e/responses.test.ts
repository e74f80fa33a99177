import type Anthropic from '@anthropic-ai/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import type OpenAI from 'openai';
import { clientKey } from '../support/binary.ts';
import type { Simulator } from '../support/upstream.ts';
import { clients } from './gateway.ts';
import { everyUpstream, models, png, sample, schema, thought, type Upstreams } from './upstreams.ts';

/**
 * OpenAI's SDK speaking Responses through the binary to every provider, and the other vendors' SDKs to a Responses
 * provider: `resp-sim` is OpenAI's API, `codex-sim` is ChatGPT's own backend.
 */

let it: Upstreams;
let gpt: OpenAI;
let claude: Anthropic;
beforeAll(async () => {
  it = await everyUpstream();
  ({ gpt, claude } = clients(it.program));
});
afterAll(() => it?.stop());
/** Whatever a test asked for, the provider must never have had a reason to refuse what the gateway made of it. */
afterEach(() => expect(it.settle()).toEqual([]));

const behind = (model: string): Simulator => it.behind(model);

type Item = OpenAI.Responses.ResponseInputItem;
type Response = OpenAI.Responses.Response;

const user = (content: OpenAI.Responses.EasyInputMessage['content']): Item => ({ role: 'user', content });
const tools = ['weather', 'news'].map((name) => ({
  type: 'function' as const,
  name,
  parameters: schema,
  strict: true,
}));
/** The output of an answer as the input of the next turn, without what the SDK's parser added. */
const replayed = ({ output }: Pick<Response, 'output'>): Item[] =>
  JSON.parse(
    JSON.stringify(output, (key, value: unknown) =>
      key === 'parsed' || key === 'parsed_arguments' ? undefined : value,
    ),
  ) as Item[];
const callsIn = ({ output }: Pick<Response, 'output'>) =>
  output.filter((item) => item.type === 'function_call');
const answers = (response: Pick<Response, 'output'>, said: (index: number) => string): Item[] =>
  callsIn(response).map(({ call_id }, index) => ({
    type: 'function_call_output',
    call_id,
    output: said(index),
  }));

/** What a stream says, and `error` when the SDK throws. */
async function* failing<T>(stream: AsyncIterable<T>): AsyncIterable<T | 'error'> {
  try {
    yield* stream;
  } catch {
    yield 'error';
  }
}

/** What a call of an SDK fails with; undefined when it does not. */
const failureOf = (call: PromiseLike<unknown>): Promise<{ readonly status?: number } | undefined> =>
  Promise.resolve(
    call.then(
      () => undefined,
      (error: unknown) => error as object,
    ),
  );

describe.each(models)('responses client, %s', (model) => {
  test('text', async () => {
    const reply = await gpt.responses.create({
      model,
      instructions: 'Be brief.',
      input: 'Grüße, 世界 😀',
    });
    expect([reply.status, reply.output_text]).toEqual(['completed', 'You said: Grüße, 世界 😀']);
    expect(reply.usage).toMatchObject({ input_tokens: 11, input_tokens_details: { cached_tokens: 3 } });
    expect(reply.usage!.output_tokens_details.reasoning_tokens).toBe(0);
    expect(reply.id).toStartWith('resp_');
  });

  test('streaming, word by word, in OpenAI’s order', async () => {
    const stream = gpt.responses.stream({ model, input: 'count to 30' });
    const events: OpenAI.Responses.ResponseStreamEvent[] = [];
    for await (const event of stream) events.push(event);
    const text = events.flatMap((event) =>
      event.type === 'response.output_text.delta' ? [event.delta] : [],
    );
    expect(text.join('').split(' ')).toHaveLength(30);
    expect(text.length).toBeGreaterThan(10);
    const numbered = events.filter((event) => 'sequence_number' in event);
    expect(numbered.map((event) => event.sequence_number)).toEqual(
      numbered.map((_, index) => (numbered[0]?.sequence_number ?? 0) + index),
    );
    const types = events.map((event) => String(event.type)).filter((type) => type !== 'keepalive');
    expect(types.slice(0, 4)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
    ]);
    expect(types.slice(-4)).toEqual([
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    const final = await stream.finalResponse();
    expect(final.output_text).toBe(text.join(''));
    expect(final.usage?.output_tokens).toBe(30);
  });

  test('tools, the full loop', async () => {
    const input = [user('use the tool weather')];
    const first = await gpt.responses.create({ model, tools, input });
    expect(callsIn(first).map((call) => JSON.parse(call.arguments) as unknown)).toEqual([sample]);
    const second = await gpt.responses.create({
      model,
      tools,
      input: [...input, ...replayed(first), ...answers(first, () => 'sunny')],
    });
    expect(second.output_text).toBe('The tool said: sunny');
  });

  test('parallel tools, streamed, the full loop', async () => {
    const input = [user('use the tools weather and news')];
    const first = await gpt.responses.stream({ model, tools, input }).finalResponse();
    expect(callsIn(first).map(({ name }) => name)).toEqual(['weather', 'news']);
    expect(new Set(callsIn(first).map(({ call_id }) => call_id)).size).toBe(2);
    const more = [...input, ...replayed(first), ...answers(first, (index) => `result ${index}`)];
    const second = await gpt.responses.stream({ model, tools, input: more }).finalResponse();
    expect(second.output_text).toBe('The tool said: result 0, result 1');
  });

  test('tool choice: a named tool, none, any and a subset', async () => {
    for (const tool_choice of [
      { type: 'function' as const, name: 'news' },
      'none' as const,
      'required' as const,
      {
        type: 'allowed_tools' as const,
        mode: 'auto' as const,
        tools: [{ type: 'function', name: 'news' }],
      },
    ])
      await gpt.responses.create({ model, tools, tool_choice, input: 'Hi' });
    expect(behind(model).accepted).toHaveLength(4);
  });

  test('tools in a namespace and tools of free text come back as they were declared', async () => {
    const declared = [
      { type: 'namespace', name: 'home', description: 'At home.', tools: [tools[0]] },
      { type: 'custom', name: 'note', description: 'Takes a note.' },
    ] as unknown as OpenAI.Responses.Tool[];
    const wanted = model === 'resp-sim' || model === 'codex-sim' ? 'weather' : 'home__weather';
    const input = [user(`use the tools ${wanted} and note`)];
    const first = await gpt.responses.create({ model, tools: declared, input });
    const [call, note] = first.output.filter(({ type }) => type.endsWith('_call'));
    expect(call).toMatchObject({ type: 'function_call', name: 'weather', namespace: 'home' });
    expect(note).toMatchObject({ type: 'custom_tool_call', name: 'note' });
    const { call_id } = note as OpenAI.Responses.ResponseCustomToolCall;
    const second = await gpt.responses.create({
      model,
      tools: declared,
      input: [
        ...input,
        ...replayed(first),
        ...answers(first, () => 'sunny'),
        { type: 'custom_tool_call_output', call_id, output: 'noted' },
      ],
    });
    expect(second.output_text).toBe('The tool said: sunny, noted');
  });

  test('thinking, also across a tool loop', async () => {
    const asking = {
      model,
      tools,
      store: false,
      max_output_tokens: 4_000,
      reasoning: { effort: 'high' as const, summary: 'auto' as const },
      include: ['reasoning.encrypted_content' as const],
    };
    const input = [user('use the tool weather')];
    const first = await gpt.responses.create({ ...asking, input });
    expect(first.output[0]).toMatchObject({ type: 'reasoning', summary: [{ text: thought }] });
    const more = [...input, ...replayed(first), ...answers(first, () => 'sunny')];
    expect((await gpt.responses.create({ ...asking, input: more })).output_text).toBe('The tool said: sunny');
    const streamed = await gpt.responses.stream({ ...asking, input }).finalResponse();
    expect(streamed.output.map(({ type }) => type)).toEqual(first.output.map(({ type }) => type));
    const again = [...input, ...replayed(streamed), ...answers(streamed, () => 'rainy')];
    expect((await gpt.responses.create({ ...asking, input: again })).output_text).toBe(
      'The tool said: rainy',
    );
  });

  test('pictures, in place and by URL', async () => {
    const image = (image_url: string) => ({
      type: 'input_image' as const,
      image_url,
      detail: 'auto' as const,
    });
    const reply = await gpt.responses.create({
      model,
      input: [
        user([
          { type: 'input_text', text: 'What is it?' },
          image(`data:image/png;base64,${png}`),
          image('https://example.com/a.png'),
        ]),
      ],
    });
    expect(reply.output_text).toBe('I see an image/png of 70 bytes. I see an image/url of 25 bytes.');
  });

  test('structured output', async () => {
    const format = { type: 'json_schema' as const, name: 'trip', schema, strict: true };
    const reply = await gpt.responses.parse({ model, input: 'Where to?', text: { format } });
    expect(JSON.parse(reply.output_text)).toEqual(sample);
  });

  test('a refusal', async () => {
    const refused = await gpt.responses.create({ model, input: 'please refuse' });
    expect(JSON.stringify(refused.output)).toContain('I cannot help with that.');
    if (model === 'claude-sim' || model === 'gemini-3-sim')
      expect(refused.incomplete_details?.reason).toBe('content_filter');
  });

  test('a token limit', async () => {
    const short = await gpt.responses.create({ model, input: 'count to 40', max_output_tokens: 16 });
    // ChatGPT's backend takes no limit.
    if (model === 'codex-sim') return expect(short.status).toBe('completed');
    expect([short.status, short.incomplete_details?.reason]).toEqual(['incomplete', 'max_output_tokens']);
    expect(short.output_text.trim()).toEndWith('16');
  });

  test('counted tokens', async () => {
    const counted = await gpt.responses.inputTokens.count({ model, input: 'Hello there, how are you?' });
    expect(counted.object).toBe('response.input_tokens');
    expect(counted.input_tokens).toBeGreaterThan(4);
  });

  test("a provider's error is told in OpenAI's shape", async () => {
    behind(model).next.push({ kind: 'status', status: 400 });
    const failed = (await gpt.responses.create({ model, input: 'Hi' }).catch((error: unknown) => error)) as {
      status: number;
      error: { type: string; message: string };
    };
    expect([failed.status, failed.error.type]).toEqual([400, 'invalid_request_error']);
    expect(failed.error.message.length).toBeGreaterThan(20);
  });

  test('an error in the middle of a stream is one to the SDK', async () => {
    behind(model).next.push({ kind: 'error-event', after: 2 });
    const stream = await gpt.responses.create({ model, input: 'count to 9', stream: true });
    const seen: string[] = [];
    for await (const event of failing(stream)) seen.push(typeof event === 'string' ? event : event.type);
    expect(seen.at(-1)).toMatch(/^(response\.failed|error)$/);
    expect(seen).not.toContain('response.completed');
  });

  test('a stream that stops short ends in one failure', async () => {
    behind(model).next.push({ kind: 'missing-end' });
    const stream = await gpt.responses.create({ model, input: 'count to 9', stream: true });
    const seen: string[] = [];
    // The SDK throws on an `error` event, and gives out a `response.failed` like any other.
    for await (const event of failing(stream)) seen.push(typeof event === 'string' ? event : event.type);
    const ends = seen.filter((type) => /^(response\.(completed|incomplete|failed)|error)$/.test(type));
    expect(ends).toHaveLength(1);
    expect(seen.at(-1)).toBe(ends[0]!);
  });

  test('leaving ends the call to the provider', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    behind(model).next.push({ kind: 'pause', after: 2, until: promise });
    const stream = await gpt.responses.create({ model, input: 'count to 9', stream: true });
    for await (const event of stream) if (event.type === 'response.output_text.delta') break;
    const received = behind(model).accepted.at(-1)!;
    stream.controller.abort();
    await received.left;
    expect(received.abandoned).toBe(true);
    resolve();
  });
});

describe('a conversation that moves between providers', () => {
  test('keeps its words and its calls, and gives each provider back only its own thoughts', async () => {
    const asking = {
      tools,
      store: false,
      max_output_tokens: 4_000,
      reasoning: { effort: 'high' as const, summary: 'auto' as const },
      include: ['reasoning.encrypted_content' as const],
    };
    let input: Item[] = [];
    for (const model of [
      'claude-sim',
      'resp-sim',
      'gpt-sim',
      'codex-sim',
      'gemini-3-sim',
      'resp-sim',
      'claude-sim',
    ]) {
      input = [...input, user('use the tool weather')];
      const first = await gpt.responses.create({ ...asking, model, input });
      input = [...input, ...replayed(first), ...answers(first, () => `sunny by ${model}`)];
      const second = await gpt.responses.create({ ...asking, model, input });
      expect(second.output_text).toBe(`The tool said: sunny by ${model}`);
      input = [...input, ...replayed(second)];
    }
  });
});

describe('compaction', () => {
  const input = [user('I live in Paris.'), { role: 'assistant' as const, content: 'Noted.' }];

  test.each(['/v1/responses/compact', '/backend-api/codex/responses/compact'])('%s', async (path) => {
    const answer = await post(path, { model: 'resp-sim', input });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      object: 'response.compaction',
      output: [{ type: 'compaction' }],
    });
  });

  test('is never streamed, and names who could do it where it cannot be done', async () => {
    const streamed = await post('/v1/responses/compact', { model: 'resp-sim', input, stream: true });
    expect([streamed.status, await streamed.text()]).toEqual([400, expect.stringContaining('Streaming not')]);
    const other = await post('/v1/responses/compact', { model: 'claude-sim', input });
    expect(other.status).toBe(400);
    expect(await other.text()).toMatch(/\b(?:resp|codex)-sim\b/);
  });

  const post = (path: string, body: object) =>
    fetch(it.program.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${clientKey}` },
      body: JSON.stringify(body),
    });
});

// ---------------------------------------------------------------------------------------------- the other clients

describe.each(['resp-sim', 'codex-sim'])('chat client, %s', (model) => {
  const asked = (content: OpenAI.ChatCompletionUserMessageParam['content']) => ({
    role: 'user' as const,
    content,
  });
  const chatTools = tools.map(({ name, parameters }) => ({
    type: 'function' as const,
    function: { name, parameters },
  }));

  test('text, whole and streamed', async () => {
    const reply = await gpt.chat.completions.create({
      model,
      messages: [{ role: 'system', content: 'Be brief.' }, asked('Grüße, 世界 😀')],
    });
    expect(reply.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'You said: Grüße, 世界 😀' },
    });
    expect(reply.usage).toMatchObject({ prompt_tokens: 11, prompt_tokens_details: { cached_tokens: 3 } });
    const stream = gpt.chat.completions.stream({
      model,
      messages: [asked('count to 30')],
      stream_options: { include_usage: true },
    });
    expect((await stream.finalContent())?.split(' ')).toHaveLength(30);
    expect((await stream.totalUsage()).completion_tokens).toBe(30);
  });

  test('tools in parallel, streamed, with thinking, the full loop', async () => {
    const asking = { model, tools: chatTools, reasoning_effort: 'high' as const };
    const messages = [asked('use the tools weather and news')];
    const first = await gpt.chat.completions.stream({ ...asking, messages }).finalChatCompletion();
    const { message, finish_reason } = first.choices[0]!;
    expect(finish_reason).toBe('tool_calls');
    expect(message.tool_calls).toHaveLength(2);
    const results = message.tool_calls!.map(({ id }, index) => ({
      role: 'tool' as const,
      tool_call_id: id,
      content: `result ${index}`,
    }));
    const second = await gpt.chat.completions.create({
      ...asking,
      messages: [...messages, message, ...results],
    });
    expect(second.choices[0]?.message.content).toBe('The tool said: result 0, result 1');
  });

  test('pictures, structured output, a limit and a refusal', async () => {
    const url = `data:image/png;base64,${png}`;
    const seen = await gpt.chat.completions.create({
      model,
      messages: [asked([{ type: 'image_url', image_url: { url } }])],
    });
    expect(seen.choices[0]?.message.content).toBe('I see an image/png of 70 bytes.');
    const trip = await gpt.chat.completions.create({
      model,
      messages: [asked('Where to?')],
      response_format: { type: 'json_schema', json_schema: { name: 'trip', schema, strict: true } },
    });
    expect(JSON.parse(trip.choices[0]!.message.content!)).toEqual(sample);
    const short = await gpt.chat.completions.create({
      model,
      messages: [asked('count to 40')],
      max_tokens: 5,
    });
    // OpenAI writes at least 16 tokens; ChatGPT's backend takes no limit.
    expect(short.choices[0]?.finish_reason).toBe(model === 'codex-sim' ? 'stop' : 'length');
    const refused = await gpt.chat.completions.create({ model, messages: [asked('refuse')] });
    expect(refused.choices[0]?.message.refusal).toBe('I cannot help with that.');
  });

  test('an error, whole and in the middle of a stream', async () => {
    behind('resp-sim').next.push({ kind: 'status', status: 400 });
    const failed = await failureOf(gpt.chat.completions.create({ model, messages: [asked('Hi')] }));
    expect(failed).toMatchObject({ status: 400 });
    behind('resp-sim').next.push({ kind: 'error-event', after: 2 });
    const stream = gpt.chat.completions.stream({ model, messages: [asked('count to 9')] });
    await expect(stream.finalContent()).rejects.toThrow(/error/);
  });
});

describe.each(['resp-sim', 'codex-sim'])('messages client, %s', (model) => {
  const asked = (content: Anthropic.MessageParam['content']) => ({ role: 'user' as const, content });
  const claudeTools = tools.map(({ name, parameters }) => ({ name, input_schema: parameters }));
  const asking = { model, max_tokens: 4_000, tools: claudeTools };

  test('text, whole and streamed', async () => {
    const reply = await claude.messages.create({
      model,
      max_tokens: 100,
      system: 'Be brief.',
      messages: [asked('Grüße, 世界 😀')],
    });
    expect(reply).toMatchObject({
      stop_reason: 'end_turn',
      content: [{ type: 'text', text: 'You said: Grüße, 世界 😀' }],
      usage: { input_tokens: 8, cache_read_input_tokens: 3 },
    });
    const stream = claude.messages.stream({ model, max_tokens: 100, messages: [asked('count to 30')] });
    expect((await stream.finalText()).split(' ')).toHaveLength(30);
  });

  test('thinking and tools, whole and streamed: the thoughts come back sealed', async () => {
    const thinking = { type: 'enabled' as const, budget_tokens: 2_000 };
    const messages = [asked('use the tools weather and news')];
    const first = await claude.messages.stream({ ...asking, thinking, messages }).finalMessage();
    expect(first.stop_reason).toBe('tool_use');
    expect(first.content.map(({ type }) => type)).toEqual(['thinking', 'text', 'tool_use', 'tool_use']);
    const results = first.content.flatMap((block) =>
      block.type === 'tool_use'
        ? [{ type: 'tool_result' as const, tool_use_id: block.id, content: `result of ${block.name}` }]
        : [],
    );
    const second = await claude.messages.create({
      ...asking,
      thinking,
      messages: [...messages, { role: 'assistant', content: first.content }, asked(results)],
    });
    expect(second.content.at(-1)).toMatchObject({
      type: 'text',
      text: 'The tool said: result of weather, result of news',
    });
    expect(behind('resp-sim').accepted.at(-1)?.body).toContain('"encrypted_content":"gAAAAAB');
  });

  test('a result with a picture, and a failed one', async () => {
    const call = (id: string, name: string) => ({ type: 'tool_use' as const, id, name, input: sample });
    const source = { type: 'base64' as const, media_type: 'image/png' as const, data: png };
    const reply = await claude.messages.create({
      ...asking,
      messages: [
        asked('Look.'),
        { role: 'assistant', content: [call('toolu_1', 'weather'), call('toolu_2', 'news')] },
        asked([
          { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'image', source }] },
          { type: 'tool_result', tool_use_id: 'toolu_2', content: 'offline', is_error: true },
        ]),
      ],
    });
    expect(reply.content[0]).toMatchObject({ text: 'The tool said: , Error: offline' });
    expect(behind('resp-sim').accepted.at(-1)?.body).toContain('"input_image"');
  });

  test('a limit and a refusal', async () => {
    const short = await claude.messages.create({
      ...asking,
      max_tokens: 5,
      messages: [asked('count to 40')],
    });
    expect(short.stop_reason).toBe(model === 'codex-sim' ? 'end_turn' : 'max_tokens');
    const refused = await claude.messages.create({ ...asking, messages: [asked('refuse')] });
    expect(refused.stop_reason).toBe('refusal');
  });

  test('an error, and leaving', async () => {
    behind('resp-sim').next.push({ kind: 'status', status: 400 });
    const failed = await failureOf(claude.messages.create({ ...asking, messages: [asked('Hi')] }));
    expect(failed).toMatchObject({ status: 400 });
    const { promise, resolve } = Promise.withResolvers<void>();
    behind('resp-sim').next.push({ kind: 'pause', after: 2, until: promise });
    const stream = claude.messages.stream({ ...asking, messages: [asked('count to 9')] });
    for await (const event of stream) if (event.type === 'content_block_delta') break;
    stream.abort();
    const received = behind('resp-sim').accepted.at(-1)!;
    await received.left;
    expect(received.abandoned).toBe(true);
    resolve();
  });
});
