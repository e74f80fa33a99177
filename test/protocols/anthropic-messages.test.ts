import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MessageStream } from '@anthropic-ai/sdk/lib/MessageStream';
import { GatewayError } from '../../src/core/error.ts';
import { type ChatEvent, fold, noUsage, type Reply, unfold } from '../../src/core/event.ts';
import { type Json, tryParseObject } from '../../src/core/json.ts';
import { chain, run } from '../../src/core/machine.ts';
import type { ModelCard } from '../../src/core/model.ts';
import type { ChatRequest, Message, Part, Tool } from '../../src/core/request.ts';
import anthropicMessages from '../../src/protocols/anthropic-messages/index.ts';
import type { Echo } from '../../src/protocols/protocol.ts';
import { type Frame, frames, render } from '../../src/wire/sse.ts';
import { expectGrammar, terminalOf } from '../support/grammar.ts';

/** What is peculiar to Anthropic Messages, in the order of its files. What all protocols promise is in `laws.test.ts`. */

const id = 'anthropic-messages';
const client = anthropicMessages.client!;
const upstream = anthropicMessages.upstream!;

const decode = (body: Json): ChatRequest =>
  client.decodeRequest(body, { model: String(body.model ?? 'm'), stream: body.stream === true });

/** A request of one user message, or of the given messages. */
const asking = (...messages: Json[]): Json => ({
  model: 'm',
  max_tokens: 100,
  messages: messages.length > 0 ? messages : [{ role: 'user', content: 'Hi' }],
});

const userParts = (...content: Json[]): readonly Part[] =>
  decode(asking({ role: 'user', content })).messages[0]!.parts;

const assistantParts = (...content: Json[]): readonly Part[] =>
  decode(asking({ role: 'assistant', content })).messages[0]!.parts;

/** The field that a refused body is at fault in. */
function fieldOf(body: Json): string | undefined {
  try {
    decode(body);
  } catch (thrown) {
    if (thrown instanceof GatewayError && thrown.fault.kind === 'invalid-request') return thrown.fault.field;
    throw thrown;
  }
  return undefined;
}

const chat = (changes: Partial<ChatRequest> = {}): ChatRequest => ({
  model: 'm',
  system: [],
  messages: [{ role: 'user', parts: [{ kind: 'text', text: 'Hi' }] }],
  tools: [],
  sampling: {},
  stream: false,
  extra: {},
  ...changes,
});

interface Encoded {
  readonly body: Record<string, any>;
  readonly dropped: readonly string[];
}

function encode(changes: Partial<ChatRequest>, card?: ModelCard): Encoded {
  const dropped: string[] = [];
  const target = { model: 'claude', drop: (what: string) => dropped.push(what), ...(card ? { card } : {}) };
  return { body: upstream.encodeRequest(chat(changes), target) as Record<string, any>, dropped };
}

const says = (role: Message['role'], ...parts: Part[]): Message => ({ role, parts });
const text = (value: string): Part => ({ kind: 'text', text: value });
const call = (callId: string, args = '{}'): Part => ({ kind: 'tool-call', callId, name: 'look', args });
const result = (callId: string, ...parts: Part[]): Part => ({
  kind: 'tool-result',
  callId,
  parts,
  failed: false,
});
const look: Tool = { kind: 'function', name: 'look', schema: { type: 'object', properties: {} } };

function echo(changes: Partial<Echo> = {}): Echo & { readonly dropped: string[] } {
  const dropped: string[] = [];
  return {
    request: chat(),
    model: 'shown',
    createdAt: 0,
    id: 'msg_made',
    drop: (what) => dropped.push(what),
    ...changes,
    dropped,
  };
}

/** What an upstream's stream of these events says. */
function listen(...events: readonly Json[]): ChatEvent[] {
  const said = run(
    upstream.decodeStream(),
    events.map((event) => ({ event: String(event.type), data: JSON.stringify(event) })),
  );
  expectGrammar(said);
  return said;
}

const opening: Json = {
  type: 'message_start',
  message: { id: 'msg_1', model: 'claude', usage: { input_tokens: 5, output_tokens: 1 } },
};
const start = (index: number, content_block: Json): Json => ({
  type: 'content_block_start',
  index,
  content_block,
});
const delta = (index: number, change: Json): Json => ({ type: 'content_block_delta', index, delta: change });
const stop = (index: number): Json => ({ type: 'content_block_stop', index });
const ending = (stop_reason: string, usage: Json = { output_tokens: 2 }): readonly Json[] => [
  { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage },
  { type: 'message_stop' },
];
const spoken = (index: number, words: string): readonly Json[] => [
  start(index, { type: 'text', text: '' }),
  delta(index, { type: 'text_delta', text: words }),
  stop(index),
];

