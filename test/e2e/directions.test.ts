import type Anthropic from '@anthropic-ai/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import type OpenAI from 'openai';
import { cleanUp } from '../support/binary.ts';
import { ask, behind, directions, gateway, type Gateway } from './gateway.ts';

/** The official SDKs through the binary to both providers: every pair carries everything both of them can say. */

let it: Gateway;
beforeAll(async () => {
  it = await gateway();
});
afterAll(() => it?.stop());
afterAll(cleanUp);
/** Whatever a test asked for, the provider must never have had a reason to refuse what the gateway made of it. */
afterEach(() => {
  const refused = [...it.openai.refused, ...it.anthropic.refused];
  it.openai.reset();
  it.anthropic.reset();
  expect(refused).toEqual([]);
});

const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const schema = {
  type: 'object' as const,
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city', 'days'],
  additionalProperties: false,
};
const sample = { city: 'Zürich "quoted" 😀', days: 7 };

for (const model of ['gpt-sim', 'claude-sim'] as const) {
  describe(`openai client, ${model}`, () => {
    const user = (content: OpenAI.ChatCompletionUserMessageParam['content']) => ({
      role: 'user' as const,
      content,
    });
    const tools = ['weather', 'news'].map((name) => ({
      type: 'function' as const,
      function: { name, parameters: schema },
    }));

    test('text', async () => {
      const reply = await it.gpt.chat.completions.create({
        model,
        messages: [{ role: 'system', content: 'Be brief.' }, user('Grüße, 世界 😀')],
      });
      expect(reply.choices[0]).toMatchObject({
        finish_reason: 'stop',
        message: { content: 'You said: Grüße, 世界 😀' },
      });
      expect(reply.usage).toMatchObject({ prompt_tokens: 11, prompt_tokens_details: { cached_tokens: 3 } });
      expect(reply.usage!.total_tokens).toBe(reply.usage!.prompt_tokens + reply.usage!.completion_tokens);
    });

    test('streaming, word by word, with usage when asked for', async () => {
      const stream = await it.gpt.chat.completions.create({
        model,
        stream: true,
        stream_options: { include_usage: true },
        messages: [user('count to 30')],
      });
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      const words = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').filter(Boolean);
      expect(words.join('').split(' ').length).toBe(30);
      expect(words.length).toBeGreaterThan(10);
      expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
      expect(chunks.filter((chunk) => chunk.choices[0]?.finish_reason).length).toBe(1);
      expect(chunks.filter((chunk) => chunk.usage).length).toBe(1);
      expect(chunks.at(-1)?.usage?.completion_tokens).toBe(30);
    });

    test('streaming without asking for usage gets none', async () => {
      const stream = await it.gpt.chat.completions.create({
        model,
        stream: true,
        messages: [user('say a b c')],
      });
      for await (const chunk of stream) expect(chunk.usage ?? null).toBeNull();
    });

    test('tools, the full loop', async () => {
      const first = await it.gpt.chat.completions.create({
        model,
        tools,
        messages: [user('use the tool weather')],
      });
      expect(first.choices[0]?.finish_reason).toBe('tool_calls');
      const message = first.choices[0]!.message;
      const [call] = message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
      expect(JSON.parse(call!.function.arguments)).toEqual(sample);
      const second = await it.gpt.chat.completions.create({
        model,
        tools,
        messages: [
          user('use the tool weather'),
          message,
          { role: 'tool', tool_call_id: call!.id, content: 'sunny' },
        ],
      });
      expect(second.choices[0]).toMatchObject({
        finish_reason: 'stop',
        message: { content: 'The tool said: sunny' },
      });
    });

    test('parallel tools, streamed, the full loop', async () => {
      const asked = user('use the tools weather and news');
      const final = await it.gpt.chat.completions
        .stream({ model, tools, messages: [asked] })
        .finalChatCompletion();
      const message = final.choices[0]!.message;
      expect(
        message.tool_calls?.map((call) => [call.type, 'function' in call ? call.function.name : '']),
      ).toEqual([
        ['function', 'weather'],
        ['function', 'news'],
      ]);
      expect(new Set(message.tool_calls?.map((call) => call.id)).size).toBe(2);
      const results = message.tool_calls!.map((call, index) => ({
        role: 'tool' as const,
        tool_call_id: call.id,
        content: `result ${index}`,
      }));
      const second = it.gpt.chat.completions.stream({ model, tools, messages: [asked, message, ...results] });
      expect(await second.finalContent()).toBe('The tool said: result 0, result 1');
    });

    test('tool choice: a named tool and none', async () => {
      for (const tool_choice of [
        { type: 'function' as const, function: { name: 'news' } },
        'none' as const,
        'required' as const,
      ])
        await it.gpt.chat.completions.create({ model, tools, tool_choice, messages: [user('Hi')] });
      const sent = behind(it, { client: 'openai-chat', model }).accepted.map(
        ({ json }) => json.tool_choice as unknown,
      );
      expect(sent).toEqual(
        model === 'gpt-sim'
          ? [{ type: 'function', function: { name: 'news' } }, 'none', 'required']
          : [{ type: 'tool', name: 'news' }, { type: 'none' }, { type: 'any' }],
      );
    });

    test('thinking, also across a tool loop', async () => {
      const asked = user('use the tool weather');
      const asking = { model, tools, reasoning_effort: 'high' as const };
      const first = await it.gpt.chat.completions.create({ ...asking, messages: [asked] });
      const message = first.choices[0]!.message as OpenAI.ChatCompletionMessage & {
        reasoning_content?: string;
      };
      expect(message.reasoning_content).toBe('Let me think about it. 🤔');
      const [call] = message.tool_calls!;
      const second = await it.gpt.chat.completions.create({
        ...asking,
        messages: [asked, message, { role: 'tool', tool_call_id: call!.id, content: 'sunny' }],
      });
      expect(second.choices[0]?.message.content).toBe('The tool said: sunny');
      const stream = await it.gpt.chat.completions.create({
        model,
        stream: true,
        reasoning_effort: 'high',
        messages: [user('say it')],
      });
      let thought = '';
      for await (const chunk of stream)
        thought +=
          (chunk.choices[0]?.delta as { reasoning_content?: string } | undefined)?.reasoning_content ?? '';
      expect(thought).toBe('Let me think about it. 🤔');
    });

    test('images, in place and by URL', async () => {
      const image = (url: string) => ({ type: 'image_url' as const, image_url: { url } });
      const reply = await it.gpt.chat.completions.create({
        model,
        messages: [
          user([
            { type: 'text', text: 'What is it?' },
            image(`data:image/png;base64,${png}`),
            image('https://example.com/a.png'),
          ]),
        ],
      });
      expect(reply.choices[0]?.message.content).toBe(
        'I see an image/png of 70 bytes. I see an image/url of 25 bytes.',
      );
    });

    test('structured output', async () => {
      const reply = await it.gpt.chat.completions.create({
        model,
        messages: [user('Where to?')],
        response_format: { type: 'json_schema', json_schema: { name: 'trip', schema, strict: true } },
      });
      expect(JSON.parse(reply.choices[0]!.message.content!)).toEqual(sample);
    });

    test('a token limit and a refusal', async () => {
      const short = await it.gpt.chat.completions.create({
        model,
        max_completion_tokens: 5,
        messages: [user('count to 9')],
      });
      expect(short.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: '1 2 3 4 5 ' } });
      const refused = await it.gpt.chat.completions.create({ model, messages: [user('please refuse')] });
      const { message } = refused.choices[0]!;
      expect(`${message.refusal ?? ''}${message.content ?? ''}`).toBe('I cannot help with that.');
    });

    test('legacy completions', async () => {
      const reply = await it.gpt.completions.create({ model, prompt: 'say hello there', max_tokens: 50 });
      expect(reply).toMatchObject({
        object: 'text_completion',
        choices: [{ text: 'hello there', finish_reason: 'stop' }],
      });
      let text = '';
      for await (const chunk of await it.gpt.completions.create({
        model,
        prompt: 'say hello there',
        max_tokens: 50,
        stream: true,
      }))
        text += chunk.choices[0]?.text ?? '';
      expect(text).toBe('hello there');
    });
  });

  describe(`anthropic client, ${model}`, () => {
    const user = (content: Anthropic.MessageParam['content']) => ({ role: 'user' as const, content });
    const tools = ['weather', 'news'].map((name) => ({ name, input_schema: schema }));
    const usesOf = (message: Anthropic.Message) =>
      message.content.filter((block) => block.type === 'tool_use');
    const textOf = (message: Anthropic.Message) =>
      message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');

    test('text', async () => {
      const reply = await it.claude.messages.create({
        model,
        max_tokens: 100,
        system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
        messages: [user('Grüße, 世界 😀')],
      });
      expect(reply).toMatchObject({ type: 'message', role: 'assistant', stop_reason: 'end_turn' });
      expect(textOf(reply)).toBe('You said: Grüße, 世界 😀');
      expect(reply.usage).toMatchObject({ input_tokens: 8, cache_read_input_tokens: 3 });
    });

    test('streaming, word by word', async () => {
      const events: Anthropic.MessageStreamEvent[] = [];
      const stream = await it.claude.messages.create({
        model,
        max_tokens: 100,
        stream: true,
        messages: [user('count to 30')],
      });
      for await (const event of stream) events.push(event);
      const deltas = events.filter((event) => event.type === 'content_block_delta');
      expect(deltas.length).toBeGreaterThan(10);
      expect(events[0]?.type).toBe('message_start');
      expect(events.at(-1)?.type).toBe('message_stop');
      const ending = events.findLast((event) => event.type === 'message_delta');
      expect(ending).toMatchObject({ delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 30 } });
    });

    test('tools, the full loop, with a failed result', async () => {
      const asked = user('use the tool weather');
      const first = await it.claude.messages.create({ model, max_tokens: 200, tools, messages: [asked] });
      expect(first.stop_reason).toBe('tool_use');
      const [use] = usesOf(first);
      expect(use).toMatchObject({ name: 'weather', input: sample });
      const second = await it.claude.messages.create({
        model,
        max_tokens: 200,
        tools,
        messages: [
          asked,
          { role: 'assistant', content: first.content },
          user([
            {
              type: 'tool_result',
              tool_use_id: use!.id,
              content: [{ type: 'text', text: 'no station' }],
              is_error: true,
            },
          ]),
        ],
      });
      expect(textOf(second)).toMatch(/^The tool said: .*no station$/);
    });

    test('parallel tools, streamed, the full loop', async () => {
      const asked = user('use the tools weather and news');
      const first = await it.claude.messages
        .stream({ model, max_tokens: 200, tools, messages: [asked] })
        .finalMessage();
      expect(usesOf(first).map((use) => [use.name, use.input])).toEqual([
        ['weather', sample],
        ['news', sample],
      ]);
      const results = usesOf(first).map((use, index) => ({
        type: 'tool_result' as const,
        tool_use_id: use.id,
        content: `result ${index}`,
      }));
      const second = it.claude.messages.stream({
        model,
        max_tokens: 200,
        tools,
        messages: [
          asked,
          { role: 'assistant', content: first.content },
          user([...results, { type: 'text', text: 'Go on.' }]),
        ],
      });
      expect(await second.finalText()).toMatch(/^(The tool said: result 0, result 1|You said: Go on\.)$/);
    });

    test('thinking, also across a tool loop, with its signature', async () => {
      const thinking = { type: 'enabled' as const, budget_tokens: 2_000 };
      const asking = { model, max_tokens: 4_000, tools, thinking };
      const asked = user('use the tool weather');
      const first = await it.claude.messages.stream({ ...asking, messages: [asked] }).finalMessage();
      expect(first.content[0]).toMatchObject({ type: 'thinking', thinking: 'Let me think about it. 🤔' });
      const [use] = usesOf(first);
      const second = await it.claude.messages.create({
        ...asking,
        messages: [
          asked,
          { role: 'assistant', content: first.content },
          user([{ type: 'tool_result', tool_use_id: use!.id, content: 'sunny' }]),
        ],
      });
      expect(textOf(second)).toBe('The tool said: sunny');
      expect(second.content[0]?.type).toBe('thinking');
    });

    test('images, in place and by URL', async () => {
      const reply = await it.claude.messages.create({
        model,
        max_tokens: 100,
        messages: [
          user([
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } },
            { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
            { type: 'text', text: 'What is it?' },
          ]),
        ],
      });
      expect(textOf(reply)).toBe('I see an image/png of 70 bytes. I see an image/url of 25 bytes.');
    });

    test('structured output', async () => {
      const reply = await it.claude.messages.create({
        model,
        max_tokens: 100,
        messages: [user('Where to?')],
        output_config: { format: { type: 'json_schema', schema } },
      });
      expect(JSON.parse(textOf(reply))).toEqual(sample);
    });

    test('a token limit and a refusal', async () => {
      const short = await it.claude.messages.create({ model, max_tokens: 5, messages: [user('count to 9')] });
      expect([short.stop_reason, textOf(short)]).toEqual(['max_tokens', '1 2 3 4 5 ']);
      const refused = await it.claude.messages.create({
        model,
        max_tokens: 50,
        messages: [user('please refuse')],
      });
      expect([refused.stop_reason, textOf(refused)]).toEqual(['refusal', 'I cannot help with that.']);
    });

    test('counted tokens', async () => {
      const { input_tokens } = await it.claude.messages.countTokens({
        model,
        messages: [user('Hello there, how are you?')],
      });
      expect(input_tokens).toBeGreaterThan(4);
    });
  });
}

test('both SDKs list the models', async () => {
  const listed = (await it.gpt.models.list()).data.map((model) => model.id);
  expect(listed).toEqual(['claude-sim', 'gpt-sim']);
  expect((await it.claude.models.list()).data.map((model) => model.id)).toEqual(listed);
  expect((await it.gpt.models.retrieve('gpt-sim')).id).toBe('gpt-sim');
});

test.each([...directions])(
  'a wrong key and a wrong model are told in the words of the dialect: %j',
  async (direction) => {
    const { program } = it;
    const wrongKey = await ask(program, direction, 'Hi', { headers: { authorization: 'Bearer nope' } });
    const wrongModel = await ask(program, direction, 'Hi', { body: { model: 'gpt-simm' } });
    expect([wrongKey.status, wrongModel.status]).toEqual([401, 404]);
    for (const response of [wrongKey, wrongModel]) {
      const body = (await response.json()) as { type?: string; error: { message: string; type: string } };
      expect(body.error.message.length).toBeGreaterThan(20);
      expect(body.type).toBe(direction.client === 'anthropic-messages' ? 'error' : undefined);
      expect(JSON.stringify(body)).toContain(response.headers.get('x-request-id')!);
    }
  },
);
