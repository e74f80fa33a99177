import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { Pool } from '../../src/accounts/pool/pool.ts';
import { channels } from '../../src/channels/index.ts';
import { buildRuntime } from '../../src/config/build.ts';
import { GatewayError } from '../../src/core/error.ts';
import { readObject, readObjects, type Json } from '../../src/core/json.ts';
import { run } from '../../src/core/machine.ts';
import { protocols } from '../../src/protocols/index.ts';
import type { Relay } from '../../src/relay/exchange.ts';
import { createRelay } from '../../src/relay/handle.ts';
import { beginRecord } from '../../src/telemetry/record.ts';
import { frames } from '../../src/wire/sse.ts';
import { responsesUpstream } from '../support/responses-upstream.ts';
import { anthropicUpstream, geminiUpstream, openaiUpstream, simulatorKey } from '../support/upstream.ts';

/**
 * Thoughts over several turns, through the whole relay: providers that sign theirs and want them back, clients that drop
 * them, and conversations that change their model on the way.
 */

const claudeX = anthropicUpstream();
const claudeY = anthropicUpstream();
const gemini = geminiUpstream();
const openai = openaiUpstream();
const kimi = openaiUpstream();
const orgs = [responsesUpstream(), responsesUpstream()] as const;
const all = [claudeX, claudeY, gemini, openai, kimi, ...orgs];

afterAll(() => {
  for (const simulator of all) simulator.stop();
});
afterEach(() => {
  for (const simulator of all) simulator.reset();
});

const config = [
  'proxy-url: direct',
  'claude-api-key:',
  ...[
    [claudeX, 'claude-x'],
    [claudeY, 'claude-y'],
  ].flatMap(([simulator, model]) => [
    `  - api-key: ${simulatorKey}`,
    `    base-url: ${(simulator as typeof claudeX).url}`,
    '    models:',
    `      - name: ${model as string}`,
  ]),
  'gemini-api-key:',
  `  - api-key: ${simulatorKey}`,
  `    base-url: ${gemini.url}`,
  '    models:',
  '      - name: gemini-3-sim',
  'openai-compatibility:',
  '  - name: sim',
  `    base-url: ${openai.url}/v1`,
  '    api-key-entries:',
  `      - api-key: ${simulatorKey}`,
  '    models:',
  '      - name: gpt-sim',
  'deepseek:',
  `  - api-key: ${simulatorKey}`,
  `    base-url: ${kimi.url}/v1`,
  '    models:',
  '      - name: deepseek-sim',
  'codex-api-key:',
  ...orgs.flatMap(({ url }) => [
    `  - api-key: ${simulatorKey}`,
    `    base-url: ${url}/v1`,
    '    models:',
    '      - name: gpt-5-sim',
  ]),
  // Here a conversation is to move from one credential to another.
  'routing: {session-affinity: false}',
  '',
].join('\n');

const { runtime } = buildRuntime(config, { file: 'config.yaml', environment: {}, channels });

/** A gateway that has just started. */
const started = (): Relay =>
  createRelay({ pool: new Pool(), now: Date.now, log: () => undefined, close: () => undefined });

interface Told {
  /** The answer's body; for a stream, what its deltas amount to as an assistant's message. */
  readonly body: Json;
  readonly dropped: readonly string[];
  readonly direct: boolean;
}

/** Asks as the client with this key does. @throws GatewayError when nobody answers. */
async function ask(
  relay: Relay,
  path: string,
  body: Json,
  tenant = 'me',
  params: Readonly<Record<string, string>> = {},
): Promise<Told> {
  const protocol = protocols.find(({ client }) => client?.routes.some((route) => route.path === path))!;
  const route = protocol.client!.routes.find((candidate) => candidate.path === path)!;
  const record = beginRecord('req_test', 'POST', path);
  const response = await relay({
    runtime,
    protocol,
    route,
    params,
    query: new URLSearchParams(),
    headers: new Headers({ 'anthropic-version': '2023-06-01' }),
    tenant,
    body: JSON.stringify(body),
    signal: new AbortController().signal,
    record,
  });
  const bytes = await response.bytes();
  const told = body.stream === true ? assembled(bytes) : (JSON.parse(Buffer.from(bytes).toString()) as Json);
  return { body: told, dropped: [...record.dropped], direct: record.direct };
}

