import Anthropic from '@anthropic-ai/sdk';
import { type Content, GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';

/** One client in each protocol, by its vendor's own SDK, all able to do the same things. */
export interface Speaker {
  readonly protocol: string;
  say(model: string, text: string): Promise<string>;
  /** The pieces of a streamed answer. */
  stream(model: string, text: string): Promise<readonly string[]>;
  /** Asks for the tool `look`, answers its call with `sunny`, and gives the calls and what came in the end. */
  loop(model: string): Promise<{ readonly calls: readonly unknown[]; readonly text: string }>;
  /** Shows a picture. */
  show(model: string, png: string): Promise<string>;
}

const schema = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] };
const ask = 'use the tool look';

/** @param key the client's. */
export const speakers = (url: string, key: string): readonly Speaker[] => [
  chat(url, key),
  responses(url, key),
  messages(url, key),
  gemini(url, key),
];

const openai = (baseURL: string, apiKey: string) =>
  new OpenAI({ apiKey, baseURL: `${baseURL}/v1`, maxRetries: 0 });

function chat(url: string, key: string): Speaker {
  const sdk = openai(url, key).chat.completions;
  const tools = [{ type: 'function' as const, function: { name: 'look', parameters: schema } }];
  const one = async (model: string, content: OpenAI.ChatCompletionUserMessageParam['content']) => {
    const answer = await sdk.create({ model, messages: [{ role: 'user', content }] });
    return answer.choices[0]!.message.content ?? '';
  };
  return {
    protocol: 'openai-chat',
    say: one,
    async stream(model, text) {
      const pieces: string[] = [];
      const said = await sdk.create({ model, stream: true, messages: [{ role: 'user', content: text }] });
      for await (const chunk of said) pieces.push(chunk.choices[0]?.delta.content ?? '');
      return pieces.filter((piece) => piece !== '');
    },
    async loop(model) {
      const said: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: ask }];
      const first = (await sdk.create({ model, messages: said, tools })).choices[0]!.message;
      const calls = first.tool_calls ?? [];
      const results = calls.map(({ id }) => ({ role: 'tool' as const, tool_call_id: id, content: 'sunny' }));
      const second = await sdk.create({ model, messages: [...said, first, ...results], tools });
      const parsed = calls.map((call) => call.type === 'function' && JSON.parse(call.function.arguments));
      return { calls: parsed, text: second.choices[0]!.message.content ?? '' };
    },
    show: (model, png) =>
      one(model, [{ type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } }]),
  };
}

function responses(url: string, key: string): Speaker {
  const sdk = openai(url, key).responses;
  const tools = [{ type: 'function' as const, name: 'look', parameters: schema, strict: false }];
  return {
    protocol: 'openai-responses',
    say: async (model, input) => (await sdk.create({ model, input })).output_text,
    async stream(model, input) {
      const pieces: string[] = [];
      for await (const event of await sdk.create({ model, input, stream: true }))
        if (event.type === 'response.output_text.delta') pieces.push(event.delta);
      return pieces;
    },
    async loop(model) {
      const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: ask }];
      const first = await sdk.create({ model, input, tools });
      const calls = first.output.filter((item) => item.type === 'function_call');
      const results = calls.map(({ call_id }) => ({
        type: 'function_call_output' as const,
        call_id,
        output: 'sunny',
      }));
      const said = first.output as OpenAI.Responses.ResponseInput;
      const second = await sdk.create({ model, input: [...input, ...said, ...results], tools });
      return { calls: calls.map((call) => JSON.parse(call.arguments)), text: second.output_text };
    },
    async show(model, png) {
      const image = { type: 'input_image' as const, detail: 'auto' as const };
      const content = [{ ...image, image_url: `data:image/png;base64,${png}` }];
      return (await sdk.create({ model, input: [{ role: 'user', content }] })).output_text;
    },
  };
}

function messages(url: string, key: string): Speaker {
  const sdk = new Anthropic({ apiKey: key, baseURL: url, maxRetries: 0 }).messages;
  const tools = [{ name: 'look', input_schema: schema }];
  const textOf = ({ content }: Anthropic.Message) =>
    content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  const create = (model: string, said: Anthropic.MessageParam[], more: object = {}) =>
    sdk.create({ model, max_tokens: 1_000, messages: said, ...more }) as Promise<Anthropic.Message>;
  return {
    protocol: 'anthropic-messages',
    say: async (model, content) => textOf(await create(model, [{ role: 'user', content }])),
    async stream(model, content) {
      const pieces: string[] = [];
      const said = sdk.stream({ model, max_tokens: 1_000, messages: [{ role: 'user', content }] });
      for await (const event of said)
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta')
          pieces.push(event.delta.text);
      return pieces;
    },
    async loop(model) {
      const said: Anthropic.MessageParam[] = [{ role: 'user', content: ask }];
      const { content } = await create(model, said, { tools });
      const calls = content.filter((block) => block.type === 'tool_use');
      const results = calls.map(({ id }) => ({
        type: 'tool_result' as const,
        tool_use_id: id,
        content: 'sunny',
      }));
      const history: Anthropic.MessageParam[] = [
        ...said,
        { role: 'assistant', content },
        { role: 'user', content: results },
      ];
      return {
        calls: calls.map(({ input }) => input),
        text: textOf(await create(model, history, { tools })),
      };
    },
    async show(model, data) {
      const source = { type: 'base64' as const, media_type: 'image/png' as const, data };
      return textOf(await create(model, [{ role: 'user', content: [{ type: 'image', source }] }]));
    },
  };
}

function gemini(url: string, key: string): Speaker {
  const sdk = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } }).models;
  const tools = [{ functionDeclarations: [{ name: 'look', parametersJsonSchema: schema }] }];
  const config = { maxOutputTokens: 1_000 };
  return {
    protocol: 'gemini',
    say: async (model, contents) => (await sdk.generateContent({ model, contents, config })).text ?? '',
    async stream(model, contents) {
      const pieces: string[] = [];
      for await (const chunk of await sdk.generateContentStream({ model, contents, config }))
        pieces.push(chunk.text ?? '');
      return pieces.filter((piece) => piece !== '');
    },
    async loop(model) {
      const user: Content = { role: 'user', parts: [{ text: ask }] };
      const first = await sdk.generateContent({ model, contents: [user], config: { tools } });
      const calls = first.functionCalls ?? [];
      const parts = calls.map(({ id, name }) => ({
        functionResponse: { ...(id ? { id } : {}), name: name!, response: { result: 'sunny' } },
      }));
      const contents = [user, first.candidates![0]!.content!, { role: 'user', parts }];
      const second = await sdk.generateContent({ model, contents, config: { tools } });
      return { calls: calls.map(({ args }) => args), text: second.text ?? '' };
    },
    async show(model, data) {
      const contents = [{ inlineData: { mimeType: 'image/png', data } }];
      return (await sdk.generateContent({ model, contents })).text ?? '';
    },
  };
}
