import { describe, expect, test } from 'bun:test';
import type { Fault } from '../../../src/core/error.ts';
import type { Json } from '../../../src/core/json.ts';
import { run } from '../../../src/core/machine.ts';
import type { Part } from '../../../src/core/request.ts';
import { terminalOf } from '../../support/grammar.ts';
import { base, call, callChunk, calls, chunk, events, folded, text, upstream, usageOf } from './support.ts';

describe('reading a stream', () => {
  test('waits for the usage after the finish reason', () => {
    const said = events(
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'Hi' }),
      chunk({}, 'stop'),
      { ...base, choices: [], usage: { ...usageOf(3, 1), prompt_tokens_details: { cached_tokens: 2 } } },
      '[DONE]',
    );
    expect(terminalOf(said)).toEqual({
      type: 'finish',
      reason: 'end',
      usage: { input: 3, output: 1, cacheRead: 2, cacheWrite: 0, reasoning: 0 },
    });
  });

  test.each([
    [{ prompt_tokens_details: { cached_tokens: 4 } }, { cacheRead: 4 }],
    [{ prompt_cache_hit_tokens: 4 }, { cacheRead: 4 }],
    [{ cached_tokens: 4 }, { cacheRead: 4 }],
    [
      { cache_read_input_tokens: 4, cache_creation_input_tokens: 3 },
      { cacheRead: 4, cacheWrite: 3 },
    ],
    [{ prompt_tokens_details: { cache_write_tokens: 3 } }, { cacheWrite: 3 }],
    [{ prompt_tokens_details: { cached_creation_tokens: 3 } }, { cacheWrite: 3 }],
    [{ completion_tokens_details: { reasoning_tokens: 2 } }, { reasoning: 2, output: 5 }],
    [{ reasoning_tokens: 2 }, { reasoning: 2 }],
    // xAI counts reasoning beside the completion.
    [
      { completion_tokens_details: { reasoning_tokens: 7 }, total_tokens: 22 },
      { reasoning: 7, output: 12 },
    ],
  ])('reads the usage %j', (spelling, expected) => {
    const { usage } = folded(chunk({ content: 'x' }, 'stop'), {
      ...base,
      choices: [],
      usage: { ...usageOf(10, 5), ...spelling },
    });
    expect(usage).toMatchObject({ input: 10, output: 5, ...expected });
  });

  test('finds usage beside the choice, in the choice and in x_groq', () => {
    const usage = usageOf(10, 5);
    const counted = (last: Json) => folded(chunk({ content: 'x' }), last, '[DONE]').usage.input;
    expect(counted({ ...chunk({}, 'stop'), usage })).toBe(10);
    expect(counted({ ...base, choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage }] })).toBe(10);
    expect(counted({ ...chunk({}, 'stop'), x_groq: { usage } })).toBe(10);
  });

  test.each(['reasoning_content', 'reasoning', 'reasoning_text'])('reads thoughts from %s', (field) => {
    const { parts } = folded(
      chunk({ [field]: 'hm', content: null }),
      chunk({ [field]: null, content: 'so' }, 'stop'),
    );
    expect(parts).toEqual([{ kind: 'reasoning', text: 'hm' }, text('so')]);
  });

  test('reads thoughts that come as objects, lists and content parts', () => {
    expect(
      folded(chunk({ reasoning: { content: 'a' } }), chunk({ reasoning: [{ text: 'b' }] }, 'stop')).parts,
    ).toEqual([{ kind: 'reasoning', text: 'ab' }]);
    const content = [
      { type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] },
      { type: 'text', text: 'so' },
    ];
    expect(folded(chunk({ content }, 'stop')).parts).toEqual([{ kind: 'reasoning', text: 'hm' }, text('so')]);
  });

  test('reasoning_details do not repeat the thought, but seal it', () => {
    const detail = (rest: Json) => [
      { type: 'reasoning.text', format: 'anthropic-claude-v1', index: 0, ...rest },
    ];
    const { parts } = folded(
      chunk({ reasoning: 'hm', reasoning_details: detail({ text: 'hm' }) }),
      chunk({ reasoning_details: detail({ signature: 's' }) }),
      chunk({
        reasoning_details: [{ type: 'reasoning.encrypted', data: 'd', format: 'anthropic-claude-v1' }],
      }),
      chunk({ content: 'so' }, 'stop'),
    );
    expect(parts as unknown).toEqual([
      { kind: 'reasoning', text: 'hm', seal: { issuer: 'anthropic', value: 's' } },
      { kind: 'reasoning', text: '', seal: { issuer: 'anthropic', value: 'd', redacted: true } },
      text('so'),
    ]);
  });

  test('details alone are thoughts too, and an encrypted one seals what stands before it', () => {
    const { parts } = folded(
      chunk({
        reasoning_details: [{ type: 'reasoning.summary', summary: 'sum', format: 'openai-responses-v1' }],
      }),
      chunk({
        reasoning_details: [{ type: 'reasoning.encrypted', data: 'd', format: 'openai-responses-v1' }],
      }),
      chunk({ content: 'so' }, 'stop'),
    );
    expect(parts[0] as unknown).toEqual({
      kind: 'reasoning',
      text: 'sum',
      seal: { issuer: 'openai', value: 'd' },
    });
  });

  test('a null or repeated name starts a call once (24, 25, 31)', () => {
    const { parts } = folded(
      callChunk({ id: 'a', type: 'function', function: { name: 'f', arguments: '' } }),
      callChunk({ id: null, function: { name: null, arguments: '{"a"' } }),
      callChunk({ id: 'a', function: { name: 'f', arguments: ':1}' } }),
      chunk({}, 'tool_calls'),
    );
    expect(parts).toEqual([call('a', 'f', '{"a":1}')]);
  });

  test('an id may come before the name (27), late, or never (28)', () => {
    expect(
      calls(
        folded(
          callChunk({ id: 'a' }),
          callChunk({ function: { name: 'f', arguments: '{}' } }),
          chunk({}, 'tool_calls'),
        ),
      ),
    ).toEqual([call('a') as Extract<Part, { kind: 'tool-call' }>]);
    const never = folded(callChunk({ function: { name: 'f', arguments: '{}' } }), chunk({}, 'tool_calls'));
    expect(calls(never)[0]!.callId).toMatch(/^call_[0-9a-f]{24}$/);
    expect(never.reason).toBe('tool');
  });

  test('a call that never gets a name is left out, and the turn ends (26, 30)', () => {
    const { parts, reason } = folded(
      callChunk({ function: { name: '', arguments: '{}' } }),
      chunk({}, 'tool_calls'),
      '[DONE]',
    );
    expect(parts).toEqual([]);
    expect(reason).toBe('end');
  });

  test('interleaved parallel calls come out whole', () => {
    const { parts } = folded(
      callChunk({ id: 'a', function: { name: 'f', arguments: '{"x"' } }, 0),
      callChunk({ id: 'b', function: { name: 'g', arguments: '{"y"' } }, 1),
      callChunk({ function: { arguments: ':1}' } }, 0),
      callChunk({ function: { arguments: ':2}' } }, 1),
      chunk({}, 'tool_calls'),
    );
    expect(parts).toEqual([call('a', 'f', '{"x":1}'), call('b', 'g', '{"y":2}')]);
  });

  test('parallel calls that share an index, or have none, are told apart by their ids', () => {
    const whole = (id: string, name: string, rest: Json = {}) => ({
      id,
      type: 'function',
      function: { name, arguments: '{}' },
      ...rest,
    });
    const shared = folded(
      chunk({ tool_calls: [whole('a', 'f', { index: 0 })] }),
      chunk({ tool_calls: [whole('b', 'g', { index: 0 })] }, 'tool_calls'),
    );
    const none = folded(chunk({ tool_calls: [whole('a', 'f'), whole('b', 'g')] }, 'tool_calls'));
    expect(calls(shared).map(({ callId }) => callId)).toEqual(['a', 'b']);
    expect(none.parts).toEqual(shared.parts);
  });

  test('says tool whenever a call was said, unless it was cut or filtered', () => {
    const reasonWith = (finish: string) =>
      folded(callChunk({ id: 'a', function: { name: 'f', arguments: '{}' } }), chunk({}, finish)).reason;
    expect(['stop', 'tool_calls', 'function_call', 'length', 'content_filter'].map(reasonWith)).toEqual([
      'tool',
      'tool',
      'tool',
      'length',
      'filter',
    ]);
    expect(folded(chunk({ content: 'x' }), chunk({}, 'tool_calls')).reason).toBe('end');
    expect(folded(chunk({ content: 'x' }), chunk({}, 'constructor')).reason).toBe('end');
  });

  test('reads custom calls, legacy function calls, and arguments that are objects', () => {
    expect(
      folded(
        callChunk({ id: 'a', type: 'custom', custom: { name: 'g', input: 'free ' } }),
        callChunk({ custom: { input: 'text' } }),
        chunk({}, 'tool_calls'),
      ).parts,
    ).toEqual([{ ...call('a', 'g', 'free text'), custom: true } as Part]);
    const legacy = folded(
      chunk({ function_call: { name: 'f', arguments: '{' } }),
      chunk({ function_call: { arguments: '}' } }, 'function_call'),
    );
    expect(calls(legacy)[0]).toMatchObject({ name: 'f', args: '{}' });
    expect(
      calls(
        folded(callChunk({ id: 'a', function: { name: 'f', arguments: { x: 1 } } }), chunk({}, 'stop')),
      )[0]!.args,
    ).toBe('{"x":1}');
  });

  test('choices come one after the other, each with its reason and its calls (46)', () => {
    const { parts, reason, others } = folded(
      chunk({ content: 'a' }, null, 0),
      chunk({ tool_calls: [{ index: 0, id: 'x', function: { name: 'f', arguments: '{}' } }] }, null, 1),
      chunk({ content: 'b' }, 'stop', 0),
      chunk({}, 'tool_calls', 1),
    );
    expect({ parts, reason, others }).toEqual({
      parts: [text('ab')],
      reason: 'end',
      others: [{ parts: [call('x')], reason: 'tool' }],
    });
  });

  test('images, citations and log probabilities keep their place', () => {
    const url_citation = { url: 'https://a', title: 'A', start_index: 0, end_index: 2 };
    const { parts } = folded(
      {
        ...base,
        choices: [
          { index: 0, delta: { content: 'Hi' }, logprobs: { content: [{ token: 'Hi', logprob: -1 }] } },
        ],
      },
      chunk({ annotations: [{ type: 'url_citation', url_citation }] }),
      chunk({ images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } }] }, 'stop'),
    );
    expect(parts as unknown).toEqual([
      {
        kind: 'text',
        text: 'Hi',
        citations: [{ url: 'https://a', title: 'A', start: 0, end: 2 }],
        logprobs: [{ token: 'Hi', logprob: -1 }],
      },
      { kind: 'media', media: 'image', mime: 'image/png', source: { kind: 'data', data: 'AA' } },
    ]);
  });

  test('a first chunk without id and choices (Azure) does not begin the answer', () => {
    const said = events(
      { id: '', model: '', object: '', choices: [], prompt_filter_results: [] },
      chunk({ content: 'x' }, 'stop'),
      '[DONE]',
    );
    expect(said[0]).toEqual({ type: 'start', id: 'c1', model: 'm' });
  });

  test('a message in place of a delta is read, and one that repeats the answer is not', () => {
    const whole = {
      ...base,
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
    };
    expect(folded(whole).parts).toEqual([text('Hi')]);
    expect(folded(chunk({ content: 'Hi' }), whole).parts).toEqual([text('Hi')]);
  });

  test('knows the stop sequence where a server says it', () => {
    const last = { ...base, choices: [{ index: 0, delta: {}, finish_reason: 'stop', stop_reason: 'END' }] };
    expect(folded(chunk({ content: 'x' }), last)).toMatchObject({ reason: 'stop', stop: 'END' });
  });

  test.each([
    [{ error: { message: 'slow', code: 429 } }, 'rate-limited'],
    [{ error: { message: 'busy', type: 'overloaded_error' } }, 'overloaded'],
    [{ error: { message: 'x', type: 'server_error' } }, 'upstream-failed'],
    [{ error: 'words' }, 'upstream-failed'],
    [{ object: 'error', message: 'bad', type: 'BadRequestError', code: 400 }, 'invalid-request'],
    [
      {
        ...base,
        choices: [{ index: 0, delta: {}, finish_reason: 'error', error: { message: 'x', code: 502 } }],
      },
      'upstream-failed',
    ],
    [chunk({}, 'network_error'), 'upstream-failed'],
  ])('an error in the stream is its end: %j', (item, kind) => {
    const said = events(chunk({ content: 'x' }), item as Json, chunk({ content: 'y' }, 'stop'), '[DONE]');
    const last = terminalOf(said);
    expect(last.type === 'error' && last.error.fault.kind).toBe(kind as Fault['kind']);
    expect(JSON.stringify(said)).not.toContain('"y"');
  });

  test('an error before anything was said is all there is', () => {
    expect(
      events('[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]').map(({ type }) => type),
    ).toEqual(['error']);
  });

  test('an error after the finish reason takes nothing back (capture 2615f8acbdc05489)', () => {
    const said = events(
      chunk({ content: 'x' }, 'length'),
      { ...base, error: { code: 400, message: 'Token limit reached' } },
      '[DONE]',
    );
    expect(terminalOf(said)).toMatchObject({ type: 'finish', reason: 'length' });
  });

  test('a stream that stops before its answer is complete is cut', () => {
    const last = terminalOf(events(chunk({ content: 'x' })));
    expect(last.type === 'error' && last.error.fault).toEqual({ kind: 'transport', phase: 'cut' });
    const half = terminalOf(events(chunk({ content: 'x' }), '{"id":"c1","cho'));
    expect(half.type === 'error' && half.error.fault).toEqual({ kind: 'transport', phase: 'cut' });
    expect(terminalOf(events(chunk({ content: 'x' }, 'stop'), '[DO')).type).toBe('finish');
    expect(
      terminalOf(events(chunk({ content: 'x' }, 'stop', 0), chunk({ content: 'y' }, null, 1))).type,
    ).toBe('error');
  });

  test('[DONE] ends an answer that has words but no reason, and is an error when there are none', () => {
    expect(terminalOf(events(chunk({ content: 'x' }), '[DONE]'))).toMatchObject({
      type: 'finish',
      reason: 'end',
    });
    const empty = terminalOf(events(chunk({ role: 'assistant' }), '[DONE]'));
    expect(empty.type === 'error' && empty.error.fault.kind).toBe('bad-upstream-data');
  });

  test('an event that is not JSON is bad data, and nothing comes after it (29)', () => {
    const last = terminalOf(
      events(chunk({ content: 'x' }), '<html>', chunk({ content: 'y' }, 'stop'), '[DONE]'),
    );
    expect(last.type === 'error' && last.error.fault.kind).toBe('bad-upstream-data');
    const machine = upstream.decodeStream();
    run(machine, [{ data: '[DONE]' }]);
    expect([...machine.push({ data: JSON.stringify(chunk({ content: 'late' })) })]).toEqual([]);
  });

  test('an index without measure takes no memory', () => {
    expect(folded(chunk({ content: 'x' }, 'stop', 4_000_000_000)).parts).toEqual([text('x')]);
  });
});