/** The message that a chat stream spells: words, calls, thoughts. */
function assembled(bytes: Uint8Array): Json {
  const calls: { id: string; type: string; function: { name: string; arguments: string } }[] = [];
  let content = '';
  for (const { data } of run(frames(), [bytes])) {
    if (data === '[DONE]') continue;
    const delta = readObject(readObjects((JSON.parse(data) as Json).choices)[0]?.delta);
    content += String(delta?.content ?? '');
    for (const piece of readObjects(delta?.tool_calls)) {
      const { name = '', arguments: args = '' } = readObject(piece.function) ?? {};
      const call = (calls[Number(piece.index)] ??= {
        id: String(piece.id),
        type: 'function',
        function: { name: '', arguments: '' },
      });
      call.function.name += String(name);
      call.function.arguments += String(args);
    }
  }
  return { choices: [{ message: { role: 'assistant', content, tool_calls: calls } }] };
}

const user = (content: string): Json => ({ role: 'user', content });

/** A chat client that keeps of an answer what every client keeps. */
const chat = {
  path: '/v1/chat/completions',
  tools: ['weather', 'news'].map((name) => ({
    type: 'function',
    function: { name, parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  })),
  message: ({ body }: Told): Json => readObject(readObjects(body.choices)[0]?.message)!,
  bare(told: Told): Json {
    const { content, tool_calls } = chat.message(told);
    return { role: 'assistant', content, ...(readObjects(tool_calls).length > 0 ? { tool_calls } : {}) };
  },
  results: (told: Told): Json[] =>
    readObjects(chat.message(told).tool_calls).map(({ id }) => ({
      role: 'tool',
      tool_call_id: id,
      content: 'sunny',
    })),
};

/** A Claude client; `bare` is one that drops thoughts. */
const claude = {
  path: '/v1/messages',
  thinking: { thinking: { type: 'enabled', budget_tokens: 2_000 }, max_tokens: 4_000 },
  tools: [{ name: 'weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } }],
  message: ({ body }: Told): Json => ({ role: 'assistant', content: body.content }),
  bare: ({ body }: Told): Json => ({
    role: 'assistant',
    content: readObjects(body.content).filter(({ type }) => type === 'text' || type === 'tool_use'),
  }),
  results: ({ body }: Told): Json => ({
    role: 'user',
    content: readObjects(body.content)
      .filter(({ type }) => type === 'tool_use')
      .map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: 'sunny' })),
  }),
};

const blocks = (message: Json | undefined): readonly Json[] => readObjects(message?.content);
const sent = ({ accepted }: { accepted: readonly { json: Json }[] }, request: number, field = 'messages') =>
  readObjects(accepted[request]!.json[field]);

