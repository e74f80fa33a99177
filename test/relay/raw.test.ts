import { afterEach, describe, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { refusingUrl, wireServer } from '../support/wire-server.ts';
import { clientKey, compatible, post, standing, type Standing, upstream, type Upstream } from './support.ts';

/** Endpoints without a form in the hall: what goes in comes out, and nothing of it is kept. */

const mebibyte = 1024 * 1024;
const keys = ['sk-upstream-one-0123456789', 'sk-upstream-two-0123456789'];
const open: { stop(): Promise<unknown> }[] = [];
afterEach(() => Promise.all(open.splice(0).map((it) => it.stop())));

const up = (answer: Parameters<typeof upstream>[0]): Upstream => opened(upstream(answer));
const gateway = (text: string): Standing => opened(standing(text));
const openai = (...entries: readonly string[]) => `openai-compatibility:\n${entries.join('')}`;
/** One service with one key and the model `m`, in front of which the gateway stands. */
const before = (answer: Parameters<typeof upstream>[0], models = ['name: m']) =>
  gateway(openai(compatible('sim', up(answer).url, models)));

function opened<T extends { stop(): Promise<unknown> }>(it: T): T {
  open.push(it);
  return it;
}

const json = (response: Response): Promise<any> => response.json();

describe('a JSON request', () => {
  test('goes out byte for byte, but for the name of the model, and so does its answer', async () => {
    const told = '{ "object":"list", "unknown": [1.50], "usage": {"prompt_tokens": 7, "total_tokens": 7} }\n';
    let heard = '';
    const it = before(
      async (request) => {
        heard = await request.text();
        return new Response(told, { headers: { 'content-type': 'application/json; x=y' } });
      },
      ['{name: vendor/embed, alias: embed}'],
    );
    const response = await it.post('/v1/embeddings?a=1', '{ "input": "x" , "model" : "embed", "new":1e400 }');
    expect([await response.text(), response.headers.get('content-type')]).toEqual([
      told,
      'application/json; x=y',
    ]);
    expect(heard).toBe('{ "input": "x" , "model" : "vendor/embed", "new":1e400 }');
    expect(await it.line(1)).toMatchObject({ status: 200, direct: true });
    expect(it.logged()[0]).toMatchObject({ tokens: { input: 7 } });
  });

  test('takes along the query and the headers of its protocol, and no key of the client', async () => {
    const sim = up(() => Response.json({}));
    const it = gateway(openai(compatible('sim', sim.url, ['name: m'])));
    const headers = { 'openai-beta': 'x=1', cookie: 'a=b', accept: 'audio/*', 'x-api-key': clientKey };
    await post(it, '/v1/audio/speech?a=1', { model: 'm' }, { headers });
    const [request] = sim.requests;
    expect(request!.url.pathname + request!.url.search).toBe('/v1/audio/speech?a=1');
    const sent = Object.fromEntries(request!.headers);
    expect(sent).toMatchObject({
      authorization: `Bearer ${keys[0]}`,
      'openai-beta': 'x=1',
      accept: 'audio/*',
      'content-type': 'application/json',
    });
    expect(sent).not.toHaveProperty('cookie');
    expect(JSON.stringify(sent)).not.toContain(clientKey);
  });

  test('that names no model gets 400 missing_model; moderations have a usual one', async () => {
    const it = before(
      async (request) => Response.json(await request.json()),
      ['name: omni-moderation-latest'],
    );
    const refused = await post(it, '/v1/embeddings', { input: 'x' });
    expect([refused.status, (await json(refused)).error.code]).toEqual([400, 'missing_model']);
    const judged = await post(it, '/v1/moderations', { input: 'x' });
    expect([judged.status, await json(judged)]).toEqual([200, { input: 'x' }]);
  });

  test('names the usual model where the upstream knows it by another name', async () => {
    const it = before(
      async (request) => new Response(await request.text()),
      ['{name: guard, alias: omni-moderation-latest}'],
    );
    const response = await it.post('/v1/moderations', ' {"input":"x"}');
    expect(await response.text()).toBe(' {"model":"guard","input":"x"}');
  });

  test('for an unknown model gets 404 with the nearest name', async () => {
    const response = await post(
      before(() => Response.json({})),
      '/v1/rerank',
      { model: 'n' },
    );
    expect(response.status).toBe(404);
    expect((await json(response)).error).toMatchObject({
      code: 'model_not_found',
      message: expect.stringContaining('"m"'),
    });
  });

  test('for a model whose provider lacks the endpoint gets 400 that names who has it', async () => {
    const sim = up(() => Response.json({}));
    const it = gateway(
      `${openai(compatible('sim', sim.url, ['name: m']))}demo: true\nclaude-api-key:\n  - api-key: k\n    models: [{name: claude-x}]\n`,
    );
    const response = await post(it, '/v1/embeddings', { model: 'claude-x', input: 'x' });
    expect(response.status).toBe(400);
    const { error } = await json(response);
    expect(error.code).toBe('unsupported_operation');
    expect(error.message).toMatch(/of claude cannot be asked through \/v1\/embeddings.*"m" of sim/);
    expect(error.message).toContain('"demo" of demo');
    expect(sim.requests).toHaveLength(0);
  });

  test('goes to the next credential after a 429, and to nobody after its own mistake', async () => {
    const sim = up((request, count) => {
      if (count === 1) return Response.json({ error: { message: 'slow down' } }, { status: 429 });
      if (count === 3)
        return Response.json({ error: { message: 'bad input', param: 'input' } }, { status: 400 });
      return new Response(request.headers.get('authorization'));
    });
    const it = gateway(openai(compatible('sim', sim.url, ['name: m'], keys)));
    expect(await (await post(it, '/v1/embeddings', { model: 'm' })).text()).toBe(`Bearer ${keys[1]}`);
    const refused = await post(it, '/v1/embeddings', { model: 'm' });
    expect([refused.status, (await json(refused)).error]).toMatchObject([
      400,
      { param: 'input', message: expect.stringContaining('bad input') },
    ]);
    expect(sim.requests).toHaveLength(3);
  });

  test('goes to another provider when one turns out not to have the endpoint', async () => {
    const bare = up(() => new Response('<h1>Not Found</h1>', { status: 404 }));
    const full = up(() => new Response('here'));
    const both = gateway(
      openai(compatible('bare', bare.url, ['name: m']), compatible('full', full.url, ['name: m'])),
    );
    expect(await (await post(both, '/v1/rerank', { model: 'm' })).text()).toBe('here');
    expect([bare.requests.length, full.requests.length]).toEqual([1, 1]);
    const one = gateway(openai(compatible('bare', bare.url, ['name: m'])));
    const response = await post(one, '/v1/rerank', { model: 'm' });
    expect([response.status, (await json(response)).error]).toMatchObject([
      400,
      {
        code: 'unsupported_operation',
        message: expect.stringContaining('bare answers 404 to /v1/rerank'),
      },
    ]);
  });

  test('that goes nowhere gets the last error, in the words of the client', async () => {
    const it = gateway(openai(compatible('sim', refusingUrl(), ['name: m'])));
    const response = await post(it, '/v1/embeddings', { model: 'm' });
    expect([response.status, (await json(response)).error.code]).toEqual([502, 'upstream_unreachable']);
  });
});

describe('an answer', () => {
  test('names the alias under force-mapping', async () => {
    const it = before(
      () => Response.json({ model: 'v', data: [{ model: 'v' }], usage: { prompt_tokens: 3 } }),
      ['{name: v, alias: a, force-mapping: true}'],
    );
    const response = await post(it, '/v1/embeddings', { model: 'a' });
    expect(await json(response)).toMatchObject({ model: 'a', data: [{ model: 'v' }] });
    expect(await it.line(1)).toMatchObject({ tokens: { input: 3 } });
  });

  test('keeps its status, its type and its name, and nothing else of the upstream', async () => {
    const headers = {
      'content-type': 'audio/mpeg',
      'content-disposition': 'attachment; filename="a.mp3"',
      'set-cookie': 'a=b',
      'x-upstream': '1',
    };
    const it = before(() => new Response(Uint8Array.of(0, 255, 128), { status: 203, headers }));
    const response = await post(it, '/v1/audio/speech', { model: 'm' });
    expect([response.status, await response.bytes()]).toEqual([203, Uint8Array.of(0, 255, 128)]);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'audio/mpeg',
      'content-disposition': 'attachment; filename="a.mp3"',
    });
    expect([...response.headers.keys()]).not.toContain('set-cookie');
    expect([...response.headers.keys()]).not.toContain('x-upstream');
  });

  test('flows: the client hears its beginning before the upstream has said its end', async () => {
    const heard = Promise.withResolvers<void>();
    const it = before(() => new Response(pieces(['one'], heard.promise, ['two'])));
    const response = await post(it, '/v1/audio/speech', { model: 'm' });
    const reader = response.body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('one');
    expect(it.logged()).toHaveLength(0);
    heard.resolve();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('two');
    expect((await reader.read()).done).toBe(true);
    expect(await it.line(1)).toMatchObject({ status: 200 });
  });

  test('in server-sent events passes as it is, and its usage is read', async () => {
    const events = [
      'event: transcript.text.delta\ndata: {"delta":"a"}\n\n',
      'data: {"type":"transcript.text.done","usage":{"input_tokens":9,"output_tokens":4},"x":1}\n\n',
    ];
    const it = before(
      () => new Response(pieces(events), { headers: { 'content-type': 'text/event-stream' } }),
    );
    const response = await post(it, '/v1/images/generations', { model: 'm', stream: true });
    expect(await response.text()).toBe(events.join(''));
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    expect(await it.line(1)).toMatchObject({ tokens: { input: 9, output: 4 } });
  });

  test('too long to hold still tells its usage, which stands at its end', async () => {
    const body = `{"data":["${'x'.repeat(3 * mebibyte)}"],"usage":{"prompt_tokens":11,"total_tokens":11}}`;
    const it = before(() => new Response(body, { headers: { 'content-type': 'application/json' } }));
    const response = await post(it, '/v1/embeddings', { model: 'm' });
    expect((await response.bytes()).length).toBe(body.length);
    expect(await it.line(1)).toMatchObject({ tokens: { input: 11 } });
  });

  test('that nobody reads any more is ended at the upstream', async () => {
    const gone = Promise.withResolvers<void>();
    const it = before(
      () =>
        new Response(
          new ReadableStream({
            pull: (controller) => controller.enqueue(new Uint8Array(1024)),
            cancel: () => gone.resolve(),
          }),
        ),
    );
    const leave = new AbortController();
    const response = await post(it, '/v1/audio/speech', { model: 'm' }, { signal: leave.signal });
    await response.body!.getReader().read();
    leave.abort();
    await gone.promise;
    expect(await it.line(1)).toMatchObject({ status: 499 });
  });

  test('that breaks in the middle breaks for the client as well, and the log says why', async () => {
    const begun = Promise.withResolvers<void>();
    const sim = wireServer(async (_, answer) => {
      answer.head(200);
      await answer.write('one');
      await begun.promise;
      answer.reset();
    });
    opened({ stop: async () => sim.stop() });
    const it = gateway(openai(compatible('sim', sim.url, ['name: m'])));
    const response = await post(it, '/v1/audio/speech', { model: 'm' });
    const reader = response.body!.getReader();
    await reader.read();
    begun.resolve();
    expect(await reader.read().catch(() => 'broken')).toBe('broken');
    expect(await it.line(1)).toMatchObject({ error: { code: 'stream_interrupted' } });
  });

  test.each([
    ['JSON that breaks off before it is whole', '/v1/embeddings', 'application/json', '{"object":'],
    ['sound that breaks off before its first byte', '/v1/audio/speech', 'audio/mpeg', ''],
  ])(
    '%s is asked of the next credential, and the client sees nothing of it',
    async (_, path, type, begun) => {
      let count = 0;
      const sim = wireServer(async (_, answer) => {
        answer.head(200, { 'content-type': type });
        if (++count === 1) {
          if (begun !== '') await answer.write(begun);
          return answer.reset();
        }
        await answer.write('{"object":"list"}');
        answer.end();
      });
      opened({ stop: async () => sim.stop() });
      const it = gateway(openai(compatible('sim', sim.url, ['name: m'], keys)));
      const response = await post(it, path, { model: 'm' });
      expect([response.status, await response.text()]).toEqual([200, '{"object":"list"}']);
      expect(response.headers.get('x-gateway-attempts')).toBe('2');
    },
  );

  test('that falls silent is given up after the gap deadline', async () => {
    const sim = up(() => new Response(pieces(['one'], new Promise(() => undefined), [])));
    const it = gateway(`${openai(compatible('sim', sim.url, ['name: m']))}timeouts: {gap-seconds: 0.05}\n`);
    const response = await post(it, '/v1/audio/speech', { model: 'm' });
    expect(await response.bytes().catch(() => 'broken')).toBe('broken');
    expect(await it.line(1)).toMatchObject({ error: { code: 'upstream_timeout' } });
  });
});