/** The client's frames for these events, as parsed data. */
const tell = (events: Iterable<ChatEvent>, to: Echo = echo()): Record<string, any>[] =>
  run(client.encodeStream(to), events).map(({ event, data }) => {
    const said = JSON.parse(data) as Record<string, any>;
    expect(event).toBe(said.type);
    return said;
  });

const reply = (changes: Partial<Reply> = {}): Reply => ({
  id: 'msg_1',
  model: 'claude',
  parts: [],
  reason: 'end',
  usage: noUsage,
  ...changes,
});

const blocksOf = (part: Part, to: Echo = echo()): any[] =>
  (client.encodeReply(reply({ parts: [part] }), to) as Record<string, any>).content;

// ---------------------------------------------------------------------------------------------------------------

describe('routes', () => {
  const [messages, count] = client.routes;

  test('read model and streaming from the body', () => {
    const hint = (body: Json) => messages!.hint({}, body, new URLSearchParams());
    expect(hint({ model: ' m ', stream: true })).toEqual({ model: 'm', stream: true });
    expect(hint({ model: 'm' })).toEqual({ model: 'm', stream: false });
    expect(hint({ model: 'm', stream: false })).toEqual({ model: 'm', stream: false });
    expect(() => hint({})).toThrow('model must be the name of a model');
  });

  test('never stream a count, and answer it in the vendor’s shape', () => {
    expect(count!.hint({}, { model: 'm', stream: true }, new URLSearchParams()).stream).toBe(false);
    expect(client.encodeCount!(7)).toEqual({ input_tokens: 7 });
  });

  test('keep a silent stream alive with a ping', () => {
    expect(run(frames(), [new TextEncoder().encode(client.heartbeat)])).toEqual([
      { event: 'ping', data: '{"type":"ping"}' },
    ]);
  });
});

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

