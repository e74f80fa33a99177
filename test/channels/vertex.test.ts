import { describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import channel from '../../src/channels/vertex/index.ts';
import { opened, sent } from './tools.ts';

const open = (more: object = {}) =>
  opened(channel, 'vertex-api-key', [{ 'api-key': 'vk-0123456789', ...more }]);
const only = (more: object = {}) => open(more).connections[0]!;

describe('requests', () => {
  test("go to Google's publisher path, with the key in its header", async () => {
    const { url, headers } = await sent(only(), { model: 'gemini-2.5-flash', stream: true });
    expect(url).toBe(
      'https://aiplatform.googleapis.com/v1/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
    );
    expect(headers.get('x-goog-api-key')).toBe('vk-0123456789');
  });

  test.each([
    [
      'https://proxy.example/vertex',
      'https://proxy.example/vertex/v1/publishers/google/models/m:generateContent',
    ],
    [
      'https://aiplatform.googleapis.com/v1beta1',
      'https://aiplatform.googleapis.com/v1beta1/publishers/google/models/m:generateContent',
    ],
    [
      'https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1',
      'https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/google/models/m:generateContent',
    ],
    [
      'https://aiplatform.googleapis.com/v1/publishers/google/models/',
      'https://aiplatform.googleapis.com/v1/publishers/google/models/m:generateContent',
    ],
  ])('the base may be a project, a version or a bare host (%s)', async (base, url) => {
    expect((await sent(only({ 'base-url': base }))).url).toBe(url);
  });

  test('a wrapped count is unwrapped, because Vertex counts whole requests', async () => {
    const inner = { contents: [], tools: [] };
    const body = JSON.stringify({ generateContentRequest: { model: 'models/m', ...inner } });
    const outgoing = await sent(only(), { operation: 'count-tokens', body });
    expect(outgoing.url).toEndWith('/m:countTokens');
    expect(JSON.parse(outgoing.body as string)).toEqual(inner);
    const plain = '{ "contents": [] }';
    expect((await sent(only(), { operation: 'count-tokens', body: plain })).body).toBe(plain);
  });
});

test('it asks for the dialect of Vertex, and offers the Gemini family', () => {
  expect(only().dialect).toBe('vertex');
  expect(only().models).toMatchObject({ catalog: 'gemini', declared: [] });
  expect(only().accounts[0]).toMatchObject({ provider: 'vertex' });
});

test('it chats, counts, embeds and draws', () => {
  expect([only().can!('chat', 'm'), only().can!('count-tokens', 'm')]).toEqual([true, true]);
  expect(only().can!('/v1beta/models:predict', 'imagen-4.0-generate-001')).toBe(true);
  expect(only().can!('/v1/embeddings', 'm')).toBe(false);
});

test('entries fit the schema', () => {
  expect(Value.Check(channel.settings['vertex-api-key']!, [{ 'api-key': 'k', headers: { a: 'b' } }])).toBe(
    true,
  );
});
