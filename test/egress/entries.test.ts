import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { buildRuntime } from '../../src/config/build.ts';
import { createDiscovery, discoveryLimits } from '../../src/models/discovery.ts';
import { createState } from '../../src/state/state.ts';
import { clientKey, standing, type Standing } from '../relay/support.ts';
import { codexToken, codexUpstream } from '../support/codex-upstream.ts';
import { dial } from '../support/socket-client.ts';
import { anthropicUpstream, geminiUpstream, openaiUpstream, simulatorKey } from '../support/upstream.ts';
import { brokenKinds, type Doors, openDoors } from './doors.ts';

/** Whatever a key is used for, its requests leave by its proxy or not at all. */

const simulators = { openai: openaiUpstream(), anthropic: anthropicUpstream(), gemini: geminiUpstream() };
const codex = codexUpstream();
const api = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  async fetch(request) {
    await request.arrayBuffer();
    return Response.json({
      object: 'list',
      data: [{ id: 'found', embedding: [1] }],
      text: 'heard',
      usage: {},
    });
  },
});
let doors: Doors;
let urls: Readonly<Record<keyof typeof simulators | 'codex' | 'api', string>>;
const environment = { ...process.env };
const variables = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'];

beforeAll(async () => {
  for (const simulator of Object.values(simulators)) simulator.keys.add(simulatorKey);
  codex.accounts.set(codexToken, '');
  doors = await openDoors();
  urls = await doors.all({
    openai: simulators.openai.url,
    anthropic: simulators.anthropic.url,
    gemini: simulators.gemini.url,
    codex: codex.url,
    api: `http://127.0.0.1:${api.port}`,
  });
});
afterAll(async () => {
  for (const name of variables) restore(name);
  await doors.close();
  for (const simulator of Object.values(simulators)) simulator.stop();
  await codex.stop();
  await api.stop(true);
});
beforeEach(() => {
  // Whatever the environment says, a configured proxy holds.
  process.env.NO_PROXY = '*';
  doors.look();
});

function restore(name: string): void {
  if (environment[name] === undefined) delete process.env[name];
  else process.env[name] = environment[name];
}

/** Every kind of entry. Nobody rests after a failure, so that each request really tries to leave. @param own of each key. */
const configOf = (whole: string, own?: string): string => {
  const proxy = own === undefined ? '' : `, proxy-url: "${own}"`;
  const key = (value: string, url: string, more: string) =>
    `  - {api-key: ${value}, base-url: "${url}", disable-cooling: true, ${more}${proxy}}`;
  return [
    `proxy-url: "${whole}"`,
    'request-retry: 0',
    'openai-compatibility:',
    ...(
      [
        ['chat', `${urls.openai}/v1`, 'gpt-sim'],
        ['raw', `${urls.api}/v1`, 'raw-sim'],
      ] as const
    ).map(
      ([name, url, model]) =>
        `  - {name: ${name}, base-url: "${url}", disable-cooling: true, discover-models: true, ` +
        `api-key-entries: [{api-key: ${simulatorKey}${proxy}}], models: [{name: ${model}}]}`,
    ),
    'claude-api-key:',
    key(simulatorKey, urls.anthropic, 'models: [{name: claude-sim}]'),
    'gemini-api-key:',
    key(simulatorKey, urls.gemini, 'models: [{name: gemini-3-sim}]'),
    'codex-api-key:',
    key(codexToken, urls.codex, 'websockets: true, models: [{name: codex-sim}]'),
    '',
  ].join('\n');
};

const hello = [{ role: 'user', content: 'say hello' }];
/** The test's own requests go to the gateway directly, whatever the environment says. */
const here = { proxy: false } as RequestInit;
const json = (path: string, body: object) => (it: Standing) => it.post(path, JSON.stringify(body), here);

/** Every way in which a request leaves, by name. */
const asks: Readonly<Record<string, (it: Standing) => Promise<Response>>> = {
  'a chat on the direct lane': json('/v1/chat/completions', { model: 'gpt-sim', messages: hello }),
  'a stream on the direct lane': json('/v1/chat/completions', {
    model: 'gpt-sim',
    stream: true,
    messages: hello,
  }),
  'a chat on the translated lane': json('/v1/messages', { model: 'gpt-sim', max_tokens: 9, messages: hello }),
  'a stream on the translated lane': json('/v1/messages', {
    model: 'gpt-sim',
    stream: true,
    max_tokens: 9,
    messages: hello,
  }),
  'a chat with Claude': json('/v1/messages', { model: 'claude-sim', max_tokens: 9, messages: hello }),
  'a count of tokens': json('/v1beta/models/gemini-3-sim:countTokens', {
    contents: [{ role: 'user', parts: [{ text: 'hello' }] }],
  }),
  'a chat with Gemini': json('/v1/chat/completions', { model: 'gemini-3-sim', messages: hello }),
  'a response': json('/v1/responses', { model: 'codex-sim', store: false, input: 'say hello' }),
  'a raw route': json('/v1/embeddings', { model: 'raw-sim', input: 'x' }),
  'a form': (it) => {
    const form = new FormData();
    form.set('model', 'raw-sim');
    form.set('file', new Blob(['sound']), 'sound.wav');
    return it.post('/v1/audio/transcriptions', form, here);
  },
  'a WebSocket': async (it) => {
    const client = await dial(`${it.url}/v1/responses`, clientKey);
    const input = [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'say hello' }] }];
    const events = await client.turn({ type: 'response.create', model: 'codex-sim', store: false, input });
    client.socket.close();
    const done = events.at(-1)?.type === 'response.completed';
    return Response.json(events.at(-1), { status: done ? 200 : 502 });
  },
};

