import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { readObject, tryParseObject, type Json } from '../../src/core/json.ts';
import { run } from '../../src/core/machine.ts';
import { frames } from '../../src/wire/sse.ts';
import { anthropicFault } from './anthropic-checks.ts';
import { openaiFault } from './openai-checks.ts';
import { schemaFault, schemasMissing } from './schemas.ts';
import {
  anthropicUpstream,
  openaiUpstream,
  refusingUrl,
  simulatorKey,
  type Fault,
  type Simulator,
} from './upstream.ts';

/** The simulators prove gateways right, so they must be right themselves: by the vendors' SDKs, recordings and schemas. */

const openai = openaiUpstream();
const anthropic = anthropicUpstream();
afterAll(() => {
  openai.stop();
  anthropic.stop();
});
beforeEach(() => {
  openai.reset();
  anthropic.reset();
});

const gpt = new OpenAI({ apiKey: simulatorKey, baseURL: `${openai.url}/v1`, maxRetries: 0 });
const claude = new Anthropic({ apiKey: simulatorKey, baseURL: anthropic.url, maxRetries: 0 });
const weather = {
  type: 'object' as const,
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
};

describe('the official SDKs are served', () => {
  test('with text, streamed and whole, by OpenAI', async () => {
    const whole = await gpt.chat.completions.create({
      model: 'gpt-sim',
      messages: [{ role: 'user', content: 'Grüße' }],
    });
    expect(whole.choices[0]?.message.content).toBe('You said: Grüße');
    const stream = gpt.chat.completions.stream({
      model: 'gpt-sim',
      messages: [{ role: 'user', content: 'count to 20' }],
    });
    expect((await stream.finalChatCompletion()).choices[0]?.message.content).toBe(
      '1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20',
    );
  });

  test('with text, streamed and whole, by Anthropic', async () => {
    const asking = {
      model: 'claude-sim',
      max_tokens: 5,
      messages: [{ role: 'user' as const, content: 'count to 9' }],
    };
    expect((await claude.messages.create(asking)).stop_reason).toBe('max_tokens');
    const final = await claude.messages.stream(asking).finalMessage();
    expect(final.content).toMatchObject([{ type: 'text', text: '1 2 3 4 5 ' }]);
  });

  test('with parallel tools and signed thinking by Anthropic, which takes its own signature back and no other', async () => {
    const tools = [
      { name: 'weather', input_schema: weather },
      { name: 'news', input_schema: weather },
    ];
    const asking = {
      model: 'claude-sim',
      max_tokens: 4_000,
      thinking: { type: 'enabled' as const, budget_tokens: 1_024 },
      tools,
      messages: [{ role: 'user' as const, content: 'use the tools weather and news' }],
    };
    const first = await claude.messages.stream(asking).finalMessage();
    expect(first.content.map((block) => block.type)).toEqual(['thinking', 'text', 'tool_use', 'tool_use']);
    const results = first.content.flatMap((block) =>
      block.type === 'tool_use'
        ? [{ type: 'tool_result' as const, tool_use_id: block.id, content: block.name }]
        : [],
    );
    const again = {
      ...asking,
      messages: [
        ...asking.messages,
        { role: 'assistant' as const, content: first.content },
        { role: 'user' as const, content: results },
      ],
    };
    expect((await claude.messages.create(again)).content.at(-1)).toMatchObject({
      text: 'The tool said: weather, news',
    });
    const forged = structuredClone(again);
    (forged.messages[1]!.content as { signature?: string }[])[0]!.signature = 'EsIMforged';
    await expect(Promise.resolve(claude.messages.create(forged))).rejects.toThrow(
      'Invalid `signature` in `thinking` block',
    );
  });
});

