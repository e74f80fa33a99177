import { afterEach, describe, expect, test } from 'bun:test';
import { compatible, post, standing, type Standing, type Upstream, upstream } from './support.ts';

const open: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((it) => it.stop()));
});

type Answer = (request: Request, count: number) => Response | Promise<Response>;

const serving = (answer: Answer): Upstream => {
  const it = upstream(answer);
  open.push(it);
  return it;
};
const gateway = (text: string): Standing => {
  const it = standing(text);
  open.push(it);
  return it;
};
const entries = (...list: string[]) => `openai-compatibility:\n${list.join('')}`;
const keys = (count: number) =>
  Array.from({ length: count }, (_, index) => `sk-upstream-${index}-0123456789`);

const reply = (model = 'm') =>
  Response.json({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model,
    choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  });
const refuse = (status: number, code: string, headers: Record<string, string> = {}) =>
  Response.json({ error: { message: `no: ${code}`, type: code, code } }, { status, headers });
const json = (response: Response): Promise<any> => response.json();
const chat = (model: string, more: object = {}) => ({
  model,
  messages: [{ role: 'user', content: 'hi' }],
  ...more,
});
const ask = (it: Standing, model: string, more: object = {}, init: RequestInit = {}) =>
  post(it, '/v1/chat/completions', chat(model, more), init);
const keyOf = ({ headers }: { readonly headers: Headers }) => headers.get('authorization')?.slice(-12);

describe('fallbacks', () => {
  test('the next model answers when one cannot, and the answer names who served it', async () => {
    const [down, up] = [serving(() => refuse(503, 'overloaded')), serving(() => reply('b'))];
    const it = gateway(
      `${entries(compatible('one', down.url, ['name: a']), compatible('two', up.url, ['name: b']))}fallbacks: {a: [missing, b]}\n`,
    );
    const response = await ask(it, 'a');
    expect(response.status).toBe(200);
    expect(response.headers.get('x-gateway-route')).toBe('two/b');
    expect(response.headers.get('x-gateway-attempts')).toBe('2');
    expect((await json(response)).model).toBe('b');
  });

  test('a fallback of one provider is asked there only', async () => {
    const [down, other, up] = [
      serving(() => refuse(500, 'x')),
      serving(() => reply()),
      serving(() => reply('b')),
    ];
    const it = gateway(
      `${entries(
        compatible('one', down.url, ['name: a']),
        compatible('two', other.url, ['name: b']),
        compatible('three', up.url, ['name: b']),
      )}fallbacks: {a: [three/b]}\n`,
    );
    expect((await ask(it, 'a')).headers.get('x-gateway-route')).toBe('three/b');
    expect(other.requests).toHaveLength(0);
  });

  test('one that refuses the request, as one that takes no prefill does, leaves it to the next', async () => {
    const [down, picky, up] = [
      serving(() => refuse(500, 'server_error')),
      serving(() => refuse(400, 'invalid_request_error')),
      serving(() => reply('c')),
    ];
    const it = gateway(
      `${entries(
        compatible('one', down.url, ['name: a']),
        compatible('two', picky.url, ['name: b']),
        compatible('three', up.url, ['name: c']),
      )}fallbacks: {A: [b, c]}\n`,
    );
    const prefill = {
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'hel' },
      ],
    };
    expect((await ask(it, 'a', prefill)).headers.get('x-gateway-route')).toBe('three/c');
  });

  test('nobody else is asked what the first model finds wrong with the request', async () => {
    const [first, second] = [serving(() => refuse(400, 'invalid_request_error')), serving(() => reply())];
    const it = gateway(
      `${entries(compatible('one', first.url, ['name: a']), compatible('two', second.url, ['name: b']))}fallbacks: {a: [b]}\n`,
    );
    expect((await ask(it, 'a')).status).toBe(400);
    expect(second.requests).toHaveLength(0);
  });

  test('another model may take what is too long or too much for one', async () => {
    const refusals = [
      ['context_length_exceeded', 413],
      ['content_filter', 400],
    ] as const;
    for (const [code, status] of refusals) {
      const [first, second] = [serving(() => refuse(400, code)), serving(() => reply('b'))];
      const it = gateway(
        `${entries(compatible('one', first.url, ['name: a']), compatible('two', second.url, ['name: b']))}fallbacks: {a: [b]}\n`,
      );
      expect((await ask(it, 'a')).headers.get('x-gateway-route')).toBe('two/b');
      const alone = gateway(entries(compatible('one', first.url, ['name: a'])));
      expect((await ask(alone, 'a')).status).toBe(status);
    }
  });

  test('the word of the asked model counts when all have failed', async () => {
    const [first, second] = [
      serving(() => refuse(503, 'overloaded')),
      serving(() => refuse(400, 'invalid_request_error')),
    ];
    const it = gateway(
      `${entries(compatible('one', first.url, ['name: a']), compatible('two', second.url, ['name: b']))}fallbacks: {a: [b]}\n`,
    );
    expect((await ask(it, 'a')).status).toBe(503);
  });

  test('the preview of a model takes over when its quota is used up, where the config says so', async () => {
    const answer: Answer = async (request) => {
      const { model } = (await request.json()) as { model: string };
      return model === 'pro' ? refuse(429, 'rate_limit') : reply(model);
    };
    const models = ['name: pro', 'name: pro-preview-05-06'];
    const up = serving(answer);
    const switching = gateway(
      `${entries(compatible('one', up.url, models))}quota-exceeded: {switch-preview-model: true}\n`,
    );
    expect((await ask(switching, 'pro')).headers.get('x-gateway-route')).toBe('one/pro-preview-05-06');
    expect((await ask(switching, 'pro')).headers.get('x-gateway-attempts')).toBe('1');
    const staying = gateway(entries(compatible('one', up.url, models)));
    expect((await ask(staying, 'pro')).status).toBe(429);
  });
});

