import Anthropic from '@anthropic-ai/sdk';
import {
  FunctionCallingConfigMode,
  GoogleGenAI,
  type Content,
  type GenerateContentResponse,
  type Part,
} from '@google/genai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { clientKey } from '../support/binary.ts';
import { simulatorKey, type Simulator } from '../support/upstream.ts';
import { everyUpstream, models, type Upstreams } from './upstreams.ts';

/**
 * Google's SDK through the binary to every provider, and the other vendors' SDKs to Google. `gemini-3-sim` signs and
 * demands signatures, `gemini-2-sim` refuses what older models refuse, `vertex-3-sim` is Vertex AI.
 */

let it: Upstreams;
let google: Simulator;
let genai: GoogleGenAI;
beforeAll(async () => {
  it = await everyUpstream((googleUrl) =>
    [
      'vertex-api-key:',
      `  - api-key: ${simulatorKey}`,
      `    base-url: ${googleUrl}`,
      '    models: [{name: gemini-3-sim, alias: vertex-3-sim}]',
    ].join('\n'),
  );
  google = it.behind('gemini-3-sim');
  genai = new GoogleGenAI({ apiKey: clientKey, httpOptions: { baseUrl: it.program.url } });
});
afterAll(() => it?.stop());
/** Whatever a test asked for, the provider must never have had a reason to refuse what the gateway made of it. */
afterEach(() => expect(it.settle()).toEqual([]));

const behind = (model: string): Simulator => it.behind(model);

const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const schema = {
  type: 'object' as const,
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city', 'days'],
  additionalProperties: false,
};
const sample = { city: 'Zürich "quoted" 😀', days: 7 };
const tools = [
  { functionDeclarations: ['weather', 'news'].map((name) => ({ name, parametersJsonSchema: schema })) },
];
const user = (...parts: Part[]): Content => ({ role: 'user', parts });
const answers = (calls: GenerateContentResponse['functionCalls'], said: (index: number) => string): Content =>
  user(
    ...(calls ?? []).map(({ id, name }, index) => ({
      functionResponse: { ...(id ? { id } : {}), name: name!, response: { result: said(index) } },
    })),
  );
const thoughtsIn = (response: GenerateContentResponse): string =>
  (response.candidates?.[0]?.content?.parts ?? []).map((part) => (part.thought ? part.text : '')).join('');

