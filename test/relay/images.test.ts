import { afterEach, describe, expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { type Call, channel, type Channel } from '../../src/channels/channel.ts';
import codex from '../../src/channels/codex/index.ts';
import gemini from '../../src/protocols/gemini/index.ts';
import { chatgpt } from '../support/chatgpt.ts';
import { kept } from './kept.ts';
import { post, standing, upstream, type Standing } from './support.ts';

/** OpenAI's image generation over Google's models, and the methods of Google that are no chat. */

const open: Standing[] = [];
afterEach(() => Promise.all(open.splice(0).map((it) => it.stop())));

function gateway(text: string, more?: readonly Channel[]): Standing {
  const it = standing(text, more);
  open.push(it);
  return it;
}

const json = (response: Response): Promise<any> => response.json();

/** Calls that reached the simulated Gemini, and what it answers. */
interface Google {
  readonly calls: { readonly operation: string; readonly model: string; readonly body: any }[];
  answer(call: Google['calls'][number]): Response;
}

/** A channel of a test: Google as the gateway sees it, in this process. */
function google(answer: Google['answer'], models = ['gemini-2.5-flash-image', 'imagen-4.0-generate-001']) {
  const it: Google = { calls: [], answer };
  const simulated = channel({
    id: 'google-sim',
    settings: { 'google-sim': Type.Boolean() },
    open: () => [
      {
        id: 'google-sim',
        provider: 'google',
        accounts: [
          {
            id: 'g',
            provider: 'google',
            label: 'google',
            secret: { kind: 'none' },
            priority: 0,
            weight: 1,
            proxy: 'direct',
          },
        ],
        models: {
          declared: [...models.map((name) => ({ name })), { name: 'embed-001', alias: 'embed' }],
          excluded: [],
        },
        speaks: () => gemini,
        can: (operation) => operation === 'chat' || operation.startsWith('/v1beta/models:'),
        prepare: ({ operation, model, body }: Call) => ({
          method: 'POST',
          url: `http://google.invalid/${model}?${operation}`,
          headers: new Headers(),
          body: body as string,
          proxy: 'direct',
        }),
        async send({ url, body }) {
          const [, model = '', operation = ''] = /invalid\/(.*)\?(.*)$/.exec(url)!;
          const call = { operation, model, body: JSON.parse(body as string) };
          it.calls.push(call);
          return it.answer(call);
        },
      },
    ],
  });
  return Object.assign(it, { gateway: gateway('google-sim: true\n', [simulated as unknown as Channel]) });
}

const drawn = (data: string, more: object = {}) =>
  Response.json({
    candidates: [
      {
        content: {
          role: 'model',
          parts: [{ text: 'Here.' }, { inlineData: { mimeType: 'image/png', data } }],
        },
        finishReason: 'STOP',
      },
    ],
    usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 1290, totalTokenCount: 1295 },
    ...more,
  });

describe("Gemini's own raw methods", () => {
  test('pass, with the name of the model wherever the body repeats it', async () => {
    const it = google(() => Response.json({ embeddings: [], usageMetadata: { promptTokenCount: 4 } }));
    const body = {
      requests: [{ model: 'models/embed', content: { parts: [{ text: 'a' }] } }, { content: {} }],
    };
    const batch = await post(it.gateway, '/v1beta/models/embed:batchEmbedContents', body);
    expect(await json(batch)).toMatchObject({ embeddings: [] });
    await post(it.gateway, '/v1beta1/publishers/google/models/embed:embedContent', {
      model: 'models/embed',
      content: {},
    });
    expect(it.calls).toEqual([
      {
        operation: '/v1beta/models:batchEmbedContents',
        model: 'embed-001',
        body: { requests: [{ ...body.requests[0], model: 'models/embed-001' }, { content: {} }] },
      },
      {
        operation: '/v1beta/models:embedContent',
        model: 'embed-001',
        body: { model: 'models/embed-001', content: {} },
      },
    ]);
    expect(await it.gateway.line(1)).toMatchObject({ tokens: { input: 4 } });
  });

  test("are refused in Google's own shape where nobody has them", async () => {
    const response = await post(gateway('demo: true\n'), '/v1beta/models/demo:embedContent', {});
    expect([response.status, await json(response)]).toMatchObject([
      400,
      { error: { status: 'INVALID_ARGUMENT', details: [{ reason: 'UNSUPPORTED_OPERATION' }, {}] } },
    ]);
  });
});

