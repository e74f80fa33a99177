import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { Json } from '../../src/core/json.ts';
import {
  alice,
  bob,
  demo,
  event,
  keys,
  remembering,
  spoken,
  stream,
  type Remembering,
} from '../support/remembering.ts';
import { schemaFault } from '../support/schemas.ts';
import { dial, hangUp, responseOf, textOf, type SocketClient } from '../support/socket-client.ts';

const pages = 'cors: {allow-origins: [https://app.example.com]}\n';
const it = remembering(`${pages}limits: {body-mb: 16, decoded-body-mb: 16}\n`);
const path = '/v1/responses';
const open: SocketClient[] = [];

afterAll(() => it.stop());
beforeEach(() => {
  it.upstream.answer = () => undefined;
  it.upstream.received.length = 0;
});
afterEach(async () => {
  await Promise.all(open.splice(0).map(hangUp));
});

async function connect(key = alice, headers: Readonly<Record<string, string>> = {}, at = path) {
  const client = await dial(it.url + at, key, headers);
  open.push(client);
  return client;
}

const create = (fields: Json = {}): Json => ({
  type: 'response.create',
  model: 'demo',
  store: false,
  ...fields,
});
const user = (text: string) => ({ type: 'message', role: 'user', content: [{ type: 'input_text', text }] });
const types = (events: readonly Json[]) => events.map(({ type }) => type);
/** The texts of an input that an upstream received. */
const texts = (body: Json | undefined) =>
  ((body?.input ?? []) as any[]).map((item) => item.content?.[0]?.text ?? item.type);

/** What a server answers to a handshake that need not be a good one. */
async function handshake(headers: Readonly<Record<string, string>>, at: Remembering = it, where = path) {
  const whole = {
    authorization: `Bearer ${alice}`,
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  };
  const { hostname, port } = new URL(at.url);
  const lines = Object.entries(whole).map(([name, value]) => `${name}: ${value}`);
  const answer = Promise.withResolvers<string>();
  let text = '';
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_, bytes) {
        text += bytes.toString();
        const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
        const head = text.indexOf('\r\n\r\n') + 4;
        if (head > 3 && text.length >= head + length) answer.resolve(text);
      },
      close: () => answer.resolve(text),
    },
  });
  socket.write(`GET ${where} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${lines.join('\r\n')}\r\n\r\n`);
  const said = await answer.promise;
  socket.terminate();
  const [head = '', body = ''] = said.split('\r\n\r\n');
  const [status = '', ...rest] = head.split('\r\n');
  const named = rest.map((line) => line.split(': ') as [string, string]);
  return {
    status: Number(status.split(' ')[1]),
    headers: new Headers(named),
    json: body.startsWith('{') ? JSON.parse(body) : undefined,
  };
}

describe('an upgrade', () => {
  test('is for those with a key', async () => {
    expect((await handshake({})).status).toBe(101);
    const refused = await handshake({ authorization: 'Bearer sk-wrong' });
    expect([refused.status, refused.json.error.code]).toEqual([401, 'invalid_api_key']);
    expect((await handshake({ authorization: '', 'x-api-key': bob })).status).toBe(101);
  });

  test.each([
    ['https://evil.example.com', 403],
    ['null', 403],
    ['https://app.example.com', 101],
    ['http://localhost:3000', 101],
    ['self', 101],
  ])('from a page of %s gets %i, key or not', async (origin, status) => {
    const own = it.url;
    expect((await handshake({ origin: origin === 'self' ? own : origin })).status).toBe(status);
  });

  test.each([
    ['a plain GET', { upgrade: '', connection: 'close' }],
    ['another protocol', { upgrade: 'h2c' }],
    ['an old version', { 'sec-websocket-version': '8' }],
    ['no key', { 'sec-websocket-key': '' }],
  ])('that is %s gets 426 at once, with the remedy', async (_, headers) => {
    const { status, json, headers: answered } = await handshake(headers as Record<string, string>);
    expect([status, json.error.code, answered.get('upgrade')]).toEqual([
      426,
      'upgrade_required',
      'websocket',
    ]);
    expect(json.error.message).toContain('POST the request instead');
  });

  test('gets 426 where WebSockets are switched off', async () => {
    const off = remembering('responses-websocket-enabled: false\n');
    const { status, json } = await handshake({}, off);
    expect([status, json.error.message]).toEqual([
      426,
      expect.stringContaining('responses-websocket-enabled'),
    ]);
    await off.stop();
  });

  test('gives back x-codex-turn-state, a request id, and compression where it is offered', async () => {
    const { headers } = await handshake({
      'x-codex-turn-state': 'state-1',
      'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits',
    });
    expect(headers.get('x-codex-turn-state')).toBe('state-1');
    expect(headers.get('x-request-id')).toStartWith('req_');
    expect(headers.get('sec-websocket-extensions')).toContain('permessage-deflate');
  });

  test.each(['/backend-api/codex/responses', '/responses', '/v1/v1/responses'])(
    'works on %s too',
    async (where) => {
      const client = await connect(alice, {}, where);
      expect(textOf(await client.turn(create({ input: 'Hi' })))).toBe('Hi');
    },
  );
});

