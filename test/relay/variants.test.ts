import { afterEach, describe, expect, test } from 'bun:test';
import { readObjects, type Json } from '../../src/core/json.ts';
import { post, standing, upstream, type Standing, type Upstream } from './support.ts';

/** Variants of a client's own protocol: what the direct lane changes for them, and when the hall has to. */

const open: (Standing | Upstream)[] = [];
afterEach(async () => {
  for (const it of open.splice(0)) await it.stop();
});

const event = (type: string, fields: Json = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
const call = { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'home__lamp', arguments: '{}' };
const response = { id: 'resp_1', object: 'response', status: 'completed', model: 'm', output: [call] };

/** A stream of one call, with whatever else comes first. */
const stream = (first = '') =>
  new Response(
    first +
      event('response.created', { response: { ...response, status: 'in_progress', output: [] } }) +
      event('response.output_item.added', { output_index: 0, item: { ...call, arguments: '' } }) +
      event('response.output_item.done', { output_index: 0, item: call }) +
      event('response.completed', { response: { ...response, output: [] } }),
    { headers: { 'content-type': 'text/event-stream' } },
  );

/** The program with one entry of a channel in front of an upstream that answers so. */
function before(setting: string, path: string, model: string, answer = () => stream()) {
  const bodies: Json[] = [];
  const provider = upstream(async (request) => {
    bodies.push((await request.json()) as Json);
    return answer();
  });
  const it = standing(
    `${setting}:\n  - api-key: sk-upstream-0123456789\n    base-url: ${provider.url}${path}\n    models: [{name: ${model}}]\n`,
  );
  open.push(it, provider);
  const ask = async (fields: Json, headers: Record<string, string> = {}) => {
    const answered = await post(it, '/v1/responses', { model, input: 'Hi', ...fields }, { headers });
    return { text: await answered.text(), dropped: answered.headers.get('x-gateway-dropped') ?? '' };
  };
  return { it, provider, bodies, ask };
}

describe('ChatGPT’s own backend', () => {
  const codex = (answer?: () => Response) => before('codex-api-key', '/backend-api/codex', 'm', answer);

  test('is sent the client’s own body, less what it refuses, and each loss is named', async () => {
    const { it, bodies, ask } = codex();
    const { dropped } = await ask({
      stream: true,
      store: false,
      temperature: 1,
      max_output_tokens: 99,
      parallel_tool_calls: true,
      client_metadata: { a: 'b' },
    });
    expect(bodies).toEqual([
      {
        model: 'm',
        input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] }],
        instructions: '',
        store: false,
        stream: true,
        include: ['reasoning.encrypted_content'],
        client_metadata: { a: 'b' },
      },
    ]);
    expect(dropped).toBe('max_output_tokens, temperature');
    expect((await it.line(1)).direct).toBe(true);
  });

  test('answers with the output that its last event leaves out', async () => {
    const { ask } = codex();
    const { text } = await ask({ stream: true });
    const last = text.trim().split('\n\n').at(-1)!.split('data: ')[1]!;
    expect(JSON.parse(last)).toMatchObject({ type: 'response.completed', response: { output: [call] } });
  });

  test('streams to a client that wants its answer whole', async () => {
    const { bodies, ask } = codex();
    const { text } = await ask({});
    expect(bodies[0]!.stream).toBe(true);
    expect(JSON.parse(text)).toMatchObject({ object: 'response', output: [{ name: 'home__lamp' }] });
  });

  test('tells its own events to Codex alone', async () => {
    const { ask } = codex(() => stream(event('codex.rate_limits', { limit_reached: true })));
    expect((await ask({ stream: true })).text).not.toContain('codex.');
    expect((await ask({ stream: true }, { originator: 'codex_exec' })).text).toContain('codex.rate_limits');
  });
});

describe('xAI', () => {
  const xai = (model = 'grok-4.3') => before('xai-api-key', '/v1', model);
  const lamp = { type: 'function', name: 'lamp', parameters: { type: 'object', properties: {} } };

  test('is sent the client’s own body where it can say it', async () => {
    const { it, bodies, ask } = xai();
    const { dropped } = await ask({
      stream: true,
      temperature: 0.5,
      max_output_tokens: 99,
      prompt_cache_retention: '24h',
      reasoning: { effort: 'high' },
      tools: [{ type: 'function', name: 'lamp' }, { type: 'image_generation' }],
      tool_choice: { type: 'image_generation' },
    });
    expect(bodies[0]).toEqual({
      model: 'grok-4.3',
      input: 'Hi',
      stream: true,
      temperature: 0.5,
      max_output_tokens: 99,
      reasoning: { effort: 'high' },
      tools: [lamp],
    });
    expect(dropped).toContain('prompt_cache_retention');
    expect(dropped).toContain('image_generation');
    expect((await it.line(1)).direct).toBe(true);
  });

  test('is not asked for an effort where its model has none to choose', async () => {
    const { bodies, ask } = xai('grok-build-0.1');
    const { dropped } = await ask({ stream: true, reasoning: { effort: 'high' } });
    expect(bodies[0]).not.toHaveProperty('reasoning');
    expect(dropped).toBe('reasoning.effort: high');
  });

  test('knows tools in namespaces by one name, which its client never sees', async () => {
    const { it, bodies, ask } = xai();
    const tools = [
      { type: 'namespace', name: 'home', description: 'At home.', tools: [lamp] },
      { type: 'custom', name: 'note', description: 'Takes a note.' },
    ];
    const { text } = await ask({ stream: true, tools });
    expect(readObjects(bodies[0]!.tools).map(({ type, name }) => [type, name])).toEqual([
      ['function', 'home__lamp'],
      ['function', 'note'],
    ]);
    const done = text.split('\n\n').find((frame) => frame.startsWith('event: response.output_item.done'));
    expect(JSON.parse(done!.split('data: ')[1]!).item).toMatchObject({ name: 'lamp', namespace: 'home' });
    expect((await it.line(1)).direct).toBe(false);
  });

  test('finds its prompt cache by the key of the request', async () => {
    const { provider, ask } = xai();
    await ask({ stream: true, prompt_cache_key: 'conversation-7' });
    expect(provider.requests[0]!.headers.get('x-grok-conv-id')).toBe('conversation-7');
  });
});