describe('image generation over Gemini', () => {
  const ask = (it: Google & { gateway: Standing }, body: object) =>
    post(it.gateway, '/v1/images/generations', { model: 'gemini-2.5-flash-image', prompt: 'a cat', ...body });

  test('draws one picture a call and as many as asked, in the shape nearest to the size', async () => {
    const it = google(() => drawn('AAAA'));
    const response = await ask(it, { n: 3, size: '1792x1024', quality: 'high', style: 'vivid' });
    expect(response.headers.get('x-gateway-dropped')).toBe('quality, style, size: only its shape is kept');
    expect(await json(response)).toEqual({
      created: expect.any(Number),
      data: [{ b64_json: 'AAAA' }, { b64_json: 'AAAA' }, { b64_json: 'AAAA' }],
      output_format: 'png',
      usage: {
        input_tokens: 15,
        output_tokens: 3870,
        total_tokens: 3885,
        input_tokens_details: { text_tokens: 15, image_tokens: 0 },
      },
    });
    expect(it.calls).toHaveLength(3);
    expect(it.calls[0]).toEqual({
      operation: 'chat',
      model: 'gemini-2.5-flash-image',
      body: {
        contents: [{ role: 'user', parts: [{ text: 'a cat' }] }],
        generationConfig: { responseModalities: ['TEXT', 'IMAGE'], imageConfig: { aspectRatio: '16:9' } },
      },
    });
    expect(await it.gateway.line(1)).toMatchObject({ direct: false, tokens: { input: 15, output: 3870 } });
  });

  test.each([
    [{ size: '1024x1024' }, '1:1'],
    [{ size: '1536x1024' }, '3:2'],
    [{ size: '1024x1536' }, '2:3'],
    [{ size: 'auto' }, undefined],
    [{}, undefined],
  ])('reads %j as %s', async (body, shape) => {
    const it = google(() => drawn('AAAA'));
    await ask(it, body);
    expect(it.calls[0]!.body.generationConfig.imageConfig?.aspectRatio).toBe(shape);
  });

  test('gives a data: URL where a URL is asked for, and whole pictures where a stream is', async () => {
    const it = google(() => drawn('AAAA'));
    const linked = await json(await ask(it, { response_format: 'url' }));
    expect(linked.data).toEqual([{ url: 'data:image/png;base64,AAAA' }]);
    const streamed = await ask(it, { stream: true, partial_images: 2 });
    expect(streamed.headers.get('content-type')).toStartWith('text/event-stream');
    const [event, data] = (await streamed.text()).trim().split('\n');
    expect(event).toBe('event: image_generation.completed');
    expect(JSON.parse(data!.slice(6))).toMatchObject({
      type: 'image_generation.completed',
      b64_json: 'AAAA',
      usage: { total_tokens: 1295 },
    });
  });

  test('gives what was drawn when some of it failed, and says how much', async () => {
    let count = 0;
    const it = google(() => (++count === 2 ? Response.json({}, { status: 500 }) : drawn('AAAA')));
    const response = await ask(it, { n: 2 });
    expect((await json(response)).data).toHaveLength(1);
    expect(response.headers.get('x-gateway-dropped')).toBe('n: 2 asked, 1 made');
  });

  test.each([
    ['is blocked', { candidates: [{ finishReason: 'IMAGE_SAFETY' }] }, 'content_filter'],
    ['is refused before it is read', { promptFeedback: { blockReason: 'SAFETY' } }, 'content_filter'],
    [
      'is answered in words',
      { candidates: [{ content: { parts: [{ text: 'Which cat?' }] }, finishReason: 'STOP' }] },
      'no_image',
    ],
  ])('a prompt that %s gets 400', async (_, answer, code) => {
    const response = await ask(
      google(() => Response.json(answer)),
      {},
    );
    const { error } = await json(response);
    expect([response.status, error.code]).toEqual([400, code]);
    if (code === 'no_image') expect(error.message).toContain('Which cat?');
  });

  test.each([
    [{ prompt: '' }, 'missing_prompt'],
    [{ n: 0 }, 'invalid_request'],
    [{ n: 11 }, 'invalid_request'],
    [{ n: '2' }, 'invalid_request'],
    [{ size: 'large' }, 'invalid_request'],
  ])('refuses %j', async (body, code) => {
    const it = google(() => drawn('AAAA'));
    const response = await ask(it, body);
    expect([response.status, (await json(response)).error.code, it.calls.length]).toEqual([400, code, 0]);
  });

  test("is not asked of a model that does not draw, which says so in the client's words", async () => {
    const it = google(() => drawn('AAAA'), ['gemini-2.5-pro', 'gemini-2.5-flash-image']);
    const response = await ask(it, { model: 'gemini-2.5-pro' });
    const { error } = await json(response);
    expect([response.status, error.code]).toEqual([400, 'unsupported_operation']);
    expect(error.message).toContain('"gemini-2.5-flash-image" of google');
  });

  test("goes to Imagen's own method, four pictures a call", async () => {
    const it = google(({ body }) =>
      Response.json({
        predictions: Array.from({ length: body.parameters.sampleCount }, () => ({
          mimeType: 'image/png',
          bytesBase64Encoded: 'BBBB',
          prompt: 'a grey cat',
        })),
      }),
    );
    const response = await ask(it, { model: 'imagen-4.0-generate-001', n: 6, size: '1536x1024' });
    const { data, usage } = await json(response);
    expect(data).toEqual(
      Array.from({ length: 6 }, () => ({ b64_json: 'BBBB', revised_prompt: 'a grey cat' })),
    );
    expect(usage).toBeUndefined();
    expect(it.calls.map(({ operation, body }) => [operation, body])).toEqual(
      [4, 2].map((sampleCount) => [
        '/v1beta/models:predict',
        {
          instances: [{ prompt: 'a cat' }],
          parameters: { sampleCount, aspectRatio: '4:3', includeRaiReason: true },
        },
      ]),
    );
  });

  test('tells what the filter of Imagen says', async () => {
    const it = google(() => Response.json({ predictions: [{ raiFilteredReason: 'Code 29310472.' }] }));
    const response = await ask(it, { model: 'imagen-4.0-generate-001' });
    expect([response.status, (await json(response)).error]).toMatchObject([
      400,
      { code: 'content_filter', message: expect.stringContaining('Code 29310472.') },
    ]);
  });

  test("is told Google's own refusal as an error of the client's protocol", async () => {
    const refusal = { error: { code: 429, message: 'Quota.', status: 'RESOURCE_EXHAUSTED' } };
    const response = await ask(
      google(() => Response.json(refusal, { status: 429 })),
      {},
    );
    expect([response.status, (await json(response)).error.type]).toEqual([429, 'rate_limit_error']);
  });
});

