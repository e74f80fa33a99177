import { describe, expect, test } from 'bun:test';
import { MessageStream } from '@anthropic-ai/sdk/lib/MessageStream';
import { GatewayError } from '../../../src/core/error.ts';
import { type ChatEvent, fold, noUsage, type Reply, unfold } from '../../../src/core/event.ts';
import { type Json } from '../../../src/core/json.ts';
import { run } from '../../../src/core/machine.ts';
import type { Echo } from '../../../src/protocols/protocol.ts';
import { expectGrammar, terminalOf } from '../../support/grammar.ts';
import {
  id,
  client,
  upstream,
  text,
  call,
  echo,
  listen,
  opening,
  start,
  delta,
  stop,
  ending,
  spoken,
  tell,
  reply,
} from './words.ts';

/** How Claude's event stream is read and written. */

describe('reading a stream', () => {
  test('merges the usage of both ends: later wins, what is missing or null stays', () => {
    const said = listen(
      {
        type: 'message_start',
        message: {
          id: 'm',
          model: 'c',
          usage: {
            input_tokens: 10,
            cache_read_input_tokens: 100,
            cache_creation_input_tokens: 20,
            output_tokens: 1,
            cache_creation: { ephemeral_1h_input_tokens: 20 },
          },
        },
      },
      ...spoken(0, 'Hi'),
      ...ending('end_turn', {
        input_tokens: null,
        output_tokens: 7,
        output_tokens_details: { thinking_tokens: 3 },
        server_tool_use: { web_search_requests: 1 },
      }),
    );
    expect(fold(said).usage).toEqual({
      input: 130,
      output: 7,
      cacheRead: 100,
      cacheWrite: 20,
      reasoning: 3,
      extra: {
        [id]: {
          cache_creation: { ephemeral_1h_input_tokens: 20 },
          server_tool_use: { web_search_requests: 1 },
        },
      },
    });
  });

  test('hears every kind of block', () => {
    const search = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} };
    const found = { type: 'web_search_tool_result', tool_use_id: 's', content: [] };
    const citation = {
      type: 'web_search_result_location',
      url: 'https://x',
      title: 'X',
      cited_text: 'words',
    };
    const { parts, reason } = fold(
      listen(
        opening,
        start(0, { type: 'thinking', thinking: '', signature: '' }),
        delta(0, { type: 'thinking_delta', thinking: 'hm' }),
        delta(0, { type: 'signature_delta', signature: 'sig' }),
        stop(0),
        start(1, { type: 'redacted_thinking', data: 'dark' }),
        stop(1),
        start(2, { type: 'thinking', thinking: '', signature: '' }),
        delta(2, { type: 'signature_delta', signature: 'only' }),
        stop(2),
        start(3, search),
        delta(3, { type: 'input_json_delta', partial_json: '{"query":' }),
        delta(3, { type: 'input_json_delta', partial_json: '"q"}' }),
        stop(3),
        start(4, found),
        stop(4),
        start(5, { type: 'text', text: '', citations: [] }),
        delta(5, { type: 'citations_delta', citation }),
        delta(5, { type: 'text_delta', text: 'said' }),
        stop(5),
        start(6, { type: 'hologram', beam: 1 }),
        stop(6),
        start(7, { type: 'tool_use', id: 't', name: 'look', input: {} }),
        delta(7, { type: 'input_json_delta', partial_json: '' }),
        delta(7, { type: 'input_json_delta', partial_json: '{"a":1}' }),
        stop(7),
        ...ending('tool_use'),
      ),
    );
    expect(reason).toBe('tool');
    expect(parts).toEqual([
      { kind: 'reasoning', text: 'hm', seal: { issuer: 'anthropic', value: 'sig' } },
      { kind: 'reasoning', text: '', seal: { issuer: 'anthropic', value: 'dark', redacted: true } },
      { kind: 'reasoning', text: '', seal: { issuer: 'anthropic', value: 'only' } },
      {
        kind: 'hosted-call',
        tool: 'web-search',
        callId: 's',
        input: { query: 'q' },
        foreign: { protocol: id, value: { ...search, input: { query: 'q' } } },
      },
      {
        kind: 'hosted-result',
        tool: 'web-search',
        callId: 's',
        sources: [],
        failed: false,
        foreign: { protocol: id, value: found },
      },
      {
        kind: 'text',
        text: 'said',
        citations: [
          { url: 'https://x', title: 'X', quote: 'words', foreign: { protocol: id, value: citation } },
        ],
      },
      { kind: 'foreign', foreign: { protocol: id, value: { type: 'hologram', beam: 1 } } },
      { kind: 'tool-call', callId: 't', name: 'look', args: '{"a":1}' },
    ]);
  });

  test('says no empty delta', () => {
    const said = listen(
      opening,
      start(0, { type: 'redacted_thinking', data: 'dark' }),
      stop(0),
      start(1, { type: 'text', text: '' }),
      delta(1, { type: 'text_delta', text: '' }),
      stop(1),
      ...ending('end_turn'),
    );
    expect(said.filter((event) => event.type === 'block-delta')).toEqual([]);
  });

  test('takes a call’s input from where the block began, when no piece of it comes', () => {
    const input = (value: Json) =>
      fold(
        listen(
          opening,
          start(0, { type: 'tool_use', id: 't', name: 'n', input: value }),
          stop(0),
          ...ending('tool_use'),
        ),
      ).parts[0];
    expect(input({})).toMatchObject({ args: '{}' });
    expect(input({ a: 1 })).toMatchObject({ args: '{"a":1}' });
  });

  test('keeps the grammar when blocks overlap, skip numbers or never end', () => {
    const said = listen(
      opening,
      start(3, { type: 'text', text: '' }),
      delta(3, { type: 'text_delta', text: 'a' }),
      start(9, { type: 'thinking', thinking: '' }),
      delta(9, { type: 'thinking_delta', thinking: 'b' }),
      delta(3, { type: 'text_delta', text: 'c' }),
      start(4, { type: 'tool_use', id: 't', name: 'x', input: {} }),
      start(5, { type: 'tool_use', id: 'u', name: 'y', input: {} }),
      delta(5, { type: 'input_json_delta', partial_json: '{"y":1}' }),
      delta(4, { type: 'input_json_delta', partial_json: '{"x":1}' }),
      stop(5),
      stop(4),
      ...ending('end_turn'),
    );
    expect(fold(said).parts).toMatchObject([
      { kind: 'text', text: 'a' },
      { kind: 'reasoning', text: 'b' },
      { kind: 'text', text: 'c' },
      { kind: 'tool-call', name: 'x', args: '{"x":1}' },
      { kind: 'tool-call', name: 'y', args: '{"y":1}' },
    ]);
  });

  test.each([
    ['end_turn', 'end'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['stop_sequence', 'stop'],
    ['pause_turn', 'pause'],
    ['refusal', 'filter'],
    ['sensitive', 'filter'],
    ['tool_use', 'end'],
    ['something_new', 'end'],
  ])('reads the stop reason %s without a call as %s', (wire, reason) => {
    expect(fold(listen(opening, ...spoken(0, 'Hi'), ...ending(wire))).reason).toBe(reason as Reply['reason']);
  });

  test.each([
    ['end_turn', 'tool'],
    ['tool_use', 'tool'],
    ['max_tokens', 'length'],
    ['refusal', 'filter'],
  ])('reads the stop reason %s after a call as %s', (wire, reason) => {
    const made = start(0, { type: 'tool_use', id: 't', name: 'n', input: {} });
    expect(fold(listen(opening, made, stop(0), ...ending(wire))).reason).toBe(reason as Reply['reason']);
  });

  test('keeps the stop sequence', () => {
    const stopped = {
      type: 'message_delta',
      delta: { stop_reason: 'stop_sequence', stop_sequence: 'END' },
      usage: { output_tokens: 1 },
    };
    expect(fold(listen(opening, ...spoken(0, 'Hi'), stopped, { type: 'message_stop' }))).toMatchObject({
      reason: 'stop',
      stop: 'END',
    });
  });

  test.each([
    ['overloaded_error', 'overloaded'],
    ['rate_limit_error', 'rate-limited'],
    ['api_error', 'upstream-failed'],
    ['timeout_error', 'upstream-failed'],
    ['invalid_request_error', 'invalid-request'],
    ['request_too_large', 'too-large'],
    ['authentication_error', 'upstream-unauthorized'],
    ['permission_error', 'upstream-forbidden'],
    ['billing_error', 'upstream-forbidden'],
    ['something_new', 'upstream-failed'],
  ])('reads a mid-stream %s as %s', (type, kind) => {
    const error = { type: 'error', error: { type, message: 'No.' }, request_id: 'req_1' };
    const terminal = terminalOf(listen(opening, ...spoken(0, 'Hi'), error, { type: 'message_stop' }));
    if (terminal.type !== 'error') throw new Error('expected an error');
    expect(terminal.error.fault.kind).toBe(kind as GatewayError['fault']['kind']);
    expect(terminal.error.upstream?.requestId).toBe('req_1');
  });

  test('finishes a stream that lacks only its closing mark, and fails one that lacks more', () => {
    const [stopped] = ending('end_turn');
    expect(terminalOf(listen(opening, ...spoken(0, 'Hi'), stopped!)).type).toBe('finish');
    for (const events of [
      [],
      [opening],
      [opening, ...spoken(0, 'Hi')],
      [opening, start(0, { type: 'text' }), stopped!],
    ]) {
      const terminal = terminalOf(listen(...events));
      expect(terminal).toMatchObject({
        type: 'error',
        error: { fault: { kind: 'transport', phase: 'cut' } },
      });
    }
  });

  test('passes over pings, new events and the marks of other wires', () => {
    const said = run(upstream.decodeStream(), [
      { data: JSON.stringify(opening) },
      { event: 'ping', data: '{"type":"ping"}' },
      { event: 'novelty', data: '{"type":"novelty"}' },
      { event: 'content_block_delta', data: '{"index":0,"delta":{"type":"text_delta","text":"Hi"}}' },
      { data: '{"type":"message_stop"}' },
      { data: '[DONE]' },
    ]);
    expectGrammar(said);
    expect(fold(said).parts).toEqual([text('Hi')]);
  });

  test('calls broken JSON bad data, once', () => {
    const said = run(upstream.decodeStream(), [
      { data: JSON.stringify(opening) },
      { data: '{"type":' },
      { data: '{"type":"message_stop"}' },
    ]);
    expectGrammar(said);
    expect(terminalOf(said)).toMatchObject({
      type: 'error',
      error: { fault: { kind: 'bad-upstream-data' } },
    });
  });
});

