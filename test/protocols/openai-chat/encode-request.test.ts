import { describe, expect, test } from 'bun:test';
import type { ChatRequest, Part } from '../../../src/core/request.ts';
import { call, conversation, decode, encode, encoded, result, say, text } from './support.ts';

describe('writing a request', () => {
  test('asks every stream for its usage', () => {
    expect(encode(decode({ stream: true })).body['stream_options']).toEqual({ include_usage: true });
    expect(
      encode(decode({ stream_options: { include_usage: false } })).body['stream_options'],
    ).toBeUndefined();
  });

  test.each([
    ['gpt-4o', 'max_tokens'],
    ['gpt-4.1-mini', 'max_tokens'],
    ['deepseek-chat', 'max_tokens'],
    ['openai/gpt-oss-120b', 'max_tokens'],
    ['o3-mini', 'max_completion_tokens'],
    ['openai/o4-mini', 'max_completion_tokens'],
    ['gpt-5', 'max_completion_tokens'],
    ['openai/gpt-5.2-codex', 'max_completion_tokens'],
  ])('%s is told its limit as %s', (model, field) => {
    const { body } = encode(decode({ max_tokens: 5 }), model);
    expect(Object.keys(body).filter((key) => key.startsWith('max_'))).toEqual([field]);
  });

  test.each([
    [{ effort: 'high' }, 'high'],
    [{ effort: 'auto' }, undefined],
    [{ effort: 'auto', budget: -1 }, undefined],
    [{ budget: 0 }, 'none'],
    [{ budget: 512 }, 'minimal'],
    [{ budget: 1024 }, 'low'],
    [{ budget: 8000 }, 'medium'],
    [{ budget: 24_576 }, 'high'],
    [{ budget: 100_000 }, 'xhigh'],
    [{ effort: 'turbo' }, 'turbo'],
  ])('%j is the effort %s', (reasoning, effort) => {
    expect(encode({ ...decode({}), reasoning }, 'gpt-5').body['reasoning_effort'] as unknown).toBe(effort);
  });

  test('does not tell a model that cannot think not to', () => {
    expect(
      encode({ ...decode({}), reasoning: { effort: 'none' } }, 'gpt-4o').body['reasoning_effort'],
    ).toBeUndefined();
  });

  test('puts tool results directly after their calls, before what the user says (2, 16)', () => {
    const request = conversation(
      { role: 'assistant', parts: [call('a'), call('b')] },
      { role: 'user', parts: [text('by the way'), result('b', [text('B')]), result('a', [text('A')])] },
    );
    expect(
      encoded(request).map((message) => [message['role'], message['tool_call_id'] ?? message['content']]),
    ).toEqual([
      ['assistant', null],
      ['tool', 'b'],
      ['tool', 'a'],
      ['user', 'by the way'],
    ]);
  });

  test('one assistant message holds words and calls, without foreign thoughts (17, 22, 23)', () => {
    const request = conversation(
      {
        role: 'assistant',
        parts: [
          { kind: 'reasoning', text: 'hm', seal: { issuer: 'anthropic', value: 's' } },
          text('Let me see.'),
          call('a'),
        ],
      },
      { role: 'user', parts: [result('a', [text('A')])] },
    );
    const { dropped } = encode(request);
    const [assistant] = encoded(request);
    expect(assistant).toEqual({
      role: 'assistant',
      content: 'Let me see.',
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
    });
    expect(dropped).toEqual(['reasoning of earlier turns']);
  });

  test('gives thoughts to servers that want them back', () => {
    const parts: readonly Part[] = [
      { kind: 'reasoning', text: 'one' },
      { kind: 'reasoning', text: 'two', seal: { issuer: 'anthropic', value: 's' } },
      text('done'),
    ];
    const request = conversation({ role: 'assistant', parts });
    expect(encoded(request, 'deepseek-chat', 'reasoning-history')[0]).toMatchObject({
      reasoning_content: 'onetwo',
    });
    expect(encoded(request, 'anthropic/claude', 'reasoning-details')[0]).toMatchObject({
      reasoning_details: [
        { type: 'reasoning.text', text: 'two', signature: 's', format: 'anthropic-claude-v1' },
      ],
    });
  });

  test('a failed result begins with Error: and is reported', () => {
    const request = conversation(
      { role: 'assistant', parts: [call('a'), call('b')] },
      { role: 'user', parts: [result('a', [text('boom')], true), result('b', [text('Error: bang')], true)] },
    );
    expect(
      encoded(request)
        .slice(1)
        .map((message) => message['content']),
    ).toEqual(['Error: boom', 'Error: bang']);
    expect(encode(request).dropped).toHaveLength(1);
  });

  test('images of a tool result follow in a message that names the call (22)', () => {
    const image: Part = {
      kind: 'media',
      media: 'image',
      mime: 'image/png',
      source: { kind: 'data', data: 'AA' },
    };
    const request = conversation(
      { role: 'assistant', parts: [call('a'), call('b')] },
      { role: 'user', parts: [result('a', [text('see'), image]), result('b', [image])] },
    );
    const messages = encoded(request);
    expect(messages.map(({ role }) => role)).toEqual(['assistant', 'tool', 'tool', 'user', 'user']);
    expect(messages[1]!['content']).toBe('see');
    expect(messages[3]!['content'][0].text).toContain('a');
    expect(messages[3]!['content'][1]).toEqual({
      type: 'image_url',
      image_url: { url: 'data:image/png;base64,AA' },
    });
    expect(encode(request).dropped).toEqual([]);
  });

  test('an orphan result becomes words of the user; a call without result gets one', () => {
    const request = conversation(
      { role: 'assistant', parts: [call('a')] },
      { role: 'user', parts: [result('lost', [text('42')])] },
    );
    expect(encoded(request)).toMatchObject([
      { role: 'assistant' },
      { role: 'tool', tool_call_id: 'a', content: 'No result was given.' },
      { role: 'user', content: 'Result of the tool call lost:\n42' },
    ]);
  });

  test('of two results for one call the last wins, at the place of the first', () => {
    const request = conversation(
      { role: 'assistant', parts: [call('a'), call('b')] },
      {
        role: 'user',
        parts: [result('a', [text('old')]), result('b', [text('B')]), result('a', [text('new')])],
      },
    );
    expect(
      encoded(request)
        .slice(1)
        .map((message) => message['content']),
    ).toEqual(['new', 'B']);
  });

  test('a call id used again in a later turn gets its own result', () => {
    const turn = (answer: string): ChatRequest['messages'] => [
      { role: 'assistant', parts: [call('call_0')] },
      { role: 'user', parts: [result('call_0', [text(answer)])] },
    ];
    const request = conversation(...turn('1'), ...turn('2'));
    expect(encoded(request).map(({ role, content }) => (role === 'tool' ? content : role))).toEqual([
      'assistant',
      '1',
      'assistant',
      '2',
    ]);
  });

  test('marks the cache only for models that know the mark', () => {
    const request = say({
      role: 'user',
      content: [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral', ttl: '1h' } }],
    });
    expect(encode(request, 'gpt-4o').dropped).toEqual(['cache_control']);
    expect(encoded(request, 'gpt-4o')[0]!['content']).toBe('a');
    expect(encoded(request, 'anthropic/claude-sonnet-4.5')[0]!['content'][0].cache_control).toEqual({
      type: 'ephemeral',
      ttl: '1h',
    });
  });

  test('offers only the allowed tools where a choice cannot say so', () => {
    const request = decode({
      tools: ['f', 'g'].map((name) => ({ type: 'function', function: { name } })),
      tool_choice: {
        type: 'allowed_tools',
        allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'g' } }] },
      },
    });
    expect(encode(request, 'llama-3').body).toMatchObject({
      tool_choice: 'auto',
      tools: [{ function: { name: 'g' } }],
    });
    expect(encode(request, 'gpt-4o').body).toMatchObject({ tool_choice: { type: 'allowed_tools' } });
  });

  test('a choice without tools is not sent', () => {
    const { body } = encode(decode({ tool_choice: 'auto', parallel_tool_calls: true, tools: [] }));
    expect(Object.keys(body).filter((key) => key.includes('tool'))).toEqual([]);
  });

  test('reports what only other protocols know', () => {
    const request: ChatRequest = {
      ...conversation({
        role: 'user',
        parts: [
          {
            kind: 'foreign',
            foreign: { protocol: 'anthropic-messages', value: { type: 'container_upload' } },
          },
          {
            kind: 'media',
            media: 'document',
            mime: '',
            source: { kind: 'url', url: 'https://example.com/a.pdf' },
          },
          text('Hi'),
        ],
      }),
      tools: [
        {
          kind: 'hosted',
          tool: 'web-search',
          name: 'web_search',
          foreign: { protocol: 'anthropic-messages', value: {} },
        },
      ],
      extra: { 'anthropic-messages': { context_management: {} } },
    };
    expect(encode(request).dropped).toEqual([
      'context_management',
      'messages[0].content[0]: foreign',
      'messages[0].content[1]: document by url',
      'tools[0]: web_search',
    ]);
  });

  test('gives a signature of Gemini back to Gemini and to nobody else', () => {
    const signed: Part = {
      ...(call('a') as Extract<Part, { kind: 'tool-call' }>),
      seal: { issuer: 'gemini', value: 's' },
    };
    const request = conversation({ role: 'assistant', parts: [signed] });
    expect(encoded(request, 'gemini-3-pro')[0]!['tool_calls'][0].extra_content.google.thought_signature).toBe(
      's',
    );
    expect(encoded(request, 'gpt-4o')[0]!['tool_calls'][0].extra_content).toBeUndefined();
  });
});