describe('rounds', () => {
  test('request-retry goes round again, at once where nobody may be waited for', async () => {
    const up = serving((_, count) => (count < 3 ? refuse(500, 'server_error') : reply()));
    const it = gateway(`${entries(compatible('one', up.url, ['name: a']))}request-retry: 2\n`);
    const response = await ask(it, 'a');
    expect(response.status).toBe(200);
    expect(response.headers.get('x-gateway-attempts')).toBe('3');
  });

  test('without it one credential is asked once', async () => {
    const up = serving(() => refuse(500, 'server_error'));
    const it = gateway(entries(compatible('one', up.url, ['name: a'])));
    expect((await ask(it, 'a')).status).toBe(502);
    expect(up.requests).toHaveLength(1);
  });

  test('max-retry-interval waits for a rest that ends in time, and not for a longer one', async () => {
    const [brief, long] = [
      serving((_, count) => (count === 1 ? refuse(429, 'rate_limit', { 'retry-after-ms': '20' }) : reply())),
      serving(() => refuse(429, 'rate_limit', { 'retry-after': '40' })),
    ];
    const it = gateway(
      `${entries(compatible('one', brief.url, ['name: a']), compatible('two', long.url, ['name: b']))}request-retry: 1\nmax-retry-interval: 1\n`,
    );
    expect((await ask(it, 'a')).status).toBe(200);
    const response = await ask(it, 'b');
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('40');
    expect(long.requests).toHaveLength(1);
  });

  test("an entry's own request-retry counts for its credentials", async () => {
    const up = serving((_, count) => (count === 1 ? refuse(500, 'server_error') : reply()));
    const it = gateway(`${entries(`${compatible('one', up.url, ['name: a'])}    request-retry: 1\n`)}`);
    expect((await ask(it, 'a')).status).toBe(200);
  });

  test('bootstrap-retries do the same for streams only', async () => {
    const up = serving(() => refuse(500, 'server_error'));
    const it = gateway(
      `${entries(compatible('one', up.url, ['name: a']))}streaming: {bootstrap-retries: 2}\n`,
    );
    await ask(it, 'a', { stream: true });
    expect(up.requests).toHaveLength(3);
    await ask(it, 'a');
    expect(up.requests).toHaveLength(4);
  });

  test('max-retry-credentials ends a walk early', async () => {
    const up = serving(() => refuse(401, 'invalid_api_key'));
    const it = gateway(
      `${entries(compatible('one', up.url, ['name: a'], keys(5)))}max-retry-credentials: 2\n`,
    );
    await ask(it, 'a');
    expect(up.requests).toHaveLength(2);
  });

  test('a walk ends when its total time is over, and the upstream is not blamed', async () => {
    const up = serving((_, count) => (count === 1 ? new Promise<Response>(() => undefined) : reply()));
    const it = gateway(`${entries(compatible('one', up.url, ['name: a']))}timeouts: {total-seconds: 0.05}\n`);
    const response = await ask(it, 'a');
    expect(response.status).toBe(504);
    expect((await json(response)).error.message).toContain('total-seconds');
    expect((await ask(it, 'a')).status).toBe(200);
  });
});

