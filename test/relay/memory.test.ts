import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import type { Json } from '../../src/core/json.ts';
import openaiResponses from '../../src/protocols/openai-responses/index.ts';
import { createMemory } from '../../src/relay/memory.ts';
import { createState } from '../../src/state/state.ts';
import { alice, bob, remembering } from '../support/remembering.ts';

const it = remembering();
afterAll(() => it.stop());
beforeEach(() => {
  it.upstream.answer = () => undefined;
  it.upstream.received.length = 0;
});

const user = (text: string) => ({ type: 'message', role: 'user', content: [{ type: 'input_text', text }] });

/** What was asked for an answer, oldest first, as words. */
async function asked(id: string, key = alice): Promise<readonly string[]> {
  const { json } = await it.ask('GET', `/v1/responses/${id}/input_items?order=asc&limit=100`, key);
  return json.data.map((item: any) => item.content?.[0]?.text ?? item.type);
}

describe('previous_response_id over upstreams that remember nothing', () => {
  test.each([
    ['demo', 'demo'],
    ['demo', 'demo-claude'],
    ['demo-claude', 'demo'],
  ])('goes on from an answer of %s with %s', async (first, second) => {
    const one = await it.post({ model: first, input: 'one' });
    const two = await it.post({ model: second, input: [user('two')], previous_response_id: one.json.id });
    const three = await it.post({ model: first, input: 'three', previous_response_id: two.json.id });
    expect([one.status, two.status, three.status]).toEqual([200, 200, 200]);
    expect(await asked(three.json.id)).toEqual(['one', 'one', 'two', 'two', 'three']);
    expect([two.json.previous_response_id, two.json.store]).toEqual([one.json.id, true]);
    expect(two.json.usage.input_tokens).toBeGreaterThan(one.json.usage.input_tokens);
  });

  test('goes on from a streamed answer as well', async () => {
    const client = new OpenAI({ apiKey: alice, baseURL: `${it.url}/v1`, maxRetries: 0 });
    const first = await client.responses.stream({ model: 'demo', input: 'one' }).finalResponse();
    const second = await client.responses.create({
      model: 'demo',
      input: 'two',
      previous_response_id: first.id,
    });
    expect(await asked(second.id)).toEqual(['one', 'one', 'two']);
  });

  test('carries a tool call from the answer to its result', async () => {
    const tools = [{ type: 'function', name: 'look', parameters: { type: 'object', properties: {} } }];
    const one = await it.post({ model: 'demo-claude', input: 'use the tool look', tools });
    const call = one.json.output.find((item: Json) => item.type === 'function_call');
    const input = [{ type: 'function_call_output', call_id: call.call_id, output: 'all clear' }];
    const two = await it.post({ model: 'demo-claude', input, tools, previous_response_id: one.json.id });
    expect(two.json.output[0].content[0].text).toBe('all clear');
  });

  test('leaves the instructions of the earlier answer behind', async () => {
    const one = await it.post({ model: 'demo', input: 'one', instructions: 'Be brief.' });
    const two = await it.post({ model: 'demo', input: 'two', previous_response_id: one.json.id });
    expect([one.json.instructions, two.json.instructions]).toEqual(['Be brief.', null]);
  });

  test('counts the tokens of the whole conversation', async () => {
    const one = await it.post({ model: 'demo', input: 'many words '.repeat(100) });
    const count = async (more: Json) => {
      const response = await fetch(`${it.url}/v1/responses/input_tokens`, {
        method: 'POST',
        headers: { authorization: `Bearer ${alice}` },
        body: JSON.stringify({ model: 'demo', input: 'Hi', ...more }),
      });
      return ((await response.json()) as Json).input_tokens as number;
    };
    expect(await count({ previous_response_id: one.json.id })).toBeGreaterThan((await count({})) + 300);
  });

  test('every answer that is kept has an id of its own, whatever the upstream calls it', async () => {
    const ids = await Promise.all(
      [1, 2, 3].map(async () => (await it.post({ model: 'demo', input: 'x' })).json.id),
    );
    expect(new Set(ids).size).toBe(3);
    expect(ids.every((id: string) => /^resp_[0-9a-f]{24}$/.test(id))).toBe(true);
  });

  test('an id that nobody knows is refused in the words that clients look for', async () => {
    const { status, json } = await it.post({ model: 'demo', input: 'x', previous_response_id: 'resp_x' });
    expect([status, json.error.code, json.error.param]).toEqual([
      400,
      'previous_response_not_found',
      'previous_response_id',
    ]);
  });

  test('an answer made with store: false is not kept', async () => {
    const { json } = await it.post({ model: 'demo', input: 'x', store: false });
    expect(json.store).toBe(false);
    expect((await it.ask('GET', `/v1/responses/${json.id}`)).status).toBe(404);
    expect((await it.post({ model: 'demo', input: 'y', previous_response_id: json.id })).status).toBe(400);
  });

  test('an answer that failed is not kept', async () => {
    const before = it.logged().length;
    const { status } = await it.post({ model: 'demo', input: 'fail with 400' });
    expect([status, it.logged().length]).toEqual([400, before + 1]);
  });
});

