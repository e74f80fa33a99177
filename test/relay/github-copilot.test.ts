import { afterEach, describe, expect, test } from 'bun:test';
import type { Channel } from '../../src/channels/channel.ts';
import githubCopilot from '../../src/channels/github-copilot/index.ts';
import type { Json } from '../../src/core/json.ts';
import { run } from '../../src/core/machine.ts';
import { protocols } from '../../src/protocols/index.ts';
import { userAgent } from '../../src/version.ts';
import { frames } from '../../src/wire/sse.ts';
import { copilotUpstream, type CopilotUpstream } from '../support/copilot-upstream.ts';
import { terminals } from '../support/wires.ts';
import { kept, type Kept } from './kept.ts';

/** Every kind of client through the relay to GitHub Copilot, in each of its three protocols. */

const open: (Kept | CopilotUpstream)[] = [];
let copilot: CopilotUpstream;

afterEach(async () => {
  const { refused } = copilot;
  for (const it of open.splice(0)) await it.stop();
  // Whatever was asked, the gateway itself never sent what the service or the vendors behind it refuse.
  expect(refused).toEqual([]);
});

async function between(asked = false): Promise<Kept> {
  copilot = copilotUpstream();
  const { accessToken } = copilot.provider.issue();
  const it = await kept({
    channel: githubCopilot as Channel,
    endpoints: copilot.endpoints,
    files: { 'a.json': { type: 'github-copilot', access_token: accessToken, username: 'Octo-Person' } },
    asked,
  });
  open.push(it, copilot);
  return it;
}

/** The service has told its models, so that each is spoken to as it lists it. */
const informed = () => between(true);

const post = async ({ gateway }: Kept, path: string, body: Json) => {
  const response = await gateway.post(path, JSON.stringify(body));
  return {
    status: response.status,
    headers: response.headers,
    json: JSON.parse(await response.text()) as any,
  };
};

const chat = (more: Json = {}): Json => ({
  model: 'gpt-4.1',
  messages: [{ role: 'user', content: 'say hello' }],
  ...more,
});

const models = [
  ['gpt-4.1', '/chat/completions'],
  ['gpt-5-codex', '/responses'],
  ['claude-sonnet-4.5', '/v1/messages'],
] as const;

describe.each(models)('%s is asked at %s', (model, path) => {
  const clients = [
    ['openai-chat', '/v1/chat/completions', { messages: [{ role: 'user', content: 'count to 20' }] }],
    ['openai-responses', '/v1/responses', { input: 'count to 20' }],
    [
      'anthropic-messages',
      '/v1/messages',
      { max_tokens: 1000, messages: [{ role: 'user', content: 'count to 20' }] },
    ],
    ['gemini', `/v1beta/models/${model}`, { contents: [{ role: 'user', parts: [{ text: 'count to 20' }] }] }],
  ] as const;

  test.each(clients)('by a client of %s, whole and as a stream', async (protocol, route, body) => {
    const it = await informed();
    const gemini = protocol === 'gemini';
    const whole = await post(
      it,
      gemini ? `${route}:generateContent` : route,
      gemini ? body : { ...body, model },
    );
    expect(whole.status).toBe(200);
    expect(JSON.stringify(whole.json)).toContain('19 20');
    const streamed = await it.gateway.post(
      gemini ? `${route}:streamGenerateContent?alt=sse` : route,
      JSON.stringify(gemini ? body : { ...body, model, stream: true }),
    );
    const sent = run(frames(), [new Uint8Array(await streamed.arrayBuffer())]);
    const speaker = protocols.find(({ id }) => id === protocol)!;
    expect(terminals(speaker, sent)).toEqual({ count: 1, last: 'finish' });
    expect(copilot.accepted.map((seen) => seen.path)).toEqual([path, path]);
  });
});