describe('when nobody can serve', () => {
  test('429 names each candidate with its reason and its next try, and Retry-After is the earliest (lessons 42, 48)', async () => {
    const up = serving((_, count) => refuse(429, 'rate_limit', { 'retry-after': count === 1 ? '90' : '30' }));
    const it = gateway(entries(compatible('one', up.url, ['name: a'], keys(2))));
    const first = await ask(it, 'a');
    expect([first.headers.get('retry-after'), first.headers.get('x-gateway-attempts')]).toEqual(['30', '2']);
    const those = 'upstream status 429, next try in 30 s; one sk-u...6789: rate_limit_exceeded';
    expect((await json(first)).error.message).toContain(those);
    const response = await ask(it, 'a');
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('30');
    const { message } = (await json(response)).error;
    expect(message).toContain(
      'next try in 30 s; one sk-u...6789: rate_limit_exceeded, upstream status 429, next try in 90 s',
    );
    expect(up.requests).toHaveLength(2);
  });

  test('503 when they rest for other reasons than their quota', async () => {
    const up = serving(() => refuse(401, 'invalid_api_key'));
    const it = gateway(entries(compatible('one', up.url, ['name: a'])));
    await ask(it, 'a');
    const response = await ask(it, 'a');
    expect(response.status).toBe(503);
    expect(Number(response.headers.get('retry-after'))).toBeLessThanOrEqual(3);
    expect((await json(response)).error.message).toContain('upstream_auth');
  });

  test('a model whose credentials rest stays in the list (lesson 32)', async () => {
    const up = serving(() => refuse(429, 'rate_limit', { 'retry-after': '90' }));
    const it = gateway(entries(compatible('one', up.url, ['name: a'])));
    await ask(it, 'a');
    const list = await fetch(`${it.url}/v1/models`, {
      headers: { authorization: 'Bearer sk-client-0123456789abcdef' },
    });
    expect((await json(list)).data.map(({ id }: { id: string }) => id)).toContain('a');
  });
});

test('credentials without weight take no part where weights count', async () => {
  const up = serving(() => reply());
  const it = gateway(
    `routing: {strategy: wrr}\nrequest-retry: 3\n${entries(compatible('one', up.url, ['name: a']).replace('6789\n', '6789\n        weight: 0\n'))}`,
  );
  const response = await ask(it, 'a');
  expect([response.status, up.requests.length]).toEqual([503, 0]);
  expect((await json(response)).error.message).toContain('every weight is 0');
});

describe('conversations', () => {
  test('stay with their credential by the words of their client, and others take turns', async () => {
    const up = serving(() => reply());
    const it = gateway(entries(compatible('one', up.url, ['name: a'], keys(3))));
    const headers = { 'x-session-id': 'talk' };
    for (let turn = 0; turn < 3; turn++) {
      await ask(it, 'a', {}, { headers });
      await ask(it, 'a');
    }
    const used = up.requests.map(keyOf);
    expect(new Set(used.filter((_, index) => index % 2 === 0)).size).toBe(1);
    expect(new Set(used.filter((_, index) => index % 2 === 1)).size).toBeGreaterThan(1);
  });

  test('that nobody named are found again by how they began', async () => {
    const up = serving(() => reply());
    const it = gateway(entries(compatible('one', up.url, ['name: a'], keys(3))));
    const opening = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Tell me of bees.' },
    ];
    await ask(it, 'a', { messages: opening });
    await ask(it, 'a');
    const later = [...opening, { role: 'assistant', content: 'hello' }, { role: 'user', content: 'More.' }];
    await ask(it, 'a', { messages: later });
    await ask(it, 'a');
    await ask(it, 'a', {
      messages: [...later, { role: 'assistant', content: 'x' }, { role: 'user', content: 'y' }],
    });
    const used = up.requests.map(keyOf);
    expect([used[2], used[4]]).toEqual([used[0], used[0]]);
  });

  test('the record says where a conversation went', async () => {
    const up = serving((request) =>
      request.headers.get('authorization')?.includes('-0-') ? refuse(429, 'rate_limit') : reply(),
    );
    const it = gateway(
      `${entries(compatible('one', up.url, ['name: a'], keys(2)))}routing: {session-affinity: true}\n`,
    );
    const response = await ask(it, 'a', {}, { headers: { 'x-session-id': 'talk' } });
    expect(response.headers.get('x-gateway-attempts')).toBe('2');
  });
});