describe('encoding messages', () => {
  const messagesOf = (...messages: Message[]): any[] => encode({ messages, tools: [look] }).body.messages;

  test('merges neighbours of one role, but not across a change of role', () => {
    const messages = messagesOf(
      says('user', text('a')),
      says('user', text('b')),
      says('assistant', text('c')),
      says('user', text('d')),
    );
    expect(messages.map(({ role, content }) => [role, content.length])).toEqual([
      ['user', 2],
      ['assistant', 1],
      ['user', 1],
    ]);
  });

  test('puts all results of a turn at the head of one user message, before its words', () => {
    const [, called, answered] = messagesOf(
      says('user', text('go')),
      says('assistant', text('I look'), call('a'), call('b')),
      says('user', result('b', text('B'))),
      says('user', text('and hurry')),
      says('user', result('a', text('A'))),
    );
    expect(called.content.map(({ type }: Json) => type)).toEqual(['text', 'tool_use', 'tool_use']);
    expect(answered.content).toEqual([
      { type: 'tool_result', tool_use_id: 'b', content: 'B' },
      { type: 'tool_result', tool_use_id: 'a', content: 'A' },
      { type: 'text', text: 'and hurry' },
    ]);
  });

  test('gives a call without a result one that says so, also at the end of the conversation', () => {
    const messages = messagesOf(says('user', text('go')), says('assistant', call('a')));
    expect(messages.at(-1)).toMatchObject({
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: 'a', is_error: true }],
    });
  });

  test('lets the last of several results for one call win, at the place of the first', () => {
    const messages = messagesOf(
      says('user', text('go')),
      says('assistant', call('a'), call('b')),
      says('user', result('a', text('old')), result('b', text('B')), result('a', text('new'))),
    );
    expect(messages[2].content.map(({ content }: Json) => content)).toEqual(['new', 'B']);
  });

  test('turns a result without a call into the user’s words', () => {
    const messages = messagesOf(says('user', text('go')), says('user', result('lost', text('found'))));
    expect(messages[0].content.map((block: Json) => block.text)).toEqual([
      'go',
      'Result of tool call lost:',
      'found',
    ]);
  });

  test('sanitises ids the same way in calls and results, and keeps them unique', () => {
    const [, called, answered, again] = messagesOf(
      says('user', text('go')),
      says('assistant', call('call.1'), call('call_1'), call('')),
      says(
        'user',
        result('call_1', text('second')),
        result('call.1', text('first')),
        result('', text('third')),
      ),
      says('assistant', call('call_1')),
    );
    const ids = called.content.map((block: Json) => String(block.id));
    for (const wireId of ids) expect(wireId).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(new Set([...ids, again.content[0].id]).size).toBe(4);
    const byId = new Map(answered.content.map((block: Json) => [block.tool_use_id, block.content]));
    expect(ids.map((wireId: string) => byId.get(wireId))).toEqual(['first', 'second', 'third']);
  });

  test('never sends blank text, nor white space at the end of an answer to go on with', () => {
    const messages = messagesOf(
      says('user', text(''), text(' \n'), text('Hi')),
      says('assistant', text('')),
      says('user', text('still me')),
      says('assistant', text('So \n')),
    );
    expect(messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Hi' },
          { type: 'text', text: 'still me' },
        ],
      },
      { role: 'assistant', content: [{ type: 'text', text: 'So' }] },
    ]);
  });

  test('gives the user the first word, also when there is only a system prompt', () => {
    expect(encode({ system: [text('Write a poem.')], messages: [] }).body.messages).toHaveLength(1);
    expect(messagesOf(says('assistant', text('Hello')))[0].role).toBe('user');
  });

  test('wraps a system message in the middle as a reminder in the user’s turn', () => {
    const { body, dropped } = encode({
      messages: [says('user', text('Hi')), says('system', text('Hurry.')), says('assistant', text('Yes'))],
    });
    expect(body.messages[0].content[1].text).toBe('<system-reminder>\nHurry.\n</system-reminder>');
    expect(dropped).toEqual([]);
  });

  test('keeps results’ images and failures, and says arguments that are no object raw', () => {
    const image: Part = {
      kind: 'media',
      media: 'image',
      mime: '',
      source: { kind: 'url', url: 'https://x' },
    };
    const messages = messagesOf(
      says('user', text('go')),
      says('assistant', call('a', '{"cut'), { ...call('b', 'free'), custom: true } as Part),
      says('user', { ...result('a', image), failed: true } as Part, result('b')),
    );
    expect(messages[1].content.map(({ input }: Json) => input)).toEqual([
      { _raw_arguments: '{"cut' },
      { input: 'free' },
    ]);
    expect(messages[2].content).toEqual([
      {
        type: 'tool_result',
        tool_use_id: 'a',
        content: [{ type: 'image', source: { type: 'url', url: 'https://x' } }],
        is_error: true,
      },
      { type: 'tool_result', tool_use_id: 'b' },
    ]);
  });

  test('sends back only the thoughts that Anthropic sealed, and reports the others once', () => {
    const { body, dropped } = encode({
      messages: [
        says('user', text('go')),
        says(
          'assistant',
          { kind: 'reasoning', text: 'own', seal: { issuer: 'anthropic', value: 's' } },
          { kind: 'reasoning', text: '', seal: { issuer: 'anthropic', value: 'r', redacted: true } },
          { kind: 'reasoning', text: 'theirs', seal: { issuer: 'openai', value: 's' } },
          { kind: 'reasoning', text: 'unsigned' },
          text('done'),
        ),
      ],
    });
    expect(body.messages[1].content).toEqual([
      { type: 'thinking', thinking: 'own', signature: 's' },
      { type: 'redacted_thinking', data: 'r' },
      { type: 'text', text: 'done' },
    ]);
    expect(new Set(dropped)).toEqual(new Set(['reasoning: sealed by another vendor or not at all']));
  });

  test('puts a note where audio or a foreign file stood, and reports it', () => {
    const media = (kind: 'audio' | 'document', mime: string, source: any): Part => ({
      kind: 'media',
      media: kind,
      mime,
      source,
    });
    const { body, dropped } = encode({
      messages: [
        says(
          'user',
          media('audio', 'audio/wav', { kind: 'data', data: 'AA' }),
          media('document', '', { kind: 'file', id: 'file-openai' }),
          media('document', 'text/csv', { kind: 'data', data: btoa('a,b') }),
        ),
      ],
    });
    expect(body.messages[0].content.map((block: any) => block.text ?? block.source.data)).toEqual([
      "[audio omitted: not supported by this model's API]",
      "[document omitted: not supported by this model's API]",
      'a,b',
    ]);
    expect(dropped).toEqual(['messages[0].content[0]: audio', 'messages[0].content[1]: document']);
  });
});