describe('a turn', () => {
  test('is answered by one JSON message for each event, as the vendor’s schema wants it', async () => {
    const client = await connect();
    const events = await client.turn(create({ input: 'Hello there' }));
    expect(textOf(events)).toBe('Hello there');
    expect(events.map((said) => schemaFault('openai-responses', 'event', said)).filter(Boolean)).toEqual([]);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
  });

  test('may be asked for in a binary message', async () => {
    const client = await connect();
    const bytes = new TextEncoder().encode(JSON.stringify(create({ input: 'héllo' })));
    expect(textOf(await client.turn(bytes))).toBe('héllo');
  });

  test('waits for the one before it', async () => {
    const client = await connect();
    for (const word of ['one', 'two', 'three']) client.send(create({ input: word }));
    const ended = ({ type }: Json) => type === 'response.completed';
    for (let count = 0, from = 0; count < 3; count++)
      from = client.events.indexOf(await client.until(ended, from)) + 1;
    const seen = client.events.filter(ended).map((last) => textOf([last]));
    expect(seen).toEqual(['one', 'two', 'three']);
    const order = types(client.events).filter((type) => /created|completed/.test(String(type)));
    expect(order).toEqual(Array.from({ length: 3 }, () => ['response.created', 'response.completed']).flat());
  });

  test('that fails is told as an error event, and the connection stays', async () => {
    const client = await connect();
    const failures = [
      await client.turn({ type: 'response.cancel' }),
      await client.turn('no json'),
      await client.turn(create({ model: 'no-such-model', input: 'x' })),
      await client.turn(create({ input: 'fail with 400' })),
      await client.turn(create({ input: 'x', previous_response_id: 'resp_x' })),
    ];
    expect(failures.map(([last]) => [last!.type, last!.status, (last!.error as Json).code])).toEqual([
      ['error', 400, 'invalid_request'],
      ['error', 400, 'invalid_request'],
      ['error', 404, 'model_not_found'],
      ['error', 400, 'invalid_request'],
      ['error', 400, 'previous_response_not_found'],
    ]);
    expect(textOf(await client.turn(create({ model: 'demo-claude', input: 'still here' })))).toBe(
      'still here',
    );
  });

  test('that breaks in the middle ends with one response.failed', async () => {
    const client = await connect();
    const events = await client.turn(create({ model: 'demo-claude', input: 'fail midstream' }));
    expect(types(events).at(-1)).toBe('response.failed');
    expect(textOf(await client.turn(create({ model: 'demo-claude', input: 'on we go' })))).toBe('on we go');
  });

  test('is one line of the log, with the connection’s id and its own number', async () => {
    const client = await connect(bob);
    await client.turn(create({ input: 'unusual' }));
    const line = await it.line((each) => each.method === 'WS' && each.client?.includes('efgh'));
    expect(line).toMatchObject({
      status: 200,
      model: 'demo',
      path,
      protocol: 'openai-responses',
      stream: true,
    });
    expect(line.id).toMatch(/^req_[0-9a-f]+\.1$/);
  });

  test('takes no beta of the handshake, no key, and no idempotency key to the upstream', async () => {
    let seen = new Headers();
    it.upstream.answer = (_, request) => {
      seen = request.headers;
      return undefined;
    };
    const client = await connect(alice, {
      'openai-beta': 'responses_websockets=2026-02-06, other=1',
      'idempotency-key': 'once',
      'session-id': 'session-1',
    });
    await client.turn(create({ model: 'theirs', input: 'x' }));
    expect(seen.get('openai-beta')).toBe('other=1');
    expect(seen.get('session-id')).toBe('session-1');
    expect([seen.get('idempotency-key'), seen.get('authorization'), seen.get('sec-websocket-key')]).toEqual([
      null,
      null,
      null,
    ]);
  });
});

