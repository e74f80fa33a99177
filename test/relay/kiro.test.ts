import { afterEach, describe, expect, test } from 'bun:test';
import kiroChannel from '../../src/channels/kiro/index.ts';
import type { Channel } from '../../src/channels/channel.ts';
import type { Json } from '../../src/core/json.ts';
import { run } from '../../src/core/machine.ts';
import { protocols } from '../../src/protocols/index.ts';
import { userAgent } from '../../src/version.ts';
import { frames } from '../../src/wire/sse.ts';
import { awsEvent } from '../support/kiro-frames.ts';
import { kiroProfile, kiroUpstream, type KiroUpstream } from '../support/kiro-upstream.ts';
import { refusingUrl } from '../support/upstream.ts';
import { terminals } from '../support/wires.ts';
import { kept, type Kept } from './kept.ts';

/** Every kind of client through the relay to Kiro, with the real keeper of logins between. */

const model = 'kiro-claude-sonnet-4-5';
const open: (Kept | KiroUpstream)[] = [];
let kiro: KiroUpstream;

afterEach(async () => {
  const { refused } = kiro;
  for (const it of open.splice(0)) await it.stop();
  // Whatever was asked, the gateway itself never sent what the service refuses.
  expect(refused).toEqual([]);
});

async function between(
  method: 'social' | 'builder-id' = 'social',
  more: Json = {},
  addresses: Readonly<Record<string, string>> = {},
): Promise<Kept> {
  kiro = kiroUpstream();
  const social = method === 'social';
  const { clientId, clientSecret } = kiro.auth.client();
  const caller = { method, profileArn: social ? kiroProfile : undefined };
  const tokens = kiro.auth.issue(caller, social ? undefined : clientId);
  const it = await kept({
    channel: kiroChannel as Channel,
    endpoints: { ...kiro.endpoints, ...addresses },
    files: {
      'a.json': {
        type: 'kiro',
        email: 'person@example.com',
        auth_method: method,
        access_token: tokens.accessToken,
        refresh_token: tokens.refreshToken,
        expires_at: new Date(Date.now() + 3_600_000).toISOString(),
        // Also in the files of other logins than social ones, whose requests must not name it.
        profile_arn: kiroProfile,
        ...(social ? { provider: 'Google' } : { client_id: clientId, client_secret: clientSecret }),
        ...more,
      },
    },
    asked: false,
  });
  open.push(it, kiro);
  return it;
}

interface Client {
  readonly protocol: string;
  path(stream: boolean): string;
  body(words: string, stream: boolean): Json;
  /** The text of a whole answer. */
  text(reply: any): string;
}

