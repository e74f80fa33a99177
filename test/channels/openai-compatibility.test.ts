import { describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import channel from '../../src/channels/openai-compatibility/index.ts';
import { vendors } from '../../src/channels/openai-compatibility/presets.ts';
import { userAgent } from '../../src/channels/entry.ts';
import { send } from '../../src/wire/fetch.ts';
import { loopback } from '../wire/servers.ts';
import { opened, sent, tools } from './tools.ts';

const entry = (more: object = {}) => ({
  name: 'local',
  'base-url': 'http://host:8000/v1',
  'api-key-entries': [{ 'api-key': 'sk-local-0123456789' }],
  models: [{ name: 'm' }],
  ...more,
});
const open = (more: object = {}, outside = {}) =>
  opened(channel, 'openai-compatibility', [entry(more)], outside);
const only = (more: object = {}, outside = {}) => open(more, outside).connections[0]!;

describe('requests', () => {
  test('a chat goes out whole, as bytes on a socket', async () => {
    await using upstream = await loopback(
      (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'),
    );
    const connection = only(
      { 'base-url': `http://127.0.0.1:${upstream.port}/v1/`, 'proxy-url': 'direct' },
      { proxy: 'direct' },
    );
    const outgoing = await sent(connection, {
      body: '{"model":"m"}',
      headers: new Headers({ 'x-stainless-lang': 'js' }),
    });
    const response = await send(outgoing, {
      signal: new AbortController().signal,
      timeouts: { connectMs: 5_000, firstByteMs: 5_000, gapMs: 5_000 },
    });
    await response.text();
    const [head, body] = upstream.heard[0]!.split('\r\n\r\n');
    const [line, ...headers] = head!.split('\r\n');
    expect(line).toBe('POST /v1/chat/completions HTTP/1.1');
    const names = Object.fromEntries(headers.map((header) => header.toLowerCase().split(': ')));
    expect(names).toMatchObject({
      authorization: 'bearer sk-local-0123456789',
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': userAgent,
      'x-stainless-lang': 'js',
    });
    expect(body).toBe('{"model":"m"}');
  });

  test('a stream asks for events and for no compression', async () => {
    const { headers } = await sent(only(), { stream: true });
    expect([headers.get('accept'), headers.get('accept-encoding')]).toEqual([
      'text/event-stream',
      'identity',
    ]);
  });

  test.each([
    ['http://host/v1', 'chat', '', 'http://host/v1/chat/completions'],
    ['http://host/v1/', 'chat', '', 'http://host/v1/chat/completions'],
    ['https://host', 'chat', '', 'https://host/chat/completions'],
    ['https://host/v1/chat/completions', 'chat', '', 'https://host/v1/chat/completions'],
    ['https://host/v1', '/v1/embeddings', '', 'https://host/v1/embeddings'],
    ['https://host/api/v4', '/v1/images/generations', 'a=1', 'https://host/api/v4/images/generations?a=1'],
    ['https://host/d?api-version=2', 'chat', 'a=1', 'https://host/d/chat/completions?api-version=2&a=1'],
  ] as const)('%s + %s + "%s" is %s', async (base, operation, query, url) => {
    expect((await sent(only({ 'base-url': base }), { operation, query })).url).toBe(url);
  });

  test('without a key no Authorization is sent', async () => {
    const connection = only({ 'api-key-entries': [] });
    expect(connection.accounts.map(({ secret, label }) => [secret.kind, label])).toEqual([
      ['none', 'local without a key'],
    ]);
    expect((await sent(connection)).headers.has('authorization')).toBe(false);
  });

  test('configured headers come last, and $Name copies a header of the client when it sent one', async () => {
    const connection = only({
      headers: { 'User-Agent': 'mine', 'X-Session': '$X-Client-Session', 'X-Price': '$5.00' },
    });
    const clientHeaders = new Headers({ 'x-client-session': 's1' });
    expect([...(await sent(connection, { clientHeaders })).headers]).toEqual(
      expect.arrayContaining([
        ['user-agent', 'mine'],
        ['x-session', 's1'],
        ['x-price', '$5.00'],
      ]),
    );
    expect((await sent(connection)).headers.has('x-session')).toBe(false);
  });

  test.each(['$Authorization', '$x-api-key', '$Cookie'])(
    "a header may not copy the client's key (%s)",
    (value) => {
      expect(() => open({ headers: { 'x-key': value } })).toThrow('[0].headers.x-key');
    },
  );

  test('a form keeps the content type that describes it', async () => {
    const clientHeaders = new Headers({ 'content-type': 'multipart/form-data; boundary=x' });
    const { headers } = await sent(only(), { operation: '/v1/images/edits', clientHeaders });
    expect(headers.get('content-type')).toBe('multipart/form-data; boundary=x');
  });
});

describe('keys', () => {
  test('each key is an account with its own proxy, under ids that outlive a reload', () => {
    const keys = {
      'api-key-entries': [
        { 'api-key': ' sk-one-0123456789 ', 'proxy-url': 'socks5://10.0.0.1:1080', weight: 3 },
        { 'api-key': 'sk-two-0123456789' },
        { 'api-key': 'sk-one-0123456789' },
      ],
      priority: 2,
    };
    const { connections, warnings } = open(keys, { proxy: 'direct' });
    const { accounts } = connections[0]!;
    expect(accounts).toMatchObject([
      {
        secret: { key: 'sk-one-0123456789' },
        proxy: { url: 'socks5://10.0.0.1:1080' },
        weight: 3,
        priority: 2,
      },
      { secret: { key: 'sk-two-0123456789' }, proxy: 'direct', weight: 1, priority: 2 },
    ]);
    expect(warnings).toEqual([
      '[0].api-key-entries[2].api-key: is the key of an entry above; it is used once',
    ]);
    expect(JSON.stringify(accounts.map(({ id, label }) => [id, label]))).not.toContain('0123456789');
    expect(only(keys).accounts.map(({ id }) => id)).toEqual(accounts.map(({ id }) => id));
    expect(only(keys).id).toBe(connections[0]!.id);
  });

  test('a key may stand in the entry itself, or in the older list; all share the proxy of the entry', () => {
    const { accounts } = only({
      'api-key': 'sk-itself-0123456789',
      'proxy-url': 'http://10.0.0.1:3128',
      'api-key-entries': [{ 'api-key': 'sk-entry-0123456789', 'proxy-url': 'direct' }],
      'api-keys': ['sk-older-0123456789'],
    });
    expect(accounts).toMatchObject([
      { secret: { key: 'sk-itself-0123456789' }, proxy: { url: 'http://10.0.0.1:3128/' } },
      { secret: { key: 'sk-entry-0123456789' }, proxy: 'direct' },
      { secret: { key: 'sk-older-0123456789' }, proxy: { url: 'http://10.0.0.1:3128/' } },
    ]);
  });

  test.each([
    ['{"access_token":"sk-a"}', 'sk-a'],
    ['{"api_key":" sk-b "}', 'sk-b'],
    ['\n sk-c\n', 'sk-c'],
  ])('a token file may hold %j', (text, key) => {
    const files = { '/home/me/key.json': text };
    const account = only(
      { 'api-key-entries': [{ 'token-file': '~/key.json' }] },
      { files, environment: { HOME: '/home/me' } },
    ).accounts[0]!;
    expect(account.secret).toEqual({ kind: 'api-key', key });
  });

  test.each([
    [
      { 'api-key-entries': [{ 'token-file': '/gone' }] },
      '[0].api-key-entries[0].token-file: expected a file that can be read',
    ],
    [
      { 'api-key-entries': [{ 'token-file': '/empty' }] },
      '[0].api-key-entries[0].token-file: expected a file with a key',
    ],
    [{ 'api-key-entries': [{ 'proxy-url': 'socks4://h:1' }] }, '[0].api-key-entries[0].proxy-url: expected'],
    [{ 'proxy-url': 'ftp://h:1' }, '[0].proxy-url: expected'],
    [{ 'base-url': '' }, '[0].base-url: expected an address'],
    [{ 'base-url': 'host/v1' }, '[0].base-url: expected an address'],
    [{ 'base-url': 'ftp://host/v1' }, '[0].base-url: expected an address'],
  ])('%j is refused', (more, message) => {
    expect(() => open(more, { files: { '/empty': '{"other":1}' } })).toThrow(message);
  });
});

describe('entries', () => {
  test('a disabled one is left out', () => {
    expect(open({ disabled: true }).connections).toEqual([]);
  });

  test('models, prefix and exclusions are read', () => {
    const { models } = only({
      prefix: '/team/',
      'excluded-models': [' GPT-* ', 'gpt-*', ''],
      models: [
        {
          name: 'a',
          alias: ' b ',
          'force-mapping': true,
          'max-context-length': 9,
          thinking: { levels: ['low'], 'zero-allowed': true },
        },
      ],
    });
    expect(models).toEqual({
      prefix: 'team',
      excluded: ['gpt-*'],
      declared: [
        {
          name: 'a',
          alias: 'b',
          forceMapping: true,
          contextWindow: 9,
          thinking: { levels: ['low'], zeroAllowed: true },
        },
      ],
    });
  });

  test('one without models serves nothing and says so', () => {
    expect(open({ models: [] }).warnings).toEqual([
      '[0].models: lists no models, so nothing is served from here; `discover-models: true` asks the service for its list',
    ]);
    for (const more of [{ 'discover-models': true }, { 'unknown-models': true }])
      expect(open({ models: [], ...more }).warnings).toEqual([]);
  });

  test.each([
    [undefined, 'http://host:8000/v1/models'],
    ['/v4/models?all=1', 'http://host:8000/v1/v4/models?all=1'],
    ['http://host:8000/list', 'http://host:8000/list'],
  ])('the list of models of %p is asked for at %s', async (setting, url) => {
    const connection = only({ 'discover-models': true, 'models-endpoint': setting });
    expect(connection.models).toMatchObject({ live: true });
    expect(await sent(connection, { operation: 'models' })).toMatchObject({ method: 'GET', url });
  });

  test('the key never goes to another host for a list of models', () => {
    expect(() => open({ 'models-endpoint': 'https://elsewhere.example/models' })).toThrow();
  });

  test('serves chats and raw endpoints, and counts no tokens', () => {
    const connection = only();
    expect([
      connection.can!('chat', 'm'),
      connection.can!('/v1/embeddings', 'm'),
      connection.can!('count-tokens', 'm'),
    ]).toEqual([true, true, false]);
    expect(connection.speaks('m').id).toBe('openai-chat');
  });

  test('the schema accepts what the reference accepts', () => {
    const slice = [
      entry({
        priority: 1,
        'models-endpoint': '/models',
        'disable-cooling': true,
        'support-prompt-cache-key': true,
      }),
    ];
    expect([...Value.Errors(channel.settings['openai-compatibility']!, slice)]).toEqual([]);
  });
});

describe('vendors', () => {
  const vendor = (name: string, slice: object = {}, outside = {}) => opened(channel, name, [slice], outside);

  test.each(Object.keys(vendors))('%s has a key of its own in the config', async (name) => {
    const { connections } = vendor(name, { 'api-key': 'sk-0123456789abc', models: [{ name: 'm' }] });
    const { url, headers } = await sent(connections[0]!);
    expect(url).toBe(`${vendors[name]!.baseUrl}/chat/completions`);
    expect(headers.get('authorization')).toBe('Bearer sk-0123456789abc');
    expect(connections[0]!.provider).toBe(name);
  });

  test('an entry without a key takes it from the environment, or says that there is none', () => {
    const { connections } = vendor('groq', {}, { environment: { GROQ_API_KEY: ' gsk-0123456789abc ' } });
    expect(connections[0]!.accounts[0]!.secret).toEqual({ kind: 'api-key', key: 'gsk-0123456789abc' });
    expect(vendor('groq').warnings).toEqual([
      '[0].api-key: is empty, and so is GROQ_API_KEY; requests carry no key',
    ]);
  });

  test("an entry's models and address replace the vendor's", () => {
    const { connections } = vendor('groq', {
      'api-key': 'k',
      'base-url': 'http://mine/v1',
      models: [{ name: 'own' }],
    });
    expect(connections[0]!.models.declared).toEqual([{ name: 'own' }]);
    expect(vendor('groq', { 'api-key': 'k' }).connections[0]!.models.declared).toContainEqual({
      name: 'openai/gpt-oss-120b',
    });
  });

  test.each([
    ['deepseek', 'reasoning-history'],
    ['openrouter', 'reasoning-details'],
    ['groq', undefined],
  ])('%s is sent the reasoning of earlier turns as %s', (name, dialect) => {
    expect(vendor(name, { 'api-key': 'k' }).connections[0]!.dialect).toBe(dialect);
  });

  test('two entries with one key are two connections of one account', () => {
    const [one, two] = [{ models: [{ name: 'a' }] }, { models: [{ name: 'b' }] }].map(
      (more) => vendor('groq', { 'api-key': 'k', ...more }).connections[0]!,
    );
    expect(one!.id).not.toBe(two!.id);
    expect(one!.accounts[0]!.id).toBe(two!.accounts[0]!.id);
  });

  test('zen and nim open by a variable alone, unless the config has them', () => {
    const environment = {
      OPENCODE_API_KEY: 'zen-key',
      NVIDIA_API_KEY: 'nim-key',
      GROQ_API_KEY: 'not-asked-for',
    };
    const ambient = (configured: string[]) =>
      channel.ambient!(new Set(configured), tools({ environment })).map(({ provider, accounts }) => [
        provider,
        accounts[0]!.secret,
      ]);
    expect(ambient([])).toEqual([
      ['zen', { kind: 'api-key', key: 'zen-key' }],
      ['nim', { kind: 'api-key', key: 'nim-key' }],
    ]);
    expect(ambient(['zen'])).toHaveLength(1);
    expect(channel.ambient!(new Set(), tools())).toEqual([]);
  });
});