describe('a chat client that drops reasoning, over Claude with thinking on', () => {
  const asking = { model: 'claude-x', reasoning_effort: 'high', tools: chat.tools };
  const thinking = { type: 'thinking', thinking: 'Let me think about it. 🤔' };

  test.each([false, true])('goes on in a tool loop with the original thought, stream %p', async (stream) => {
    const relay = started();
    const opening = user('use the tools weather and news');
    const first = await ask(relay, chat.path, { ...asking, stream, messages: [opening] });
    const history = [opening, chat.bare(first), ...chat.results(first)];
    const second = await ask(relay, chat.path, { ...asking, stream, messages: history });
    expect(chat.message(second).content).toBe('The tool said: sunny, sunny');
    expect(claudeX.refused).toEqual([]);
    expect(claudeX.accepted[1]!.json.thinking).toMatchObject({ type: 'enabled' });
    const turn = blocks(sent(claudeX, 1)[1]);
    expect(turn.map(({ type }) => type)).toEqual(['thinking', 'text', 'tool_use', 'tool_use']);
    expect(turn[0]).toEqual({ ...thinking, signature: expect.stringMatching(/^EsIM/) });
    expect(second.dropped.filter((what) => what.startsWith('reasoning'))).toEqual([]);

    const more = [...history, chat.bare(second), user('use the tool news')];
    const third = await ask(relay, chat.path, { ...asking, stream, messages: more });
    const whole = [...more, chat.bare(third), ...chat.results(third)];
    await ask(relay, chat.path, { ...asking, stream, messages: whole });
    expect(claudeX.refused).toEqual([]);
    const thoughtful = sent(claudeX, 3).filter(({ role }) => role === 'assistant');
    expect(thoughtful.map((message) => blocks(message)[0]?.type)).toEqual([
      'thinking',
      'thinking',
      'thinking',
    ]);
  });

  test('is never given what was thought for another client key', async () => {
    const relay = started();
    const opening = user('use the tool weather');
    const first = await ask(relay, chat.path, { ...asking, messages: [opening] });
    const history = [opening, chat.bare(first), ...chat.results(first)];
    const stranger = await ask(relay, chat.path, { ...asking, messages: history }, 'you');
    expect(claudeX.refused).toEqual([]);
    expect(blocks(sent(claudeX, 1)[1]).map(({ type }) => type)).toEqual(['text', 'tool_use']);
    expect(claudeX.accepted[1]!.json.thinking).toBeUndefined();
    expect(stranger.dropped).toContain(
      'reasoning: switched off, because the thought before the last tool call is missing',
    );
  });

  test('gets nothing back when it has switched thinking off', async () => {
    const relay = started();
    const opening = user('use the tool weather');
    const first = await ask(relay, chat.path, { ...asking, messages: [opening] });
    const history = [opening, chat.bare(first), ...chat.results(first)];
    await ask(relay, chat.path, { ...asking, reasoning_effort: 'none', messages: history });
    expect(blocks(sent(claudeX, 1)[1]).map(({ type }) => type)).toEqual(['text', 'tool_use']);
  });

  test('is asked again without the thought when the provider refuses it, and it is not tried a third time', async () => {
    const relay = started();
    const opening = user('use the tool weather');
    const first = await ask(relay, chat.path, { ...asking, messages: [opening] });
    const history = [opening, chat.bare(first), ...chat.results(first)];
    claudeX.next.push({
      kind: 'status',
      status: 400,
      body: JSON.stringify({
        type: 'error',
        error: {
          type: 'invalid_request_error',
          message: 'messages.1.content.0: Invalid `signature` in `thinking` block',
        },
      }),
    });
    const second = await ask(relay, chat.path, { ...asking, messages: history });
    expect(chat.message(second).content).toBe('The tool said: sunny');
    expect(second.dropped).toContain(
      'reasoning: the upstream refused that of earlier turns, so it was asked again without',
    );
    await ask(relay, chat.path, { ...asking, messages: history });
    expect(claudeX.received.length).toBe(4);
    expect(blocks(sent(claudeX, 2)[1]).map(({ type }) => type)).toEqual(['text', 'tool_use']);
  });
});

describe('a Claude client over Gemini', () => {
  const asking = { model: 'gemini-3-sim', ...claude.thinking, tools: claude.tools };

  test('gives calls their signature back, though its wire has no place for one', async () => {
    const relay = started();
    const opening = user('use the tool weather');
    const first = await ask(relay, claude.path, { ...asking, messages: [opening] });
    const history = [opening, claude.message(first), claude.results(first)];
    const second = await ask(relay, claude.path, { ...asking, messages: history });
    expect(blocks(second.body).at(-1)?.text).toBe('The tool said: sunny');
    expect(gemini.refused).toEqual([]);
    const parts = readObjects(sent(gemini, 1, 'contents')[1]?.parts);
    const call = parts.find((part) => part.functionCall);
    expect(call?.thoughtSignature).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  });

  test('falls back on the documented word where nothing is known', async () => {
    const opening = user('use the tool weather');
    const first = await ask(started(), claude.path, { ...asking, messages: [opening] });
    const history = [opening, claude.message(first), claude.results(first)];
    await ask(started(), claude.path, { ...asking, messages: history });
    expect(gemini.refused).toEqual([]);
    const parts = readObjects(sent(gemini, 1, 'contents')[1]?.parts);
    expect(parts.find((part) => part.functionCall)?.thoughtSignature).toBe(
      'skip_thought_signature_validator',
    );
  });
});

