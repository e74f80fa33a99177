import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { tryParseObject, type Json } from '../../src/core/json.ts';
import { run } from '../../src/core/machine.ts';
import { frames } from '../../src/wire/sse.ts';
import { responsesFault } from './responses-checks.ts';
import { responsesUpstream } from './responses-upstream.ts';
import { schemaFault, schemasMissing } from './schemas.ts';
import { simulatorKey } from './simulator.ts';

/** The simulator proves gateways right, so it must be right itself: by the vendor's SDK, recordings and schemas. */

const upstream = responsesUpstream();
afterAll(() => upstream.stop());
beforeEach(() => upstream.reset());

const gpt = new OpenAI({ apiKey: simulatorKey, baseURL: `${upstream.url}/v1`, maxRetries: 0 });
const weather: OpenAI.Responses.Tool = {
  type: 'function',
  name: 'weather',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
  strict: true,
};
const model = 'gpt-sim';

async function send(body: Json, path = '/v1/responses'): Promise<{ status: number; text: string }> {
  const response = await fetch(upstream.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${simulatorKey}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

describe('the official SDK is served', () => {
  test('with text, whole and streamed', async () => {
    expect((await gpt.responses.create({ model, input: 'Grüße' })).output_text).toBe('You said: Grüße');
    const stream = gpt.responses.stream({ model, input: 'count to 20' });
    expect((await stream.finalResponse()).output_text).toMatch(/^1 2 3 .* 20$/);
  });

  test('with a token limit and a refusal', async () => {
    const short = await gpt.responses.create({ model, input: 'count to 30', max_output_tokens: 16 });
    expect([short.status, short.incomplete_details?.reason]).toEqual(['incomplete', 'max_output_tokens']);
    const refused = await gpt.responses.stream({ model, input: 'refuse' }).finalResponse();
    expect(refused.output[0]).toMatchObject({ content: [{ refusal: 'I cannot help with that.' }] });
  });

  test('with a thought, a call and the turn after both', async () => {
    const asking = {
      model,
      tools: [weather],
      store: false,
      reasoning: { effort: 'high' as const, summary: 'auto' as const },
      include: ['reasoning.encrypted_content' as const],
    };
    const input: OpenAI.Responses.ResponseInputItem[] = [{ role: 'user', content: 'use the tool weather' }];
    const first = await gpt.responses.stream({ ...asking, input }).finalResponse();
    expect(first.output.map(({ type }) => type)).toEqual(['reasoning', 'message', 'function_call']);
    const call = first.output[2] as OpenAI.Responses.ResponseFunctionToolCall;
    const output = first.output.map((item) => JSON.parse(JSON.stringify(item, omitParsed)) as never);
    const result = { type: 'function_call_output' as const, call_id: call.call_id, output: 'sunny' };
    const second = await gpt.responses.create({ ...asking, input: [...input, ...output, result] });
    expect(second.output_text).toBe('The tool said: sunny');
  });
});

/** What the SDK's parser adds to items. */
const omitParsed = (key: string, value: unknown): unknown =>
  key === 'parsed' || key === 'parsed_arguments' ? undefined : value;

describe('what the real one refuses', () => {
  const user = { role: 'user', content: 'Hi' };
  const call = { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{}' };
  const result = { type: 'function_call_output', call_id: 'call_1', output: 'sunny' };
  const rows: readonly (readonly [string, Json, RegExp])[] = [
    ['a parameter it does not know', { stop: ['x'], input: 'Hi' }, /Unknown parameter: 'stop'/],
    ['too few tokens', { input: 'Hi', max_output_tokens: 5 }, />= 16/],
    ['a call without its result', { input: [user, call] }, /No tool output found for function call call_1/],
    ['a result without its call', { input: [user, result] }, /No tool call found/],
    ['an id of another item', { input: [{ ...user, type: 'message', id: 'rs_1' }] }, /begins with 'msg'/],
    [
      'the same id twice',
      {
        input: [
          { ...user, id: 'msg_1' },
          { ...user, id: 'msg_1' },
        ],
      },
      /Duplicate item found/,
    ],
    [
      'a thought of somebody else',
      { input: [user, { type: 'reasoning', summary: [], encrypted_content: 'gAAAAABx' }] },
      /could not be verified/,
    ],
    ['a choice of no tools', { input: 'Hi', tool_choice: 'required' }, /Tool choice/],
    [
      'JSON that nobody asked for in words',
      { input: 'Hi', text: { format: { type: 'json_object' } } },
      /the word 'json'/,
    ],
    [
      'a schema without properties',
      { input: 'Hi', tools: [{ type: 'function', name: 'a', parameters: { type: 'object' } }] },
      /missing properties/,
    ],
  ];
  test.each(rows)('%s', async (_, body, why) => {
    const { status, text } = await send({ model, ...body });
    expect([status, text]).toEqual([400, expect.stringMatching(why)]);
    expect(upstream.refused.length).toBe(1);
  });

  test('a result is enough where the server remembers the call', async () => {
    const { status } = await send({ model, previous_response_id: 'resp_1', input: [result] });
    expect(status).toBe(200);
  });

  test('a thought under another id than its own', async () => {
    const first = await gpt.responses.create({
      model,
      input: 'Hi',
      reasoning: { effort: 'low' },
      include: ['reasoning.encrypted_content'],
    });
    const [thought] = first.output;
    const again = (item: unknown) => send({ model, input: [user, item] });
    expect((await again(thought)).status).toBe(200);
    expect((await again({ ...thought, id: undefined })).status).toBe(200);
    expect((await again({ ...thought, id: 'rs_other' })).text).toContain('item_id did not match');
  });
});

describe("ChatGPT's backend", () => {
  const body = {
    model,
    instructions: '',
    store: false,
    stream: true,
    include: ['reasoning.encrypted_content'],
    input: [{ role: 'user', content: 'Hi' }],
  };
  test.each([
    ['max_output_tokens', { max_output_tokens: 100 }, 'Unsupported parameter: max_output_tokens'],
    ['previous_response_id', { previous_response_id: 'resp_1' }, 'Unsupported parameter'],
    ['stored responses', { store: true }, 'Store must be set to false'],
    ['whole answers', { stream: false }, 'Stream must be set to true'],
    ['no instructions', { instructions: undefined }, 'Instructions are required'],
  ])('refuses %s', async (_, more, why) => {
    const { status, text } = await send({ ...body, ...more }, '/backend-api/codex/responses');
    expect([status, text]).toEqual([400, expect.stringContaining(why)]);
  });

  test('streams, and leaves the output out of its last event', async () => {
    const { text } = await send(body, '/backend-api/codex/responses');
    const events = run(frames(), [new TextEncoder().encode(text)]).map(({ data }) => tryParseObject(data));
    expect(events[0]?.type).toBe('codex.rate_limits');
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: { output: [] } });
  });
});

const recordings = join(import.meta.dir, '../../../shared/fixtures/openai-responses');
const validates = schemasMissing ? test.skip : test;

describe.skipIf(!existsSync(recordings))('recorded requests', () => {
  const files = existsSync(recordings) ? readdirSync(recordings, { recursive: true, encoding: 'utf8' }) : [];
  const rows = files
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(join(recordings, file), 'utf8')) as Recording)
    .filter(({ vendor, response }) => vendor === 'openai' && response.status === 200)
    .flatMap(({ id, request }) => (request?.body ? [[id, JSON.parse(request.body) as Json] as const] : []));
  test.each(rows)('%s, which OpenAI served, is not refused', (_, body) => {
    // Models of that name are the recorder's own, and tokens are redacted in some recordings.
    expect(responsesFault({ ...body, model: 'gpt-sim', include: [] }, () => undefined)).toBeUndefined();
  });
});

interface Recording {
  readonly id: string;
  readonly vendor: string;
  readonly request?: { readonly body?: string };
  readonly response: { readonly status: number };
}

validates('what it says fits the published schemas', async () => {
  const asks = ['Hi', 'refuse', 'use the tool weather'].flatMap((input) =>
    [true, false].map((stream) => ({ model, input, stream, tools: [weather], reasoning: { effort: 'low' } })),
  );
  for (const ask of asks) {
    const { text } = await send({ ...ask, reasoning: { effort: 'low', summary: 'auto' } });
    if (!ask.stream) expect(schemaFault('openai-responses', 'reply', JSON.parse(text))).toBeUndefined();
    else
      for (const { data } of run(frames(), [new TextEncoder().encode(text)]))
        expect(schemaFault('openai-responses', 'event', JSON.parse(data))).toBeUndefined();
  }
});