async function collected(stream: AsyncIterable<GenerateContentResponse>): Promise<GenerateContentResponse[]> {
  const chunks: GenerateContentResponse[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const partsOf = (chunks: readonly GenerateContentResponse[]): Part[] =>
  chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? []);

describe.each([...models, 'gemini-2-sim', 'vertex-3-sim'])('google client, %s', (model) => {
  test('text', async () => {
    const reply = await genai.models.generateContent({
      model,
      contents: 'Grüße, 世界 😀',
      config: { systemInstruction: 'Be brief.', temperature: 0.5, stopSequences: ['###'] },
    });
    expect(reply.text).toBe('You said: Grüße, 世界 😀');
    expect(reply.candidates?.[0]?.finishReason as string).toBe('STOP');
    const { promptTokenCount, candidatesTokenCount, cachedContentTokenCount, totalTokenCount } =
      reply.usageMetadata!;
    expect([promptTokenCount, cachedContentTokenCount]).toEqual([11, 3]);
    expect(totalTokenCount).toBe(promptTokenCount! + candidatesTokenCount!);
  });

  test('streaming, word by word, with one reason and the usage at the end', async () => {
    const chunks = await collected(
      await genai.models.generateContentStream({ model, contents: 'count to 30' }),
    );
    expect(
      chunks
        .map((chunk) => chunk.text ?? '')
        .join('')
        .split(' '),
    ).toHaveLength(30);
    expect(chunks.length).toBeGreaterThan(10);
    expect(chunks.map((chunk) => chunk.candidates?.[0]?.finishReason as string).filter(Boolean)).toEqual([
      'STOP',
    ]);
    expect(chunks.at(-1)?.usageMetadata?.candidatesTokenCount).toBe(30);
    expect(new Set(chunks.map((chunk) => chunk.responseId)).size).toBe(1);
  });

  test('a chat over several turns, streamed and whole', async () => {
    const chat = genai.chats.create({ model });
    await collected(await chat.sendMessageStream({ message: 'say one two' }));
    expect((await chat.sendMessage({ message: 'say three' })).text).toBe('three');
    expect(chat.getHistory(true).filter(({ role }) => role === 'user')).toHaveLength(2);
    const last = behind(model).accepted.at(-1)!;
    expect(last.body).toContain('three');
    expect(last.body).toContain('one');
  });

  test('tools, the full loop', async () => {
    const asked = user({ text: 'use the tool weather' });
    const first = await genai.models.generateContent({ model, contents: [asked], config: { tools } });
    expect(first.functionCalls).toMatchObject([{ name: 'weather', args: sample }]);
    const second = await genai.models.generateContent({
      model,
      contents: [asked, first.candidates![0]!.content!, answers(first.functionCalls, () => 'sunny')],
      config: { tools },
    });
    expect(second.text).toBe('The tool said: sunny');
  });

  test('parallel tools, streamed, the full loop', async () => {
    const asked = user({ text: 'use the tools weather and news' });
    const config = { tools };
    const chunks = await collected(
      await genai.models.generateContentStream({ model, contents: [asked], config }),
    );
    const calls = chunks.flatMap((chunk) => chunk.functionCalls ?? []);
    expect(calls.map(({ name, args }) => [name, args])).toEqual([
      ['weather', sample],
      ['news', sample],
    ]);
    const said = { role: 'model', parts: partsOf(chunks) };
    const second = await genai.models.generateContentStream({
      model,
      contents: [asked, said, answers(calls, (index) => `result ${index}`)],
      config,
    });
    const text = (await collected(second)).map((chunk) => chunk.text ?? '').join('');
    expect(text).toBe('The tool said: result 0, result 1');
  });

  test('tool choice: none, one and any', async () => {
    for (const functionCallingConfig of [
      { mode: FunctionCallingConfigMode.NONE },
      { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['news'] },
      { mode: FunctionCallingConfigMode.ANY },
    ])
      await genai.models.generateContent({
        model,
        contents: 'Hi',
        config: { tools, toolConfig: { functionCallingConfig } },
      });
    expect(behind(model).accepted).toHaveLength(3);
  });

  test('pictures, in place and by URL', async () => {
    const reply = await genai.models.generateContent({
      model,
      contents: [
        user(
          { text: 'What is it?' },
          { inlineData: { mimeType: 'image/png', data: png } },
          { fileData: { mimeType: 'image/png', fileUri: 'https://example.com/a.png' } },
        ),
      ],
    });
    expect(reply.text).toBe('I see an image/png of 70 bytes. I see an image/url of 25 bytes.');
  });

  test('thinking, also across a tool loop', async () => {
    const asked = user({ text: 'use the tool weather' });
    const config = {
      tools,
      maxOutputTokens: 4_000,
      thinkingConfig: { includeThoughts: true, thinkingBudget: 2_000 },
    };
    const first = await genai.models.generateContent({ model, contents: [asked], config });
    expect(thoughtsIn(first)).toBe('Let me think about it. 🤔');
    const second = await genai.models.generateContent({
      model,
      contents: [asked, first.candidates![0]!.content!, answers(first.functionCalls, () => 'sunny')],
      config,
    });
    expect(second.text).toBe('The tool said: sunny');
    const chunks = await collected(
      await genai.models.generateContentStream({ model, contents: 'say it', config }),
    );
    expect(chunks.map(thoughtsIn).join('')).toBe('Let me think about it. 🤔');
  });

  test('structured output', async () => {
    const reply = await genai.models.generateContent({
      model,
      contents: 'Where to?',
      config: { responseMimeType: 'application/json', responseJsonSchema: schema },
    });
    expect(JSON.parse(reply.text!)).toEqual(sample);
  });

  test('a token limit and a refusal', async () => {
    // OpenAI's Responses write at least 16 tokens, and ChatGPT's backend knows no limit.
    const limited = model !== 'codex-sim';
    const short = await genai.models.generateContent({
      model,
      contents: 'count to 20',
      config: { maxOutputTokens: 16 },
    });
    expect(short.candidates?.[0]?.finishReason as string).toBe(limited ? 'MAX_TOKENS' : 'STOP');
    expect(short.text?.trim().split(' ')).toHaveLength(limited ? 16 : 20);
    const refused = await genai.models.generateContent({ model, contents: 'please refuse' });
    expect([refused.candidates?.[0]?.finishReason as string, refused.text]).toEqual([
      'SAFETY',
      'I cannot help with that.',
    ]);
  });

  test('counted tokens', async () => {
    const { totalTokens } = await genai.models.countTokens({
      model,
      contents: 'Hello there, how are you?',
    });
    if (behind(model) === google) expect(totalTokens).toBe(42);
    else expect(totalTokens).toBeGreaterThan(4);
  });

  test("a provider's error is told in Google's shape", async () => {
    behind(model).next.push({ kind: 'status', status: 400 });
    const failed = await genai.models
      .generateContent({ model, contents: 'Hi' })
      .catch((error: Error) => error);
    const { error } = JSON.parse((failed as Error).message) as {
      error: { code: number; status: string; message: string };
    };
    expect(error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' });
    expect(error.message.length).toBeGreaterThan(20);
  });

  test('an error in the middle of a stream is one to the SDK', async () => {
    behind(model).next.push({ kind: 'error-event', after: 2 });
    const stream = await genai.models.generateContentStream({ model, contents: 'count to 9' });
    await expect(collected(stream)).rejects.toThrow(/"code":\s*50/);
  });

  test('leaving ends the call to the provider', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    behind(model).next.push({ kind: 'pause', after: 2, until: promise });
    const abort = new AbortController();
    const stream = await genai.models.generateContentStream({
      model,
      contents: 'count to 9',
      config: { abortSignal: abort.signal },
    });
    await stream.next();
    const received = behind(model).accepted.at(-1)!;
    abort.abort();
    await received.left;
    expect(received.abandoned).toBe(true);
    resolve();
  });
});

describe('framing and other methods', () => {
  const ask = (target: string, body: unknown, query = '') =>
    fetch(`${it.program.url}/v1beta/models/${target}${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-goog-api-key': clientKey },
      body: JSON.stringify(body),
    });
  const contents = [user({ text: 'count to 9' })];

  test.each(['gpt-sim', 'gemini-3-sim'])('without alt=sse a stream of %s is a JSON array', async (model) => {
    const whole = await ask(`${model}:streamGenerateContent`, { contents });
    expect(whole.headers.get('content-type')).toContain('application/json');
    const chunks = (await whole.json()) as GenerateContentResponse[];
    expect(chunks.at(-1)?.candidates?.[0]?.finishReason as string).toBe('STOP');
    behind(model).next.push({ kind: 'error-event', after: 2 });
    const cut = (await (await ask(`${model}:streamGenerateContent`, { contents })).json()) as object[];
    expect(cut.at(-1)).toHaveProperty('error');
  });

  test('the path that Vertex clients use serves every model', async () => {
    const vertex = new GoogleGenAI({
      vertexai: true,
      apiKey: clientKey,
      httpOptions: { baseUrl: it.program.url },
    });
    for (const model of ['vertex-3-sim', 'claude-sim'])
      expect((await vertex.models.generateContent({ model, contents: 'Hi' })).text).toBe('You said: Hi');
  });

  test('embeddings go to the provider that has them', async () => {
    const { embeddings } = await genai.models.embedContent({ model: 'embed', contents: ['a', 'b'] });
    expect(embeddings).toMatchObject([{ values: [0.25, -0.5, 1] }, { values: [0.25, -0.5, 1] }]);
  });

  test('a whole request is counted as one', async () => {
    const body = { contents, systemInstruction: { parts: [{ text: 'Be brief.' }] } };
    expect(await (await ask('gemini-3-sim:countTokens', body)).json()).toMatchObject({ totalTokens: 42 });
    expect(await (await ask('vertex-3-sim:countTokens', body)).json()).toMatchObject({ totalTokens: 42 });
  });

  test('a wrong key, a wrong model and a wrong method are told in Google’s words', async () => {
    const wrong = new GoogleGenAI({ apiKey: 'nope', httpOptions: { baseUrl: it.program.url } });
    await expect(wrong.models.generateContent({ model: 'gpt-sim', contents: 'Hi' })).rejects.toThrow(
      'UNAUTHENTICATED',
    );
    await expect(genai.models.generateContent({ model: 'gemini-3-simm', contents: 'Hi' })).rejects.toThrow(
      'NOT_FOUND',
    );
    const response = await ask('gpt-sim:think', { contents });
    expect([response.status, await response.json()]).toMatchObject([404, { error: { status: 'NOT_FOUND' } }]);
  });
});

describe('other clients, gemini-3-sim', () => {
  const model = 'gemini-3-sim';
  const asked = { role: 'user' as const, content: 'use the tools weather and news' };

  test('OpenAI’s: parallel tools, streamed, with the signature brought back', async () => {
    const gpt = new OpenAI({ apiKey: clientKey, baseURL: `${it.program.url}/v1`, maxRetries: 0 });
    const functions = ['weather', 'news'].map((name) => ({
      type: 'function' as const,
      function: { name, parameters: schema },
    }));
    const asking = { model, tools: functions, reasoning_effort: 'high' as const };
    const first = await gpt.chat.completions.stream({ ...asking, messages: [asked] }).finalChatCompletion();
    const { message } = first.choices[0]!;
    expect(message.tool_calls?.map((call) => ('function' in call ? call.function.name : ''))).toEqual([
      'weather',
      'news',
    ]);
    const results = message.tool_calls!.map((call, index) => ({
      role: 'tool' as const,
      tool_call_id: call.id,
      content: `result ${index}`,
    }));
    const second = await gpt.chat.completions.create({
      ...asking,
      messages: [asked, message, ...results.toReversed()],
    });
    expect(second.choices[0]?.message.content).toBe('The tool said: result 0, result 1');
  });

  test('OpenAI’s: a schema of everything Gemini does not know', async () => {
    const gpt = new OpenAI({ apiKey: clientKey, baseURL: `${it.program.url}/v1`, maxRetries: 0 });
    const parameters = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: {
        Node: {
          type: 'object',
          properties: { next: { anyOf: [{ $ref: '#/$defs/Node' }, { type: 'null' }] } },
        },
      },
      properties: {
        node: { $ref: '#/$defs/Node' },
        kind: { const: 'a' },
        count: { type: ['integer', 'null'], exclusiveMinimum: 0 },
        map: { type: 'object', patternProperties: { '^x': {} }, additionalProperties: { type: 'string' } },
        tuple: { type: 'array', prefixItems: [{ type: 'string' }, { enum: [1, 2] }] },
      },
      required: ['node', 'gone'],
      additionalProperties: false,
    };
    const tool = { type: 'function' as const, function: { name: 'mcp.server/do it', parameters } };
    const reply = await gpt.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'Hi' }],
      tools: [tool],
      response_format: { type: 'json_schema', json_schema: { name: 'r', schema: parameters } },
    });
    expect(JSON.parse(reply.choices[0]!.message.content!)).toHaveProperty('node');
  });

  test('Anthropic’s: thinking across a tool loop', async () => {
    const claude = new Anthropic({ apiKey: clientKey, baseURL: it.program.url, maxRetries: 0 });
    const asking = {
      model,
      max_tokens: 4_000,
      tools: ['weather', 'news'].map((name) => ({ name, input_schema: schema })),
      thinking: { type: 'enabled' as const, budget_tokens: 2_000 },
    };
    const first = await claude.messages.stream({ ...asking, messages: [asked] }).finalMessage();
    expect(first.content[0]).toMatchObject({ type: 'thinking', thinking: 'Let me think about it. 🤔' });
    const uses = first.content.filter((block) => block.type === 'tool_use');
    const results = uses.map((use, index) => ({
      type: 'tool_result' as const,
      tool_use_id: use.id,
      content: `result ${index}`,
    }));
    const second = await claude.messages.create({
      ...asking,
      messages: [asked, { role: 'assistant', content: first.content }, { role: 'user', content: results }],
    });
    expect(second.content.map((block) => (block.type === 'text' ? block.text : '')).join('')).toBe(
      'The tool said: result 0, result 1',
    );
  });
});

test('a quota that is used up is told in Google’s words, with the wait', async () => {
  google.next.push({ kind: 'status', status: 429 });
  const failed = await genai.models
    .generateContent({ model: 'gemini-2-sim', contents: 'Hi' })
    .catch((error: Error) => error);
  const { message } = failed as Error;
  for (const word of ['RESOURCE_EXHAUSTED', 'RetryInfo', '7s']) expect(message).toContain(word);
});