describe('a client over OpenAI Responses with two organisations', () => {
  const asking = { model: 'gpt-5-sim', reasoning_effort: 'high', tools: chat.tools };
  const thoughts = (org: number, request: number) =>
    sent(orgs[org]!, request, 'input').filter(({ type }) => type === 'reasoning').length;

  test.each([false, true])('brings each its own thoughts back and no other, stream %p', async (stream) => {
    const relay = started();
    const messages = [user('use the tool weather')];
    const accepted = () => orgs.map((org) => org.accepted.length);
    const turn = async () => {
      const before = accepted();
      const told = await ask(relay, chat.path, { ...asking, stream, messages });
      const org = accepted().findIndex((count, index) => count > before[index]!);
      messages.push(chat.bare(told), ...chat.results(told));
      if (chat.results(told).length === 0) messages.push(user('use the tool weather'));
      return org;
    };
    const turns = [await turn(), await turn(), await turn(), await turn()];
    expect(new Set(turns).size).toBe(2);
    expect(orgs.flatMap(({ refused }) => refused)).toEqual([]);
    const nth = new Map<number, number>();
    for (const org of turns) {
      const own = nth.get(org) ?? 0;
      expect(thoughts(org, own)).toBe(own);
      nth.set(org, own + 1);
    }
  });

  test('does not fail when a token has become invalid', async () => {
    const relay = started();
    const opening = user('use the tool weather');
    const first = await ask(relay, chat.path, { ...asking, messages: [opening] });
    const history = [opening, chat.bare(first), ...chat.results(first)];
    const refusal = {
      kind: 'status',
      status: 400,
      body: JSON.stringify({
        error: {
          message: 'The encrypted content gAAA... could not be verified.',
          type: 'invalid_request_error',
          param: null,
          code: 'invalid_encrypted_content',
        },
      }),
    } as const;
    await ask(relay, chat.path, { ...asking, messages: history });
    for (const org of orgs) org.next.push(refusal);
    const third = await ask(relay, chat.path, { ...asking, messages: history });
    expect(chat.message(third).content).toBe('The tool said: sunny');
    expect(third.dropped).toContain(
      'reasoning: the upstream refused that of earlier turns, so it was asked again without',
    );
  });
});

describe('a Claude client that drops thoughts, over DeepSeek', () => {
  test('brings back the reasoning_content of its tool calls', async () => {
    const relay = started();
    const asking = { model: 'deepseek-sim', ...claude.thinking, tools: claude.tools };
    const opening = user('use the tool weather');
    const first = await ask(relay, claude.path, { ...asking, messages: [opening] });
    const history = [opening, claude.bare(first), claude.results(first)];
    await ask(relay, claude.path, { ...asking, messages: history });
    expect(kimi.refused).toEqual([]);
    expect(sent(kimi, 1)[1]?.reasoning_content).toBe('Let me think about it. 🤔');
  });
});

