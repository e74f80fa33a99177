import { afterEach, describe, expect, test } from 'bun:test';
import { compatible, standing, upstream, type Standing, type Upstream } from './support.ts';

/** What a chat request is on its way: which bytes travel, who is tried, and what a client sees meanwhile. */

const open: (Standing | Upstream)[] = [];
afterEach(async () => {
  for (const it of open.splice(0)) await it.stop();
});

type Respond = Parameters<typeof upstream>[0];

/** The program in front of one upstream, which serves `m` in both protocols. */
function between(respond: Respond, more = '', keys: readonly string[] = ['sk-upstream-one-0123456789']) {
  const provider = upstream(respond);
  const claude = keys.flatMap((key) => [
    `  - api-key: ${key}`,
    `    base-url: ${provider.url}`,
    '    models:',
    '      - name: claude-real',
    '        alias: claude',
  ]);
  const models = ['{name: real/gpt, alias: gpt}', '{name: same}'];
  const it = standing(
    `openai-compatibility:\n${compatible('sim', provider.url, models, keys)}claude-api-key:\n${claude.join('\n')}\n${more}`,
  );
  open.push(it, provider);
  return { it, provider };
}

const events = { 'content-type': 'text/event-stream' };
const json = { 'content-type': 'application/json' };

const chunk = (delta: object, reason: string | null = null, model = 'real/gpt') =>
  `data: ${JSON.stringify({ id: 'c-1', object: 'chat.completion.chunk', created: 1, model, choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
const said = [
  chunk({ role: 'assistant', content: '' }),
  chunk({ content: 'Hi' }),
  chunk({}, 'stop'),
  'data: [DONE]\n\n',
];
const opening = said[0]!;

const ask = (model: string, more: object = {}) =>
  JSON.stringify({ model, max_tokens: 99, messages: [{ role: 'user', content: 'Hi' }], ...more });

/** A body of pieces, each handed over when the one before it was read; a promise among them is waited for. */
function pieces(...parts: readonly (string | Uint8Array | Promise<unknown>)[]): ReadableStream<Uint8Array> {
  const left = [...parts];
  return new ReadableStream(
    {
      async pull(controller) {
        let next = left.shift();
        for (; next instanceof Promise; next = left.shift()) await next;
        if (next === undefined) return controller.close();
        controller.enqueue(typeof next === 'string' ? Buffer.from(next) : next);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Every byte by itself. */
const bytewise = (text: string) => pieces(...Array.from(Buffer.from(text), (byte) => Uint8Array.of(byte)));

describe('the direct lane', () => {
  const odd = {
    'line ends of both kinds, comments and unknown fields':
      ': hello\r\n\r\ndata: {"id":"c", "x_unknown" : [1.0, 1e2],"model":"real/gpt","choices":[{"index":0,"delta":{"content":"Gr\\u00fc\u00dfe \u{1f600}"}}]}\r\n\r\n: ping\n\nid: 7\nretry: 3\ndata: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    'data on several lines':
      'data: {"id":"c","model":"real/gpt",\ndata: "choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
  };

  test.each(Object.entries(odd))('passes a stream byte for byte: %s', async (_, text) => {
    const { it } = between(() => new Response(bytewise(text), { headers: events }));
    const response = await it.post('/v1/chat/completions', ask('gpt', { stream: true }));
    expect(await response.text()).toBe(text);
  });

  test('ends a stream whose last blank line is missing', async () => {
    const text = said.join('');
    const { it } = between(() => new Response(bytewise(text.trimEnd()), { headers: events }));
    const response = await it.post('/v1/chat/completions', ask('gpt', { stream: true }));
    expect(await response.text()).toBe(text);
  });

  test('passes a whole answer byte for byte', async () => {
    const text =
      ' {"id" : "c","model":"real/gpt","new":{"a":1.00},\n"choices":[{"index":0,"message":{"role":"assistant","content":"\\u0041"},"finish_reason":"stop"}] }\n';
    const { it } = between(() => new Response(text, { headers: json }));
    expect(await (await it.post('/v1/chat/completions', ask('gpt'))).text()).toBe(text);
  });

  test.each([
    ['/v1/chat/completions', 'same', 'same'],
    ['/v1/chat/completions', 'gpt', 'real/gpt'],
    ['/v1/messages', 'claude', 'claude-real'],
  ])('sends a request byte for byte but for the name of the model: %s %s', async (path, asked, sent) => {
    const bodies: string[] = [];
    const { it } = between(async (request) => {
      bodies.push(await request.text());
      return new Response('{}', { status: 400 });
    });
    const body = (model: string) =>
      ` {"messages":[{"role":"user","content":"the \\"model\\": \\u00e9 \u{1f600}","model":"${asked}"}], "unknown":{"model":"${asked}", "n":1.0 },\n "model" : "${model}" ,"max_tokens": 9 }`;
    await it.post(path, body(asked));
    expect(bodies).toEqual([body(sent)]);
  });

  test.each([
    ['/v1/chat/completions', 'gpt', ['openai-beta', 'idempotency-key', 'x-session-id', 'session_id']],
    [
      '/v1/messages',
      'claude',
      ['anthropic-version', 'anthropic-beta', 'idempotency-key', 'x-claude-code-session-id'],
    ],
  ] as const)(
    '%s sends on the query and the headers of its protocol, and nothing of the connection or the client',
    async (path, model, names) => {
      const { it, provider } = between(() => new Response('{}', { status: 400 }));
      const carried = Object.fromEntries(names.map((name, index) => [name, `value-${index}`]));
      await it.post(`${path}?beta=true&a=b%20c&key=sk-in-query`, ask(model), {
        headers: {
          ...carried,
          connection: 'close, x-bound',
          'x-bound': 'hop',
          te: 'trailers',
          'proxy-authorization': 'Basic abc',
          cookie: 'a=b',
          'x-forwarded-for': '10.0.0.1',
          'x-own': 'mine',
        },
      });
      const [{ url, headers }] = provider.requests as [Upstream['requests'][number]];
      expect(Object.fromEntries(url.searchParams)).toEqual({ beta: 'true', a: 'b c' });
      expect(Object.fromEntries(names.map((name) => [name, headers.get(name)]))).toEqual(carried);
      for (const name of ['x-bound', 'te', 'proxy-authorization', 'cookie', 'x-forwarded-for', 'x-own'])
        expect([name, headers.get(name)]).toEqual([name, null]);
      expect(JSON.stringify([...headers])).not.toContain('sk-client');
    },
  );

  test('reads the usage that passes', async () => {
    const usage =
      'data: {"id":"c-1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}\n\n';
    const { it } = between(
      () => new Response([...said.slice(0, 3), usage, said[3]].join(''), { headers: events }),
    );
    await (await it.post('/v1/chat/completions', ask('gpt', { stream: true }))).text();
    expect(await it.line(1)).toMatchObject({ direct: true, tokens: { input: 7, output: 2 } });
  });
});

describe('a stream that nobody has begun to answer', () => {
  const impatient = 'streaming:\n  heartbeat-seconds: 1\n';

  test.each([
    ['/v1/chat/completions', 'gpt', ': '],
    ['/v1/messages', 'claude', 'event: ping'],
  ])('%s begins with a heartbeat, and goes on with the answer', async (path, model, heartbeat) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { it } = between(async () => {
      await promise;
      return new Response('{"error":{"message":"no","type":"invalid_request_error"}}', {
        status: 400,
        headers: json,
      });
    }, impatient);
    const response = await it.post(path, ask(model, { stream: true }));
    expect(response.status).toBe(200);
    let text = '';
    for await (const bytes of response.body!) {
      text += Buffer.from(bytes).toString();
      if (text.startsWith(heartbeat)) resolve();
    }
    expect(text).toStartWith(heartbeat);
    expect(text.match(/"error"/g)?.length).toBeGreaterThan(0);
    expect(await it.line(1)).toMatchObject({ status: 200, error: { code: 'invalid_request' } });
    // Its headers had gone out before anybody was known to serve it, which the trace tells.
    expect(response.headers.has('x-gateway-route')).toBe(false);
    expect(it.traces()).toMatchObject([{ early: true, bytes_out: text.length }]);
  });

  test('is given up at the upstream when the client leaves', async () => {
    const left = Promise.withResolvers<void>();
    const { it, provider } = between((request) => {
      request.signal.addEventListener('abort', () => left.resolve());
      return new Promise<Response>(() => {});
    }, impatient);
    const leaving = new AbortController();
    const response = await it.post('/v1/chat/completions', ask('gpt', { stream: true }), {
      signal: leaving.signal,
    });
    await response.body!.getReader().read();
    leaving.abort();
    await left.promise;
    expect(provider.requests.length).toBe(1);
    expect(await it.line(1)).toMatchObject({ status: 499 });
  });

  test('goes on with the next key after the response has begun', async () => {
    const gate = Promise.withResolvers<void>();
    const { it } = between(
      async (_, count) => {
        if (count > 1) return new Response(said.join(''), { headers: events });
        await gate.promise;
        return new Response('{"error":{"message":"later"}}', { status: 500, headers: json });
      },
      impatient,
      ['sk-upstream-one-0123456789', 'sk-upstream-two-0123456789'],
    );
    const response = await it.post('/v1/chat/completions', ask('gpt', { stream: true }));
    const reader = response.body!.getReader();
    let text = Buffer.from((await reader.read()).value!).toString();
    gate.resolve();
    for (let next = await reader.read(); !next.done; next = await reader.read())
      text += Buffer.from(next.value).toString();
    expect(text.slice(text.indexOf('data:'))).toBe(said.join(''));
  });
});

test('a whole answer is given up at the upstream when the client leaves', async () => {
  const [came, left] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { it } = between((request) => {
    request.signal.addEventListener('abort', () => left.resolve());
    came.resolve();
    return new Promise<Response>(() => {});
  });
  const leaving = new AbortController();
  const asking = it.post('/v1/messages', ask('gpt'), { signal: leaving.signal }).catch(() => 'left');
  await came.promise;
  leaving.abort();
  await left.promise;
  expect(await asking).toBe('left');
  expect(await it.line(1)).toMatchObject({ status: 499, attempts: 1, failed: [{ code: 'cancelled' }] });
});

test('a client that reads slowly slows the upstream down', async () => {
  let sent = 0;
  const line = chunk({ content: 'x'.repeat(64 * 1024) });
  const { it } = between(
    () =>
      new Response(
        new ReadableStream(
          {
            pull(controller) {
              sent += line.length;
              if (sent > 256 * 1024 * 1024) return controller.close();
              controller.enqueue(Buffer.from(line));
            },
          },
          { highWaterMark: 0 },
        ),
        { headers: events },
      ),
  );
  const leaving = new AbortController();
  const response = await it.post('/v1/chat/completions', ask('gpt', { stream: true }), {
    signal: leaving.signal,
  });
  const reader = response.body!.getReader();
  await reader.read();
  let before = -1;
  while (before !== sent) {
    before = sent;
    await Bun.sleep(300);
  }
  expect(sent).toBeLessThan(64 * 1024 * 1024);
  leaving.abort();
});

test('what the other protocol cannot say is named in the answer and in the log', async () => {
  const { it } = between(
    () =>
      new Response(
        '{"type":"message","id":"m","model":"claude-real","role":"assistant","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}',
        { headers: json },
      ),
  );
  const response = await it.post('/v1/chat/completions', ask('claude', { seed: 7, frequency_penalty: 1 }));
  expect(response.headers.get('x-gateway-dropped')?.split(', ').sort()).toEqual([
    'frequency_penalty',
    'seed',
  ]);
  expect((await it.line(1)).dropped.sort()).toEqual(['frequency_penalty', 'seed']);
});

test.each([
  ['direct', '/v1/chat/completions', false],
  ['direct', '/v1/chat/completions', true],
  ['translated', '/v1/messages', false],
  ['translated', '/v1/messages', true],
] as const)(
  'headers of the upstream pass where the config says so: %s, %s, stream %p',
  async (_, path, stream) => {
    const whole =
      '{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}';
    const own = {
      'x-ratelimit-remaining-tokens': '7',
      'set-cookie': 'a=b',
      'access-control-allow-origin': '*',
      'cache-control': 'public',
    };
    const respond = () =>
      new Response(stream ? said.join('') : whole, { headers: { ...own, ...(stream ? events : json) } });
    for (const [more, expected] of [
      ['', null],
      ['passthrough-headers: true\n', '7'],
    ] as const) {
      const { it } = between(respond, more);
      const { headers } = await it.post(path, ask('gpt', { stream }));
      expect(headers.get('x-ratelimit-remaining-tokens')).toBe(expected);
      expect(headers.get('set-cookie')).toBeNull();
      expect(headers.get('access-control-allow-origin')).toBeNull();
      expect(headers.get('content-type')).toStartWith(stream ? 'text/event-stream' : 'application/json');
      if (stream) expect(headers.get('cache-control')).toBe('no-cache, no-transform');
    }
  },
);

describe('opening events', () => {
  const keys = ['sk-upstream-one-0123456789', 'sk-upstream-two-0123456789'];

  test('that turn into an error are never seen: the next key answers', async () => {
    const broken = `${opening}data: {"error":{"message":"overloaded","type":"server_error"}}\n\n`;
    const { it } = between(
      (_, count) => new Response(count === 1 ? broken : said.join(''), { headers: events }),
      '',
      keys,
    );
    const response = await it.post('/v1/chat/completions', ask('gpt', { stream: true }));
    expect(await response.text()).toBe(said.join(''));
    expect(await it.line(1)).toMatchObject({ attempts: 2 });
  });

  test('are given out when no content comes within the hold', async () => {
    const gate = Promise.withResolvers<void>();
    const { it } = between(
      () => new Response(pieces(opening, gate.promise, said.slice(1).join('')), { headers: events }),
      'streaming:\n  hold-seconds: 1\n',
    );
    const response = await it.post('/v1/chat/completions', ask('gpt', { stream: true }));
    const reader = response.body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe(opening);
    gate.resolve();
    let rest = '';
    for (let next = await reader.read(); !next.done; next = await reader.read())
      rest += Buffer.from(next.value).toString();
    expect(rest).toBe(said.slice(1).join(''));
  });
});

describe('deadlines', () => {
  test.each([
    ['first-byte', () => new Promise<Response>(() => {}), 504, 'upstream_timeout'],
    [
      'first-byte',
      () => new Response(pieces(new Promise(() => {})), { headers: json }),
      504,
      'upstream_timeout',
    ],
    [
      'gap',
      () => new Response(pieces('{"id":', new Promise(() => {})), { headers: json }),
      504,
      'upstream_timeout',
    ],
  ] as const)('%s: running out is an error of its own', async (phase, respond, status, code) => {
    const { it } = between(respond, `timeouts:\n  ${phase}-seconds: 0.2\n`);
    const response = await it.post('/v1/chat/completions', ask('gpt'));
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code } });
  });

  test('a gap in a stream ends it in one error', async () => {
    const { it } = between(
      () => new Response(pieces(...said.slice(0, 2), new Promise(() => {})), { headers: events }),
      'timeouts:\n  gap-seconds: 0.2\n',
    );
    const response = await it.post('/v1/chat/completions', ask('gpt', { stream: true }));
    expect((await response.text()).match(/"error"/g)?.length).toBe(1);
    expect(await it.line(1)).toMatchObject({ error: { code: 'upstream_timeout' } });
  });
});

test('when every key fails the client hears the last failure and when to come back, and no key', async () => {
  const keys = ['sk-upstream-one-0123456789', 'sk-upstream-two-0123456789'];
  const { it } = between(
    () =>
      new Response('{"error":{"message":"slow down"}}', {
        status: 429,
        headers: { ...json, 'retry-after': '17' },
      }),
    '',
    keys,
  );
  for (const _ of [1, 2]) {
    const response = await it.post('/v1/chat/completions', ask('gpt'));
    const text = await response.text();
    expect(response.status).toBe(429);
    expect(Number(response.headers.get('retry-after'))).toBeWithin(10, 18);
    for (const key of keys) expect(text).not.toContain(key);
  }
  const [first, second] = it.logged();
  expect(first).toMatchObject({ attempts: 2, status: 429 });
  expect(second!.error.message).toContain('next try in');
});