describe('item references', () => {
  const referring = (id: string) => ({
    model: 'demo',
    input: [user('one'), { type: 'item_reference', id }, user('two')],
  });

  test('stand for the item that an answer of this client held', async () => {
    const one = await it.post({ model: 'demo', input: 'one' });
    const two = await it.post(referring(one.json.output[0].id));
    expect(two.status).toBe(200);
    expect(await asked(two.json.id)).toEqual(['one', 'one', 'two']);
  });

  test('to an item that nobody knows, or that is another client’s, are refused', async () => {
    const one = await it.post({ model: 'demo', input: 'one' });
    const foreign = await it.post(referring(one.json.output[0].id), bob);
    const unknown = await it.post(referring('msg_x'));
    expect([foreign.status, unknown.status]).toEqual([404, 404]);
    expect(unknown.json.error.message).toContain("'msg_x'");
  });
});

describe('kept answers', () => {
  test('are read and deleted as the SDK does it', async () => {
    const client = new OpenAI({ apiKey: alice, baseURL: `${it.url}/v1`, maxRetries: 0 });
    const made = await client.responses.create({ model: 'demo', input: [user('one'), user('two')] as any });
    const { output_text: _, ...plain } = made as any;
    expect(JSON.parse(JSON.stringify(await client.responses.retrieve(made.id)))).toMatchObject(
      JSON.parse(JSON.stringify({ ...plain, _request_id: undefined })),
    );
    const items: any[] = [];
    for await (const item of client.responses.inputItems.list(made.id, { limit: 1, order: 'asc' }))
      items.push(item);
    expect(items.map((item) => item.content[0].text)).toEqual(['one', 'two']);
    await client.responses.delete(made.id);
    expect(await client.responses.retrieve(made.id).catch((error) => error.status)).toBe(404);
  });

  test('list what was asked newest first, with an id for each item', async () => {
    const one = await it.post({ model: 'demo', input: 'one' });
    const two = await it.post({
      model: 'demo',
      input: [{ role: 'user', content: 'two' }],
      previous_response_id: one.json.id,
    });
    const { json } = await it.ask('GET', `/v1/responses/${two.json.id}/input_items`);
    expect(json.data.map((item: any) => item.content[0].text)).toEqual(['two', 'one', 'one']);
    expect(json).toMatchObject({ object: 'list', has_more: false, first_id: json.data[0].id });
    expect(json.data.every((item: any) => item.id && item.type === 'message')).toBe(true);
    const page = await it.ask(
      'GET',
      `/v1/responses/${two.json.id}/input_items?limit=1&after=${json.data[0].id}`,
    );
    expect([page.json.data, page.json.has_more]).toEqual([[json.data[1]], true]);
    for (const query of ['limit=0', 'limit=x', 'order=up', 'after=nothing'])
      expect((await it.ask('GET', `/v1/responses/${two.json.id}/input_items?${query}`)).status).toBe(400);
  });

  test('belong to the key that asked for them, and to no other', async () => {
    const { json } = await it.post({ model: 'demo', input: 'a secret' });
    const path = `/v1/responses/${json.id}`;
    expect((await it.ask('GET', path, bob)).status).toBe(404);
    expect((await it.ask('GET', `${path}/input_items`, bob)).status).toBe(404);
    expect((await it.ask('DELETE', path, bob)).status).toBe(404);
    const stolen = await it.post({ model: 'demo', input: 'x', previous_response_id: json.id }, bob);
    expect([stolen.status, stolen.json.error.code]).toEqual([400, 'previous_response_not_found']);
    expect((await it.ask('GET', path)).json.id).toBe(json.id);
    expect((await it.ask('GET', path, 'sk-nobody')).status).toBe(401);
  });

  test('are unknown in OpenAI’s words', async () => {
    const { status, json } = await it.ask('GET', '/v1/responses/resp_x');
    expect([status, json.error.type, json.error.message]).toEqual([
      404,
      'invalid_request_error',
      expect.stringContaining("Response with id 'resp_x' not found."),
    ]);
  });
});

