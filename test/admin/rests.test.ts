import { afterAll, expect, test } from 'bun:test';
import openaiCompatibility from '../../src/channels/openai-compatibility/index.ts';
import type { Channel } from '../../src/channels/channel.ts';
import { Pool } from '../../src/accounts/pool/pool.ts';
import { optionsFor } from '../../src/relay/routing/plan.ts';
import { broken, policy, refused } from '../accounts/pool/support.ts';
import { clearDesks, desk, plainConfig } from './desk.ts';

afterAll(clearDesks);

const config = `${plainConfig}
openai-compatibility:
  - name: router
    base-url: http://127.0.0.1:1/v1
    api-key-entries: [{api-key: sk-router-0123456789abcdef}, {api-key: sk-router-fedcba9876543210}]
    models: [{name: vendor/big, alias: big}]
`;

function told() {
  const pool = new Pool();
  const it = desk({ config, channels: [openaiCompatibility] as readonly Channel[], pool });
  const options = optionsFor(it.steward.current.registry.find('big'));
  const fail = (error: () => ReturnType<typeof refused>) => {
    const walk = pool.walk(options, { policy: policy(), tokens: 1 });
    for (let taken = walk.next(); taken; taken = walk.next()) walk.failed(error());
  };
  const ready = async () => {
    const { credentials }: any = await (await it.ask('/models/explain?id=big')).json();
    return credentials.map(({ state }: any) => state === 'ready');
  };
  const reset = async (body: unknown) => {
    const response = await it.ask('/reset-quota', { method: 'POST', body: JSON.stringify(body) });
    return { status: response.status, body: (await response.json()) as any };
  };
  return { ...it, pool, options, fail, ready, reset };
}

test('the rests of one credential end by its auth_index, and its models are named', async () => {
  const { fail, ready, reset, options, ask } = told();
  fail(refused);
  expect(await ready()).toEqual([false, false]);
  const { credentials }: any = await (await ask('/models/explain?id=big')).json();
  const { status, body } = await reset({ auth_index: credentials[0].auth_index });
  expect([status, body]).toEqual([
    200,
    { status: 'ok', auth_index: options[0]!.account.id, models: ['big'], ended: 1 },
  ]);
  expect(await ready()).toEqual([true, false]);
});

test('those of everybody end together, also where a provider rests as a whole', async () => {
  const { fail, ready, reset } = told();
  for (let count = 0; count < 3; count++) fail(broken);
  expect(await ready()).toEqual([false, false]);
  expect((await reset({ auth_index: '*' })).body).toMatchObject({ status: 'ok', models: ['big'] });
  expect(await ready()).toEqual([true, true]);
});

test('an auth_index that is missing or unknown is told with where to find one', async () => {
  const { reset } = told();
  expect(await reset({})).toMatchObject({
    status: 400,
    body: { remedy: expect.stringContaining('auth_index') },
  });
  expect(await reset({ auth_index: 'nobody' })).toMatchObject({
    status: 404,
    body: { error: 'auth not found', remedy: expect.stringContaining('models/explain') },
  });
});
