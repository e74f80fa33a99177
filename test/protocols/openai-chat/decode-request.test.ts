import { describe, expect, test } from 'bun:test';
import type { Json } from '../../../src/core/json.ts';
import type { Part } from '../../../src/core/request.ts';
import { ask, calls, decode, encode, encoded, refusal, say, text } from './support.ts';

describe('reading who speaks', () => {
  test('system and developer messages that lead are the system, later ones stay in place', () => {
    const request = say({ role: 'system', content: 'a' }, { role: 'developer', content: 'b' }, ask, {
      role: 'system',
      content: 'c',
    });
    expect(request.system).toEqual([
      text('a'),
      { ...text('b'), extra: { 'openai-chat': { role: 'developer' } } },
    ]);
    expect(request.messages.map(({ role }) => role)).toEqual(['user', 'system']);
    expect(encoded(request).map(({ role }) => role)).toEqual(['system', 'developer', 'user', 'system']);
  });

  test('every message of a system-only request is the system', () => {
    const request = say({ role: 'system', content: 'a' });
    expect(request.system).toEqual([text('a')]);
    expect(request.messages).toEqual([]);
  });

  test('an assistant message is one message: thoughts, words, refusal, calls', () => {
    const { messages } = say(ask, {
      role: 'assistant',
      content: 'words',
      reasoning_content: 'thoughts',
      refusal: 'no',
      tool_calls: [
        { id: 'a', type: 'function', function: { name: 'f', arguments: '{ "x": 1 }' } },
        { id: 'b', type: 'custom', custom: { name: 'g', input: 'free text' } },
      ],
    });
    expect(messages[1]!.parts as unknown).toEqual([
      { kind: 'reasoning', text: 'thoughts' },
      text('words'),
      { kind: 'refusal', text: 'no' },
      { kind: 'tool-call', callId: 'a', name: 'f', args: '{ "x": 1 }' },
      { kind: 'tool-call', callId: 'b', name: 'g', args: 'free text', custom: true },
    ]);
  });

  test('tool messages in a row are one turn of the user', () => {
    const { messages } = say(
      ask,
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } },
          { id: 'b', type: 'function', function: { name: 'f', arguments: '{}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'a', content: '1' },
      { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: '2' }] },
      ask,
    );
    expect(messages.map(({ role, parts }) => [role, parts.map(({ kind }) => kind)])).toEqual([
      ['user', ['text']],
      ['assistant', ['tool-call', 'tool-call']],
      ['user', ['tool-result', 'tool-result']],
      ['user', ['text']],
    ]);
  });

  test('a legacy function call and its result find each other, with the same id every time', () => {
    const history = [
      ask,
      { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
      { role: 'function', name: 'f', content: '1' },
    ];
    const [first, second] = [say(...history), say(...history)];
    const made = calls(first.messages[1]!)[0]!.callId;
    expect(first.messages[2]!.parts[0]).toMatchObject({ kind: 'tool-result', callId: made, name: 'f' });
    expect(second).toEqual(first);
  });

  test('parts of other wires are understood, calls and thoughts only from the assistant', () => {
    const { messages } = say(
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'a' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA' } },
          { type: 'tool_use', id: 'x', name: 'f', input: {} },
        ],
      },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'x', name: 'f', input: { a: 1 } }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'x', content: 'boom', is_error: true }] },
    );
    expect(messages[0]!.parts.map(({ kind }) => kind)).toEqual(['text', 'media', 'foreign']);
    expect(messages[1]!.parts[0]).toMatchObject({ kind: 'tool-call', args: '{"a":1}' });
    expect(messages[2]!.parts[0]).toMatchObject({ kind: 'tool-result', failed: true });
  });

  test('fields nobody knows stay with their message, part, tool and request', () => {
    const request = decode({
      messages: [{ role: 'user', name: 'ada', content: [{ type: 'text', text: 'Hi', mood: 'glad' }] }],
      tools: [{ type: 'function', function: { name: 'f', parameters: {} }, defer: true }],
      metadata: { a: 'b' },
    });
    const { body, dropped } = encode(request);
    expect(dropped).toEqual([]);
    expect(body).toMatchObject({
      metadata: { a: 'b' },
      messages: [{ name: 'ada', content: [{ type: 'text', text: 'Hi', mood: 'glad' }] }],
      tools: [{ defer: true }],
    });
  });
});