describe('encoding tools', () => {
  const chosen = (changes: Partial<ChatRequest>) => encode({ tools: [look], ...changes }).body.tool_choice;

  test('says every choice, and no parallel calls', () => {
    expect(chosen({})).toBeUndefined();
    expect(chosen({ toolChoice: { kind: 'none' } })).toEqual({ type: 'none' });
    expect(chosen({ toolChoice: { kind: 'required' }, parallelTools: false })).toEqual({
      type: 'any',
      disable_parallel_tool_use: true,
    });
    expect(chosen({ parallelTools: false })).toEqual({ type: 'auto', disable_parallel_tool_use: true });
    expect(chosen({ tools: [], toolChoice: { kind: 'required' } })).toBeUndefined();
  });

  test('offers only the tools of a subset', () => {
    const other: Tool = { ...look, name: 'other' };
    const { body } = encode({
      tools: [look, other],
      toolChoice: { kind: 'subset', names: ['other'], required: true },
    });
    expect(body.tools.map(({ name }: Json) => name)).toEqual(['other']);
    expect(body.tool_choice).toEqual({ type: 'any' });
  });

  const search = (foreign: { protocol: string; value: Json }): Tool => ({
    kind: 'hosted',
    tool: 'web-search',
    name: 'web_search_preview',
    allowedDomains: [],
    foreign,
  });

  test('says another vendor’s web search in its own words, and is chosen by its own name', () => {
    const { body, dropped } = encode({
      tools: [search({ protocol: 'openai-responses', value: { type: 'web_search_preview' } })],
      toolChoice: { kind: 'tool', name: 'web_search_preview' },
    });
    expect(body.tools).toEqual([{ type: 'web_search_20250305', name: 'web_search' }]);
    expect(body.tool_choice).toEqual({ type: 'tool', name: 'web_search' });
    expect(dropped).toEqual([]);
  });

  test('removes empty domain lists from a web search, and reports hosted tools it has no like of', () => {
    const value = { type: 'web_search_20250305', name: 'web_search', allowed_domains: [], max_uses: 1 };
    const { body, dropped } = encode({
      tools: [
        search({ protocol: id, value }),
        { kind: 'hosted', tool: 'image-generation', name: 'image', foreign: { protocol: 'x', value: {} } },
      ],
      toolChoice: { kind: 'tool', name: 'image' },
    });
    expect(body.tools).toEqual([{ type: 'web_search_20250305', name: 'web_search', max_uses: 1 }]);
    expect(body.tool_choice).toBeUndefined();
    expect(dropped).toEqual(['tools[1]: image', 'tool_choice: image is not among the tools']);
  });

  test('sends a free-text tool as a function of one input', () => {
    const { body, dropped } = encode({
      tools: [{ kind: 'custom', name: 'patch', format: { type: 'grammar' }, cache: {} }],
    });
    expect(body.tools[0]).toMatchObject({
      name: 'patch',
      input_schema: { required: ['input'] },
      cache_control: { type: 'ephemeral' },
    });
    expect(dropped).toEqual(['tools[0].format']);
  });
});

