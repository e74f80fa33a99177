import { describe, expect, test } from 'bun:test';
import type { Json } from '../../src/core/json.ts';
import openaiResponses from '../../src/protocols/openai-responses/index.ts';

/** One connection to an upstream, message by message. */

const open = openaiResponses.upstream!.socket!;

const said = (text: string, role = 'user'): Json => ({
  type: 'message',
  role,
  content: [{ type: role === 'user' ? 'input_text' : 'output_text', text }],
});
const asked = (session: ReturnType<typeof open>, input: readonly Json[] | string, more: Json = {}): Json =>
  JSON.parse(session.ask(JSON.stringify({ model: 'm', input, ...more })));
const tell = (session: ReturnType<typeof open>, message: Json) => session.hear(JSON.stringify(message));

/** A turn that says these items. */
function answer(session: ReturnType<typeof open>, id: string, items: readonly Json[]): void {
  for (const item of items) tell(session, { type: 'response.output_item.done', item });
  tell(session, { type: 'response.completed', response: { id, output: [] } });
}

const first = said('one');
const reply = { ...said('two', 'assistant'), id: 'msg_1', status: 'completed' };

describe('a turn', () => {
  test('is a body with a type', () => {
    expect(asked(open(), [first], { store: false })).toEqual({
      type: 'response.create',
      model: 'm',
      input: [first],
      store: false,
    });
  });

  test('brings only what the connection has not heard, whatever ids the client keeps', () => {
    const session = open();
    asked(session, [first]);
    answer(session, 'resp_1', [reply]);
    const { id: _, status: __, ...bare } = reply;
    const next = asked(session, [first, bare, said('three')]);
    expect(next).toMatchObject({ previous_response_id: 'resp_1', input: [said('three')] });
  });

  test('begins with text as with items', () => {
    const session = open();
    asked(session, 'one');
    answer(session, 'resp_1', [reply]);
    expect(asked(session, [first, reply, said('three')]).input).toEqual([said('three')]);
  });

  test('passes over thoughts that nobody could read', () => {
    const session = open();
    asked(session, [first]);
    answer(session, 'resp_1', [{ type: 'reasoning', id: 'rs_1', summary: [] }, reply]);
    expect(asked(session, [first, reply, said('three')]).previous_response_id).toBe('resp_1');
  });

  test.each([
    ['another beginning', [said('zero'), reply, said('three')]],
    ['nothing new', [first, reply]],
    ['less than what was said', [first, said('three')]],
  ])('with %s says everything', (_, input) => {
    const session = open();
    asked(session, [first]);
    answer(session, 'resp_1', [reply]);
    const next = asked(session, input);
    expect(next.previous_response_id).toBeUndefined();
    expect(next.input).toEqual(input);
  });

  test('says everything after one that failed', () => {
    const session = open();
    asked(session, [first]);
    answer(session, 'resp_1', [reply]);
    asked(session, [first, reply, said('three')]);
    tell(session, { type: 'response.failed', response: { id: 'resp_2', status: 'failed' } });
    expect(asked(session, [first, reply, said('four')]).previous_response_id).toBeUndefined();
  });

  test('that names its own past is left as it is, and so is what follows', () => {
    const session = open();
    const named = { previous_response_id: 'resp_elsewhere' };
    expect(asked(session, [first], named)).toMatchObject({ ...named, input: [first] });
    answer(session, 'resp_1', [reply]);
    expect(asked(session, [first, reply, said('three')]).previous_response_id).toBeUndefined();
  });
});

describe('a message', () => {
  test('is an event of a stream, and ends it as one', () => {
    const session = open();
    asked(session, [first]);
    expect(tell(session, { type: 'response.created' })).toMatchObject({ begins: true, over: false });
    expect(tell(session, { type: 'response.output_text.delta', delta: 'x' })).toMatchObject({
      frame: {
        event: 'response.output_text.delta',
        data: '{"type":"response.output_text.delta","delta":"x"}',
      },
      over: false,
    });
    expect(tell(session, { type: 'response.incomplete', response: {} }).over).toBe(true);
    expect(tell(session, { type: 'response.done', response: {} })).toMatchObject({
      frame: { event: 'response.completed' },
      over: true,
    });
  });

  test('about limits is no answer yet, and says what headers would', () => {
    const heard = tell(open(), {
      type: 'codex.rate_limits',
      rate_limits: {
        primary: { used_percent: 12.5, window_minutes: 300, reset_at: 1_900_000_000 },
        secondary: null,
      },
    });
    expect(heard).toMatchObject({ begins: false, over: false });
    expect(heard.headers).toEqual({
      'x-codex-primary-used-percent': '12.5',
      'x-codex-primary-window-minutes': '300',
      'x-codex-primary-reset-at': '1900000000',
    });
  });

  const words = { error: { code: 'rate_limit_exceeded', message: 'Slow down.' } };

  test.each([
    ['with its words at hand', { status: 429, ...words }],
    ['with a body', { status: 429, body: words }],
    ['with a body as text', { status_code: 429, body: JSON.stringify(words) }],
  ])('that refuses %s is a refusal with a status', (_, fields) => {
    const heard = tell(open(), {
      type: 'error',
      ...fields,
      headers: { 'retry-after': 7, 'bad name': 'x', list: [] },
    });
    expect(heard.refused).toMatchObject({ status: 429, afresh: false });
    expect(JSON.parse(heard.refused!.body)).toMatchObject(words);
    expect(heard.headers).toEqual({ 'retry-after': '7' });
    expect(JSON.parse(heard.frame.data)).toMatchObject({ type: 'error', status: 429, ...words });
    expect(heard.over).toBe(true);
  });

  test.each(['websocket_connection_limit_reached', 'previous_response_not_found'])(
    '%s is about the connection',
    (code) => {
      expect(tell(open(), { type: 'error', status: 400, error: { code } }).refused?.afresh).toBe(true);
    },
  );

  test('without a status is a failure inside the stream', () => {
    const heard = tell(open(), { type: 'error', code: 'server_error', message: 'Sorry.' });
    expect(heard.refused).toBeUndefined();
    expect(heard).toMatchObject({ over: true, frame: { event: 'error' } });
  });

  test('that is no JSON is passed on as it came, for the reader to judge', () => {
    expect(open().hear('garbage')).toMatchObject({ frame: { data: 'garbage' }, over: false });
  });

  test('over several lines is one line of a stream', () => {
    const { frame } = open().hear(JSON.stringify({ type: 'response.created', response: {} }, null, 2));
    expect(frame.data).not.toContain('\n');
    expect(JSON.parse(frame.data)).toEqual({ type: 'response.created', response: {} });
  });
});