describe.each(['http', 'socks5'] as const)('a key with a proxy by %s', (kind) => {
  test.each(Object.keys(asks))('sends %s through it alone', async (name) => {
    const it = standing(configOf('direct', doors.working[kind]));
    const answer = await asks[name]!(it);
    const text = await answer.text();
    await it.stop();
    expect([answer.status, text]).toEqual([200, text]);
    const { direct, proxied } = doors.look();
    expect(direct).toBe(0);
    expect(proxied).toBeGreaterThan(0);
  });
});

describe.each(brokenKinds)('a key with %s', (kind) => {
  test('sends nothing anywhere, and every kind of request says so', async () => {
    const it = standing(configOf('direct', doors.broken[kind]));
    for (const [name, ask] of Object.entries(asks)) {
      const before = doors.asked();
      const answer = await ask(it);
      const text = await answer.text();
      // Tokens are estimated here when nobody else counts them.
      const counted = name === 'a count of tokens' && answer.status === 200;
      expect([name, counted || answer.status >= 500, text.includes('wrong')]).toEqual([name, true, false]);
      if (!kind.includes('gone')) expect([name, doors.asked() > before]).toEqual([name, true]);
    }
    await it.stop();
    expect(doors.look()).toEqual({ direct: 0, proxied: 0 });
  });
});

describe('the list of a place is asked', () => {
  async function discovered(config: string): Promise<string[]> {
    const { runtime } = buildRuntime(config, { file: 'config.yaml', environment: {} });
    const live = runtime.connections.filter(({ models }) => models.live);
    const told: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const discovery = createDiscovery({
      space: createState().space('models', discoveryLimits),
      now: Date.now,
      changed: () => {},
      log: (_, event) => void (told.push(event) === live.length && resolve()),
    });
    discovery.watch(runtime.connections);
    await promise;
    discovery.close();
    return told;
  }

  test.each(['http', 'socks5'] as const)('through its key’s proxy by %s', async (kind) => {
    expect(await discovered(configOf('direct', doors.working[kind]))).toContain('models-discovered');
    expect(doors.look()).toMatchObject({ direct: 0, proxied: 2 });
  });

  test.each(brokenKinds)('not at all by a key with %s', async (kind) => {
    expect(new Set(await discovered(configOf('direct', doors.broken[kind])))).toEqual(
      new Set(['models-not-discovered']),
    );
    expect(doors.look()).toEqual({ direct: 0, proxied: 0 });
  });

  test('through the proxy of the whole config', async () => {
    await discovered(configOf(doors.working.http));
    expect(doors.look()).toMatchObject({ direct: 0, proxied: 2 });
  });
});

describe('the proxy of the whole config', () => {
  test.each(Object.keys(asks))('carries %s of keys that name none', async (name) => {
    const it = standing(configOf(doors.working.http));
    const answer = await asks[name]!(it);
    const text = await answer.text();
    await it.stop();
    expect([answer.status, text]).toEqual([200, text]);
    expect(doors.look()).toMatchObject({ direct: 0 });
  });

  test('gives way to a key’s own, and to direct, which bypasses the environment as well', async () => {
    process.env.NO_PROXY = '';
    process.env.HTTP_PROXY = process.env.ALL_PROXY = doors.broken['a proxy that answers 407'];
    for (const [own, seen] of [
      [doors.working.socks5, { direct: 0, proxied: 1 }],
      ['direct', { direct: 1, proxied: 0 }],
    ] as const) {
      const it = standing(configOf(doors.broken['an HTTP proxy that is gone'], own));
      for (const name of ['a response', 'a WebSocket']) {
        const answer = await asks[name]!(it);
        await answer.text();
        expect([name, answer.status, doors.look()]).toEqual([name, 200, seen]);
      }
      await it.stop();
    }
    for (const name of variables) restore(name);
  });

  test('that is of an unknown kind is an error of the config, never no proxy', () => {
    expect(() =>
      buildRuntime(configOf('socks4://127.0.0.1:1'), { file: 'config.yaml', environment: {} }),
    ).toThrow('proxy-url');
  });
});