describe('encoding thinking', () => {
  const levels: ModelCard = {
    id: 'm',
    maxOutputTokens: 64_000,
    thinking: { levels: ['low', 'medium', 'high', 'max'] },
  };
  const budgets: ModelCard = { id: 'm', maxOutputTokens: 64_000, thinking: { min: 1024, max: 128_000 } };
  const thinking = (changes: Partial<ChatRequest>, card?: ModelCard) => {
    const { body, dropped } = encode(changes, card);
    return { thinking: body.thinking, effort: body.output_config?.effort, max: body.max_tokens, dropped };
  };

  test('asks a model with levels by effort', () => {
    expect(thinking({ reasoning: { effort: 'high', summary: 'detailed' } }, levels)).toMatchObject({
      thinking: { type: 'adaptive', display: 'summarized' },
      effort: 'high',
    });
    expect(thinking({ reasoning: { effort: 'auto' } }, levels)).toMatchObject({
      thinking: { type: 'adaptive' },
      effort: undefined,
    });
    expect(thinking({ reasoning: { effort: 'minimal' } }, levels).effort).toBe('low');
    expect(thinking({ reasoning: { effort: 'xhigh' } }, levels).effort).toBe('max');
  });

  test('asks a model without levels by a budget of at least 1024', () => {
    expect(thinking({ reasoning: { effort: 'medium' } }, budgets).thinking).toEqual({
      type: 'enabled',
      budget_tokens: 8192,
    });
    expect(thinking({ reasoning: { effort: 'minimal' } }, budgets).thinking.budget_tokens).toBe(1024);
  });

  test('keeps a given budget, switches off when asked, and leaves alone what nobody asked for', () => {
    expect(thinking({ reasoning: { budget: 3000 } }, levels).thinking).toEqual({
      type: 'enabled',
      budget_tokens: 3000,
    });
    expect(thinking({ reasoning: { effort: 'none' } }).thinking).toEqual({ type: 'disabled' });
    expect(thinking({}).thinking).toBeUndefined();
    expect(thinking({ reasoning: { effort: 'high' } }, { id: 'm', thinking: null }).thinking).toBeUndefined();
  });

  test('keeps the budget below max_tokens, or switches off where there is no room', () => {
    expect(thinking({ reasoning: { budget: 9000 }, sampling: { maxTokens: 4096 } })).toMatchObject({
      thinking: { budget_tokens: 4095 },
      max: 4096,
      dropped: ['reasoning: budget 9000 lowered to 4095 by max_tokens'],
    });
    const none = thinking({ reasoning: { effort: 'high' }, sampling: { maxTokens: 500 } });
    expect(none.thinking).toBeUndefined();
    expect(none.dropped).toHaveLength(1);
  });

  test('fills in max_tokens: the model’s, else 8192, and more where a budget needs it', () => {
    expect(thinking({}, levels).max).toBe(64_000);
    expect(thinking({}).max).toBe(8192);
    expect(thinking({ reasoning: { budget: 20_000 } }).max).toBe(28_192);
  });

  test('gives way to a forced tool choice', () => {
    const {
      thinking: none,
      effort,
      dropped,
    } = thinking({ reasoning: { effort: 'high' }, tools: [look], toolChoice: { kind: 'required' } }, levels);
    expect([none, effort]).toEqual([undefined, undefined]);
    expect(dropped).toEqual(['reasoning: a forced tool choice excludes it']);
  });

  const loop = (...first: Part[]) => ({
    reasoning: { budget: 2000 },
    tools: [look],
    messages: [
      says('user', text('go')),
      says('assistant', ...first, call('a')),
      says('user', result('a', text('A'))),
    ],
  });

  test('is switched off for a turn of tool calls that lost its thought', () => {
    const lost = thinking(
      loop({ kind: 'reasoning', text: 'hm', seal: { issuer: 'openai', value: 's' } }),
      budgets,
    );
    expect(lost.thinking).toBeUndefined();
    expect(lost.dropped).toContain(
      'reasoning: switched off, because the thought before the last tool call is missing',
    );
    const kept = thinking(
      loop({ kind: 'reasoning', text: 'hm', seal: { issuer: 'anthropic', value: 's' } }),
      budgets,
    );
    expect(kept.thinking).toBeDefined();
  });

  test('stays on when the next word is the user’s, and when the model chooses for itself', () => {
    const { messages, ...rest } = loop();
    expect(
      thinking({ ...rest, messages: [...messages, says('user', text('next'))] }).thinking,
    ).toBeUndefined();
    const done = [...messages, says('assistant', text('done')), says('user', text('next'))];
    expect(thinking({ ...rest, messages: done }, budgets).thinking).toBeDefined();
    expect(thinking({ ...rest, messages, reasoning: { effort: 'high' } }, levels).thinking).toBeDefined();
  });

  test('binds the sampling', () => {
    const sampling = { temperature: 0.5, topP: 0.5, topK: 40 };
    const thinks = encode({ sampling, reasoning: { effort: 'high' } }, levels);
    expect(thinks.body).not.toContainAnyKeys(['temperature', 'top_p', 'top_k']);
    expect(thinks.dropped).toHaveLength(3);
    const fine = encode({ sampling: { temperature: 1, topP: 0.97 }, reasoning: { effort: 'high' } }, levels);
    expect(fine.body).toMatchObject({ temperature: 1, top_p: 0.97 });
    expect(fine.dropped).toEqual([]);
  });
});