describe('what is sent', () => {
  test('names us where a name is free, and says who goes on and that there is a picture', async () => {
    const it = await between();
    const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } };
    await post(it, '/v1/chat/completions', chat({ messages: [{ role: 'user', content: [picture] }] }));
    await post(it, '/v1/chat/completions', chat());
    const [pictured, plain] = copilot.accepted.map(({ headers }) => headers) as [Headers, Headers];
    expect(pictured.get('copilot-vision-request')).toBe('true');
    expect(plain.get('copilot-vision-request')).toBeNull();
    for (const name of ['user-agent', 'editor-version', 'editor-plugin-version'])
      expect(plain.get(name)).toBe(userAgent);
    expect(plain.get('x-initiator')).toBe('user');
    expect(copilot.sessions).toBe(1);
  });

  test('is what the service takes: one string of an assistant, one word of a choice, no tiers', async () => {
    const it = await between();
    const tools = [
      { type: 'function', function: { name: 'look_up', parameters: { type: 'object', properties: {} } } },
    ];
    const first = await post(
      it,
      '/v1/chat/completions',
      chat({
        messages: [{ role: 'user', content: 'use the tool look_up' }],
        tools,
        tool_choice: { type: 'function', function: { name: 'look_up' } },
      }),
    );
    const [called] = first.json.choices[0].message.tool_calls;
    expect(called.function.name).toBe('look_up');
    const second = await post(
      it,
      '/v1/chat/completions',
      chat({
        tools,
        messages: [
          { role: 'user', content: 'use the tool look_up' },
          { role: 'assistant', content: [{ type: 'text', text: 'Let me see.' }], tool_calls: [called] },
          { role: 'tool', tool_call_id: called.id, content: 'sunny' },
        ],
      }),
    );
    expect(second.json.choices[0].message.content).toBe('The tool said: sunny');
    expect(copilot.accepted.at(-1)!.headers.get('x-initiator')).toBe('agent');
    const tiered = await post(it, '/v1/responses', {
      model: 'gpt-5-codex',
      input: 'say hello',
      service_tier: 'priority',
    });
    expect(tiered.status).toBe(200);
  });

  test('of a thinking client reaches Claude in its own words', async () => {
    const it = await informed();
    const { json } = await post(it, '/v1/messages', {
      model: 'claude-sonnet-4.5',
      max_tokens: 9000,
      thinking: { type: 'enabled', budget_tokens: 2048 },
      messages: [{ role: 'user', content: 'say hello' }],
    });
    expect(json.content.map((block: any) => block.type)).toEqual(['thinking', 'text']);
  });
});

describe('a session', () => {
  test('that is over is replaced once for fifty requests, and every one is answered', async () => {
    const it = await between();
    await post(it, '/v1/chat/completions', chat());
    copilot.expireSessions();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => post(it, '/v1/chat/completions', chat())),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
    expect(copilot.sessions).toBe(2);
  });

  test('that GitHub refuses for good needs a person, and says which command to run', async () => {
    const it = await between();
    const login = it.login('a.json');
    copilot.sessionNext.push({ status: 401, body: { message: 'Bad credentials' } });
    const { status } = await post(it, '/v1/chat/completions', chat());
    expect(status).toBeGreaterThanOrEqual(500);
    expect(login.state).toMatchObject({
      kind: 'needs-login',
      command: 'cliproxyapi++ auth login github-copilot',
    });
  });

  test('that the account may not open rests the account and says why', async () => {
    const it = await between();
    const details = { message: 'No access to GitHub Copilot found.' };
    copilot.sessionNext.push({ status: 403, body: { message: 'Forbidden', error_details: details } });
    const { status, json } = await post(it, '/v1/chat/completions', chat());
    expect(status).toBe(503);
    expect(JSON.stringify(json)).toContain('No access to GitHub Copilot found.');
  });
});

test.each([
  [
    429,
    { error: { message: 'Rate limited', code: 'user_model_rate_limited' } },
    { 'retry-after': '11' },
    429,
  ],
  [402, { error: { message: 'You have no quota', code: 'quota_exceeded' } }, {}, 429],
  [
    400,
    { error: { message: 'The requested model is not supported.', code: 'model_not_supported' } },
    {},
    403,
  ],
  [500, { error: { message: 'Oops' } }, {}, 502],
])('a refusal with %i %j is told in the client’s words', async (status, body, headers, told) => {
  const it = await between();
  copilot.next.push({ status, body, headers });
  const answer = await post(it, '/v1/chat/completions', chat());
  expect(answer.status).toBe(told);
  if (status === 429) expect(answer.headers.get('retry-after')).toBe('11');
});
