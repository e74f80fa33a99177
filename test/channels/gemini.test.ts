import { describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import channel from '../../src/channels/gemini/index.ts';
import { judge, untilMidnightPacific } from '../../src/channels/gemini/judge.ts';
import gemini from '../../src/protocols/gemini/index.ts';
import { opened, sent } from './tools.ts';

const open = (more: object = {}, outside = {}) =>
  opened(channel, 'gemini-api-key', [{ 'api-key': 'AIza-0123456789', ...more }], outside);
const only = (more: object = {}) => open(more).connections[0]!;

describe('requests', () => {
  test('go to the method of the model, with the key in its header and nowhere else', async () => {
    const { url, headers } = await sent(only(), { model: 'gemini-2.5-flash' });
    expect(url).toBe(
      'https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent',
    );
    expect([headers.get('x-goog-api-key'), headers.get('authorization')]).toEqual(['AIza-0123456789', null]);
    expect(headers.get('user-agent')).toStartWith('cliproxyapi++/');
  });

  test('streams are server-sent events, however the client wants them framed', async () => {
    for (const query of ['', 'alt=json', 'alt=sse', '%24alt=json'])
      expect((await sent(only(), { stream: true, query })).url).toEndWith(':streamGenerateContent?alt=sse');
    const { headers } = await sent(only(), { stream: true, query: 'quotaUser=a' });
    expect([headers.get('accept'), headers.get('accept-encoding')]).toEqual([
      'text/event-stream',
      'identity',
    ]);
  });

  test("the client's own query goes through", async () => {
    const query = 'alt=json%3Benum-encoding%3Dint&quotaUser=a';
    expect((await sent(only(), { query })).url).toEndWith(`:generateContent?${query}`);
    expect((await sent(only(), { stream: true, query: 'quotaUser=a' })).url).toEndWith(
      '?quotaUser=a&alt=sse',
    );
  });

  test.each([
    ['https://proxy.example', 'https://proxy.example/v1beta/models/m:generateContent'],
    ['https://proxy.example/google/', 'https://proxy.example/google/v1beta/models/m:generateContent'],
    ['https://proxy.example/v1beta', 'https://proxy.example/v1beta/models/m:generateContent'],
    ['https://proxy.example/v1beta/models', 'https://proxy.example/v1beta/models/m:generateContent'],
    ['https://proxy.example/v1?tag=a', 'https://proxy.example/v1/models/m:generateContent?tag=a'],
  ])('the base may be given with its version or without (%s)', async (base, url) => {
    expect((await sent(only({ 'base-url': base }))).url).toBe(url);
  });

  test.each(['../../upload', 'models/../../v1/x', '.', 'a/..', 'tunedModels/../x'])(
    'a model called %j leads nowhere else',
    async (model) => {
      const said = await Promise.resolve()
        .then(() => sent(only({ 'unknown-models': true }), { model }))
        .catch(String);
      expect(said).toContain('No model is called');
    },
  );

  test('a model with a path of its own keeps it', async () => {
    expect((await sent(only(), { model: 'tunedModels/mine' })).url).toEndWith(
      '/v1beta/tunedModels/mine:generateContent',
    );
    expect((await sent(only(), { model: 'odd name' })).url).toEndWith('/models/odd%20name:generateContent');
  });

  test('a configured credential header replaces ours', async () => {
    const { headers } = await sent(only({ headers: { Authorization: 'Bearer own' } }));
    expect([headers.get('x-goog-api-key'), headers.get('authorization')]).toEqual([null, 'Bearer own']);
  });

  test('bodies are not touched', async () => {
    const body = '{ "contents":[ ] , "session_id" : 1}';
    expect((await sent(only(), { body })).body).toBe(body);
  });
});

describe('other methods', () => {
  test('a count of bare contents goes as it is; what else counts is wrapped into a request', async () => {
    const bare = '{ "contents": [] }';
    const { url, body } = await sent(only(), { operation: 'count-tokens', body: bare });
    expect([url, body]).toEqual([
      'https://generativelanguage.googleapis.com/v1beta/models/m:countTokens',
      bare,
    ]);
    const whole = { contents: [], systemInstruction: { parts: [{ text: 's' }] }, tools: [] };
    const wrapped = await sent(only(), { operation: 'count-tokens', body: JSON.stringify(whole) });
    expect(JSON.parse(wrapped.body as string)).toEqual({
      generateContentRequest: { ...whole, model: 'models/m' },
    });
  });

  test('embeddings and pictures have methods of their own', async () => {
    for (const verb of ['embedContent', 'batchEmbedContents', 'predict'] as const) {
      const { url, body } = await sent(only(), { operation: `/v1beta/models:${verb}`, body: '{ }' });
      expect([url, body]).toEqual([
        `https://generativelanguage.googleapis.com/v1beta/models/m:${verb}`,
        '{ }',
      ]);
      expect(only().can!(`/v1beta/models:${verb}`, 'm')).toBe(true);
    }
  });

  test('it has nothing of what others have', () => {
    expect([only().can!('chat', 'm'), only().can!('count-tokens', 'm')]).toEqual([true, true]);
    expect(only().can!('/v1/embeddings', 'm')).toBe(false);
  });
});

describe('entries', () => {
  test('offer the Gemini family, or what they declare', () => {
    expect(only().models).toMatchObject({ declared: [], catalog: 'gemini', excluded: [] });
    const { models, accounts } = only({
      prefix: 'team',
      'excluded-models': ['*-Lite'],
      models: [{ name: 'gemini-2.5-pro', alias: 'pro' }],
      priority: 2,
    });
    expect(models).toMatchObject({
      prefix: 'team',
      excluded: ['*-lite'],
      declared: [{ name: 'gemini-2.5-pro', alias: 'pro' }],
    });
    expect(accounts[0]).toMatchObject({ provider: 'gemini', priority: 2, weight: 1 });
  });

  test('speak plain Gemini', () => {
    expect([only().speaks('m'), only().dialect]).toEqual([gemini, undefined]);
  });

  test('fit the schema, an empty key included, which is warned of', () => {
    const schema = channel.settings['gemini-api-key']!;
    expect(Value.Check(schema, [{ 'api-key': 'k', 'base-url': '', models: [{ name: 'a' }] }])).toBe(true);
    expect(open({ 'api-key': ' ' }).warnings).toEqual(['[0].api-key: is empty; requests carry no key']);
  });

  test('refuse a base that is no address, and an invalid proxy', () => {
    expect(() => only({ 'base-url': 'nowhere' })).toThrow('[0].base-url');
    expect(() => only({ 'proxy-url': 'ftp://x' })).toThrow('[0].proxy-url');
  });
});

describe('quotas', () => {
  const refusal = (quotaId?: string, retryDelay = '34s') =>
    gemini.upstream!.decodeError(
      429,
      new Headers(),
      JSON.stringify({
        error: {
          code: 429,
          message: 'You exceeded your current quota.',
          status: 'RESOURCE_EXHAUSTED',
          details: [
            ...(quotaId === undefined ? [] : [{ violations: [{ quotaId }] }]),
            { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay },
          ],
        },
      }),
    );
  const noonPacific = Date.UTC(2026, 0, 15, 20, 0, 0);

  test('that of a minute rests the model for as long as Google says', () => {
    const judged = judge(refusal('GenerateRequestsPerMinutePerProjectPerModel-FreeTier'), noonPacific);
    expect(judged).toMatchObject({ fault: { kind: 'rate-limited' }, scope: 'model', retryAfterMs: 34_000 });
  });

  test('that of a day rests the model until midnight in California', () => {
    const judged = judge(refusal('GenerateRequestsPerDayPerProjectPerModel-FreeTier'), noonPacific);
    expect(judged).toMatchObject({
      fault: { kind: 'quota-exhausted' },
      scope: 'model',
      retryAfterMs: 12 * 60 * 60 * 1000,
    });
    expect(untilMidnightPacific(Date.UTC(2026, 6, 15, 6, 59, 59))).toBe(1_000);
  });

  test('that of a project rests the whole key', () => {
    expect(judge(refusal('GenerateRequestsPerDayPerProject'), noonPacific).scope).toBe('credential');
  });

  test('without a name it is that of the model', () => {
    expect(judge(refusal(undefined, '0.5s'), noonPacific)).toMatchObject({
      scope: 'model',
      retryAfterMs: 500,
    });
  });

  test('other errors stay as they are', () => {
    const error = gemini.upstream!.decodeError(503, new Headers(), '{"error":{"status":"UNAVAILABLE"}}');
    expect(judge(error, noonPacific)).toBe(error);
  });
});