describe('a form', () => {
  test('flows: its beginning reaches the upstream before the client has sent its end', async () => {
    const size = 30 * mebibyte;
    const begun = Promise.withResolvers<string>();
    const sim = up(async (request) => {
      let length = 0;
      for await (const chunk of request.body!) {
        if (length === 0) begun.resolve(Buffer.from(chunk).toString('latin1'));
        length += chunk.length;
      }
      return Response.json({ length, told: request.headers.get('content-length') });
    });
    const it = gateway(openai(compatible('sim', sim.url, ['name: m'])));
    const { head, tail } = formOf('m');
    const response = it.post(
      '/v1/audio/transcriptions',
      pieces([head], begun.promise, [...filler(size), tail]),
      { headers: { 'content-type': type } },
    );
    expect(await begun.promise).toBe(head);
    const total = head.length + size + tail.length;
    // Sent without a length, so it travels on without one.
    expect(await json(await response)).toEqual({ length: total, told: null });
    expect(await it.line(1)).toMatchObject({ status: 200, direct: true });
  });

  test('of a known length is passed on with the length it has after renaming', async () => {
    const it = before(echo, ['{name: a-much-longer-name, alias: m}']);
    const { head, tail } = formOf('m');
    const response = await it.post('/v1/images/edits', `${head}PNG${tail}`, {
      headers: { 'content-type': type },
    });
    const renamed = `${formOf('a-much-longer-name').head}PNG${tail}`;
    expect(await json(response)).toEqual({
      length: String(renamed.length),
      type,
      bytes: Buffer.from(renamed).toString('base64'),
    });
  });

  test('that names its model behind the file, or not the one the upstream knows, arrives whole', async () => {
    const it = before(echo, ['{name: größer, alias: m}', 'name: n']);
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    for (const [asked, known] of [
      ['m', 'größer'],
      ['n', 'n'],
    ] as const) {
      const form = new FormData();
      form.append('file', new File([bytes, bytes, bytes, bytes], 'größe.wav'));
      form.append('prompt', '--x\r\n');
      form.append('model', asked);
      form.append('language', 'de');
      const told = await json(await it.post('/v1/audio/translations', form));
      const parsed = await new Response(Buffer.from(told.bytes, 'base64'), {
        headers: { 'content-type': told.type },
      }).formData();
      expect(parsed.get('model')).toBe(known);
      expect(parsed.get('language')).toBe('de');
      expect((parsed.get('file') as File).name).toBe('größe.wav');
      expect(await (parsed.get('file') as File).bytes()).toEqual(
        new Uint8Array(Buffer.concat([bytes, bytes, bytes, bytes])),
      );
    }
  });

  test('small enough to be sent twice goes to the next credential', async () => {
    const bodies: string[] = [];
    const sim = up(async (request, count) => {
      bodies.push(await request.text());
      return count === 1 ? Response.json({}, { status: 500 }) : Response.json({ text: 'heard' });
    });
    const it = gateway(openai(compatible('sim', sim.url, ['{name: vendor, alias: m}'], keys)));
    const { head, tail } = formOf('m');
    const body = pieces([head], undefined, [...filler(500_000), tail]);
    const response = await it.post('/v1/audio/transcriptions', body, { headers: { 'content-type': type } });
    expect(await json(response)).toEqual({ text: 'heard' });
    expect(bodies[0]).toHaveLength(formOf('vendor').head.length + 500_000 + tail.length);
    expect(bodies[1]).toBe(bodies[0]!);
  });

  test('that a refused connection left untouched goes to the next provider, however large', async () => {
    const sim = up(async (request) => Response.json({ length: (await request.bytes()).length }));
    const entries = ['bare', 'full'].map((name) =>
      compatible(name, name === 'full' ? sim.url : refusingUrl(), ['name: m']),
    );
    const it = gateway(openai(...entries));
    const { head, tail } = formOf('m');
    for (const _ of entries) {
      const body = pieces([head], undefined, [...filler(4 * mebibyte), tail]);
      const response = await it.post('/v1/audio/transcriptions', body, { headers: { 'content-type': type } });
      expect(await json(response)).toEqual({ length: head.length + 4 * mebibyte + tail.length });
    }
  });

  test('too large to be kept fails with the first upstream, and the error says why', async () => {
    const sim = up(async (request) => {
      await request.bytes();
      return Response.json({ error: { message: 'overloaded' } }, { status: 503 });
    });
    const it = gateway(openai(compatible('sim', sim.url, ['name: m'], keys)));
    const { head, tail } = formOf('m');
    const body = pieces([head], undefined, [...filler(4 * mebibyte), tail]);
    const response = await it.post('/v1/audio/transcriptions', body, { headers: { 'content-type': type } });
    expect(response.status).toBe(503);
    expect((await json(response)).error.message).toMatch(/sent on in part, so no other credential/);
    expect(sim.requests).toHaveLength(1);
  });

  test('over the limit gets 413: at once when it says so, else while it flows', async () => {
    const aborted = Promise.withResolvers<void>();
    const sim = up(async (request) => {
      request.signal.addEventListener('abort', () => aborted.resolve());
      return Response.json({ length: (await request.bytes()).length });
    });
    const it = gateway(`${openai(compatible('sim', sim.url, ['name: m'], keys))}limits: {body-mb: 2}\n`);
    const { head, tail } = formOf('m');
    const whole = Buffer.concat([Buffer.from(head), ...filler(3 * mebibyte), Buffer.from(tail)]);
    const told = await it.post('/v1/images/edits', whole, { headers: { 'content-type': type } });
    expect([told.status, sim.requests.length]).toEqual([413, 0]);
    const flowing = await it.post('/v1/images/edits', pieces([whole]), { headers: { 'content-type': type } });
    expect([flowing.status, (await json(flowing)).error.code]).toEqual([413, 'request_too_large']);
    const hidden = await it.post('/v1/images/edits', pieces([...filler(3 * mebibyte)]), {
      headers: { 'content-type': type },
    });
    expect(hidden.status).toBe(413);
    if (sim.requests.length > 0) await aborted.promise;
    expect(sim.requests.length).toBeLessThan(2);
  });

  test('that the client breaks off is broken off at the upstream, and nobody is blamed', async () => {
    const begun = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    const sim = up(async (request) => {
      request.signal.addEventListener('abort', () => aborted.resolve());
      const reader = request.body!.getReader();
      await reader.read();
      begun.resolve();
      while (!(await reader.read()).done);
      return Response.json({});
    });
    const it = gateway(openai(compatible('sim', sim.url, ['name: m'], keys)));
    const { head } = formOf('m');
    const socket = connect(it.port, '127.0.0.1');
    socket.write(
      `POST /v1/images/edits HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${clientKey}\r\nContent-Type: ${type}\r\nContent-Length: 100000\r\n\r\n${head}`,
    );
    await begun.promise;
    socket.destroy();
    await aborted.promise;
    expect(await it.line(1)).toMatchObject({ status: 499, error: { code: 'client_closed_request' } });
    expect(sim.requests).toHaveLength(1);
  });

  test.each([
    ['names no model', formOf(undefined), 'missing_model'],
    ['names two models', { head: formOf('m').head.replace(/PNG$/, ''), tail: twice() }, 'invalid_request'],
  ])('that %s gets 400', async (_, { head, tail }, code) => {
    const it = before(echo);
    const response = await it.post('/v1/images/edits', head + tail, { headers: { 'content-type': type } });
    expect([response.status, (await json(response)).error.code]).toEqual([400, code]);
  });

  test('without a boundary gets 400', async () => {
    const headers = { 'content-type': 'multipart/form-data' };
    const response = await before(echo).post('/v1/images/edits', 'x', { headers });
    expect(response.status).toBe(400);
  });

  test('that is compressed is passed on as it was written', async () => {
    const { head, tail } = formOf('m');
    const headers = { 'content-type': type, 'content-encoding': 'gzip' };
    const body = Bun.gzipSync(`${head}PNG${tail}`);
    const told = await json(await before(echo).post('/v1/images/edits', body, { headers }));
    expect(Buffer.from(told.bytes, 'base64').toString()).toBe(`${head}PNG${tail}`);
    expect(told.length).toBeNull();
  });

  test('for an unknown model is refused while it is still coming', async () => {
    const { head } = formOf('nobody');
    const socket = connect(before(echo).port, '127.0.0.1');
    socket.write(
      `POST /v1/images/edits HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${clientKey}\r\nContent-Type: ${type}\r\nContent-Length: 10000000\r\n\r\n${head}`,
    );
    const [first] = await new Promise<Buffer[]>((resolve) =>
      socket.once('data', (bytes) => resolve([bytes])),
    );
    expect(first!.toString()).toStartWith('HTTP/1.1 404 ');
    socket.destroy();
  });
});