describe('encoding a request', () => {
  test('clamps the temperature to 1, and lets it exclude top_p', () => {
    const { body, dropped } = encode({ sampling: { temperature: 1.5, topP: 0.9 } });
    expect(body.temperature).toBe(1);
    expect(body.top_p).toBeUndefined();
    expect(dropped).toEqual(['temperature: 1.5 became 1', 'top_p: excluded by temperature']);
    expect(encode({ sampling: { topP: 0.9 } }).body.top_p).toBe(0.9);
  });

  test('reports what the API has no words for', () => {
    const { dropped } = encode({
      sampling: {
        seed: 1,
        presencePenalty: 1,
        frequencyPenalty: 1,
        choices: 2,
        logprobs: {},
        stop: [' ', 'END'],
      },
      cacheKey: 'k',
      serviceTier: 'flex',
      extra: { 'openai-chat': { logit_bias: { 1: 2 } } },
    });
    expect(new Set(dropped)).toEqual(
      new Set([
        'seed',
        'presence_penalty',
        'frequency_penalty',
        'n',
        'logprobs',
        'stop: blank sequences',
        'prompt_cache_key',
        'service_tier: flex',
        'logit_bias',
      ]),
    );
  });

  test('passes the user on as the client wrote it', () => {
    expect(encode({ user: 'u-1' }).body.metadata).toEqual({ user_id: 'u-1' });
    expect(encode({}).body.metadata).toBeUndefined();
  });

  test('asks for a schema by format, with refused keywords in words', () => {
    const schema = {
      type: 'object',
      properties: {
        n: { type: 'integer', minimum: 1, description: 'Count.' },
        minimum: { oneOf: [{ type: 'string', maxLength: 3 }, { type: 'null' }] },
      },
      required: ['n'],
    };
    const { body, dropped } = encode({ output: { kind: 'schema', name: 'out', schema } });
    expect(body.output_config.format).toEqual({
      type: 'json_schema',
      schema: {
        type: 'object',
        properties: {
          n: { type: 'integer', description: 'Count. {minimum: 1}' },
          minimum: { anyOf: [{ type: 'string', description: '{maxLength: 3}' }, { type: 'null' }] },
        },
        required: ['n'],
        additionalProperties: false,
      },
    });
    expect(dropped).toEqual(['response_format: minimum, maxLength by description']);
  });

  test('asks for plain JSON by a sentence, and says so', () => {
    const { body, dropped } = encode({ output: { kind: 'json' }, system: [text('Be brief.')] });
    expect(body.system).toHaveLength(2);
    expect(body.system[1].text).toContain('JSON object');
    expect(dropped).toEqual(['response_format: json object by instruction']);
  });

  const marked = (value: string, ttl?: '5m' | '1h'): Part => ({
    kind: 'text',
    text: value,
    cache: ttl ? { ttl } : {},
  });

  test('keeps the four most valuable cache marks', () => {
    const { body, dropped } = encode({
      tools: [
        { ...look, cache: {} },
        { ...look, name: 'b', cache: {} },
      ],
      system: [marked('s1'), marked('s2')],
      messages: [says('user', marked('m1')), says('assistant', text('x')), says('user', marked('m2'))],
    });
    const has = (block: Json) => block.cache_control !== undefined;
    expect(body.system.map(has)).toEqual([false, true]);
    expect(body.tools.map(has)).toEqual([false, true]);
    expect(body.messages.map(({ content }: any) => has(content[0]))).toEqual([true, false, true]);
    expect(dropped).toEqual(['cache_control: 2 more than the 4 Anthropic accepts']);
  });

  test('drops the oldest messages’ marks next, and counts automatic caching and results’ inner blocks', () => {
    const { body } = encode({
      messages: [
        says('user', marked('m1')),
        says('assistant', call('a')),
        says('user', result('a', marked('inner'))),
        says('assistant', marked('m2')),
        says('user', marked('m3')),
      ],
      extra: { [id]: { cache_control: { type: 'ephemeral' } } },
    });
    expect(JSON.stringify(body.messages).match(/cache_control/g)).toHaveLength(3);
    expect(body.messages[0].content[0].cache_control).toBeUndefined();
  });

  test('shortens an hour’s mark that follows one of five minutes', () => {
    const { body } = encode({ system: [marked('a', '1h'), marked('b', '5m'), marked('c', '1h')] });
    expect(body.system.map(({ cache_control }: any) => cache_control.ttl)).toEqual(['1h', '5m', undefined]);
  });
});

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