describe('a conversation', () => {
  test('goes on over every upstream, with store: false and by the gateway’s own transcript', async () => {
    const client = await connect();
    const models = ['demo', 'demo-claude', 'theirs', 'demo', 'theirs'];
    let previous: Json = {};
    for (const [index, model] of models.entries()) {
      const last = responseOf(await client.turn(create({ model, input: `turn ${index}`, ...previous })));
      expect([last.status, last.previous_response_id]).toEqual([
        'completed',
        previous.previous_response_id ?? null,
      ]);
      previous = { previous_response_id: last.id };
    }
    const [third, fifth] = it.upstream.received;
    expect(texts(third)).toEqual(['turn 0', 'turn 0', 'turn 1', 'turn 1', 'turn 2']);
    // The reasoning of the third answer could only be read by a server that had stored it.
    expect(texts(fifth)).toEqual([
      ...texts(third),
      expect.stringMatching(/^answer/),
      'turn 3',
      'turn 3',
      'turn 4',
    ]);
    expect('previous_response_id' in fifth!).toBe(false);
  });

  test('begins with a prewarm that asks nobody', async () => {
    const client = await connect();
    const warm = await client.turn(
      create({ model: 'theirs', generate: false, instructions: 'Be brief.', input: [user('context')] }),
    );
    expect([types(warm).at(-1), it.upstream.received.length]).toEqual(['response.completed', 0]);
    await client.turn({
      type: 'response.create',
      previous_response_id: responseOf(warm).id,
      input: [user('question')],
    });
    expect(it.upstream.received[0]).toMatchObject({
      model: 'theirs',
      instructions: 'Be brief.',
      stream: true,
    });
    expect(texts(it.upstream.received[0])).toEqual(['context', 'question']);
  });

  test('leaves to the upstream what only it knows', async () => {
    const client = await connect();
    await client.turn(
      create({ model: 'theirs', input: 'x', store: true, previous_response_id: 'resp_stored' }),
    );
    expect(it.upstream.received[0]).toMatchObject({
      previous_response_id: 'resp_stored',
      input: [user('x')],
    });
  });

  test('is found again by a client that comes back, before and after the old connection is closed', async () => {
    const first = await connect();
    const { id } = responseOf(await first.turn(create({ input: 'one' })));
    for (const closed of [false, true]) {
      if (closed) await hangUp(first);
      const again = await connect();
      await again.turn(create({ model: 'theirs', input: 'two', previous_response_id: id }));
      expect(texts(it.upstream.received.at(-1))).toEqual(['one', 'one', 'two']);
    }
  });

  test('is found by no other client', async () => {
    const first = await connect(alice);
    const { id } = responseOf(await first.turn(create({ input: 'a secret' })));
    const other = await connect(bob);
    const steal = () => other.turn(create({ input: 'tell me', previous_response_id: id }));
    expect((await steal())[0]).toMatchObject({
      type: 'error',
      error: { code: 'previous_response_not_found' },
    });
    await hangUp(first);
    expect((await steal())[0]).toMatchObject({
      type: 'error',
      error: { code: 'previous_response_not_found' },
    });
    expect(JSON.stringify(other.events)).not.toContain('a secret');
  });

  test('is kept for GET when the client lets it be stored', async () => {
    const client = await connect();
    const one = responseOf(await client.turn(create({ input: 'one', store: true })));
    const two = responseOf(
      await client.turn(create({ input: 'two', store: true, previous_response_id: one.id })),
    );
    const { status, json } = await it.ask('GET', `${path}/${two.id}`);
    expect([status, json.previous_response_id, two.store]).toEqual([200, one.id, true]);
  });

  test('of 200 turns holds the newest answers, and its memory grows by no more than they weigh', async () => {
    const client = await connect();
    const weight = 20_000;
    let previous: Json = {};
    const turn = async () => {
      const last = responseOf(await client.turn(create({ input: 'x'.repeat(weight), ...previous })));
      (client.events as Json[]).length = 0;
      return { previous_response_id: last.id };
    };
    const heap = () => {
      Bun.gc(true);
      return process.memoryUsage().heapUsed;
    };
    // Every ten turns the client begins anew, so that what stays is what the gateway fails to forget.
    for (let count = 0; count < 40; count++) previous = count % 10 === 0 ? (await turn(), {}) : await turn();
    const before = heap();
    for (let count = 0; count < 200; count++) previous = count % 10 === 0 ? {} : await turn();
    expect(heap() - before).toBeLessThan(200 * weight);
  });
});