// --------------------------------------------------------------------------------------------------------------- helpers

const boundary = 'form-boundary-0123';
const type = `multipart/form-data; boundary=${boundary}`;

/** A form around a file: what comes before its bytes, and what comes after. */
function formOf(model: string | undefined): { readonly head: string; readonly tail: string } {
  const field =
    model === undefined
      ? ''
      : `--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}\r\n`;
  return {
    head: `${field}--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n`,
    tail: `\r\n--${boundary}--\r\n`,
  };
}

/** The end of a form that names a second model. */
function twice(): string {
  return `x\r\n--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nother\r\n--${boundary}--\r\n`;
}

/** Says back what came: the bytes in base64, the type and the length that were told. */
const echo = async (request: Request): Promise<Response> =>
  Response.json({
    length: request.headers.get('content-length'),
    type: request.headers.get('content-type'),
    bytes: Buffer.from(await request.bytes()).toString('base64'),
  });

function* filler(size: number): Iterable<Uint8Array> {
  const chunk = new Uint8Array(64 * 1024).fill(120);
  for (let left = size; left > 0; left -= chunk.length) yield chunk.subarray(0, Math.min(left, chunk.length));
}

/** A body that says these pieces, waits, and says the rest. */
function pieces(
  first: Iterable<string | Uint8Array>,
  wait?: Promise<unknown>,
  rest: Iterable<string | Uint8Array> = [],
): ReadableStream<Uint8Array> {
  async function* all(): AsyncIterable<Uint8Array> {
    for (const piece of first) yield Buffer.from(piece as string);
    await wait;
    for (const piece of rest) yield Buffer.from(piece as string);
  }
  const source = all()[Symbol.asyncIterator]();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await source.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    },
    { highWaterMark: 0 },
  );
}
