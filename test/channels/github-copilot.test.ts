import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { LoginRefused } from '../../src/accounts/login.ts';
import { fitChat, fitResponses, hasPicture, isAgents } from '../../src/channels/github-copilot/body.ts';
import { logins } from '../../src/channels/github-copilot/login.ts';
import { protocolFor } from '../../src/channels/github-copilot/models.ts';
import type { DeviceWay, Net } from '../../src/channels/login.ts';
import type { Json } from '../../src/core/json.ts';
import { copilotUpstream, type CopilotUpstream } from '../support/copilot-upstream.ts';
import { testLogin } from '../support/login.ts';
import { testNet } from '../support/net.ts';

/** Signing in to GitHub Copilot, its sessions, and what the service wants of a body. */

let copilot: CopilotUpstream;
let net: Net;
beforeEach(() => {
  copilot = copilotUpstream({ slowDowns: 1 });
  net = testNet({ ...logins.endpoints, ...copilot.endpoints }, { id: logins.client!.id! });
});
afterEach(() => copilot.stop());

const signedIn = (): Json => ({ type: 'github-copilot', access_token: copilot.provider.issue().accessToken });

describe('signing in', () => {
  const [device] = logins.ways as readonly [DeviceWay];

  test('polls until the person agrees, though errors come with 200, and knows whose account it is', async () => {
    const prompt = await device.begin(net, {});
    expect(await prompt.poll()).toBe('slow-down');
    expect(await prompt.poll()).toBe('pending');
    copilot.provider.approve(prompt.userCode);
    const { fields } = (await prompt.poll()) as { fields: Json };
    expect(fields).toMatchObject({ type: 'github-copilot', username: 'Octo-Person' });
    expect(logins.fileName(fields)).toBe('github-copilot-octo-person.json');
    expect(logins.identify(fields)).toEqual({ account: 'octo-person', label: 'Octo-Person' });
  });

  test.each(['deny', 'expire'] as const)('ends for good when the code meets %s', async (end) => {
    const prompt = await device.begin(net, {});
    expect(await prompt.poll()).toBe('slow-down');
    copilot.provider[end](prompt.userCode);
    await expect(prompt.poll()).rejects.toBeInstanceOf(LoginRefused);
  });

  test.each([
    [
      'apps.json',
      { 'github.com:Iv1.b507a08c87ecfe98': { user: 'Octo', oauth_token: 'gho_x', githubAppId: 'Iv1' } },
    ],
    ['hosts.json', { 'github.com': { user: 'Octo', oauth_token: 'gho_x' } }],
  ])('takes over the token in %s', (_, content) => {
    const [hosts] = logins.imports!;
    expect(hosts!.read(content, () => undefined)).toEqual({
      type: 'github-copilot',
      access_token: 'gho_x',
      username: 'Octo',
    });
  });

  test('tells a hosts file from others, and names what one lacks', () => {
    const [hosts] = logins.imports!;
    expect(hosts!.read({ 'example.com': { oauth_token: 'x' } }, () => undefined)).toBeUndefined();
    expect(() => hosts!.read({ 'github.com': { user: 'Octo' } }, () => undefined)).toThrow('oauth_token');
  });
});

describe('a session', () => {
  test('holds the token and the address of the account, and ends five minutes early', async () => {
    const before = Date.now();
    const { values, expiresAt } = await logins.session!(signedIn(), net);
    expect(values).toEqual({ token: expect.stringContaining('tid='), base: expect.stringMatching(/\/api$/) });
    expect(expiresAt - before).toBeLessThanOrEqual(1_200_000);
    expect(expiresAt - before).toBeGreaterThan(1_190_000);
  });

  test('goes where the operator says instead', async () => {
    const elsewhere = { ...net, endpoints: { ...net.endpoints, api: 'http://127.0.0.1:1/proxy/' } };
    expect((await logins.session!(signedIn(), elsewhere)).values.base).toBe('http://127.0.0.1:1/proxy');
  });

  test('is refused for good when GitHub does not know the token', async () => {
    await expect(logins.session!({ access_token: 'gho_gone' }, net)).rejects.toBeInstanceOf(LoginRefused);
  });

  test.each([
    [
      403,
      { message: 'Forbidden', error_details: { message: 'No access to GitHub Copilot found.' } },
      'upstream-forbidden',
    ],
    [404, { message: 'Not Found' }, 'upstream-forbidden'],
    [503, { message: 'Unavailable' }, 'overloaded'],
  ])('is refused with %i when the account has no plan or GitHub fails', async (status, body, kind) => {
    copilot.sessionNext.push({ status, body });
    const refused = logins.session!(signedIn(), net);
    await expect(refused).rejects.toMatchObject({ fault: { kind } });
    if (status === 403) await expect(refused).rejects.toThrow('No access to GitHub Copilot found.');
  });

  test('is asked for later when GitHub counts too many requests', async () => {
    const headers = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '9999999999' };
    copilot.sessionNext.push({ status: 403, body: { message: 'API rate limit exceeded' }, headers });
    await expect(logins.session!(signedIn(), net)).rejects.toMatchObject({ fault: { kind: 'rate-limited' } });
  });
});