describe('recordings of the real vendors', () => {
  const folder = join(import.meta.dir, '../../../shared/fixtures');
  const vendors = [
    ['openai', 'openai-chat', (body: Json) => openaiFault(body)?.message],
    ['anthropic', 'anthropic', (body: Json) => anthropicFault(body, () => true)],
  ] as const;
  const recordings = existsSync(folder) ? test : test.skip;
  const why = existsSync(folder)
    ? ''
    : ' (skipped: the recordings are not here: ../shared/fixtures is absent)';

  for (const [vendor, protocol, fault] of vendors)
    recordings(`${vendor}: what the real one served, the simulator would serve${why}`, () => {
      const refused = requestsOf(folder, vendor, protocol).flatMap(({ id, body }) => {
        const words = fault(body);
        return words === undefined ? [] : [`${id}: ${words}`];
      });
      expect(refused).toEqual([]);
    });
});

const validates = schemasMissing ? test.skip : test;
validates(
  `the simulators speak as the vendors' schemas say${schemasMissing ? ` (skipped: ${schemasMissing})` : ''}`,
  async () => {
    const tools = [{ name: 'weather', input_schema: weather }];
    const asking = {
      model: 'claude-sim',
      max_tokens: 4_000,
      tools,
      thinking: { type: 'enabled', budget_tokens: 1_024 },
    };
    const claudeBody = {
      ...asking,
      stream: true,
      messages: [{ role: 'user', content: 'use the tool weather' }],
    };
    const gptBody = {
      model: 'gpt-sim',
      stream: true,
      stream_options: { include_usage: true },
      tools: [{ type: 'function', function: { name: 'weather', parameters: weather } }],
      messages: [{ role: 'user', content: 'use the tool weather' }],
    };
    for (const [simulator, path, protocol, body] of [
      [openai, '/v1/chat/completions', 'openai-chat', gptBody],
      [anthropic, '/v1/messages', 'anthropic-messages', claudeBody],
    ] as const) {
      const streamed = run(frames(), [await (await post(simulator, path, body)).bytes()]);
      for (const frame of streamed) {
        const event = tryParseObject(frame.data);
        if (event) expect(schemaFault(protocol, 'event', event)).toBeUndefined();
      }
      const { stream: _, ...rest } = body;
      const { stream_options: __, ...whole } = rest as Json;
      expect(
        schemaFault(protocol, 'reply', await (await post(simulator, path, whole)).json()),
      ).toBeUndefined();
    }
  },
);