describe('image edits over Gemini', () => {
  const png = Buffer.from('a picture');
  const edit = (
    it: Google & { gateway: Standing },
    fields: Readonly<Record<string, string>>,
    files: readonly string[],
  ) => {
    const form = new FormData();
    for (const [name, value] of Object.entries({ model: 'gemini-2.5-flash-image', ...fields }))
      form.set(name, value);
    for (const name of files) form.append(name, new File([png], 'a.png', { type: 'image/png' }));
    return it.gateway.post('/v1/images/edits', form);
  };

  test('show the pictures with the prompt, once for each picture that is asked for', async () => {
    const it = google(() => drawn('AAAA'));
    const response = await edit(it, { prompt: 'Make it blue.', n: '2', size: '1024x1536' }, [
      'image[]',
      'image[]',
      'mask',
    ]);
    expect(response.headers.get('x-gateway-dropped')).toBe('mask, size: only its shape is kept');
    expect(await json(response)).toMatchObject({ data: [{ b64_json: 'AAAA' }, { b64_json: 'AAAA' }] });
    const inlineData = { mimeType: 'image/png', data: png.toString('base64') };
    expect(it.calls.map(({ body }) => body.contents[0].parts)).toEqual(
      [1, 2].map(() => [{ inlineData }, { inlineData }, { text: 'Make it blue.' }]),
    );
    expect(it.calls[0]!.body.generationConfig.imageConfig).toEqual({ aspectRatio: '2:3' });
  });

  test('are refused without a picture, without a prompt, and by Imagen', async () => {
    const it = google(() => drawn('AAAA'));
    for (const [fields, files, code] of [
      [{ prompt: 'Blue.' }, [], 'invalid_request'],
      [{}, ['image'], 'missing_prompt'],
      [{ prompt: 'Blue.', model: 'imagen-4.0-generate-001' }, ['image'], 'unsupported_operation'],
    ] as const) {
      const response = await edit(it, fields, files);
      expect([response.status, await json(response)]).toMatchObject([400, { error: { code } }]);
    }
    expect(it.calls).toEqual([]);
  });
});