describe('reading content', () => {
  const parts = (...content: readonly unknown[]): readonly Part[] =>
    say({ role: 'user', content }).messages[0]!.parts;

  test('data: URLs become data, http URLs stay URLs', () => {
    expect(
      parts(
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'high' } },
        { type: 'image_url', image_url: 'https://example.com/a.png' },
        { type: 'image_url', image_url: { url: 'data:image/svg+xml,%3Csvg%2F%3E' } },
      ) as unknown,
    ).toEqual([
      {
        kind: 'media',
        media: 'image',
        mime: 'image/png',
        source: { kind: 'data', data: 'AAAA' },
        detail: 'high',
      },
      { kind: 'media', media: 'image', mime: '', source: { kind: 'url', url: 'https://example.com/a.png' } },
      { kind: 'media', media: 'image', mime: 'image/svg+xml', source: { kind: 'data', data: 'PHN2Zy8+' } },
    ]);
  });

  test('keeps input audio (88)', () => {
    const audio = { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'mp3' } };
    expect(parts(audio)[0]).toMatchObject({ media: 'audio', mime: 'audio/mpeg' });
    expect(encoded(say({ role: 'user', content: [audio] }))[0]!['content']).toEqual([audio]);
  });

  test('knows bare audio by its first bytes (capture 14f9a507a8860f85)', () => {
    expect(parts({ type: 'input_audio', input_audio: '//NkxAAA' })[0]).toMatchObject({ mime: 'audio/mpeg' });
  });

  test('normalises file data: data: URL, bare base64, file id (89)', () => {
    const files = parts(
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
      { type: 'file', file: { filename: 'a.csv', file_data: 'YQ==' } },
      { type: 'file', file: { file_data: 'JVBERi0=' } },
      { type: 'file', file: { file_id: 'file-1' } },
    );
    expect(files.map((part) => (part.kind === 'media' ? part.mime : ''))).toEqual([
      'application/pdf',
      'text/csv',
      'application/pdf',
      '',
    ]);
    expect(files[3]).toMatchObject({ media: 'document', source: { kind: 'file', id: 'file-1' } });
  });

  test('the mark of a whole message goes to its last part (6), a part keeps its own (7, 8), tools keep theirs (9)', () => {
    const mark = { type: 'ephemeral' };
    const { system, messages, tools } = decode({
      messages: [
        {
          role: 'developer',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
          cache_control: mark,
        },
        {
          role: 'user',
          content: [{ type: 'text', text: 'c', cache_control: { ...mark, ttl: '1h' } }],
          cache_control: mark,
        },
      ],
      tools: [{ type: 'function', function: { name: 'f' }, cache_control: mark }],
    });
    expect(system.map(({ cache }) => cache)).toEqual([undefined, {}]);
    expect(messages[0]!.parts[0]!.cache).toEqual({ ttl: '1h' });
    expect(tools[0]!.cache).toEqual({});
  });
});

describe('reading tools', () => {
  test.each([
    ['auto', { kind: 'auto' }],
    ['none', { kind: 'none' }],
    ['required', { kind: 'required' }],
    ['any', { kind: 'required' }],
    [
      { type: 'function', function: { name: 'f' } },
      { kind: 'tool', name: 'f' },
    ],
    [
      { type: 'custom', custom: { name: 'f' } },
      { kind: 'tool', name: 'f' },
    ],
    [
      { type: 'function', name: 'f' },
      { kind: 'tool', name: 'f' },
    ],
    [{ type: 'any' }, { kind: 'required' }],
    [
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'f' } }] },
      },
      { kind: 'subset', names: ['f'], required: true },
    ],
    [
      { type: 'allowed_tools', mode: 'auto', tools: [{ name: 'f' }] },
      { kind: 'subset', names: ['f'], required: false },
    ],
  ])('tool_choice %j is %j', (tool_choice, expected) => {
    expect(decode({ tool_choice }).toolChoice as unknown).toEqual(expected);
  });

  test('functions and function_call are tools and a choice', () => {
    const request = decode({ functions: [{ name: 'f', description: 'd' }], function_call: { name: 'f' } });
    expect(request.tools as unknown).toEqual([
      { kind: 'function', name: 'f', description: 'd', schema: { type: 'object', properties: {} } },
    ]);
    expect(request.toolChoice).toEqual({ kind: 'tool', name: 'f' });
    expect(encode(request).body['functions']).toBeUndefined();
  });

  test('a schema is always an object with properties (18)', () => {
    const schemas = decode({
      tools: [undefined, null, {}, { type: 'object' }, { type: 'object', properties: null }].map(
        (parameters, index) => ({
          type: 'function',
          function: { name: `f${index}`, parameters },
        }),
      ),
    }).tools.map((tool) => tool.kind === 'function' && tool.schema);
    expect(schemas).toEqual(schemas.map(() => ({ type: 'object', properties: {} })));
  });

  test('a web search is a hosted tool and is written back where it stood', () => {
    const request = decode({
      web_search_options: { search_context_size: 'low' },
      tools: [{ type: 'openrouter:web_search', max_results: 3 }],
    });
    expect(request.tools.map((tool) => tool.kind === 'hosted' && tool.tool)).toEqual([
      'web-search',
      'web-search',
    ]);
    expect(encode(request)).toMatchObject({
      dropped: [],
      body: {
        web_search_options: { search_context_size: 'low' },
        tools: [{ type: 'openrouter:web_search', max_results: 3 }],
      },
    });
  });
});