describe('refusals', () => {
  const user = { role: 'user', content: 'Hi' };
  const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } };
  const f = { type: 'function', function: { name: 'f', parameters: weather } };

  test.each([
    ['an unknown role', { messages: [{ role: 'robot', content: 'x' }] }],
    [
      'a tool message without a call',
      { messages: [user, { role: 'tool', tool_call_id: 'c1', content: 'x' }] },
    ],
    ['a call without its result', { messages: [user, { role: 'assistant', tool_calls: [call] }, user] }],
    [
      'arguments that are no string',
      {
        messages: [
          user,
          { role: 'assistant', tool_calls: [{ ...call, function: { name: 'f', arguments: {} } }] },
        ],
      },
    ],
    [
      'a tool schema without a type',
      { tools: [{ type: 'function', function: { name: 'f', parameters: {} } }], messages: [user] },
    ],
    ['an unknown tool choice', { tools: [f], tool_choice: 'any', messages: [user] }],
    ['a tool choice without tools', { tool_choice: 'auto', messages: [user] }],
    [
      'a cache marker',
      {
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }] },
        ],
      },
    ],
    ['a field of another protocol', { thinking: { type: 'enabled' }, messages: [user] }],
  ])('OpenAI refuses %s', async (_, body) => {
    expect((await post(openai, '/v1/chat/completions', { model: 'gpt-sim', ...body })).status).toBe(400);
    expect(openai.refused.length).toBe(1);
  });

  const use = { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'f', input: {} }] };
  const result = { type: 'tool_result', tool_use_id: 't1', content: 'x' };
  const mark = { type: 'text', text: 'x', cache_control: { type: 'ephemeral' } };
  const thinking = { type: 'enabled', budget_tokens: 1_024 };
  const tool = { name: 'f', input_schema: weather };

  test.each([
    ['no max_tokens', { max_tokens: undefined, messages: [user] }],
    ['a system role', { messages: [{ role: 'system', content: 'x' }] }],
    ['two users in a row', { messages: [user, user] }],
    ['an assistant first', { messages: [{ role: 'assistant', content: 'x' }] }],
    ['an empty text', { messages: [{ role: 'user', content: [{ type: 'text', text: '' }] }] }],
    [
      'a result after text',
      { messages: [user, use, { role: 'user', content: [{ type: 'text', text: 'x' }, result] }] },
    ],
    ['a call without its result', { messages: [user, use, user] }],
    ['a result without its call', { messages: [{ role: 'user', content: [result] }] }],
    ['five cache markers', { messages: [{ role: 'user', content: [mark, mark, mark, mark, mark] }] }],
    ['a budget over max_tokens', { thinking, max_tokens: 1_000, messages: [user] }],
    [
      'thinking with another temperature',
      { thinking, max_tokens: 4_000, temperature: 0.5, messages: [user] },
    ],
    [
      'thinking with a forced tool',
      { thinking, max_tokens: 4_000, tools: [tool], tool_choice: { type: 'any' }, messages: [user] },
    ],
    ['a temperature over 1', { temperature: 1.5, messages: [user] }],
    ['a tool schema without a type', { tools: [{ name: 'f', input_schema: {} }], messages: [user] }],
    ['a field of another protocol', { n: 2, messages: [user] }],
  ])('Anthropic refuses %s', async (_, body) => {
    const sent = { model: 'claude-sim', max_tokens: 100, ...body };
    expect((await post(anthropic, '/v1/messages', sent)).status).toBe(400);
    expect(anthropic.refused.length).toBe(1);
  });

  test('both refuse a wrong key, and Anthropic a request without a version', async () => {
    const headers = { 'content-type': 'application/json', authorization: 'Bearer wrong' };
    expect((await fetch(`${openai.url}/v1/models`, { headers })).status).toBe(401);
    expect((await fetch(`${anthropic.url}/v1/models`, { headers })).status).toBe(401);
    const versionless = { 'x-api-key': simulatorKey };
    expect((await fetch(`${anthropic.url}/v1/models`, { headers: versionless })).status).toBe(400);
  });
});