describe('switches', () => {
  const tools = [
    { type: 'image_generation' },
    { type: 'function', name: 'look', parameters: { type: 'object' } },
  ];
  const asked = { model: 'demo', input: 'Hi', tools, tool_choice: { type: 'image_generation' } };
  const dropped = async (text: string): Promise<string> => {
    const response = await post(gateway(`demo: true\n${text}`), '/v1/responses', asked);
    expect(response.status).toBe(200);
    return response.headers.get('x-gateway-dropped') ?? '';
  };

  test('disable-image-generation ends the image endpoints, and takes the tool out of chats', async () => {
    const it = gateway('demo: true\ndisable-image-generation: true\n');
    for (const path of ['/v1/images/generations', '/v1/images/edits']) {
      const response = await post(it, path, { model: 'demo', prompt: 'a cat' });
      expect([response.status, (await json(response)).error.message]).toEqual([
        404,
        expect.stringContaining(path),
      ]);
    }
    expect(await dropped('disable-image-generation: true\n')).toContain('switched off');
  });

  test('in chats only, the endpoints stay; passthrough changes nothing', async () => {
    const it = gateway('demo: true\ndisable-image-generation: chat\n');
    expect((await post(it, '/v1/images/generations', { model: 'demo', prompt: 'a cat' })).status).toBe(200);
    expect(await dropped('disable-image-generation: chat\n')).toContain('switched off');
    expect(await dropped('disable-image-generation: passthrough\n')).not.toContain('switched off');
  });

  test('a body of the same protocol loses the tool and keeps every other byte', async () => {
    const bodies: string[] = [];
    const answer = { id: 'resp_1', object: 'response', status: 'completed', output: [], usage: null };
    const it = upstream(async (request) => {
      bodies.push(await request.text());
      return Response.json(answer);
    });
    const text = `codex-api-key: [{api-key: k, base-url: ${it.url}/v1, models: [{name: m}]}]\ndisable-image-generation: chat\n`;
    const others = '"metadata":{"a":1e3},"input" : "Hi"';
    const body = `{"model":"m",${others},"tools":[{"type":"image_generation"}],"tool_choice":{"type":"image_generation"}}`;
    await gateway(text).post('/v1/responses', body, { headers: { 'content-type': 'application/json' } });
    expect(bodies).toEqual([`{"model":"m",${others}}`]);
    await it.stop();
  });

  test('responses-compact-enabled: false ends compaction', async () => {
    const body = { model: 'demo', input: 'Hi' };
    expect((await post(gateway('demo: true\n'), '/v1/responses/compact', body)).status).toBe(200);
    const off = gateway('demo: true\nresponses-compact-enabled: false\n');
    for (const path of ['/v1/responses/compact', '/backend-api/codex/responses/compact'])
      expect((await post(off, path, body)).status).toBe(404);
  });
});

test.each([
  ['', 'gpt-5.4-mini'],
  ['gpt-image-2-base-model: gpt-5.5\n', 'gpt-5.5'],
])('ChatGPT draws with a model that chats: %j asks %s', async (config, painter) => {
  const chat = chatgpt();
  const it = await kept({
    channel: codex as Channel,
    endpoints: chat.endpoints,
    files: { 'a.json': chat.file() },
    config,
  });
  const drawn = await post(it.gateway, '/v1/images/generations', { model: 'gpt-image-2', prompt: 'A cat.' });
  expect([drawn.status, chat.backend.refused]).toEqual([200, []]);
  expect(chat.backend.turns[0]!.body).toMatchObject({
    model: painter,
    tools: [{ type: 'image_generation', model: 'gpt-image-2' }],
  });
  await it.stop();
  await chat.stop();
});