describe('reading settings', () => {
  test('max_completion_tokens wins over max_tokens (10)', () => {
    expect(decode({ max_tokens: 1, max_completion_tokens: 2 }).sampling.maxTokens).toBe(2);
    expect(decode({ max_tokens: 1 }).sampling.maxTokens).toBe(1);
  });

  test('null is absent', () => {
    expect(decode({ temperature: null, tools: null, stop: null, response_format: null, user: null })).toEqual(
      decode({}),
    );
  });

  test('stop is a string or a list', () => {
    expect(decode({ stop: 'x' }).sampling.stop).toEqual(['x']);
    expect(decode({ stop: ['x', 'y'] }).sampling.stop).toEqual(['x', 'y']);
  });

  test.each([
    [{ reasoning_effort: 'high' }, { effort: 'high' }],
    [{ reasoning: { effort: 'low', exclude: true } }, { effort: 'low', summary: 'none' }],
    [{ reasoning: { max_tokens: 2000 } }, { budget: 2000 }],
    [{ reasoning: { enabled: true } }, { effort: 'auto' }],
    [{ reasoning: { enabled: false } }, { effort: 'none' }],
    [{ reasoning: {} }, undefined],
  ])('%j thinks as %j', (fields, expected) => {
    expect(decode(fields).reasoning as unknown).toEqual(expected);
  });

  test('a response format without a schema is plain JSON (90)', () => {
    expect(decode({ response_format: { type: 'json_schema', json_schema: { name: 'a' } } }).output).toEqual({
      kind: 'json',
    });
    expect(decode({ response_format: { type: 'text' } }).output).toBeUndefined();
  });

  test('a safety identifier names the user and keeps its own name', () => {
    const request = decode({ safety_identifier: 'u1' });
    expect(request.user).toBe('u1');
    expect(encode(request).body).toMatchObject({ safety_identifier: 'u1' });
    expect(encode(request).body['user']).toBeUndefined();
  });

  test('only true streams', () => {
    expect([true, false, 'true', 1, null].map((stream) => decode({ stream }).stream)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('refusing a request', () => {
  test.each([
    [{ model: '' }, 'model'],
    [{ model: 7 }, 'model'],
    [{ messages: undefined }, 'messages'],
    [{ messages: [] }, 'messages'],
    [{ messages: {} }, 'messages'],
    [{ messages: ['x'] }, 'messages[0]'],
    [{ messages: [{ content: 'x' }] }, 'messages[0].role'],
    [{ messages: [ask, { role: 'robot', content: 'x' }] }, 'messages[1].role'],
    [{ messages: [{ role: 'user', content: 7 }] }, 'messages[0].content'],
    [{ messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      'messages[0].content[0].image_url.url',
    ],
    [
      { messages: [ask, { role: 'assistant', tool_calls: [{ id: 'x' }] }] },
      'messages[1].tool_calls[0].function.name',
    ],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].tool_call_id'],
    [{ tools: [{ type: 'function', function: {} }] }, 'tools[0].function.name'],
    [{ tools: 'f' }, 'tools'],
    [{ tool_choice: 'sometimes' }, 'tool_choice'],
    [{ temperature: 'warm' }, 'temperature'],
    [{ stop: [1] }, 'stop'],
  ])('%j names the field %s', (fields, field) => {
    const error = refusal(() => decode(fields as unknown as Json));
    expect(error.fault as unknown).toEqual({ kind: 'invalid-request', field });
    expect(error.status).toBe(400);
  });

  test('a Responses body is sent to /v1/responses', () => {
    const error = refusal(() => decode({ messages: undefined, input: 'Hi' }));
    expect(error.advice).toContain('/v1/responses');
    expect(error.status).toBe(400);
  });
});
