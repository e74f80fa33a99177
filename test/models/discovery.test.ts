import { afterEach, describe, expect, test } from 'bun:test';
import type { Account } from '../../src/accounts/account.ts';
import type { Connection } from '../../src/channels/channel.ts';
import { createDiscovery, discoveryLimits, modelsIn } from '../../src/models/discovery.ts';
import openaiChat from '../../src/protocols/openai-chat/index.ts';
import { createState, type Space } from '../../src/state/state.ts';

const account: Account = {
  id: 'a',
  provider: 'place',
  label: 'place',
  secret: { kind: 'api-key', key: 'k' },
  priority: 0,
  weight: 1,
  proxy: 'direct',
};

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A place whose list is what the test says, and a discovery that watches it. */
function place(answer: () => Response | Promise<Response>, space: Space = spaceOf()) {
  let asked = 0;
  const server = Bun.serve({
    port: 0,
    fetch: () => {
      asked++;
      return answer();
    },
  });
  const connection: Connection = {
    id: 'place',
    provider: 'place',
    accounts: [account],
    models: { declared: [], excluded: [], live: true },
    speaks: () => openaiChat,
    prepare: ({ operation }) => ({
      method: 'GET',
      url: `http://127.0.0.1:${server.port}/${operation}`,
      headers: new Headers(),
      proxy: 'direct',
    }),
  };
  const clock = { now: 1_000_000 };
  const told: string[] = [];
  const events = Promise.withResolvers<void>();
  const discovery = createDiscovery({
    space,
    now: () => clock.now,
    changed: () => void told.push('changed'),
    log: (_, event) => {
      told.push(event);
      if (event !== 'changed') events.resolve();
    },
  });
  closing.push(
    () => discovery.close(),
    () => server.stop(true),
  );
  return { connection, discovery, clock, told, settled: events.promise, asked: () => asked };
}

const spaceOf = () => createState().space('models', discoveryLimits);
const list = (...ids: string[]) => Response.json({ data: ids.map((id) => ({ id })) });

describe('discovery', () => {
  test('asks a place that wants it, keeps what it lists, and tells of the change', async () => {
    const { connection, discovery, told, settled } = place(() => list('m1', 'm2'));
    discovery.watch([connection]);
    await settled;
    expect(discovery.known('place')).toEqual([{ name: 'm1' }, { name: 'm2' }]);
    expect(told).toEqual(['models-discovered', 'changed']);
  });

  test('leaves a place alone that does not want it, and one that was asked within the hour', async () => {
    const { connection, discovery, settled, asked } = place(() => list('m'));
    discovery.watch([{ ...connection, models: { ...connection.models, live: false } }]);
    expect(asked()).toBe(0);
    discovery.watch([connection]);
    await settled;
    discovery.watch([connection]);
    expect(asked()).toBe(1);
  });

  test.each([
    ['an empty list', () => list()],
    ['an error', () => new Response('{"error":{"message":"no"}}', { status: 500 })],
    [
      'a list without end',
      () =>
        new Response(new ReadableStream({ pull: (out) => out.enqueue(new Uint8Array(1 << 20).fill(32)) })),
    ],
    ['a page', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
  ])('%s takes nothing away that is known', async (_, answer) => {
    const space = spaceOf();
    space.put('place', { models: [{ name: 'kept' }] });
    const { connection, discovery, told, settled } = place(answer, space);
    discovery.watch([connection]);
    await settled;
    expect(discovery.known('place')).toEqual([{ name: 'kept' }]);
    expect(told).toEqual(['models-not-discovered']);
  });
});

describe('a list', () => {
  test('is read in the words of each vendor', () => {
    expect(
      modelsIn({
        data: [
          {
            id: 'x/y',
            name: 'Y',
            context_length: 8,
            top_provider: { max_completion_tokens: 4 },
            architecture: { input_modalities: ['file', 'text'] },
          },
          { id: 'claude-z', display_name: 'Claude Z', max_input_tokens: 9, max_tokens: 3 },
          { id: 'x/y' },
          { nothing: 1 },
        ],
      }),
    ).toEqual([
      { name: 'x/y', displayName: 'Y', contextWindow: 8, maxOutputTokens: 4, inputs: ['text', 'document'] },
      { name: 'claude-z', displayName: 'Claude Z', contextWindow: 9, maxOutputTokens: 3 },
    ]);
    expect(modelsIn({ models: [{ name: 'models/gemini-x', displayName: 'X', inputTokenLimit: 7 }] })).toEqual(
      [{ name: 'gemini-x', displayName: 'X', contextWindow: 7 }],
    );
  });
});