describe('what the service tells of an account', () => {
  test('its models, without those that answer no chat or are switched off', async () => {
    const models = await logins.models!(testLogin(logins, signedIn()), net);
    expect(models.map(({ name }) => name)).toEqual([
      'gpt-4.1',
      'gpt-5-mini',
      'gpt-5-codex',
      'gpt-9-only',
      'claude-sonnet-4.5',
    ]);
    expect(models[1]).toMatchObject({
      contextWindow: 128_000,
      thinking: { levels: ['low', 'medium', 'high'] },
      inputs: ['text', 'image'],
    });
  });

  test('what is left of the plan, where there is a limit', async () => {
    expect(await logins.quota!(testLogin(logins, signedIn()), net)).toMatchObject([
      {
        name: 'premium_interactions',
        limit: 300,
        remaining: 225.5,
        remainingShare: 0.75,
        resetsAt: Date.UTC(2027, 0, 1),
        source: 'copilot_internal/user',
      },
    ]);
  });

  test('what is left of a free plan, which may be told in an older shape', async () => {
    copilot.about.user = {
      limited_user_quotas: { chat: 480 },
      monthly_quotas: { chat: 500 },
      limited_user_reset_date: '2027-02-01',
    };
    expect(await logins.quota!(testLogin(logins, signedIn()), net)).toMatchObject([
      { name: 'chat', limit: 500, remaining: 480, resetsAt: Date.UTC(2027, 1, 1) },
    ]);
  });

  test.each([
    ['gpt-5-mini', ['/chat/completions', '/responses'], 'openai-chat'],
    ['gpt-9', ['/responses'], 'openai-responses'],
    ['claude-sonnet-4.5', ['/chat/completions', '/v1/messages'], 'anthropic-messages'],
    ['gpt-5.1-codex', undefined, 'openai-responses'],
    ['claude-sonnet-4.5', undefined, 'openai-chat'],
    ['gpt-4.1', ['/embeddings'], 'openai-chat'],
  ])('%s with the endpoints %j is spoken to in %s, %s', (model, listed, protocol) => {
    expect(protocolFor(model, listed).id).toBe(protocol);
  });
});

describe('a body', () => {
  const said = (role: string, content: unknown = 'x') => ({ role, content });

  test.each([
    [{ messages: [said('user')] }, false],
    [{ messages: [said('user'), said('assistant')] }, true],
    [{ messages: [said('user'), said('tool')] }, true],
    [{ messages: [said('user', [{ type: 'tool_result', tool_use_id: 'a' }])] }, true],
    [{ messages: [said('user', [{ type: 'text', text: 'x' }])] }, false],
    [{ input: 'x' }, false],
    [{ input: [{ type: 'message', role: 'user', content: 'x' }] }, false],
    [
      {
        input: [
          { role: 'user', content: 'x' },
          { type: 'function_call_output', call_id: 'a' },
        ],
      },
      true,
    ],
    [{}, false],
  ])('%j goes on by itself: %s', (body, agents) => {
    expect(isAgents(body)).toBe(agents);
  });

  test.each([
    [{ messages: [said('user', [{ type: 'image_url', image_url: {} }])] }, true],
    [{ messages: [said('user', [{ type: 'tool_result', content: [{ type: 'image' }] }])] }, true],
    [{ input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, true],
    [{ input: [{ type: 'function_call_output', output: [{ type: 'input_image' }] }] }, true],
    [{ messages: [said('user', 'image_url')] }, false],
  ])('%j holds a picture: %s', (body, picture) => {
    expect(hasPicture(body)).toBe(picture);
  });

  test('of a chat says in one string what an assistant said in several texts', () => {
    const parts = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ];
    const body = { messages: [said('user', parts), said('assistant', parts)] };
    expect(fitChat(body).messages).toEqual([said('user', parts), said('assistant', 'ab')]);
    const mixed = { messages: [said('assistant', [{ type: 'refusal', refusal: 'no' }])] };
    expect(fitChat(mixed)).toBe(mixed);
  });

  test('of a chat offers only the tool that must be called', () => {
    const tools = ['a', 'b'].map((name) => ({ type: 'function', function: { name } }));
    const named = { tools, tool_choice: { type: 'function', function: { name: 'b' } } };
    expect(fitChat(named)).toMatchObject({ tools: [tools[1]], tool_choice: 'required' });
    expect(fitChat({ tools, tool_choice: { type: 'allowed_tools' } })).toMatchObject({ tool_choice: 'auto' });
    const plain = { tools, tool_choice: 'none' };
    expect(fitChat(plain)).toBe(plain);
  });

  test('of Responses names no tier', () => {
    const dropped: string[] = [];
    const teller = { drop: (what: string) => void dropped.push(what) };
    expect(fitResponses({ input: 'x', service_tier: 'priority' }, teller)).toEqual({ input: 'x' });
    fitChat({ tools: [], tool_choice: { type: 'allowed_tools' } }, teller);
    expect(dropped).toEqual([expect.stringMatching(/^service_tier/), expect.stringMatching(/^tool_choice/)]);
  });
});