describe('faults', () => {
  const ask = (simulator: Simulator, stream = true, signal?: AbortSignal) =>
    simulator === openai
      ? post(
          openai,
          '/v1/chat/completions',
          { model: 'm', stream, messages: [{ role: 'user', content: 'count to 50' }] },
          signal,
        )
      : post(
          anthropic,
          '/v1/messages',
          { model: 'm', max_tokens: 99, stream, messages: [{ role: 'user', content: 'count to 50' }] },
          signal,
        );

  for (const simulator of [openai, anthropic])
    describe(simulator === openai ? 'openai' : 'anthropic', () => {
      test.each([400, 401, 403, 404, 429, 500, 503, 529])(
        'answers status %i in the vendor’s words',
        async (status) => {
          simulator.next.push({ kind: 'status', status });
          const response = await ask(simulator);
          expect(response.status).toBe(status);
          expect(readObject(((await response.json()) as Json).error)?.message).toBeString();
          if (status === 429) expect(response.headers.get('retry-after')).toBe('7');
        },
      );

      test.each([
        { kind: 'reset', when: 'before-headers' },
        { kind: 'reset', when: 'after-headers' },
        { kind: 'reset', when: 'mid-body', after: 3 },
        { kind: 'cut', after: 3, clean: false },
      ] as Fault[])('breaks the connection: %j', async (fault) => {
        simulator.next.push(fault);
        await expect(ask(simulator).then((response) => response.text())).rejects.toThrow();
      });

      test('hangs in every phase until the client leaves, and sees it leave', async () => {
        for (const when of ['before-headers', 'after-headers', 'mid-body'] as const) {
          simulator.next.push({ kind: 'hang', when, after: 2 });
          const leaving = new AbortController();
          const count = simulator.received.length + 1;
          const asking = ask(simulator, true, leaving.signal)
            .then((response) => response.text())
            .catch(() => 'left');
          const received = await simulator.arrival(count);
          leaving.abort();
          expect(await asking).toBe('left');
          await received.left;
          expect(received.abandoned).toBe(true);
        }
      });

      test('stops short, drips, goes silent and goes on, spoils a frame, forgets the end, tells a late error', async () => {
        const complete = await (await ask(simulator)).text();
        const texts: Record<string, string> = {};
        const going = Promise.withResolvers<void>();
        for (const fault of [
          { kind: 'cut', after: 3, clean: true },
          { kind: 'drip' },
          { kind: 'pause', after: 3, until: going.promise },
          { kind: 'malformed', after: 3 },
          { kind: 'missing-end' },
          { kind: 'error-event', after: 0 },
        ] as Fault[]) {
          simulator.next.push(fault);
          const answer = ask(simulator).then((response) => response.text());
          if (fault.kind === 'pause') going.resolve();
          texts[fault.kind] = await answer;
        }
        const wordsIn = (text = '') => text.match(/(?<=":")\d+ ?(?=")/g)?.length ?? 0;
        expect(wordsIn(complete)).toBe(50);
        expect(wordsIn(texts.drip)).toBe(50);
        expect(wordsIn(texts.pause)).toBe(50);
        expect(wordsIn(texts['missing-end'])).toBe(50);
        expect(texts['missing-end']).not.toMatch(/\[DONE\]|message_stop/);
        expect(wordsIn(texts.cut)).toBeLessThan(4);
        expect(texts.malformed).toContain('{"broken": tru\n');
        expect(texts['error-event']).toContain('"error":{');
        expect(wordsIn(texts['error-event'])).toBe(0);
      });

      test('answers 200 with a page, with an error, and with a huge frame', async () => {
        simulator.next.push({ kind: 'wrong-type' }, { kind: 'error-body' }, { kind: 'huge', mib: 2 });
        const page = await ask(simulator);
        expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html']);
        const failed = await ask(simulator);
        expect([failed.status, 'error' in ((await failed.json()) as Json)]).toEqual([200, true]);
        expect((await (await ask(simulator)).text()).length).toBeGreaterThan(2 * 1024 * 1024);
      });

      test('cuts a whole answer in half', async () => {
        simulator.next.push({ kind: 'reset', when: 'mid-body' });
        await expect(ask(simulator, false).then((response) => response.text())).rejects.toThrow();
      });
    });

  test('a refusing URL refuses', async () => {
    await expect(fetch(refusingUrl())).rejects.toThrow();
  });
});

function post(simulator: Simulator, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers = {
    'content-type': 'application/json',
    'anthropic-version': '2023-06-01',
    authorization: `Bearer ${simulatorKey}`,
  };
  return fetch(simulator.url + path, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });
}

/** The bodies of requests that the real vendor answered with 200. */
function requestsOf(folder: string, vendor: string, protocol: string): { id: string; body: Json }[] {
  const rows = readFileSync(join(folder, 'index.tsv'), 'utf8').split('\n').slice(1);
  const ids = new Set(
    rows
      .map((row) => row.split('\t'))
      .filter((row) => row[1] === protocol && row[3] === vendor && row[5] === '200')
      .map((row) => row[0]),
  );
  const files = readdirSync(join(folder, protocol), { recursive: true, encoding: 'utf8' });
  return files.flatMap((file) => {
    const id = /([0-9a-f]{16})\.json$/.exec(file)?.[1];
    if (!id || !ids.has(id)) return [];
    const { request } = JSON.parse(readFileSync(join(folder, protocol, file), 'utf8')) as {
      request: { url: string; body: unknown };
    };
    const body =
      readObject(request.body) ??
      (typeof request.body === 'string' ? tryParseObject(request.body) : undefined);
    return body && !request.url.includes('count_tokens') ? [{ id, body }] : [];
  });
}
