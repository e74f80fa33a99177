import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../../src/core/error.ts';
import type { Json } from '../../src/core/json.ts';
import type { Step } from '../../src/protocols/continuing.ts';
import openaiResponses from '../../src/protocols/openai-responses/index.ts';
import { joined } from '../../src/protocols/openai-responses/transcript.ts';
import { random, type Random } from '../support/random.ts';
import { schemaFault } from '../support/schemas.ts';

const side = openaiResponses.client!.socket!;
const open = (recall: (id: string) => readonly Json[] | undefined = () => undefined) =>
  side.open({ recall, now: () => 1_700_000_000_000 });

const user = (text: string) => ({
  type: 'message',
  role: 'user',
  content: [{ type: 'input_text', text }],
});
const said = (id: string, text: string) => ({
  type: 'message',
  id,
  role: 'assistant',
  content: [{ type: 'output_text', text, annotations: [] }],
});
const frame = (type: string, fields: Json = {}) => ({
  event: type,
  data: JSON.stringify({ type, ...fields }),
});
const completed = (id: string, output: readonly Json[]) =>
  frame('response.completed', { response: { id, output } });

type Machine = ReturnType<typeof open>;

const create = (fields: Json = {}) => JSON.stringify({ type: 'response.create', model: 'm', ...fields });

function turn(session: Machine, message: string): Extract<Step, { kind: 'turn' }> {
  const step = session.read(message);
  if (step.kind !== 'turn') throw new Error('It was answered at once.');
  return step;
}

/** A whole turn: asks, and answers with this. */
function exchange(session: Machine, message: string, id: string, output: readonly Json[]) {
  const step = turn(session, message);
  session.tell(completed(id, output));
  return step;
}

function refusal(work: () => unknown): GatewayError {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
    throw thrown;
  }
  throw new Error('Nothing was refused.');
}

describe('messages', () => {
  test('become the request that would have been posted, as a stream', () => {
    const { body } = turn(
      open(),
      create({ input: 'Hi', tools: [], store: false, stream_id: 'a', generate: true }),
    );
    expect(body).toEqual({ model: 'm', input: [user('Hi')], tools: [], store: false, stream: true });
  });

  test('may leave out the input', () => {
    expect(turn(open(), create()).body.input).toEqual([]);
  });

  test('inherit the model and the instructions of those before, but nothing else', () => {
    const session = open();
    exchange(session, create({ instructions: 'Be brief.', tools: [{ type: 'function' }] }), 'resp_1', []);
    const { body } = turn(session, JSON.stringify({ type: 'response.create', input: 'Hi' }));
    expect(body).toEqual({ model: 'm', instructions: 'Be brief.', input: [user('Hi')], stream: true });
  });

  test.each([
    ['{', /JSON/],
    ['[]', /object/],
    ['{}', /unsupported websocket request type: undefined/],
    ['{"type":"response.cancel"}', /unsupported websocket request type: response.cancel/],
    ['{"type":"response.create"}', /missing model in response.create request/],
    ['{"type":"response.append","model":"m"}', /received before response.create/],
    [create({ input: 7 }), /input must be a string or an array/],
    [create({ input: [7] }), /input\[0\] must be an object/],
  ])('%p is refused, and the next one is read', (message, words) => {
    const session = open();
    const error = refusal(() => session.read(message));
    expect([error.status, error.message]).toEqual([400, expect.stringMatching(words)]);
    expect(JSON.parse(session.fail(error, 'req_1'))).toMatchObject({
      type: 'error',
      status: 400,
      error: { message: expect.any(String), type: 'invalid_request_error', request_id: 'req_1' },
      headers: { 'x-request-id': 'req_1' },
    });
    expect(turn(session, create({ input: 'Hi' })).body.model).toBe('m');
  });

  test('bring the headers that Codex tells anew with each of them', () => {
    const metadata = {
      'x-codex-turn-metadata': '{"turn":1}',
      'x-codex-bad': 'line\nbreak',
      authorization: 'no',
      session_id: 'x',
    };
    const { headers } = turn(open(), create({ client_metadata: metadata }));
    expect(headers).toEqual({ 'x-codex-turn-metadata': '{"turn":1}' });
  });
});