const clients: readonly Client[] = [
  {
    protocol: 'openai-chat',
    path: () => '/v1/chat/completions',
    body: (words, stream) => ({ model, stream, messages: [{ role: 'user', content: words }] }),
    text: (reply) => reply.choices[0].message.content,
  },
  {
    protocol: 'openai-responses',
    path: () => '/v1/responses',
    body: (words, stream) => ({ model, stream, input: words }),
    text: (reply) => reply.output.at(-1).content[0].text,
  },
  {
    protocol: 'anthropic-messages',
    path: () => '/v1/messages',
    body: (words, stream) => ({
      model,
      stream,
      max_tokens: 1000,
      messages: [{ role: 'user', content: words }],
    }),
    text: (reply) => reply.content.at(-1).text,
  },
  {
    protocol: 'gemini',
    path: (stream) =>
      `/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    body: (words) => ({ contents: [{ role: 'user', parts: [{ text: words }] }] }),
    text: (reply) => reply.candidates[0].content.parts.at(-1).text,
  },
];

const post = async ({ gateway }: Kept, path: string, body: Json) => {
  const response = await gateway.post(path, JSON.stringify(body));
  return {
    status: response.status,
    headers: response.headers,
    json: JSON.parse(await response.text()) as any,
  };
};

const chat = (more: Json): Json => ({ model, messages: [{ role: 'user', content: 'say hello' }], ...more });

describe.each(clients)('a client of $protocol', ({ protocol, path, body, text }) => {
  test('gets a whole answer', async () => {
    const { status, json } = await post(await between(), path(false), body('say hello', false));
    expect(status).toBe(200);
    expect(text(json)).toBe('hello');
  });

  test('gets a stream with one end', async () => {
    const { gateway } = await between();
    const response = await gateway.post(path(true), JSON.stringify(body('count to 30', true)));
    const sent = run(frames(), [new Uint8Array(await response.arrayBuffer())]);
    const speaker = protocols.find(({ id }) => id === protocol)!;
    expect(terminals(speaker, sent)).toEqual({ count: 1, last: 'finish' });
    expect(sent.map(({ data }) => data).join('')).toContain('30');
  });

  test('is told of damage in the middle of a stream by one error in its own words', async () => {
    const { gateway } = await between();
    kiro.next.push({ damageAt: 2500 });
    const response = await gateway.post(path(true), JSON.stringify(body('count to 30', true)));
    expect(response.status).toBe(200);
    const sent = run(frames(), [new Uint8Array(await response.arrayBuffer())]);
    const speaker = protocols.find(({ id }) => id === protocol)!;
    expect(terminals(speaker, sent)).toEqual({ count: 1, last: 'error' });
  });

  test('is refused in its own shape', async () => {
    const it = await between();
    for (let place = 0; place < 2; place++)
      kiro.next.push({
        status: 429,
        body: { message: 'Too many requests' },
        headers: { 'retry-after': '9' },
      });
    const { status, headers, json } = await post(it, path(false), body('Hi', false));
    expect([status, headers.get('retry-after')]).toEqual([429, '9']);
    expect(JSON.stringify(json)).toContain('Too many requests');
  });
});

describe('what is sent', () => {
  test.each(['social', 'builder-id'] as const)(
    'names us, and the profile of a %s login only when it must',
    async (method) => {
      const it = await between(method);
      expect((await post(it, '/v1/chat/completions', chat({}))).status).toBe(200);
      const [{ headers, body, place }] = kiro.accepted as [(typeof kiro.accepted)[number]];
      expect(place).toBe('q');
      expect(headers.get('user-agent')).toBe(userAgent);
      expect(headers.get('x-amzn-codewhisperer-optout')).toBe('true');
      expect(body.profileArn).toBe(method === 'social' ? kiroProfile : undefined);
    },
  );

  test('goes to the preferred place first, and to the next one when a place throttles', async () => {
    const it = await between('social', { preferred_endpoint: 'codewhisperer' });
    kiro.next.push({ status: 429, body: { message: 'Slow down' } });
    expect((await post(it, '/v1/chat/completions', chat({}))).status).toBe(200);
    expect(kiro.accepted.map(({ place }) => place)).toEqual(['q']);
    expect((await post(it, '/v1/chat/completions', chat({}))).status).toBe(200);
    expect(kiro.accepted.at(-1)!.place).toBe('codewhisperer');
  });

  test('goes to the next place when the first cannot be reached', async () => {
    const it = await between('social', {}, { api: refusingUrl() });
    expect((await post(it, '/v1/chat/completions', chat({}))).status).toBe(200);
    expect(kiro.accepted.map(({ place }) => place)).toEqual(['codewhisperer']);
  });

  test('carries instructions on every turn, and a picture', async () => {
    const it = await between();
    const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } };
    const { json } = await post(
      it,
      '/v1/chat/completions',
      chat({
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: 'Hello' },
          { role: 'user', content: [{ type: 'text', text: 'What is it?' }, picture] },
        ],
      }),
    );
    expect(json.choices[0].message.content).toBe('I see an image/png of 8 bytes.');
    expect(JSON.stringify(kiro.accepted[0]!.body)).toContain('Be brief.');
  });
});

describe('an answer', () => {
  const tools = [
    {
      type: 'function',
      function: {
        name: 'mcp.look/up',
        parameters: { type: 'object', properties: { city: { type: 'string' } } },
      },
    },
  ];

  test('calls a tool under its own name and goes on with its result', async () => {
    const it = await between();
    const messages: Json[] = [{ role: 'user', content: 'use the tool mcp_look_up' }];
    const first = await post(it, '/v1/chat/completions', chat({ messages, tools }));
    const { message, finish_reason: reason } = first.json.choices[0];
    expect(reason).toBe('tool_calls');
    expect(message.tool_calls[0].function.name).toBe('mcp.look/up');
    expect(JSON.parse(message.tool_calls[0].function.arguments).city).toContain('Zürich');
    const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'sunny' };
    const second = await post(
      it,
      '/v1/chat/completions',
      chat({ messages: [...messages, message, result], tools }),
    );
    expect(second.json.choices[0].message.content).toBe('The tool said: sunny');
  });

  test('goes on although a client lost a result and sends a strange one', async () => {
    const it = await between();
    const { status } = await post(it, '/v1/messages', {
      model,
      max_tokens: 100,
      tools: [{ name: 'look_up', input_schema: { type: 'object' } }],
      messages: [
        { role: 'user', content: 'Go' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'look_up', input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_9', content: 'lost' }] },
      ],
    });
    expect(status).toBe(200);
  });

  test.each(['events', 'tags'] as const)('shows thoughts that come as %s', async (thoughts) => {
    const it = await between();
    kiro.manner.thoughts = thoughts;
    const { json } = await post(it, '/v1/messages', {
      model,
      max_tokens: 9000,
      thinking: { type: 'enabled', budget_tokens: 2048 },
      messages: [{ role: 'user', content: 'say hello' }],
    });
    expect(json.content.map((block: any) => block.type)).toEqual(['thinking', 'text']);
    expect(json.content[0].thinking).toBe('Let me think about it. 🤔');
    expect(JSON.stringify(kiro.accepted[0]!.body)).toContain('<max_thinking_length>2048<');
  });

  test('that does not say what it cost is estimated, and the log says so', async () => {
    const it = await between();
    kiro.manner.counts = 'none';
    const { json } = await post(it, '/v1/chat/completions', chat({}));
    expect(json.usage.prompt_tokens).toBeGreaterThan(20);
    expect(JSON.stringify(await it.gateway.line(1))).toContain('"estimated":true');
  });

  test('that fails before its first word is an error with a status', async () => {
    const it = await between();
    kiro.next.push({ exception: 'ThrottlingException', message: 'Slow down.', after: 0 });
    const { status } = await post(it, '/v1/chat/completions', chat({ stream: true }));
    expect(status).toBe(429);
  });

  test('that ends inside a message is an error, not a short answer', async () => {
    const it = await between();
    kiro.next.push({ cutAt: 700 });
    const { status, json } = await post(it, '/v1/chat/completions', chat({}));
    expect([status, json.error.code]).toEqual([502, 'stream_interrupted']);
  });

  test('with a call written as text stays text', async () => {
    const it = await between();
    kiro.next.push({
      messages: [awsEvent('assistantResponseEvent', { content: '[Called f with args: {}]' })],
    });
    const { json } = await post(it, '/v1/chat/completions', chat({}));
    expect(json.choices[0].message).toMatchObject({ content: '[Called f with args: {}]' });
    expect(json.choices[0].finish_reason).toBe('stop');
  });
});

describe('an account', () => {
  test('whose token is over is renewed once for fifty requests, and every one is answered', async () => {
    const it = await between('builder-id');
    kiro.auth.expireAll();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => post(it, '/v1/chat/completions', chat({}))),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
    expect(kiro.auth.counts).toMatchObject({ refresh: 1, reused: 0 });
  });

  test('that cannot be renewed says which command to run', async () => {
    const it = await between();
    kiro.auth.expireAll();
    kiro.auth.next.push({ status: 401, body: { message: 'Bad credentials' } });
    const { status, json } = await post(it, '/v1/chat/completions', chat({}));
    expect(status).toBeGreaterThanOrEqual(500);
    expect(it.login('a.json').state).toMatchObject({
      kind: 'needs-login',
      command: 'cliproxyapi++ auth login kiro',
    });
    expect(JSON.stringify(json)).not.toContain('Bad credentials aor-');
  });

  test.each([
    [
      402,
      { message: 'You have reached the limit.', reason: 'MONTHLY_REQUEST_COUNT' },
      429,
      'insufficient_quota',
    ],
    [403, { message: 'Suspended.', reason: 'TEMPORARILY_SUSPENDED' }, 403, 'upstream_suspended'],
    [
      400,
      { message: 'Invalid model. Please select another.', reason: 'INVALID_MODEL_ID' },
      404,
      'model_not_found',
    ],
    [
      400,
      { message: 'Input is too long.', reason: 'CONTENT_LENGTH_EXCEEDS_THRESHOLD' },
      413,
      'request_too_large',
    ],
  ])('that is refused with %i %j answers %i %s', async (status, body, told, code) => {
    const it = await between();
    kiro.next.push({ status, body });
    const answer = await post(it, '/v1/chat/completions', chat({}));
    expect(answer.status).toBe(told);
    expect(JSON.stringify(answer.json)).toContain(code);
  });

  test('has no model of another name in silence', async () => {
    const it = await between();
    const { status, json } = await post(it, '/v1/chat/completions', chat({ model: 'kiro-claude-sonnet-9' }));
    expect([status, json.error.code]).toEqual([404, 'model_not_found']);
    expect(kiro.accepted).toEqual([]);
  });

  test('offers its models under its own names and under Anthropic’s', async () => {
    const it = await between();
    const { status } = await post(it, '/v1/chat/completions', chat({ model: 'claude-sonnet-4-5' }));
    expect(status).toBe(200);
    const { currentMessage } = kiro.accepted[0]!.body.conversationState as any;
    expect(currentMessage.userInputMessage.modelId).toBe('claude-sonnet-4.5');
  });
});