describe('limits', () => {
  test('a credential serves so many at a time, and the others wait their turn', async () => {
    let [now, most] = [0, 0];
    const up = serving(async () => {
      most = Math.max(most, ++now);
      await Promise.resolve();
      now--;
      return reply();
    });
    const it = gateway(
      entries(`${compatible('one', up.url, ['name: a'])}    rate-limit: {max-in-flight: 2}\n`),
    );
    const all = await Promise.all(Array.from({ length: 20 }, () => ask(it, 'a')));
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(most).toBeLessThanOrEqual(2);
  });

  test('a full queue is a 429 at once that says what the limit is', async () => {
    const { promise: never } = Promise.withResolvers<Response>();
    const up = serving(() => never);
    const it = gateway(
      `${entries(`${compatible('one', up.url, ['name: a'])}    rate-limit: {max-in-flight: 1, wait-on-limit: false}\n`)}`,
    );
    const leaving = new AbortController();
    const first = ask(it, 'a', {}, { signal: leaving.signal });
    while (up.requests.length === 0) await Bun.sleep(1);
    const response = await ask(it, 'a');
    expect(response.status).toBe(429);
    expect((await json(response)).error.message).toContain('at its limit of 1 requests in flight');
    leaving.abort();
    await first.catch(() => undefined);
  });

  test('a place comes back when its client leaves, also in the middle of a stream', async () => {
    const chunk = `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content: 'x' }, finish_reason: null }] })}\n\n`;
    const up = serving((_, count) =>
      count > 1
        ? reply()
        : new Response(
            new ReadableStream(
              { pull: (controller) => controller.enqueue(new TextEncoder().encode(chunk)) },
              { highWaterMark: 0 },
            ),
            { headers: { 'content-type': 'text/event-stream' } },
          ),
    );
    const it = gateway(
      entries(`${compatible('one', up.url, ['name: a'])}    rate-limit: {max-in-flight: 1}\n`),
    );
    const streaming = await ask(it, 'a', { stream: true });
    const second = ask(it, 'a');
    await streaming.body?.cancel();
    expect((await second).status).toBe(200);
  });

  test('no place is lost in a storm of failures, cut streams and clients that leave', async () => {
    const up = serving((request, count) => {
      if (count % 4 === 0) return refuse(500, 'server_error');
      if (count % 4 === 1)
        return new Response('data: {', { headers: { 'content-type': 'text/event-stream' } });
      if (count % 4 === 2)
        return new Promise<Response>((resolve) =>
          request.signal.addEventListener('abort', () => resolve(refuse(499, 'gone'))),
        );
      return reply();
    });
    const it = gateway(
      `${entries(`${compatible('one', up.url, ['name: a'])}    rate-limit: {max-in-flight: 3, max-wait-seconds: 1}\n`)}disable-cooling: true\ntimeouts: {first-byte-seconds: 0.02}\n`,
    );
    const storm = Array.from({ length: 30 }, async (_, index) => {
      const leaving = new AbortController();
      const asked = ask(it, 'a', { stream: index % 2 === 0 }, { signal: leaving.signal });
      if (index % 5 === 0) leaving.abort();
      const response = await asked.catch(() => undefined);
      if (index % 3 === 0) return response?.body?.cancel();
      await response?.text().catch(() => '');
    });
    await Promise.all(storm);
    const after = await Promise.all(Array.from({ length: 12 }, () => ask(it, 'a')));
    expect(after.filter(({ status }) => status === 429)).toEqual([]);
  });

  test('a window that its headers call used up rests the credential until it opens again', async () => {
    const up = serving(() => {
      const response = reply();
      response.headers.set('x-ratelimit-remaining-requests', '0');
      response.headers.set('x-ratelimit-limit-requests', '10');
      response.headers.set('x-ratelimit-reset-requests', '50s');
      return response;
    });
    const it = gateway(entries(compatible('one', up.url, ['name: a'], keys(2))));
    expect([(await ask(it, 'a')).status, (await ask(it, 'a')).status]).toEqual([200, 200]);
    const response = await ask(it, 'a');
    expect(response.status).toBe(429);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(40);
    expect(new Set(up.requests.map(keyOf)).size).toBe(2);
  });
});

test('a stream that breaks off in the middle costs its credential the next turn', async () => {
  const chunk = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' };
  const content = { ...chunk, choices: [{ index: 0, delta: { content: 'x' }, finish_reason: null }] };
  const up = serving((request) =>
    request.headers.get('authorization')?.includes('-0-')
      ? new Response(`data: ${JSON.stringify(content)}\n\n`, {
          headers: { 'content-type': 'text/event-stream' },
        })
      : reply(),
  );
  const it = gateway(entries(compatible('one', up.url, ['name: a'], keys(2))));
  const broken = await (await ask(it, 'a', { stream: true })).text();
  expect(broken.match(/"error"/g)).toHaveLength(1);
  await it.line(1);
  await ask(it, 'a');
  await ask(it, 'a');
  expect(up.requests.slice(1).map(keyOf)).toEqual(Array.from({ length: 2 }, () => '1-0123456789'.slice(-12)));
});