describe('a conversation', () => {
  test('goes on from the answer it names, with everything before it', () => {
    const session = open();
    exchange(session, create({ input: 'one' }), 'resp_1', [said('msg_1', 'eins')]);
    exchange(session, create({ input: 'two', previous_response_id: 'resp_1' }), 'resp_2', [
      said('msg_2', 'zwei'),
    ]);
    const step = turn(session, create({ input: 'three', previous_response_id: 'resp_2' }));
    expect(step.body.input).toEqual([
      user('one'),
      said('msg_1', 'eins'),
      user('two'),
      said('msg_2', 'zwei'),
      user('three'),
    ]);
    expect([step.continues, 'previous_response_id' in step.body]).toEqual(['resp_2', false]);
  });

  test('begins anew when no answer is named', () => {
    const session = open();
    exchange(session, create({ input: 'one' }), 'resp_1', [said('msg_1', 'eins')]);
    expect(turn(session, create({ input: 'other' })).body.input).toEqual([user('other')]);
  });

  test('is appended to without a name', () => {
    const session = open();
    exchange(session, create({ input: 'one' }), 'resp_1', [said('msg_1', 'eins')]);
    const { body } = turn(session, JSON.stringify({ type: 'response.append', input: [user('two')] }));
    expect(body.input).toEqual([user('one'), said('msg_1', 'eins'), user('two')]);
  });

  test('branches from an answer that is not the last', () => {
    const session = open();
    exchange(session, create({ input: 'one' }), 'resp_1', []);
    exchange(session, create({ input: 'two', previous_response_id: 'resp_1' }), 'resp_2', []);
    const { body } = turn(session, create({ input: 'other', previous_response_id: 'resp_1' }));
    expect(body.input).toEqual([user('one'), user('other')]);
  });

  test('outlives a turn that failed', () => {
    const session = open();
    exchange(session, create({ input: 'one' }), 'resp_1', []);
    turn(session, create({ input: 'two', previous_response_id: 'resp_1' }));
    session.fail(new GatewayError({ kind: 'overloaded' }, 'Too much.'), 'req');
    const { body } = turn(session, create({ input: 'two', previous_response_id: 'resp_1' }));
    expect(body.input).toEqual([user('one'), user('two')]);
  });

  test('is read from the items of the stream where the last event leaves them out', () => {
    const session = open();
    turn(session, create({ input: 'one' }));
    session.tell(frame('response.output_item.done', { item: said('msg_1', 'eins') }));
    session.tell(completed('resp_1', []));
    expect(session.remembered().get('resp_1')).toEqual([user('one'), said('msg_1', 'eins')]);
  });

  test('is asked for elsewhere, and left to the upstream when nobody knows it', () => {
    const session = open((id) => (id === 'resp_kept' ? [user('kept')] : undefined));
    expect(turn(session, create({ input: 'x', previous_response_id: 'resp_kept' })).body.input).toHaveLength(
      2,
    );
    session.tell(completed('resp_1', []));
    const { body, continues } = exchange(
      session,
      create({ input: 'x', previous_response_id: 'resp_theirs' }),
      'resp_2',
      [],
    );
    expect([body.previous_response_id, body.input, continues]).toEqual([
      'resp_theirs',
      [user('x')],
      undefined,
    ]);
    // What came before it is unknown, so the next turn is the upstream's to continue as well.
    const next = turn(session, create({ input: 'y', previous_response_id: 'resp_2' }));
    expect([next.body.previous_response_id, next.body.input]).toEqual(['resp_2', [user('y')]]);
  });

  test('is remembered for the newest answers only', () => {
    const session = open();
    for (let n = 1; n <= 50; n++) exchange(session, create({ input: 'x' }), `resp_${n}`, []);
    expect([...session.remembered().keys()]).toEqual(Array.from({ length: 8 }, (_, n) => `resp_${43 + n}`));
  });
});

describe('a prewarm', () => {
  const input = [{ type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'Be good.' }] }];

  test('is answered at once, costs nothing, and can be continued', () => {
    const session = open();
    const step = session.read(create({ generate: false, input, store: false }));
    const events = step.kind === 'said' ? step.messages.map((text) => JSON.parse(text)) : [];
    expect(events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.completed',
    ]);
    const { response } = events.at(-1);
    expect(response.id).toStartWith('resp_prewarm_');
    expect(response).toMatchObject({ status: 'completed', output: [], store: false, model: 'm' });
    expect(response.usage).toMatchObject({ input_tokens: 0, output_tokens: 0, total_tokens: 0 });
    const next = turn(session, create({ previous_response_id: response.id, input: 'Hi' }));
    expect(next.body.input).toEqual([...input, user('Hi')]);
  });

  test('of a conversation nobody knows is refused in the words that clients look for', () => {
    const error = refusal(() => open().read(create({ generate: false, previous_response_id: 'resp_x' })));
    expect(JSON.parse(open().fail(error, 'req'))).toMatchObject({
      status: 400,
      error: { code: 'previous_response_not_found', param: 'previous_response_id' },
    });
  });
});

