import { afterAll, describe, expect, test } from 'bun:test';
import demo from '../../src/channels/demo/index.ts';
import openaiCompatibility from '../../src/channels/openai-compatibility/index.ts';
import type { Channel } from '../../src/channels/channel.ts';
import { clearDesks, desk, plainConfig } from './desk.ts';

afterAll(clearDesks);

const config = `${plainConfig}
demo: true
openai-compatibility:
  - name: router
    base-url: http://127.0.0.1:1/v1
    api-key: sk-router-0123456789abcdef
    models: [{name: vendor/big, alias: big}, {name: gpt-4o}]
    excluded-models: [gpt-*]
`;

const told = () => desk({ config, channels: [demo, openaiCompatibility] as readonly Channel[] });

describe('models', () => {
  test('are listed with who serves them and how many credentials are ready', async () => {
    const { models }: any = await (await told().ask('/models')).json();
    expect(models.map(({ id, providers, ready }: any) => [id, providers, ready])).toEqual([
      ['big', ['router'], 1],
      ['demo', ['demo'], 1],
      ['demo-claude', ['demo'], 1],
    ]);
  });

  test('a name is explained: how it is read, who serves it, who does not and why', async () => {
    const body: any = await (await told().ask('/models/explain?id=big(high)')).json();
    expect(body).toMatchObject({
      asked: 'big(high)',
      name: 'big',
      found_by: 'name',
      thinking_suffix: { effort: 'high' },
    });
    expect(body.credentials).toMatchObject([{ provider: 'router', model: 'vendor/big', state: 'ready' }]);
    expect(body.skipped).toEqual([{ provider: 'demo', credentials: ['demo'], why: 'has no such model' }]);
  });

  test('a name that nobody serves names the pattern that keeps it back, and what is near', async () => {
    const body: any = await (await told().ask('/models/explain?id=gpt-4o')).json();
    expect(body.found_by).toBeUndefined();
    expect(body.skipped).toContainEqual(
      expect.objectContaining({
        provider: 'router',
        why: 'has it, but it is excluded by the pattern "gpt-*"',
      }),
    );
  });

  test('no answer holds a key', async () => {
    const { ask } = told();
    const texts = await Promise.all(
      ['/models', '/models/explain?id=big'].map(async (path) => (await ask(path)).text()),
    );
    expect(texts.join()).not.toContain('sk-router-0123456789abcdef');
  });

  test('a question without a name is refused', async () => {
    expect((await told().ask('/models/explain')).status).toBe(400);
  });
});
