import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { readObjects, type Json } from '../../src/core/json.ts';
import { codexToken, codexUpstream, usageLimit } from '../support/codex-upstream.ts';
import { alice, demo, keys, remembering } from '../support/remembering.ts';
import { dial, hangUp, responseOf, textOf, type SocketClient } from '../support/socket-client.ts';

/** A client's WebSocket through the whole gateway to ChatGPT's own backend, which is spoken to over a WebSocket too. */

const codex = codexUpstream();
const other = 'sk-other-0123456789abcdef';
const entry = (key: string) => [
  `  - api-key: ${key}`,
  `    base-url: ${codex.url}`,
  '    websockets: true',
  '    proxy-url: direct',
  '    models: [{name: codex-sim}]',
];
const config = ['codex-api-key:', ...entry(codexToken), ...entry(other), ''].join('\n');
const it = remembering(config);
const open: SocketClient[] = [];

afterAll(async () => {
  await it.stop();
  await codex.stop();
});
beforeEach(() => {
  codex.reset();
  // Keys of the API stand for no account.
  for (const key of [codexToken, other]) codex.accounts.set(key, '');
});
afterEach(async () => {
  await Promise.all(open.splice(0).map(hangUp));
});

async function connect(headers: Readonly<Record<string, string>> = {}): Promise<SocketClient> {
  const client = await dial(`${it.url}/v1/responses`, alice, headers);
  open.push(client);
  return client;
}

const user = (text: string): Json => ({
  type: 'message',
  role: 'user',
  content: [{ type: 'input_text', text }],
});
const create = (text: string, fields: Json = {}): Json => ({
  type: 'response.create',
  model: 'codex-sim',
  store: false,
  input: [user(text)],
  ...fields,
});
/** A turn that goes on from an answer. */
const after = (events: readonly Json[], text: string, fields: Json = {}): Json =>
  create(text, { previous_response_id: responseOf(events).id, ...fields });
const inputs = () => codex.turns.map(({ body }) => readObjects(body.input).length);

describe('turns of a client on a WebSocket', () => {
  test('travel over one socket to the upstream, which is told only what is new', async () => {
    const client = await connect({ 'x-codex-turn-state': 'state-1' });
    const first = await client.turn(create('say one'));
    const second = await client.turn(after(first, 'say two'));
    const third = await client.turn(after(second, 'say three'));
    expect([first, second, third].map(textOf)).toEqual(['one', 'two', 'three']);
    expect(codex.turns.map(({ over, socket }) => [over, socket])).toEqual([
      ['socket', 1],
      ['socket', 1],
      ['socket', 1],
    ]);
    expect(codex.turns.map(({ body }) => body.type)).toEqual(Array(3).fill('response.create'));
    expect(inputs()).toEqual([1, 1, 1]);
    expect(codex.turns[2]!.body.previous_response_id).toBe(responseOf(second).id);
    expect(codex.turns[2]!.body).toMatchObject({ model: 'codex-sim', store: false, instructions: '' });
    expect(codex.refused).toEqual([]);
  });

  test('open it with the credential and the beta, and without compression', async () => {
    const client = await connect({ 'x-codex-turn-state': 'state-1' });
    await client.turn(create('say one'));
    const { headers } = codex.handshakes[0]!;
    expect(headers.get('authorization')).toMatch(/^Bearer (at-codex|sk-other)-0123456789abcdef$/);
    expect(headers.get('openai-beta')).toContain('responses_websockets=2026-02-06');
    expect(headers.get('user-agent')).toMatch(/^cliproxyapi\+\+\//);
    expect(headers.get('x-codex-turn-state')).toBe('state-1');
    expect(headers.get('sec-websocket-extensions')).toBeNull();
  });

  test('stay with the account whose socket remembers, though others take turns', async () => {
    const client = await connect();
    let events = await client.turn(create('say go'));
    for (const word of ['one', 'two', 'three']) events = await client.turn(after(events, `say ${word}`));
    expect(new Set(codex.turns.map(({ headers }) => headers.get('authorization'))).size).toBe(1);
    expect(codex.handshakes).toHaveLength(1);
  });

  test('replay everything when the socket is gone', async () => {
    const client = await connect();
    const first = await client.turn(create('use the tool weather', { tools }));
    const [call] = readObjects(responseOf(first).output).filter(({ type }) => type === 'function_call');
    codex.hangUp();
    await codex.left;
    const output = { type: 'function_call_output', call_id: call!.call_id, output: 'sunny' };
    const second = await client.turn(after(first, '', { tools, input: [output] }));
    expect(textOf(second)).toBe('The tool said: sunny');
    expect(codex.handshakes).toHaveLength(2);
    expect(codex.turns[1]!.body.previous_response_id).toBeUndefined();
    expect(readObjects(codex.turns[1]!.body.input).map(({ type }) => type)).toEqual([
      'message',
      'message',
      'function_call',
      'function_call_output',
    ]);
  });

  test('replay everything when the conversation is not a continuation of what the socket knows', async () => {
    const client = await connect();
    const first = await client.turn(create('say one'));
    await client.turn(after(first, 'say two'));
    // A branch from the answer before the last.
    await client.turn(after(first, 'say three'));
    expect(inputs()).toEqual([1, 1, 3]);
    expect(codex.refused).toEqual([]);
  });

  test('are ended by response.done as by response.completed', async () => {
    codex.next.push({ done: true });
    const client = await connect();
    const events = await client.turn(create('say one'));
    expect(events.at(-1)!.type).toBe('response.completed');
    expect(textOf(await client.turn(after(events, 'say two')))).toBe('two');
    expect(inputs()).toEqual([1, 1]);
  });

  test('take another socket at once when the upstream has no more of this one', async () => {
    const client = await connect();
    const first = await client.turn(create('say one'));
    codex.next.push({
      status: 400,
      error: { code: 'websocket_connection_limit_reached', message: 'Too old.' },
    });
    const second = await client.turn(after(first, 'say two'));
    expect(textOf(second)).toBe('two');
    expect(codex.turns.map(({ socket }) => socket)).toEqual([1, 2]);
    expect(inputs()).toEqual([1, 3]);
  });

  test('are posted when no WebSocket can be had', async () => {
    codex.upgrades = 426;
    const client = await connect();
    const first = await client.turn(create('say one'));
    expect(textOf(first)).toBe('one');
    expect(textOf(await client.turn(after(first, 'say two')))).toBe('two');
    expect(codex.turns.map(({ over }) => over)).toContain('http');
    expect(inputs()).toEqual([1, 3]);
  });

  test('are posted when the client posts', async () => {
    const { status, json } = await it.post({ model: 'codex-sim', input: 'say one' });
    expect([status, json.status]).toEqual([200, 'completed']);
    expect(codex.turns.map(({ over }) => over)).toEqual(['http']);
  });

  test('end with the client', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    codex.next.push({ pauseAfter: 6, until: promise });
    const client = await connect();
    client.send(create('count to 9'));
    await client.until(({ type }) => type === 'response.created');
    await hangUp(client);
    await codex.left;
    resolve();
  });
});