describe('events', () => {
  test('are told as they come, without what only SSE needs', () => {
    const session = open();
    turn(session, create({ input: 'x' }));
    const delta = frame('response.output_text.delta', { delta: 'é' });
    expect(session.tell(delta)).toBe(delta.data);
    expect(session.tell({ data: delta.data })).toBe(delta.data);
    expect(session.tell({ data: '[DONE]' })).toBeUndefined();
  });

  test.each(['response.completed', 'response.incomplete', 'response.done', 'response.failed'])(
    '%s ends the turn, and nothing is told after it',
    (type) => {
      const session = open();
      turn(session, create({ input: 'x' }));
      expect(session.open).toBe(true);
      expect(session.tell(frame(type, { response: { id: 'resp_1', output: [] } }))).toContain(type);
      expect([session.open, session.tell(frame('response.created'))]).toEqual([false, undefined]);
    },
  );

  test('name the answer that they continue, also where the upstream could not know it', () => {
    const session = open();
    exchange(session, create({ input: 'one' }), 'resp_1', []);
    turn(session, create({ input: 'two', previous_response_id: 'resp_1' }));
    for (const type of ['response.created', 'response.completed']) {
      const told = session.tell(frame(type, { response: { id: 'resp_2', previous_response_id: null } }));
      expect(JSON.parse(told!).response.previous_response_id).toBe('resp_1');
    }
  });

  test('carry the lane on which the client asked', () => {
    const session = open();
    turn(session, create({ input: 'x', stream_id: 'left' }));
    for (const event of [frame('response.output_text.delta', { delta: 'a' }), completed('resp_1', [])])
      expect(JSON.parse(session.tell(event)!).stream_id).toBe('left');
  });

  test.each([
    ['rate_limit_exceeded', 429],
    ['server_error', 502],
    ['invalid_prompt', 400],
  ])('an error inside the stream with the code %s gets its status, %i', (code, status) => {
    const session = open();
    turn(session, create({ input: 'x' }));
    const told = JSON.parse(session.tell(frame('error', { code, message: 'No.', param: null }))!);
    expect(told).toMatchObject({ type: 'error', status, error: { code, message: 'No.', param: null } });
    expect(session.open).toBe(false);
  });

  test('a failure tells when to come back', () => {
    const error = new GatewayError({ kind: 'rate-limited' }, 'Slow down.', { retryAfterMs: 6_400 });
    expect(JSON.parse(open().fail(error, 'req'))).toMatchObject({
      status: 429,
      headers: { 'retry-after': '7' },
      error: { type: 'rate_limit_error' },
    });
  });
});

