import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogle } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import {
  APICallError,
  generateText,
  isStepCount,
  jsonSchema,
  type LanguageModel,
  Output,
  streamText,
  tool,
} from 'ai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { clientKey } from '../support/binary.ts';
import { everyUpstream, models, png, sample, schema, thought, type Upstreams } from './upstreams.ts';

/** The AI SDK with its three provider packages, in all four client protocols, against every upstream format. */

let it: Upstreams;
beforeAll(async () => {
  it = await everyUpstream();
});
afterAll(() => it?.stop());
/** Whatever a test asked for, the provider must never have had a reason to refuse what the gateway made of it. */
afterEach(() => expect(it.settle()).toEqual([]));

const key = () => ({ apiKey: clientKey, baseURL: `${it.program.url}/v1` });

/** How each package is told to think. */
const clients = {
  'openai chat': {
    model: (name: string) => createOpenAI(key()).chat(name),
    thinking: { openai: { reasoningEffort: 'high', forceReasoning: true } },
    // The package reads no thoughts from Chat, which has no official field for them.
    hearsThoughts: false,
  },
  'openai responses': {
    model: (name: string) => createOpenAI(key()).responses(name),
    thinking: { openai: { reasoningEffort: 'high', reasoningSummary: 'auto', forceReasoning: true } },
    hearsThoughts: true,
  },
  anthropic: {
    model: (name: string) => createAnthropic(key())(name),
    thinking: { anthropic: { thinking: { type: 'adaptive', display: 'summarized' }, effort: 'high' } },
    hearsThoughts: true,
  },
  google: {
    model: (name: string) => createGoogle({ apiKey: clientKey, baseURL: `${it.program.url}/v1beta` })(name),
    thinking: { google: { thinkingConfig: { thinkingBudget: 2_000, includeThoughts: true } } },
    hearsThoughts: true,
  },
} as const;

const names = Object.keys(clients) as (keyof typeof clients)[];
const pairs = names.flatMap((client) => models.map((model) => [client, model] as const));

/** Both ways to ask, with what matters of the answer. */
const ways = {
  async whole(options: Parameters<typeof generateText>[0]) {
    const { text, reasoningText, finishReason, steps, usage } = await generateText(options);
    return { text, reasoningText, finishReason, steps, usage, pieces: [text] };
  },
  async streamed(options: Parameters<typeof generateText>[0]) {
    const stream = streamText({ ...options, onError: () => {} } as Parameters<typeof streamText>[0]);
    const pieces: string[] = [];
    for await (const piece of stream.textStream) pieces.push(piece);
    const [text, reasoningText, finishReason, steps, usage] = await Promise.all([
      stream.text,
      stream.reasoningText,
      stream.finishReason,
      stream.steps,
      stream.usage,
    ]);
    return { text, reasoningText, finishReason, steps, usage, pieces };
  },
};

/** A tool that answers with what it was asked. */
const echoing = () => tool({ inputSchema: jsonSchema<typeof sample>(schema), execute: ({ city }) => city });

describe.each(pairs)('%s client, %s', (client, name) => {
  const { thinking, hearsThoughts } = clients[client];
  const options = (): { model: LanguageModel; maxRetries: 0 } => ({
    model: clients[client].model(name),
    maxRetries: 0,
  });

  /** What the model is told of a tool's result; the Google package wraps it, and only Gemini is to unwrap it itself. */
  const toldOf = (toolName: string): string =>
    client === 'google' && name === 'gemini-3-sim'
      ? JSON.stringify({ name: toolName, content: sample.city })
      : sample.city;

  describe.each(['whole', 'streamed'] as const)('%s', (way) => {
    test('text', async () => {
      const said = await ways[way]({ ...options(), instructions: 'Be brief.', prompt: 'count to 30' });
      expect(said.text).toBe(Array.from({ length: 30 }, (_, index) => index + 1).join(' '));
      expect(said.finishReason).toBe('stop');
      expect(said.usage.outputTokens).toBe(30);
      if (way === 'streamed') expect(said.pieces.length).toBeGreaterThan(10);
    });

    test('tools in parallel, the whole loop', async () => {
      const said = await ways[way]({
        ...options(),
        tools: { weather: echoing(), news: echoing() },
        stopWhen: isStepCount(3),
        prompt: 'use the tools weather and news',
      });
      expect(said.steps.length).toBe(2);
      expect(said.steps[0]!.toolCalls.map(({ toolName, input }) => [toolName, input as unknown])).toEqual([
        ['weather', sample],
        ['news', sample],
      ]);
      expect(said.steps[0]!.finishReason).toBe('tool-calls');
      expect(said.text).toBe(`The tool said: ${toldOf('weather')}, ${toldOf('news')}`);
    });

    test('thinking across a tool loop', async () => {
      const said = await ways[way]({
        ...options(),
        providerOptions: thinking,
        tools: { weather: echoing() },
        stopWhen: isStepCount(3),
        prompt: 'use the tool weather',
      });
      expect(said.text).toBe(`The tool said: ${toldOf('weather')}`);
      if (hearsThoughts) expect(said.steps[0]!.reasoningText).toBe(thought);
    });

    test('structured output', async () => {
      const { text } = await ways[way]({
        ...options(),
        output: Output.object({ schema: jsonSchema(schema) }),
        // Where the package does not know the model, it asks for a tool of this name instead.
        prompt: 'Where to? Then use the tool json.',
      });
      expect(JSON.parse(text)).toEqual(sample);
    });

    test('a token limit', async () => {
      const said = await ways[way]({ ...options(), maxOutputTokens: 16, prompt: 'count to 40' });
      // ChatGPT's backend knows no limit.
      const limited = name !== 'codex-sim';
      expect(said.finishReason).toBe(limited ? 'length' : 'stop');
      expect(said.text.trim().split(' ').length).toBe(limited ? 16 : 40);
    });
  });

  test('a picture', async () => {
    const { text } = await generateText({
      ...options(),
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is it?' },
            { type: 'file', mediaType: 'image/png', data: png },
          ],
        },
      ],
    });
    expect(text).toBe('I see an image/png of 70 bytes.');
  });

  test('a refused request is an API error with its status and its words', async () => {
    it.behind(name).always = { kind: 'status', status: 400 };
    const thrown = await generateText({ ...options(), prompt: 'Hi' }).catch((error: unknown) => error);
    expect(APICallError.isInstance(thrown)).toBe(true);
    expect((thrown as APICallError).statusCode).toBe(400);
    expect((thrown as APICallError).message.length).toBeGreaterThan(10);
  });

  test('leaving ends the call to the provider', async () => {
    const upstream = it.behind(name);
    upstream.next.push({ kind: 'hang', when: 'mid-body', after: 2 });
    const leaving = new AbortController();
    const stream = streamText({
      ...options(),
      prompt: 'count to 30',
      abortSignal: leaving.signal,
      onError: () => {},
    });
    for await (const piece of stream.textStream) if (piece !== '') leaving.abort();
    const [asked] = upstream.accepted;
    await asked!.left;
    expect(asked!.abandoned).toBe(true);
  });
});