describe('what goes wrong on the upstream’s socket', () => {
  test('a limit with its reset goes to the next account, which is told everything', async () => {
    const client = await connect();
    const first = await client.turn(create('say one'));
    codex.next.push(usageLimit(Math.floor(Date.now() / 1000) + 3600));
    const second = await client.turn(after(first, 'say two'));
    expect(textOf(second)).toBe('two');
    const [before, later] = codex.turns.map(({ headers }) => headers.get('authorization'));
    expect(later).not.toBe(before);
    expect(inputs()).toEqual([1, 3]);
  });

  test('a message that is too big is the request’s fault: the client’s socket is closed alike, no account rests', async () => {
    // Another pool of accounts, so that what it holds is only this test's doing.
    const alone = remembering(`codex-api-key:\n${entry(codexToken).join('\n')}\n`);
    const client = await dial(`${alone.url}/v1/responses`, alice);
    codex.next.push({ close: 1009 });
    const events = await client.turn(create('say one'));
    expect(events.at(-1)).toMatchObject({ type: 'error', status: 413, error: { code: 'request_too_large' } });
    expect((await client.closed).code).toBe(1009);
    expect(codex.handshakes).toHaveLength(1);
    const again = await dial(`${alone.url}/v1/responses`, alice);
    expect(textOf(await again.turn(create('say one')))).toBe('one');
    await hangUp(again);
    await alone.stop();
  });

  test('a refused request is told with its status, and the socket stays', async () => {
    const client = await connect();
    codex.next.push({ status: 400, error: { type: 'invalid_request_error', message: 'No such tool.' } });
    const failed = await client.turn(create('say one'));
    expect(failed.at(-1)).toMatchObject({
      type: 'error',
      status: 400,
      error: { type: 'invalid_request_error' },
    });
    expect(textOf(await client.turn(create('say two')))).toBe('two');
    expect(codex.handshakes).toHaveLength(1);
  });

  test('a failure in the middle of an answer is told in it, and the next turn is asked in full', async () => {
    const client = await connect();
    const first = await client.turn(create('say one'));
    codex.next.push({ failAfter: 7 });
    const failed = await client.turn(after(first, 'count to 9'));
    expect(failed.at(-1)!.type).toMatch(/^(response\.failed|error)$/);
    expect(JSON.stringify(failed.at(-1))).toContain('in the middle');
    expect(textOf(await client.turn(after(first, 'say two')))).toBe('two');
    expect(inputs()).toEqual([1, 1, 3]);
  });

  test('a socket that closes in the middle of an answer ends it with one failure', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    codex.next.push({ pauseAfter: 9, until: promise });
    const client = await connect();
    client.send(create('count to 9'));
    await client.until(({ type }) => type === 'response.output_text.delta');
    codex.hangUp();
    const end = await client.until(({ type }) => type === 'response.failed' || type === 'error');
    resolve();
    expect(JSON.stringify(end)).toContain('server_error');
    expect(textOf(await client.turn(create('say two')))).toBe('two');
  });

  test('frames of a mebibyte come through both ways', async () => {
    const client = await connect();
    const words = 'x'.repeat(1024 * 1024);
    expect(textOf(await client.turn(create(`say ${words}`)))).toBe(words);
  });
});

test('another config leaves open sockets as they are', async () => {
  const client = await connect();
  const first = await client.turn(create('say one'));
  it.swap(`${keys}${demo}request-retry: 1\n${config}`);
  await client.turn(after(first, 'say two'));
  expect(codex.handshakes).toHaveLength(1);
  expect(inputs()).toEqual([1, 1]);
});

const tools: readonly Json[] = [
  {
    type: 'function',
    name: 'weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
];