describe('writing a stream', () => {
  const finish = { type: 'finish', reason: 'end', usage: { ...noUsage, input: 9, output: 3 } } as const;

  test('numbers blocks without gaps, opens one at a time and sends no empty delta', () => {
    const said = tell([
      { type: 'start', id: 'x', model: 'y' },
      { type: 'block-start', block: 0, head: { kind: 'text' } },
      { type: 'block-delta', block: 0, text: '' },
      { type: 'block-end', block: 0 },
      { type: 'block-start', block: 1, head: { kind: 'reasoning' } },
      { type: 'block-delta', block: 1, text: 'hm' },
      { type: 'block-end', block: 1, seal: { issuer: 'openai', value: 'blob' } },
      { type: 'block-start', block: 2, head: { kind: 'tool-call', callId: 'c', name: 'n' } },
      { type: 'block-delta', block: 2, text: '{"a' },
      { type: 'block-delta', block: 2, text: '":1}' },
      { type: 'block-end', block: 2 },
      { ...finish, reason: 'tool' },
    ]);
    expect(said.map((event) => [event.type, event.index])).toEqual([
      ['message_start', undefined],
      ['content_block_start', 0],
      ['content_block_delta', 0],
      ['content_block_delta', 0],
      ['content_block_stop', 0],
      ['content_block_start', 1],
      ['content_block_delta', 1],
      ['content_block_delta', 1],
      ['content_block_stop', 1],
      ['message_delta', undefined],
      ['message_stop', undefined],
    ]);
    expect(said[3]!.delta).toEqual({ type: 'signature_delta', signature: 'gw1.openai.blob' });
    expect(said[5]!.content_block).toEqual({ type: 'tool_use', id: 'c', name: 'n', input: {} });
    expect(said[9]).toEqual({
      type: 'message_delta',
      delta: { stop_reason: 'tool_use', stop_sequence: null },
      usage: {
        input_tokens: 9,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
        output_tokens: 3,
      },
    });
  });

  test('names the prompt’s tokens first, from the upstream or by estimate', () => {
    const first = (event: ChatEvent, to: Echo) => tell([event], to)[0]!.message;
    const begun = { type: 'start', id: '', model: 'y' } as const;
    expect(first(begun, echo({ inputEstimate: 42 }))).toMatchObject({
      id: 'msg_made',
      model: 'shown',
      usage: { input_tokens: 42, output_tokens: 0 },
    });
    const counted = { ...begun, usage: { ...noUsage, input: 10, cacheRead: 4, cacheWrite: 1 } };
    expect(first(counted, echo({ inputEstimate: 42 })).usage).toMatchObject({
      input_tokens: 5,
      cache_read_input_tokens: 4,
      cache_creation_input_tokens: 1,
    });
  });

  test('says a seal without words as a thinking block, and a whole sealed thought as a redacted one', () => {
    const sealed = (redacted: boolean) =>
      tell([
        { type: 'start', id: 'x', model: 'y' },
        { type: 'block-start', block: 0, head: { kind: 'reasoning' } },
        {
          type: 'block-end',
          block: 0,
          seal: { issuer: 'openai', value: 'blob', ...(redacted ? { redacted } : {}) },
        },
        finish,
      ]).slice(1, 4);
    expect(sealed(false)[1]!.delta).toEqual({ type: 'signature_delta', signature: 'gw1.openai.blob' });
    expect(sealed(true)[0]!.content_block).toEqual({ type: 'redacted_thinking', data: 'gw1r.openai.blob' });
  });

  test('ends in one error event, also when nobody said the end', () => {
    const error = new GatewayError({ kind: 'overloaded' }, 'Too busy.', { remedy: 'Wait.' });
    const said = tell([{ type: 'start', id: 'x', model: 'y' }, { type: 'error', error }, finish]);
    expect(said.at(-1)).toEqual({
      type: 'error',
      error: { type: 'overloaded_error', message: 'Too busy. Wait.', code: 'overloaded' },
    });
    expect(said).toHaveLength(2);
    expect(tell([{ type: 'error', error }])).toHaveLength(1);
    expect(tell([]).at(-1)).toMatchObject({ type: 'error', error: { code: 'stream_interrupted' } });
  });

  test('reports further choices and says only the first', () => {
    const to = echo();
    const said = tell(
      [
        { type: 'start', id: 'x', model: 'y' },
        { type: 'block-start', block: 0, head: { kind: 'text' } },
        { type: 'block-delta', block: 0, text: 'one' },
        { type: 'block-end', block: 0 },
        { type: 'block-start', block: 1, head: { kind: 'text' }, choice: 1 },
        { type: 'block-delta', block: 1, text: 'two' },
        { type: 'block-end', block: 1 },
        { ...finish, others: ['end'] },
      ],
      to,
    );
    expect(JSON.stringify(said)).not.toContain('two');
    expect(new Set(to.dropped)).toEqual(new Set(['choices[1]']));
  });

  test('is read by Anthropic’s own SDK as the message it means', async () => {
    const meant = reply({
      parts: [
        { kind: 'reasoning', text: 'hm', seal: { issuer: 'anthropic', value: 'sig' } },
        { kind: 'text', text: 'Grüße 世界', citations: [{ url: 'https://x', title: 'X', quote: 'q' }] },
        { kind: 'hosted-call', tool: 'web-search', callId: 'ws.1', input: { query: 'q' } },
        {
          kind: 'hosted-result',
          tool: 'web-search',
          callId: 'ws.1',
          sources: [{ url: 'https://x', title: 'X' }],
          failed: false,
        },
        call('c', '{"a":[1,{"b":"c"}]}'),
      ],
      reason: 'tool',
      usage: { ...noUsage, input: 8, cacheRead: 3, output: 5 },
    });
    const lines = tell(unfold(meant)).map((event) => `${JSON.stringify(event)}\n`);
    const stream = MessageStream.fromReadableStream(new Blob(lines).stream());
    const { content, stop_reason, usage } = await stream.finalMessage();
    expect(JSON.parse(JSON.stringify(content))).toEqual(
      (client.encodeReply(meant, echo()) as Record<string, any>).content,
    );
    expect(content.map(({ type }) => type)).toEqual([
      'thinking',
      'text',
      'server_tool_use',
      'web_search_tool_result',
      'tool_use',
    ]);
    expect(stop_reason).toBe('tool_use');
    expect(usage).toMatchObject({ input_tokens: 5, cache_read_input_tokens: 3, output_tokens: 5 });
  });
});