describe('whole replies', () => {
  test('name the model the client asked for, and stop reasons in Claude’s words', () => {
    const whole = (changes: Partial<Reply>) =>
      client.encodeReply(reply(changes), echo()) as Record<string, any>;
    expect(whole({ id: '' })).toMatchObject({ id: 'msg_made', model: 'shown', type: 'message', content: [] });
    expect(whole({ reason: 'filter' }).stop_reason).toBe('refusal');
    expect(whole({ reason: 'length' }).stop_reason).toBe('max_tokens');
    expect(whole({ reason: 'stop', stop: 'END' })).toMatchObject({
      stop_reason: 'stop_sequence',
      stop_sequence: 'END',
    });
  });

  test('never lose arguments that are no object', () => {
    expect(blocksOf(call('a', ''))[0].input).toEqual({});
    expect(blocksOf(call('a', '{"cut'))[0].input).toEqual({ _raw_arguments: '{"cut' });
    expect(blocksOf(call('a', '[1]'))[0].input).toEqual({ _raw_arguments: '[1]' });
    expect(blocksOf({ ...call('a', 'free'), custom: true } as Part)[0].input).toEqual({ input: 'free' });
  });

  test('say a refusal as text, and report what they cannot say', () => {
    expect(blocksOf({ kind: 'refusal', text: 'No.' })).toEqual([{ type: 'text', text: 'No.' }]);
    const to = echo();
    const image: Part = {
      kind: 'media',
      media: 'image',
      mime: 'image/png',
      source: { kind: 'data', data: 'AA' },
    };
    expect(blocksOf(image, to)).toEqual([
      { type: 'text', text: '[image omitted: not supported by this API]' },
    ]);
    expect(blocksOf({ kind: 'hosted-call', tool: 'file-search', callId: 'f', input: {} }, to)).toEqual([]);
    expect(to.dropped).toEqual(['content: image', 'content: file-search']);
  });

  test('write the counts that only Anthropic knows back', () => {
    const extra = { [id]: { server_tool_use: { web_search_requests: 2 } } };
    expect(client.encodeReply(reply({ usage: { ...noUsage, extra } }), echo()).usage).toMatchObject({
      server_tool_use: { web_search_requests: 2 },
    });
  });

  test('are refused when they are errors or no message', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    expect(() => upstream.decodeReply(error)).toThrow('Overloaded');
    expect(() => upstream.decodeReply({ error: 'nope' })).toThrow('nope');
    expect(() => upstream.decodeReply({ choices: [] })).toThrow('no content');
  });
});

describe('errors', () => {
  const shown = (fault: GatewayError['fault']): Json =>
    client.encodeError(new GatewayError(fault, 'It failed.', { remedy: 'Retry.' }), 'req-1');

  test.each([
    [{ kind: 'invalid-request' }, 'invalid_request_error'],
    [{ kind: 'unauthorized' }, 'authentication_error'],
    [{ kind: 'upstream-forbidden', status: 402 }, 'billing_error'],
    [{ kind: 'forbidden' }, 'permission_error'],
    [{ kind: 'not-found', what: 'model' }, 'not_found_error'],
    [{ kind: 'method-not-allowed', allow: [] }, 'invalid_request_error'],
    [{ kind: 'too-large' }, 'request_too_large'],
    [{ kind: 'rate-limited' }, 'rate_limit_error'],
    [{ kind: 'internal' }, 'api_error'],
    [{ kind: 'upstream-failed', status: 500 }, 'api_error'],
    [{ kind: 'overloaded' }, 'overloaded_error'],
    [{ kind: 'unavailable' }, 'overloaded_error'],
    [{ kind: 'transport', phase: 'first-byte' }, 'timeout_error'],
  ] as const)('are told in Anthropic’s types: %j is %s', (fault, type) => {
    expect(shown(fault)).toMatchObject({
      type: 'error',
      error: { type, message: 'It failed. Retry.' },
      request_id: 'req-1',
    });
  });

  const fixture = (name: string) => readFileSync(join(import.meta.dir, '../fixtures', id, name), 'utf8');

  test('of an upstream keep their type, request id and time to wait', () => {
    const { status, headers, body } = JSON.parse(fixture('error-429.reply.json'));
    const error = upstream.decodeError(status, new Headers(headers), JSON.stringify(body));
    expect(error).toMatchObject({
      fault: { kind: 'rate-limited' },
      retryAfterMs: 30_000,
      upstream: { status: 429, type: 'rate_limit_error', requestId: 'req_011CSHoEeqs5C35K2UUqR7Fy' },
    });
    expect(error.message).toContain('exceed your account');
  });

  test('of an upstream blame the credential for an empty balance, not the request', () => {
    const body = {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access the API.' },
    };
    const error = upstream.decodeError(400, new Headers(), JSON.stringify(body));
    expect(error).toMatchObject({ fault: { kind: 'upstream-forbidden', status: 402 }, scope: 'credential' });
  });
});

// ------------------------------------------------------------------------------------------- recorded exchanges

const shared = join(import.meta.dir, '../../../shared');
const recorded = join(shared, 'fixtures/anthropic');
const shapes = join(shared, 'shapes');
const without = (folder: string) => (existsSync(folder) ? '' : ` (skipped: ${folder} is absent)`);

function jsonFiles(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .map((file) => join(folder, file));
}