describe('what only the vendor’s own servers can do', () => {
  test.each([
    ['background', true],
    ['conversation', 'conv_1'],
    ['prompt', { id: 'pmpt_1' }],
  ])('%s is refused with the reason', async (field, value) => {
    const { status, json } = await it.post({ model: 'demo', input: 'x', [field]: value });
    expect([status, json.error.code, json.error.param]).toEqual([400, 'unsupported_parameter', field]);
  });

  test.each([
    ['background', false],
    ['conversation', null],
    ['prompt', null],
  ])('%s: %p asks for nothing', async (field, value) => {
    expect((await it.post({ model: 'demo', input: 'x', [field]: value })).status).toBe(200);
  });
});

describe('an upstream of the client’s own protocol', () => {
  test('keeps its own answers: ids it gave go back to it, and nothing is kept here', async () => {
    const one = await it.post({ model: 'theirs', input: 'one' });
    const body = {
      model: 'theirs',
      input: 'two',
      previous_response_id: one.json.id,
      background: true,
      conversation: 'c',
    };
    const two = await it.post(body);
    expect([two.status, it.upstream.received[1]]).toEqual([200, body]);
    expect((await it.ask('GET', `/v1/responses/${one.json.id}`)).status).toBe(404);
  });

  test('is told the conversation when it began elsewhere, without reasoning that it cannot read', async () => {
    const one = await it.post({ model: 'demo-claude', input: 'one', reasoning: { effort: 'high' } });
    await it.post({ model: 'theirs', input: 'two', previous_response_id: one.json.id });
    const sent = it.upstream.received[0]!;
    expect('previous_response_id' in sent).toBe(false);
    const types = (sent.input as any[]).map((item) => item.type);
    expect(types.filter((type) => type === 'message')).toHaveLength(3);
    expect(sent.input as any[]).not.toContainEqual(
      expect.objectContaining({ type: 'reasoning', encrypted_content: undefined }),
    );
  });
});

describe('the memory', () => {
  test('parks what must not be stored in memory alone, and bounds all it keeps', () => {
    const durable = createState();
    const volatile = createState();
    const memory = createMemory(durable, volatile);
    const continuing = openaiResponses.client!.continuing!;
    const transcript = [user('x'.repeat(100_000))];
    for (let n = 0; n < 1_000; n++) memory.park('a', `resp_${n}`, transcript);
    volatile.flush();
    expect(memory.recall(continuing, 'a', 'resp_999')).toEqual(transcript);
    expect(memory.recall(continuing, 'b', 'resp_999')).toBeUndefined();
    expect(memory.recall(continuing, 'a', 'resp_0')).toBeUndefined();
    expect(memory.read('a', 'resp_999')).toBeUndefined();
    expect([memory.forget('a', 'resp_999'), memory.forget('a', 'resp_999')]).toEqual([true, false]);
  });

  test('outlives the process where it has a file to be in', async () => {
    const durable = createState();
    const first = remembering('', { durable });
    const { json } = await first.post({ model: 'demo', input: 'one' });
    await first.stop();
    const second = remembering('', { durable });
    expect((await second.post({ model: 'demo', input: 'two', previous_response_id: json.id })).status).toBe(
      200,
    );
    await second.stop();
  });
});
