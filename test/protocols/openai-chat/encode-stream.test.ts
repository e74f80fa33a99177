import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../../../src/core/error.ts';
import { noUsage, unfold } from '../../../src/core/event.ts';
import type { Json } from '../../../src/core/json.ts';
import { run } from '../../../src/core/machine.ts';
import type { Part } from '../../../src/core/request.ts';
import { echoOf } from '../../support/wires.ts';
import { ask, call, client, decode, folded, reply, say, sent, text, told } from './support.ts';

describe('writing a stream', () => {
  const streamed = (fields: Json = {}) =>
    decode({ stream: true, stream_options: { include_usage: true }, ...fields });

  test('begins with the role and empty content, ends with reason, usage and [DONE]', () => {
    const frames = sent(
      unfold(reply([text('Hi')], { usage: { ...noUsage, input: 2, output: 1 } })),
      streamed(),
    );
    expect(frames).toMatchObject([
      { choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] },
      { choices: [{ delta: { content: 'Hi' }, finish_reason: null }] },
      { choices: [{ delta: {}, finish_reason: 'stop' }] },
      { choices: [], usage: { prompt_tokens: 2, completion_tokens: 1, total_tokens: 3 } },
      '[DONE]',
    ]);
    const heads = frames
      .slice(0, -1)
      .map(({ id, object, created, model }) => ({ id, object, created, model }));
    expect(heads).toEqual(
      heads.map(() => ({
        id: 'r1',
        object: 'chat.completion.chunk',
        created: 1_700_000_000,
        model: 'shown',
      })),
    );
  });

  test('tells usage only to who asked for it', () => {
    expect(JSON.stringify(sent(unfold(reply([text('Hi')]))))).not.toContain('usage');
  });

  test('numbers calls from 0 in the order they come, whatever stands between (78)', () => {
    const frames = sent(
      unfold(reply([text('x'), call('a', 'f', '{"x":1}'), call('b', 'g', '')], { reason: 'tool' })),
    );
    const said = frames.flatMap((frame) => frame.choices?.[0].delta.tool_calls ?? []);
    expect(said).toEqual([
      { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } },
      { index: 0, function: { arguments: '{"x":1}' } },
      { index: 1, id: 'b', type: 'function', function: { name: 'g', arguments: '' } },
      { index: 1, function: { arguments: '{}' } },
    ]);
    const deltas = frames.filter((frame) => frame.choices?.[0].delta.tool_calls);
    expect(deltas.every((frame) => Object.keys(frame.choices[0].delta).length === 1)).toBe(true);
  });

  test('says the finish reason once, on the last chunk of its choice (87)', () => {
    const frames = sent(
      unfold(reply([text('a')], { reason: 'length', others: [{ parts: [text('b')], reason: 'end' }] })),
    );
    const reasons = frames.flatMap((frame) => frame.choices ?? []).filter((choice) => choice.finish_reason);
    expect(reasons).toMatchObject([
      { index: 0, finish_reason: 'length' },
      { index: 1, finish_reason: 'stop' },
    ]);
  });

  test('a client that echoes the assistant message brings sealed thoughts back', () => {
    const parts: readonly Part[] = [
      { kind: 'reasoning', text: 'first', seal: { issuer: 'anthropic', value: 's1' } },
      { kind: 'reasoning', text: '', seal: { issuer: 'anthropic', value: 'd', redacted: true } },
      { kind: 'reasoning', text: 'second', seal: { issuer: 'gemini', value: 's2' } },
      text('so'),
      { ...(call('a') as Extract<Part, { kind: 'tool-call' }>), seal: { issuer: 'gemini', value: 's3' } },
    ];
    const { message } = told(parts, { reason: 'tool' });
    expect(say(ask, message).messages[1]!.parts).toEqual(parts);

    const frames = sent(unfold(reply(parts, { reason: 'tool' })));
    expect(folded(...frames).parts).toEqual(parts);
    const details = frames.flatMap((frame) => frame.choices?.[0].delta.reasoning_details ?? []);
    expect(details).toEqual(message.reasoning_details);
  });

  test('an error is the end, without [DONE], and with nothing after it', () => {
    const machine = client.encodeStream(echoOf(decode({}), 'm'));
    const error = new GatewayError({ kind: 'overloaded' }, 'Busy.', { remedy: 'Wait.' });
    const frames = run(machine, [
      { type: 'start', id: 'x', model: 'm' },
      { type: 'error', error },
      { type: 'finish', reason: 'end', usage: noUsage },
    ]);
    expect(frames.map(({ data }) => JSON.parse(data)).slice(1)).toEqual([
      { error: { message: 'Busy. Wait.', type: 'overloaded_error', param: null, code: 'overloaded' } },
    ]);
  });

  test('an end that nobody announced is an error that clients retry', () => {
    const [, last] = sent([{ type: 'start', id: 'x', model: 'm' }]);
    expect(last.error).toMatchObject({ type: 'server_error', code: 'stream_interrupted' });
  });

  test('tells citations and images as its extensions do', () => {
    const image: Part = {
      kind: 'media',
      media: 'image',
      mime: 'image/png',
      source: { kind: 'data', data: 'AA' },
    };
    const dropped: string[] = [];
    const audio: Part = {
      kind: 'media',
      media: 'audio',
      mime: 'audio/wav',
      source: { kind: 'data', data: 'AA' },
    };
    const cited: Part = {
      kind: 'text',
      text: 'x',
      citations: [{ url: 'https://a', title: 'A', start: 0, end: 1 }],
    };
    const frames = sent(unfold(reply([cited, image, audio])), decode({}), client, dropped);
    expect(folded(...frames).parts).toEqual([cited, image]);
    expect(dropped).toEqual(['content: audio']);
  });
});
