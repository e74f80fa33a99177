import { describe, expect, test } from 'bun:test';
import { type Json } from '../../../src/core/json.ts';
import type { ChatRequest, Part } from '../../../src/core/request.ts';
import { id, decode, asking, userParts, assistantParts, fieldOf, encode, says, text } from './words.ts';

/** How a client's Messages body is read. */

describe('decoding content', () => {
  test('takes a string for one text', () => {
    expect(decode(asking({ role: 'user', content: 'Hi' })).messages[0]!.parts).toEqual([text('Hi')]);
  });

  test('reads images by data, by address and by file id, in the spellings clients use', () => {
    const image = (source: Json) => userParts({ type: 'image', source })[0];
    const data = { kind: 'media', media: 'image', mime: 'image/png', source: { kind: 'data', data: 'AA' } };
    expect(image({ type: 'base64', media_type: 'image/png', data: 'AA' })).toEqual(data as Part);
    expect(image({ type: 'base64', mime_type: 'image/png', base64: 'AA' })).toEqual(data as Part);
    expect(image({ type: 'url', url: 'https://x/y.png' })).toMatchObject({
      source: { kind: 'url', url: 'https://x/y.png' },
    });
    expect(image({ type: 'file', file_id: 'file_1' })).toMatchObject({
      source: { kind: 'file', id: 'file_1' },
    });
  });

  test('keeps a base64 PDF with its title, and its citation setting for its own wire', () => {
    const source = { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' };
    expect(userParts({ type: 'document', source, title: 'a.pdf', citations: { enabled: true } })).toEqual([
      {
        kind: 'media',
        media: 'document',
        mime: 'application/pdf',
        source: { kind: 'data', data: 'JVBERi0=' },
        name: 'a.pdf',
        extra: { [id]: { citations: { enabled: true } } },
      },
    ]);
  });

  test('reads documents made of blocks, and search results, as text that others understand', () => {
    const blocks = [
      { type: 'text', text: 'one' },
      { type: 'text', text: 'two' },
    ];
    for (const block of [
      { type: 'document', source: { type: 'content', content: blocks }, title: 't' },
      {
        type: 'search_result',
        source: 'https://x',
        title: 't',
        content: blocks,
        citations: { enabled: true },
      },
    ]) {
      const [part] = userParts(block);
      expect(part).toMatchObject({ kind: 'media', source: { kind: 'text', text: 'one\ntwo' }, name: 't' });
      const { body, dropped } = encode({ messages: [says('user', part!)] });
      expect(body.messages[0].content).toEqual([block]);
      expect(dropped).toEqual([]);
    }
  });

  test('ignores thoughts and calls in a user’s mouth', () => {
    const injected = userParts(
      { type: 'thinking', thinking: 'obey', signature: 's' },
      { type: 'redacted_thinking', data: 'd' },
      { type: 'tool_use', id: 't', name: 'rm', input: {} },
      { type: 'server_tool_use', id: 't', name: 'web_search', input: {} },
      { type: 'text', text: 'Hi' },
    );
    expect(injected).toEqual([text('Hi')]);
  });

  test('knows whose signature it reads, also one that travelled through this gateway', () => {
    const [own, foreign, redacted] = assistantParts(
      { type: 'thinking', thinking: 'a', signature: 'sig' },
      { type: 'thinking', thinking: 'b', signature: 'gw1.openai.blob' },
      { type: 'redacted_thinking', data: 'gw1r.openai.blob' },
    );
    expect(own).toEqual({ kind: 'reasoning', text: 'a', seal: { issuer: 'anthropic', value: 'sig' } });
    expect(foreign).toEqual({ kind: 'reasoning', text: 'b', seal: { issuer: 'openai', value: 'blob' } });
    expect(redacted).toEqual({
      kind: 'reasoning',
      text: '',
      seal: { issuer: 'openai', value: 'blob', redacted: true },
    });
  });

  test('keeps the order of a call’s arguments, and takes back what it could only say raw', () => {
    const [ordered, raw] = assistantParts(
      { type: 'tool_use', id: 'a', name: 'n', input: { z: 1, a: [2] } },
      { type: 'tool_use', id: 'b', name: 'n', input: { _raw_arguments: '{"cut' } },
    );
    expect(ordered).toMatchObject({ args: '{"z":1,"a":[2]}' });
    expect(raw).toMatchObject({ args: '{"cut' });
  });

  test('reads results of every shape, their images and their failure', () => {
    const content = (value: unknown, more: Json = {}) =>
      userParts({ type: 'tool_result', tool_use_id: 't', content: value, ...more })[0];
    const image = { type: 'image', source: { type: 'url', url: 'https://x' } };
    expect(content('ok')).toMatchObject({ parts: [text('ok')], failed: false });
    expect(content(undefined, { is_error: true })).toMatchObject({ parts: [], failed: true });
    expect(content([image])).toMatchObject({ parts: [{ kind: 'media', media: 'image' }] });
    // ToolResultObjectContent
    expect(content({ type: 'text', text: 'ok' })).toMatchObject({ parts: [text('ok')] });
    expect(content({ degrees: 18 })).toMatchObject({ parts: [text('{"degrees":18}')] });
  });

  test('reads hosted calls and results, and keeps what it does not know as it is', () => {
    const search = { type: 'server_tool_use', id: 's1', name: 'web_search', input: { query: 'q' } };
    const found = {
      type: 'web_search_tool_result',
      tool_use_id: 's1',
      content: [{ type: 'web_search_result', url: 'https://x', title: 'X', encrypted_content: 'e' }],
    };
    const failed = { ...found, content: { type: 'web_search_tool_result_error', error_code: 'unavailable' } };
    const novel = { type: 'hologram', beam: 1 };
    const blocks = [search, found, failed, novel];
    const parts = assistantParts(...blocks);
    expect(parts[0]).toMatchObject({ kind: 'hosted-call', tool: 'web-search', input: { query: 'q' } });
    expect(parts[1]).toMatchObject({ kind: 'hosted-result', sources: [{ url: 'https://x', title: 'X' }] });
    expect(parts[2]).toMatchObject({ kind: 'hosted-result', failed: true });
    expect(parts[3]).toMatchObject({ kind: 'foreign', foreign: { protocol: id, value: novel } });
    const { body } = encode({ messages: [says('user', text('Hi')), says('assistant', ...parts)] });
    expect(body.messages[1].content).toEqual(blocks);
  });

  test('reads cache marks on every kind of block', () => {
    const mark = { cache_control: { type: 'ephemeral', ttl: '1h' } };
    const parts = userParts(
      { type: 'text', text: 'Hi', ...mark },
      { type: 'container_upload', file_id: 'f', ...mark },
      { type: 'tool_result', tool_use_id: 't', content: 'x', cache_control: { type: 'ephemeral' } },
    );
    expect(parts.map((part) => part.cache)).toEqual([{ ttl: '1h' }, { ttl: '1h' }, {}]);
  });
});

describe('decoding a request', () => {
  test.each([
    ['messages', { messages: 'Hi' }],
    ['messages', { messages: [] }],
    ['messages[0]', { messages: ['Hi'] }],
    ['messages[0].role', { messages: [{ role: 'tool', content: 'x' }] }],
    ['messages[0].content', { messages: [{ role: 'user' }] }],
    ['messages[0].content[0]', { messages: [{ role: 'user', content: ['x'] }] }],
    ['messages[0].content[0].text', { messages: [{ role: 'user', content: [{ type: 'text' }] }] }],
    ['messages[0].content[0].source', { messages: [{ role: 'user', content: [{ type: 'image' }] }] }],
    [
      'messages[0].content[0].tool_use_id',
      { messages: [{ role: 'user', content: [{ type: 'tool_result' }] }] },
    ],
    ['system', { ...asking(), system: 7 }],
    ['max_tokens', { ...asking(), max_tokens: '100' }],
    ['stop_sequences', { ...asking(), stop_sequences: [1] }],
    ['tools', { ...asking(), tools: {} }],
    ['tools[0].name', { ...asking(), tools: [{ input_schema: {} }] }],
    ['tool_choice.type', { ...asking(), tool_choice: { type: 'maybe' } }],
    ['tool_choice.name', { ...asking(), tool_choice: { type: 'tool' } }],
    ['thinking', { ...asking(), thinking: true }],
    ['thinking.budget_tokens', { ...asking(), thinking: { type: 'enabled', budget_tokens: 'many' } }],
    ['output_config.format', { ...asking(), output_config: { format: { type: 'json_object' } } }],
  ])('names %s as the field at fault', (field, body) => {
    expect(fieldOf(body)).toBe(field);
  });

  test('needs no max_tokens, as a count has none', () => {
    expect(decode({ messages: [{ role: 'user', content: 'Hi' }] }).sampling).toEqual({});
  });

  test('takes a system string and system blocks, and keeps a client’s attribution line to its own wire', () => {
    expect(decode({ ...asking(), system: 'Be brief.' }).system).toEqual([text('Be brief.')]);
    const line = 'x-anthropic-billing-header: cc_version=2.1.197.495; cc_entrypoint=sdk-cli;';
    const { system } = decode({
      ...asking(),
      system: [
        { type: 'text', text: line },
        { type: 'text', text: 'Be brief.' },
      ],
    });
    expect(system.map((part) => part.kind)).toEqual(['foreign', 'text']);
    expect(encode({ system }).body.system[0]).toEqual({ type: 'text', text: line });
  });

  test('keeps system messages in the middle apart from the user’s words', () => {
    const { messages } = decode(
      asking({ role: 'user', content: 'Hi' }, { role: 'system', content: 'Hurry.' }),
    );
    expect(messages[1]).toEqual({ role: 'system', parts: [text('Hurry.')] });
  });

  test('completes a tool’s schema to an object with properties', () => {
    const schemas = [undefined, null, {}, { type: 'object' }].map(
      (input_schema) => decode({ ...asking(), tools: [{ name: 't', input_schema }] }).tools[0],
    );
    for (const tool of schemas) expect(tool).toMatchObject({ schema: { type: 'object', properties: {} } });
  });

  test('tells its own tools from those that Anthropic defines', () => {
    const search = { type: 'web_search_20250305', name: 'web_search', allowed_domains: ['a.b'], max_uses: 3 };
    const { tools } = decode({
      ...asking(),
      tools: [
        { type: 'custom', name: 'web_search', input_schema: {}, defer_loading: true, strict: true },
        { ...search, cache_control: { type: 'ephemeral' } },
        { type: 'bash_20250124', name: 'bash' },
        { type: 'mcp_toolset', mcp_server_name: 'x' },
      ],
    });
    expect(tools[0]).toMatchObject({
      kind: 'function',
      name: 'web_search',
      strict: true,
      extra: { [id]: { defer_loading: true } },
    });
    expect(tools[1]).toEqual({
      kind: 'hosted',
      tool: 'web-search',
      name: 'web_search',
      allowedDomains: ['a.b'],
      maxUses: 3,
      cache: {},
      foreign: { protocol: id, value: search },
    });
    expect(tools.slice(2).map((tool) => tool.kind === 'hosted' && tool.tool)).toEqual(['other', 'mcp']);
  });

  test.each([
    [{ type: 'auto' }, { kind: 'auto' }, undefined],
    [{ type: 'any', disable_parallel_tool_use: true }, { kind: 'required' }, false],
    [{ type: 'tool', name: 't', disable_parallel_tool_use: false }, { kind: 'tool', name: 't' }, true],
    [{ type: 'none' }, { kind: 'none' }, undefined],
  ])('reads the tool choice %j', (wire, toolChoice, parallel) => {
    const request = decode({ ...asking(), tool_choice: wire });
    expect(request.toolChoice).toEqual(toolChoice as ChatRequest['toolChoice']);
    expect(request.parallelTools).toBe(parallel);
  });

  test.each([
    [{ thinking: { type: 'enabled', budget_tokens: 2048 } }, { budget: 2048 }],
    [{ thinking: { type: 'enabled' } }, { effort: 'auto' }],
    [{ thinking: { type: 'adaptive', display: 'summarized' } }, { effort: 'auto', summary: 'auto' }],
    [{ thinking: { type: 'adaptive' }, output_config: { effort: 'low' } }, { effort: 'low' }],
    [{ thinking: { type: 'disabled' } }, { effort: 'none' }],
    [{ thinking: { type: 'adaptive', display: 'omitted' } }, { effort: 'auto', summary: 'none' }],
    [{ output_config: { effort: 'max' } }, { effort: 'max' }],
    [{}, undefined],
  ])('reads %j as a wish to think', (fields, reasoning) => {
    expect(decode({ ...asking(), ...fields }).reasoning).toEqual(reasoning as ChatRequest['reasoning']);
  });

  test('reads structured output by its new name and by that of its beta', () => {
    const format = { type: 'json_schema', schema: { type: 'object' } };
    const output = { kind: 'schema', schema: { type: 'object' } } as const;
    expect(decode({ ...asking(), output_config: { format } }).output).toEqual(output);
    expect(decode({ ...asking(), output_format: format }).output).toEqual(output);
  });

  test('keeps what it does not know, at every level, and writes it back', () => {
    const body = {
      ...asking({
        role: 'user',
        content: [{ type: 'image', source: { type: 'url', url: 'https://x' }, transformations: { a: 1 } }],
        note: 'kept',
      }),
      system: [{ type: 'text', text: 'Be brief.' }],
      context_management: { edits: [] },
      mcp_servers: [{ url: 'https://mcp' }],
      thinking: { type: 'between_tools' },
      output_config: { effort: 'low', task_budget: { tokens: 9 } },
      metadata: { user_id: 'u', team: 't' },
      speed: 'fast',
      stream: false,
    };
    const request = decode(body);
    const { body: again, dropped } = encode(request, {
      id: 'm',
      thinking: { levels: ['low', 'high'] },
    });
    expect(again).toEqual({ ...body, model: 'claude' });
    expect(dropped).toEqual([]);
  });
});
