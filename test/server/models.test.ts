import { describe, expect, test } from 'bun:test';
import { key, stand } from './support.ts';

describe('the model list', () => {
  const { get, logged } = stand({ keys: [key] });
  const list = async (path = '/v1/models', headers: Record<string, string> = {}) =>
    (await get(path, { headers: { authorization: `Bearer ${key}`, ...headers } })).json() as any;

  test.each(['/v1/models', '/models', '/v1/models/', '/v1/v1/models'])('is at %s', async (path) => {
    expect((await list(path)).data.map(({ id }: any) => id)).toEqual(['demo', 'team-a/claude']);
  });

  test('has the OpenAI shape', async () => {
    const answer = await list();
    expect(answer.object).toBe('list');
    expect(answer.data[0]).toEqual({ id: 'demo', object: 'model', created: 1_760_000_000, owned_by: 'demo' });
  });

  test.each([
    ['a caller that names the version of the Anthropic API', { 'anthropic-version': '2023-06-01' }],
    ['Claude Code', { 'user-agent': 'claude-cli/2.0.1 (external, cli)' }],
  ] as [string, Record<string, string>][])('has the Claude shape for %s', async (_, headers) => {
    expect(await list('/v1/models', headers)).toMatchObject({
      has_more: false,
      data: [{ type: 'model' }, {}],
    });
  });

  test('is the catalogue of Codex for a caller that says its version', async () => {
    const answer = await list('/v1/models?client_version=0.50.0', { 'anthropic-version': '2023-06-01' });
    expect(answer.models.map(({ slug }: any) => slug)).toContain('demo');
  });

  test('is an empty list, never null, when nothing is configured', async () => {
    const empty = stand({ cards: [] });
    expect(await (await empty.get('/v1/models')).json()).toEqual({ object: 'list', data: [] });
  });

  test('needs a client key, and says so in the caller’s dialect', async () => {
    const response = await get('/v1/models', { headers: { 'anthropic-version': '2023-06-01' } });
    expect(response.status).toBe(401);
    expect(((await response.json()) as any).type).toBe('error');
  });

  test('leaves one line in the log', async () => {
    const before = logged().length;
    await list();
    expect(logged().slice(before)).toMatchObject([{ path: '/v1/models', status: 200, client: 'label-wxyz' }]);
  });
});

describe('one model', () => {
  const { get } = stand();
  const one = async (path: string, headers: Record<string, string> = {}) => get(path, { headers });

  test.each(['/v1/models/team-a/claude', '/v1/models/team-a%2Fclaude', '/models/team-a/claude'])(
    'is found at %s',
    async (path) => {
      expect(await (await one(path)).json()).toMatchObject({ id: 'team-a/claude', object: 'model' });
    },
  );

  test('has the Claude shape for callers of the Anthropic API', async () => {
    const answer = await one('/v1/models/demo', { 'anthropic-version': '2023-06-01' });
    expect(await answer.json()).toMatchObject({ id: 'demo', type: 'model' });
  });

  test('that does not exist gets 404 model_not_found with the nearest names', async () => {
    const response = await one('/v1/models/demmo');
    expect(response.status).toBe(404);
    const body = (await response.json()) as any;
    expect(body.error.code).toBe('model_not_found');
    expect(body.error.message).toContain('Model "demmo" is not offered here. Did you mean "demo"?');
  });

  test('is not looked for in a broken escape', async () => {
    expect((await one('/v1/models/%E0%A4%A')).status).toBe(404);
  });
});

describe('for Gemini clients', () => {
  const cards = [{ id: 'gemini-2.5-pro', contextWindow: 1_048_576 }, { id: 'team/demo' }];

  test('lists every model in the shape of the Gemini API, also with the key in the query', async () => {
    const response = await stand({ keys: [key], cards }).get(`/v1beta/models?key=${key}`);
    const { models } = (await response.json()) as { models: Record<string, unknown>[] };
    expect(models.map(({ name }) => name)).toEqual(['models/gemini-2.5-pro', 'models/team/demo']);
    expect(models[0]).toMatchObject({ inputTokenLimit: 1_048_576 });
  });

  test('shows one model, with slashes and with or without models/', async () => {
    const { get } = stand({ cards });
    for (const path of ['/v1beta/models/team/demo', '/v1beta/models/models/team%2Fdemo'])
      expect(await (await get(path)).json()).toMatchObject({ name: 'models/team/demo' });
  });

  test('answers an unknown model and a missing key in the shape of Google', async () => {
    const unknown = await stand({ cards }).get('/v1beta/models/nope');
    expect(unknown.status).toBe(404);
    expect(await unknown.json()).toMatchObject({ error: { code: 404, status: 'NOT_FOUND' } });
    const refused = await stand({ keys: [key], cards }).get('/v1beta/models');
    expect(await refused.json()).toMatchObject({ error: { code: 401, status: 'UNAUTHENTICATED' } });
  });
});