describe('joining a transcript and what comes next', () => {
  const call = (id: string, callId: string) => ({ type: 'function_call', id, call_id: callId, name: 'f' });
  const output = (callId: string, text: string) => ({
    type: 'function_call_output',
    call_id: callId,
    output: text,
  });

  test('keeps items without a name, however alike', () => {
    expect(joined([user('a')], [user('a')])).toEqual([user('a'), user('a')]);
  });

  test('knows an item by its id, and a call and its output by the call', () => {
    const past = [user('a'), call('fc_1', 'call_1'), output('call_1', 'old'), said('msg_1', 'b')];
    const { id: _, ...nameless } = call('fc_1', 'call_1');
    const next = [nameless, output('call_1', 'new'), said('msg_1', 'b'), user('c')];
    expect(joined(past, next)).toEqual([
      user('a'),
      nameless,
      output('call_1', 'new'),
      said('msg_1', 'b'),
      user('c'),
    ]);
  });

  test('a reference to an item that is there adds nothing', () => {
    const past = [said('msg_1', 'b')];
    expect(joined(past, [{ type: 'item_reference', id: 'msg_1' }, user('c')])).toEqual([...past, user('c')]);
  });

  test.each(['compaction', 'compaction_summary', 'context_compaction'])(
    '%s stands for all before it',
    (type) => {
      const next = [{ type, encrypted_content: 'x' }, user('c')];
      expect(joined([user('a'), said('msg_1', 'b')], next)).toEqual(next);
    },
  );

  test('holds its laws for any conversation', () => {
    for (let seed = 0; seed < 500; seed++) {
      const chance = random(seed);
      const past = joined([], items(chance));
      const next = items(chance);
      const whole = joined(past, next);
      const keys = whole.flatMap(keyOf);
      expect(new Set(keys).size).toBe(keys.length);
      expect(joined(whole, [])).toEqual(whole);
      expect(
        joined(
          whole,
          next.filter((item) => keyOf(item).length > 0),
        ),
      ).toEqual(whole);
      // What was there stays where it was, and every new item is in it.
      expect(whole.slice(0, past.length).map(keyOf)).toEqual(past.map(keyOf));
      for (const item of next) expect(whole.some((other) => same(other, item))).toBe(true);
      const nameless = (list: readonly Json[]) => list.filter((item) => keyOf(item).length === 0).length;
      expect(nameless(whole)).toBe(nameless(past) + nameless(next));
    }
  });

  /** Items with one name each, so that what is the same can be told by one key. */
  const items = (chance: Random): Json[] =>
    chance.list(8, () => {
      const name = String(chance.below(6));
      const kind = chance.below(4);
      if (kind === 0) return user(chance.text());
      if (kind === 1) return said(`msg_${name}`, chance.text());
      return kind === 2
        ? { ...call('', `call_${name}`), n: chance.below(9) }
        : output(`call_${name}`, chance.text());
    });

  const keyOf = (item: Json): string[] => {
    if (item.call_id) return [`${String(item.type)} ${String(item.call_id)}`];
    return item.id ? [String(item.id)] : [];
  };

  const same = (a: Json, b: Json) => {
    const [key] = keyOf(b);
    return key === undefined ? Bun.deepEquals(a, b) : keyOf(a).includes(key);
  };
});

const shapes = join(import.meta.dir, '../../../shared/shapes');

describe.skipIf(!existsSync(shapes))('the sessions of real clients (needs ../shared/shapes)', () => {
  const messages = (prefix: string): readonly Json[] =>
    readdirSync(shapes)
      .filter((name) => name.startsWith(prefix) && name.includes('ws-msg'))
      .sort()
      .map((name) => JSON.parse(readFileSync(join(shapes, name), 'utf8')).body);

  test('a Codex session with a prewarm, a tool call and its result is one conversation', () => {
    const session = open();
    const [warm, first, second] = messages('codex-builtin-ws-');
    const step = session.read(JSON.stringify(warm));
    const prewarmed = step.kind === 'said' ? JSON.parse(step.messages.at(-1)!) : undefined;
    expect(schemaFault('openai-responses', 'event', prewarmed)).toBeUndefined();
    const called = {
      type: 'function_call',
      id: 'fc_1',
      call_id: 'call_mock3',
      name: 'exec_command',
      arguments: '{}',
    };
    const asked = exchange(
      session,
      JSON.stringify({ ...first, previous_response_id: prewarmed.response.id }),
      'resp_1',
      [called],
    );
    const answered = turn(session, JSON.stringify({ ...second, previous_response_id: 'resp_1' }));
    const types = (body: Json) => (body.input as Json[]).map((item) => item.role ?? item.type);
    expect(types(asked.body)).toEqual(['developer', 'developer', 'user', 'user']);
    expect(types(answered.body)).toEqual([
      'developer',
      'developer',
      'user',
      'user',
      'function_call',
      'function_call_output',
    ]);
    expect(Object.keys(answered.headers)).toEqual(['x-codex-window-id', 'x-codex-installation-id']);
  });

  test('a resumed Codex session keeps what its prewarm said', () => {
    const session = open();
    const [warm, whole] = messages('codex-sdk-').slice(-2);
    const step = session.read(JSON.stringify(warm));
    const { response } = step.kind === 'said' ? JSON.parse(step.messages.at(-1)!) : { response: {} };
    const { body } = turn(session, JSON.stringify({ ...whole, previous_response_id: response.id }));
    expect(body.input).toHaveLength(8);
  });

  test('every first message of a session is accepted', () => {
    const all = ['codex-ws-', 'codex-builtin-ws-', 'codex-sdk-', 'codex-resume-', 'sdk-openai-'].flatMap(
      messages,
    );
    const firsts = all.filter((body) => typeof body !== 'string' && !body.previous_response_id);
    expect(firsts.length).toBeGreaterThan(5);
    for (const body of firsts) expect(() => open().read(JSON.stringify(body))).not.toThrow();
  });
});