/** The recordings of client requests cut long lists short with a line such as `…<24 items>`. */
const uncut = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_, item: unknown) =>
    Array.isArray(item) ? item.filter((one) => typeof one !== 'string' || !/^…<\d+ items>$/.test(one)) : item,
  );

describe('recorded exchanges', () => {
  test.skipIf(!existsSync(recorded))(`of Anthropic are read, both ways and back${without(recorded)}`, () => {
    for (const file of jsonFiles(recorded)) {
      const { stream, status, request, response } = JSON.parse(readFileSync(file, 'utf8'));
      if (request?.body) expectRequest(JSON.parse(request.body), file);
      if (status !== 200) {
        const error = upstream.decodeError(status, new Headers(response.headers), response.body);
        expect(error.upstream?.status).toBe(status);
        continue;
      }
      if (!stream) {
        expectReply(upstream.decodeReply(JSON.parse(response.body)), file);
        continue;
      }
      const said = run(chain(frames(), upstream.decodeStream()), [new TextEncoder().encode(response.body)]);
      expectGrammar(said, file);
      expect(terminalOf(said).type).toBe('finish');
      expectReply(fold(said), file);
    }
  });

  test.skipIf(!existsSync(join(shared, 'fixtures/count_tokens')))(
    `of counts are read${without(join(shared, 'fixtures/count_tokens'))}`,
    () => {
      for (const file of jsonFiles(join(shared, 'fixtures/count_tokens'))) {
        const { vendor, request } = JSON.parse(readFileSync(file, 'utf8'));
        if (vendor === 'anthropic') expectRequest(JSON.parse(request.body), file);
      }
    },
  );

  test.skipIf(!existsSync(shapes))(`of real clients are read${without(shapes)}`, () => {
    const bodies = jsonFiles(shapes)
      .map((file) => ({ file, ...JSON.parse(readFileSync(file, 'utf8')) }))
      .filter(({ url, method }) => method === 'POST' && url?.startsWith('/v1/messages'));
    expect(bodies.length).toBeGreaterThan(30);
    for (const { file, body } of bodies) expectRequest(uncut(body) as Json, file);
  });

  /** A request is written back as it was read, and nothing of it is lost but a wish to think that Anthropic would refuse. */
  function expectRequest(body: Json, file: string): void {
    const request = decode(body);
    // The rest of a continued thread lies with Anthropic, so only the direct lane can serve it; and a system message
    // in the middle becomes a reminder.
    if (body.thread || request.messages.some(({ role }) => role === 'system')) return;
    const dropped: string[] = [];
    const written = upstream.encodeRequest(request, {
      model: request.model,
      drop: (what) => dropped.push(what),
    });
    const again = decode(JSON.parse(JSON.stringify(written)));
    const lost = dropped.filter((what) => !what.startsWith('reasoning: '));
    expect({ file, lost, request: settled(again, body, dropped) }).toEqual({
      file,
      lost: [],
      request: settled(request, body, dropped),
    });
  }

  /** Without what the encoder has to fill in, and without the wish to think where it had to be refused. */
  function settled(request: ChatRequest, body: Json, dropped: readonly string[]): unknown {
    const { reasoning, sampling, ...rest } = request;
    const { maxTokens, ...others } = sampling;
    return {
      ...rest,
      sampling: others,
      maxTokens: body.max_tokens === undefined ? undefined : maxTokens,
      reasoning: dropped.length > 0 ? undefined : reasoning,
    };
  }

  /** Written for a client and read again, a reply is the same but for white space in arguments. */
  function expectReply(whole: Reply, file: string): void {
    const to = echo({ model: whole.model });
    const again = upstream.decodeReply(JSON.parse(JSON.stringify(client.encodeReply(whole, to))));
    const written: Frame[] = run(client.encodeStream(to), unfold(whole));
    const streamed = run(chain(frames(), upstream.decodeStream()), [
      new TextEncoder().encode(written.map(render).join('')),
    ]);
    expect({ file, reply: plain(again) }).toEqual({ file, reply: plain(whole) });
    expect({ file, reply: plain(fold(streamed)) }).toEqual({ file, reply: plain(whole) });
    expect(to.dropped).toEqual([]);
  }

  const plain = (whole: Reply): Reply => ({
    ...whole,
    parts: whole.parts.map((part) =>
      part.kind === 'tool-call' ? { ...part, args: compacted(part.args) } : part,
    ),
  });

  /** Arguments without white space; those that a token limit cut are no JSON and stay as they are. */
  const compacted = (args: string) => {
    const parsed = tryParseObject(args);
    return parsed ? JSON.stringify(parsed) : args;
  };
});