describe('size', () => {
  test('a message beyond the limit closes the connection with 1009, and rests no credential', async () => {
    const client = await connect();
    client.send(create({ input: 'x'.repeat(17 * 1024 * 1024) }));
    expect((await client.closed).code).toBe(1009);
    expect((await it.post({ model: 'demo', input: 'Hi' })).status).toBe(200);
  });

  test('a limit that was lowered since the start closes with 1009 as well', async () => {
    const lowered = remembering('limits: {decoded-body-mb: 4}\n');
    const client = await dial(lowered.url + path, alice);
    lowered.swap(`${keys}${demo}limits: {decoded-body-mb: 1}\n`);
    client.send(create({ input: 'x'.repeat(2 * 1024 * 1024) }));
    expect(await client.closed).toEqual({ code: 1009, reason: expect.stringContaining('decoded-body-mb') });
    await lowered.stop();
  });

  test('a conversation that outgrew a request is an error event with the remedy', async () => {
    const client = await connect();
    const half = 'x'.repeat(9 * 1024 * 1024);
    const warm = responseOf(await client.turn(create({ generate: false, input: half })));
    const [last] = await client.turn(create({ input: half, previous_response_id: warm.id }));
    expect(last).toMatchObject({ type: 'error', status: 413, error: { code: 'request_too_large' } });
  });

  test('what the upstream finds too large is the request’s own fault', async () => {
    it.upstream.answer = () => Response.json({ error: { message: 'too large' } }, { status: 413 });
    const client = await connect();
    for (let count = 0; count < 3; count++)
      expect((await client.turn(create({ model: 'theirs', input: 'x' })))[0]).toMatchObject({ status: 413 });
    it.upstream.answer = () => undefined;
    expect(types(await client.turn(create({ model: 'theirs', input: 'x' }))).at(-1)).toBe(
      'response.completed',
    );
  });

  test('pings are answered while large messages move in both directions', async () => {
    const large = 'y'.repeat(8 * 1024 * 1024);
    it.upstream.answer = () =>
      stream(
        event('response.created', { response: { id: 'resp_large' } }) +
          event('response.completed', {
            response: { id: 'resp_large', output: [spoken('msg_large', large)] },
          }),
      );
    const client = await connect();
    const socket = client.socket as WebSocket & { ping(data?: string): void };
    const pong = Promise.withResolvers<void>();
    socket.addEventListener('pong', () => pong.resolve());
    client.send(create({ model: 'theirs', input: large }));
    socket.ping('are you there');
    await pong.promise;
    await client.until(({ type }) => type === 'response.completed');
    expect(textOf(client.events)).toHaveLength(large.length);
    expect(client.socket.readyState).toBe(WebSocket.OPEN);
  });

  test('a client that does not read holds the upstream back', async () => {
    let sent = 0;
    const piece = new TextEncoder().encode(
      event('response.output_text.delta', { delta: 'z'.repeat(64 * 1024) }),
    );
    const total = 1_500;
    it.upstream.answer = () =>
      stream(
        new ReadableStream<Uint8Array>({
          pull(controller) {
            if (sent++ < total) return controller.enqueue(piece);
            controller.enqueue(
              new TextEncoder().encode(
                event('response.completed', { response: { id: 'resp_1', output: [] } }),
              ),
            );
            controller.close();
          },
        }),
      );
    const slow = await slowClient(it.url, create({ model: 'theirs', input: 'x' }));
    await stands(() => sent);
    expect(sent).toBeLessThan(total / 2);
    slow.resume();
    await slow.read('response.completed');
    expect(sent).toBeGreaterThan(total);
    slow.leave();
  });
});

