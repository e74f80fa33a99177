import { describe, expect, test } from 'bun:test';
import { GatewayError, type Fault } from '../../../src/core/error.ts';
import { noUsage, type Reply, unfold } from '../../../src/core/event.ts';
import type { Json } from '../../../src/core/json.ts';
import { call, client, decode, refusal, reply, sent, text, told, upstream } from './support.ts';

describe('reading a whole reply', () => {
  const whole = (message: Json, rest: Json = {}): Reply =>
    upstream.decodeReply({
      id: 'r',
      model: 'm',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      ...rest,
    });

  test('reads what a stream of the same says', () => {
    const { parts } = whole({
      content: 'so',
      reasoning: 'hm',
      refusal: 'no',
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
    });
    expect(parts).toEqual([
      { kind: 'reasoning', text: 'hm' },
      text('so'),
      { kind: 'refusal', text: 'no' },
      call('a'),
    ]);
  });

  test('bare sources of Perplexity are citations of the text (capture 445de2ba93ee2158)', () => {
    expect(whole({ content: 'x' }, { citations: ['https://a'] }).parts as unknown).toEqual([
      { kind: 'text', text: 'x', citations: [{ url: 'https://a' }] },
    ]);
  });

  test('an error inside a 200 is thrown as what it is', () => {
    const error = refusal(() => upstream.decodeReply({ error: { message: 'slow down', code: 429 } }));
    expect(error.fault.kind).toBe('rate-limited');
    expect(refusal(() => upstream.decodeReply({ detail: 'Invalid token' })).message).toContain(
      'Invalid token',
    );
    expect(refusal(() => upstream.decodeReply({ id: 'x' })).fault.kind).toBe('bad-upstream-data');
    expect(refusal(() => upstream.decodeReply({ choices: [] })).fault.kind).toBe('bad-upstream-data');
  });
});

describe('writing a whole reply', () => {
  test('says content null only beside calls or a refusal', () => {
    expect(told([call('a')], { reason: 'tool' }).message).toMatchObject({
      content: null,
      tool_calls: [{ id: 'a' }],
    });
    expect(told([]).message).toEqual({ role: 'assistant', content: '', refusal: null });
    expect(told([{ kind: 'refusal', text: 'no' }], { reason: 'filter' }).body.choices[0]).toMatchObject({
      message: { content: null, refusal: 'no' },
      finish_reason: 'content_filter',
    });
  });

  test('leaves reasoning_content out when there is none (15)', () => {
    expect('reasoning_content' in told([text('x')]).message).toBe(false);
  });

  test('stands in for a missing id, shows the model the client asked for, and counts every detail', () => {
    const { body } = told([text('x')], {
      id: '',
      usage: { ...noUsage, input: 5, output: 3, cacheRead: 2, reasoning: 1 },
    });
    expect(body).toMatchObject({
      id: 'chatcmpl-made-up',
      model: 'shown',
      usage: {
        prompt_tokens: 5,
        completion_tokens: 3,
        total_tokens: 8,
        prompt_tokens_details: { cached_tokens: 2 },
        completion_tokens_details: { reasoning_tokens: 1 },
      },
    });
  });

  test('counts the places of citations from the start of the whole text', () => {
    const { message } = told([
      text('é😀'),
      { kind: 'text', text: 'ab', citations: [{ url: 'https://a', start: 0, end: 2 }] },
    ]);
    expect(message.annotations[0].url_citation).toMatchObject({ start_index: 2, end_index: 4 });
  });

  test('a client of functions is answered with a function_call', () => {
    const request = decode({ functions: [{ name: 'f' }] });
    expect(told([call('a')], { reason: 'tool' }, request).body.choices[0]).toMatchObject({
      message: { function_call: { name: 'f', arguments: '{}' } },
      finish_reason: 'function_call',
    });
    const frames = sent(unfold(reply([call('a', 'f', '{"x":1}')], { reason: 'tool' })), request);
    expect(frames.map((frame) => frame.choices?.[0].delta.function_call).filter(Boolean)).toEqual([
      { name: 'f', arguments: '' },
      { arguments: '{"x":1}' },
    ]);
  });

  test('reports what has no place', () => {
    const { dropped } = told([
      { kind: 'hosted-call', tool: 'web-search', callId: 'a', input: {} },
      { kind: 'text', text: 'x', seal: { issuer: 'gemini', value: 's' }, citations: [{ title: 'book' }] },
    ]);
    expect(dropped).toEqual([
      'content: web-search',
      'content: citation without a URL',
      'content: signature of gemini',
    ]);
  });
});

describe('errors', () => {
  test.each([
    [{ kind: 'invalid-request', field: 'n' }, 'invalid_request_error', 'n'],
    [{ kind: 'unauthorized' }, 'authentication_error', null],
    [{ kind: 'not-found', what: 'model' }, 'not_found_error', null],
    [{ kind: 'rate-limited' }, 'rate_limit_error', null],
    [{ kind: 'upstream-failed', status: 500 }, 'server_error', null],
    [{ kind: 'transport', phase: 'gap' }, 'timeout_error', null],
    [{ kind: 'unavailable' }, 'overloaded_error', null],
  ])('%j is a %s', (fault, type, param) => {
    const error = new GatewayError(fault as Fault, 'It failed.', { remedy: 'Do this.' });
    expect(client.encodeError(error, 'req-1') as unknown).toEqual({
      error: { message: 'It failed. Do this.', type, param, code: error.code, request_id: 'req-1' },
    });
  });

  test('a prompt over the context keeps the code that makes clients compact', () => {
    const error = upstream.decodeError(
      400,
      new Headers(),
      '{"error":{"message":"x","code":"context_length_exceeded"}}',
    );
    expect(client.encodeError(error, 'r')).toMatchObject({ error: { code: 'context_length_exceeded' } });
  });

  test('tells when to come back', () => {
    const headers = new Headers({ 'retry-after': '12', 'x-request-id': 'up-1' });
    const error = upstream.decodeError(429, headers, '{"error":{"message":"slow"}}');
    expect(error).toMatchObject({ retryAfterMs: 12_000, upstream: { status: 429, requestId: 'up-1' } });
  });
});