describe('a conversation that changes its model', () => {
  const opening = user('use the tool weather');

  test.each(['gemini-3-sim', 'gpt-sim', 'gpt-5-sim'])(
    'goes on at Claude after %s, without its thoughts and with a report',
    async (model) => {
      const relay = started();
      const asking = { ...claude.thinking, tools: claude.tools };
      const first = await ask(relay, claude.path, { ...asking, model, messages: [opening] });
      expect(blocks(first.body).some(({ type }) => type === 'thinking')).toBe(true);
      const history = [opening, claude.message(first), claude.results(first)];
      const second = await ask(relay, claude.path, { ...asking, model: 'claude-x', messages: history });
      expect(second.direct).toBe(false);
      expect(second.dropped.some((what) => what.startsWith('reasoning'))).toBe(true);
      expect(claudeX.refused).toEqual([]);
      expect(claudeX.accepted[0]!.headers.get('anthropic-version')).toBe('2023-06-01');
      expect(blocks(sent(claudeX, 0)[1]).some(({ type }) => type === 'thinking')).toBe(false);
    },
  );

  test.each(['gemini-3-sim', 'gpt-sim', 'gpt-5-sim', 'deepseek-sim'])(
    'goes on at %s after Claude',
    async (model) => {
      const relay = started();
      const asking = { ...claude.thinking, tools: claude.tools };
      const first = await ask(relay, claude.path, { ...asking, model: 'claude-x', messages: [opening] });
      const history = [opening, claude.message(first), claude.results(first)];
      const second = await ask(relay, claude.path, { ...asking, model, messages: history });
      expect(blocks(second.body).at(-1)?.text).toBe('The tool said: sunny');
      expect(second.dropped.some((what) => what.startsWith('reasoning'))).toBe(true);
      expect(all.flatMap(({ refused }) => refused)).toEqual([]);
    },
  );

  test('keeps the thoughts of one Claude from another, because their seal says whose they are', async () => {
    const relay = started();
    const asking = {
      reasoning: { effort: 'high', summary: 'auto' },
      tools: [{ type: 'function', name: 'weather', parameters: { type: 'object', properties: {} } }],
      store: false,
    };
    const input = [{ type: 'message', role: 'user', content: 'use the tool weather' }];
    const first = await ask(relay, '/v1/responses', { ...asking, model: 'claude-x', input });
    const items = readObjects(first.body.output);
    const results = items
      .filter(({ type }) => type === 'function_call')
      .map(({ call_id }) => ({ type: 'function_call_output', call_id, output: 'sunny' }));
    const history = [...input, ...items, ...results];
    const other = await ask(relay, '/v1/responses', { ...asking, model: 'claude-y', input: history });
    expect(claudeY.refused).toEqual([]);
    expect(other.dropped).toContain('reasoning: sealed for another model or credential');
    const same = await ask(relay, '/v1/responses', { ...asking, model: 'claude-x', input: history });
    expect(claudeX.refused).toEqual([]);
    expect(blocks(sent(claudeX, 1)[1])[0]?.type).toBe('thinking');
    expect(same.dropped.some((what) => what.startsWith('reasoning'))).toBe(false);
  });

  test('is asked again where only the provider can tell that a thought is not its own', async () => {
    const relay = started();
    const asking = { ...claude.thinking, tools: claude.tools };
    const first = await ask(relay, claude.path, { ...asking, model: 'claude-x', messages: [opening] });
    expect(first.direct).toBe(true);
    const history = [opening, claude.message(first), claude.results(first)];
    const second = await ask(relay, claude.path, { ...asking, model: 'claude-y', messages: history });
    expect(blocks(second.body).at(-1)?.text).toBe('The tool said: sunny');
    expect(claudeY.refused.length).toBe(1);
    expect(claudeY.accepted.length).toBe(1);
    expect(second.dropped).toContain(
      'reasoning: the upstream refused that of earlier turns, so it was asked again without',
    );
  });

  test('is asked again where a server does not know the fields in which a chat carries thoughts', async () => {
    const relay = started();
    const asking = { tools: chat.tools, reasoning_effort: 'high' };
    const first = await ask(relay, chat.path, { ...asking, model: 'claude-x', messages: [opening] });
    const history = [opening, chat.message(first), ...chat.results(first)];
    const second = await ask(relay, chat.path, { ...asking, model: 'gpt-sim', messages: history });
    expect(chat.message(second).content).toBe('The tool said: sunny');
    expect(openai.refused.length).toBe(1);
  });

  test('goes on where a Claude client has dropped the thought of its last call', async () => {
    const relay = started();
    const asking = { model: 'claude-x', ...claude.thinking, tools: claude.tools };
    const first = await ask(relay, claude.path, { ...asking, messages: [opening] });
    const history = [opening, claude.bare(first), claude.results(first)];
    const second = await ask(relay, claude.path, { ...asking, messages: history });
    expect(blocks(second.body).at(-1)?.text).toBe('The tool said: sunny');
    expect(second.dropped).toContain(
      'reasoning: switched off, because the thought before the last tool call is missing',
    );
  });

  test('counts its tokens by itself where the provider refuses the thoughts in it', async () => {
    const contents = [
      { role: 'user', parts: [{ text: 'Hi' }] },
      { role: 'model', parts: [{ text: 'Hi.', thoughtSignature: 'gw1.openai.gAAA' }] },
    ];
    const params = { '*': 'gemini-3-sim:countTokens' };
    const counted = await ask(started(), '/v1beta/models/*', { contents }, 'me', params);
    expect(gemini.received.length).toBe(1);
    expect(counted.body.totalTokens).toBeGreaterThan(5);
  });

  test('fails as it did when thoughts are not the reason', async () => {
    const relay = started();
    claudeX.always = { kind: 'status', status: 400, body: '{"error":{"message":"bad tool schema"}}' };
    const failed = await ask(relay, chat.path, { model: 'claude-x', messages: [opening] }).catch(
      (thrown: unknown) => thrown,
    );
    expect(failed).toBeInstanceOf(GatewayError);
    expect(claudeX.received.length).toBe(1);
  });
});