describe('leaving', () => {
  /** An upstream that says a little and then nothing, until it is left. */
  function hanging() {
    const left = Promise.withResolvers<void>();
    it.upstream.answer = (_, request) => {
      request.signal.addEventListener('abort', () => left.resolve());
      return stream(
        new ReadableStream<Uint8Array>({
          start(controller) {
            const opening =
              event('response.created', { response: { id: 'resp_1' } }) +
              event('response.output_text.delta', { output_index: 0, delta: 'a' });
            controller.enqueue(new TextEncoder().encode(opening));
          },
        }),
      );
    };
    return left.promise;
  }

  test('gives up the turn that is being answered, and those that wait', async () => {
    const left = hanging();
    const client = await connect();
    client.send(create({ model: 'theirs', input: 'x' }));
    client.send(create({ model: 'theirs', input: 'y' }));
    await client.until(({ type }) => type === 'response.output_text.delta');
    client.socket.close();
    await left;
    const line = await it.line((each) => each.method === 'WS' && each.status === 499);
    expect(line.attempts).toBe(1);
    expect(it.upstream.received).toHaveLength(1);
  });

  test('gives up a turn whose upstream has not answered yet', async () => {
    const left = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    it.upstream.answer = (_, request) => {
      request.signal.addEventListener('abort', () => left.resolve());
      arrived.resolve();
      return new Promise<Response>(() => {});
    };
    const client = await connect();
    client.send(create({ model: 'theirs', input: 'x' }));
    await arrived.promise;
    client.socket.terminate?.();
    client.socket.close();
    await left.promise;
  });

  test('a key that is good no more ends its connections at their next turn', async () => {
    const own = remembering();
    const client = await dial(own.url + path, alice);
    await client.turn(create({ input: 'x' }));
    own.swap(`api-keys: [${bob}]\n${demo}`);
    const [last] = await client.turn(create({ input: 'y' }));
    expect(last).toMatchObject({ type: 'error', status: 401 });
    expect((await client.closed).code).toBe(1008);
    await own.stop();
  });

  test('a change of the config ends no connection', async () => {
    const own = remembering();
    const client = await dial(own.url + path, alice);
    const { id } = responseOf(await client.turn(create({ input: 'x' })));
    own.swap(keys + demo);
    expect(textOf(await client.turn(create({ input: 'y', previous_response_id: id })))).toBe('y');
    await hangUp(client);
    await own.stop();
  });

  test('the program stops idle connections at once and busy ones behind their turn', async () => {
    const own = remembering();
    const gate = Promise.withResolvers<void>();
    own.upstream.answer = async () => {
      await gate.promise;
      return undefined as unknown as Response;
    };
    const idle = await dial(own.url + path, alice);
    const busy = await dial(own.url + path, alice);
    const answered = busy.turn(create({ model: 'theirs', input: 'x' }));
    await idle.turn(create({ input: 'x' }));
    own.sockets.close();
    expect((await idle.closed).code).toBe(1001);
    expect(own.sockets.busy).toBe(1);
    expect((await handshake({}, own)).status).toBe(426);
    gate.resolve();
    expect(types(await answered).at(-1)).toBe('response.completed');
    expect((await busy.closed).code).toBe(1001);
    await own.stop();
  });

  test('a client that never waits for its answers is let go', async () => {
    hanging();
    const client = await connect();
    for (let count = 0; count < 40; count++) client.send(create({ model: 'theirs', input: 'x' }));
    expect((await client.closed).code).toBe(1008);
  });
});

/** Resolves once a number has stopped growing. */
async function stands(read: () => number): Promise<void> {
  for (let last = -1; last !== read() || last === 0;) {
    last = read();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** A WebSocket client over a plain socket that reads only when it is told to. */
async function slowClient(url: string, message: Json) {
  const { hostname, port } = new URL(url);
  let text = '';
  const looking = new Set<() => void>();
  const upgraded = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(self, bytes) {
        const before = text.length;
        text = (text + bytes.toString('latin1')).slice(-1_000);
        if (before === 0) {
          self.pause();
          upgraded.resolve();
        }
        for (const look of looking) look();
      },
    },
  });
  const head = `GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer ${alice}\r\n\r\n`;
  socket.write(head);
  await upgraded.promise;
  const payload = Buffer.from(JSON.stringify(message));
  // A masked text frame of up to 65,535 bytes; a mask of zeros leaves it readable.
  const length = Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255, 0, 0, 0, 0]);
  socket.write(Buffer.concat([length, payload]));
  return {
    resume: () => socket.resume(),
    leave: () => socket.terminate(),
    read: (words: string) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (text.includes(words)) resolve();
        };
        looking.add(look);
        look();
      }),
  };
}
