import { afterEach, describe, expect, test } from 'bun:test';
import channel from '../../src/channels/antigravity/index.ts';
import type { Call, Outgoing } from '../../src/channels/channel.ts';
import type { LoginTools } from '../../src/channels/login.ts';
import { GatewayError } from '../../src/core/error.ts';
import type { Json } from '../../src/core/json.ts';
import { testLogin } from '../support/login.ts';
import { simulated, type Simulated } from './google-logins.ts';
import { sent, tools } from './tools.ts';

const logins = channel.logins!;

const running: Simulated[] = [];
afterEach(() => Promise.all(running.splice(0).map((it) => it.stop())));

function start(options: Parameters<typeof simulated>[2] = {}): Simulated {
  const it = simulated('antigravity', logins, options);
  running.push(it);
  return it;
}

const file = (more: Json = {}): Json => ({
  type: 'antigravity',
  email: 'you@example.com',
  project_id: 'p-1',
  access_token: 'ya29.a',
  refresh_token: '1//r',
  expires_in: 3599,
  timestamp: 1_700_000_000_000,
  ...more,
});

function open(more: Partial<LoginTools> = {}) {
  const naming = { declared: [], excluded: [] };
  return logins.open(testLogin(logins, file()), { ...tools(), endpoints: logins.endpoints, naming, ...more });
}

async function wrapped(model: string, request: Json, more: Partial<Call> = {}) {
  const outgoing = await sent(open(), { model, body: JSON.stringify(request), ...more });
  return JSON.parse(outgoing.body as string);
}

const hello = { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] };

describe('the wrapping', () => {
  test('says what is asked, and does not pose as Antigravity', async () => {
    const said = await wrapped('gemini-3-flash', hello);
    expect(said).toEqual({
      model: 'gemini-3-flash',
      project: 'p-1',
      requestType: 'agent',
      requestId: expect.stringMatching(/^agent-[0-9a-f-]{36}$/),
      request: { ...hello, sessionId: expect.stringMatching(/^-\d{1,19}$/) },
    });
    const { headers } = await sent(open());
    expect(headers.get('user-agent')).toStartWith('cliproxyapi++/');
  });

  test('a conversation keeps its session, another one has another', async () => {
    const more = { contents: [...hello.contents, { role: 'model', parts: [{ text: 'Hi' }] }] };
    const [first, second] = [await wrapped('m', hello), await wrapped('m', more)];
    expect(second.request.sessionId).toBe(first.request.sessionId);
    const other = { contents: [{ role: 'user', parts: [{ text: 'Other' }] }] };
    expect((await wrapped('m', other)).request.sessionId).not.toBe(first.request.sessionId);
    expect((await wrapped('m', { ...hello, sessionId: '-5' })).request.sessionId).toBe('-5');
  });

  test('pictures and searches are other kinds of work', async () => {
    expect((await wrapped('gemini-3.1-flash-image', hello)).requestType).toBe('image_gen');
    const searching = { ...hello, tools: [{ googleSearch: {} }] };
    expect((await wrapped('gemini-3-flash', searching)).requestType).toBe('web_search');
    const mixed = { ...hello, tools: [{ googleSearch: {} }, { functionDeclarations: [] }] };
    expect((await wrapped('gemini-3-flash', mixed)).requestType).toBe('agent');
  });
});

const schema = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  $comment: 'x',
};

describe('a request for Gemini', () => {
  test('loses what the service does not know, and how long the answer may be', async () => {
    const request = {
      ...hello,
      safetySettings: [],
      serviceTier: 'flex',
      toolConfig: { includeServerSideToolInvocations: true },
      generationConfig: { maxOutputTokens: 5, temperature: 0 },
    };
    const { sessionId: _, ...rest } = (await wrapped('gemini-3-flash', request)).request;
    expect(rest).toEqual({ ...hello, generationConfig: { temperature: 0 } });
  });

  test('has its schemas in the dialect of Gemini, and nothing else is touched', async () => {
    const call = { functionCall: { name: 'f', args: { parametersJsonSchema: 1, $comment: 'kept' } } };
    const request = {
      contents: [...hello.contents, { role: 'model', parts: [call] }],
      tools: [{ functionDeclarations: [{ name: 'f', parametersJsonSchema: schema }] }],
    };
    const said = (await wrapped('gemini-3-flash', request)).request;
    expect(said.tools).toEqual([
      {
        functionDeclarations: [
          {
            name: 'f',
            parameters: { type: 'OBJECT', properties: { city: { type: 'STRING' } }, required: ['city'] },
          },
        ],
      },
    ]);
    expect(said.contents).toEqual(request.contents);
    expect(said.toolConfig).toBeUndefined();
  });
});

describe('a request for Claude', () => {
  const claude = (request: Json) => wrapped('claude-sonnet-4-6', request);

  test('has validated calls, except where none is wanted', async () => {
    const given = {
      ...hello,
      tools: [{ functionDeclarations: [{ name: 'f', parametersJsonSchema: schema }] }],
    };
    const calling = (mode?: string) => ({ functionCallingConfig: { mode, allowedFunctionNames: ['f'] } });
    expect((await claude(given)).request.toolConfig).toEqual({
      functionCallingConfig: { mode: 'VALIDATED' },
    });
    const named = await claude({ ...given, toolConfig: calling('ANY') });
    expect(named.request.toolConfig).toEqual(calling('VALIDATED'));
    const none = await claude({ ...given, toolConfig: { functionCallingConfig: { mode: 'NONE' } } });
    expect(none.request.toolConfig).toEqual({ functionCallingConfig: { mode: 'NONE' } });
    expect((await claude(hello)).request.toolConfig).toBeUndefined();
  });

  test('says how long the answer may be, and thoughts leave room for it', async () => {
    const config = async (generationConfig: Json) =>
      (await claude({ ...hello, generationConfig })).request.generationConfig;
    expect(await config({ maxOutputTokens: 100_000 })).toEqual({ maxOutputTokens: 64_000 });
    const thinkingConfig = { thinkingBudget: 10_000, includeThoughts: true };
    expect(await config({ maxOutputTokens: 5_000, thinkingConfig })).toEqual({
      maxOutputTokens: 5_000,
      thinkingConfig: { thinkingBudget: 3_750, includeThoughts: true },
    });
    expect(await config({ maxOutputTokens: 1_000, thinkingConfig })).toEqual({ maxOutputTokens: 1_000 });
    expect(await config({ thinkingConfig: { thinkingBudget: -1 } })).toEqual({
      maxOutputTokens: 16_384,
      thinkingConfig: { thinkingBudget: 8_192 },
    });
    expect(await config({ maxOutputTokens: 20_000, thinkingConfig })).toEqual({
      maxOutputTokens: 20_000,
      thinkingConfig,
    });
    expect(await config({ thinkingConfig: { thinkingLevel: 'LOW', includeThoughts: true } })).toEqual({
      maxOutputTokens: 9_216,
      thinkingConfig: { thinkingBudget: 1_024, includeThoughts: true },
    });
    expect(await config({ thinkingConfig: { thinkingBudget: 200_000 } })).toEqual({
      maxOutputTokens: 64_000,
      thinkingConfig: { thinkingBudget: 55_808 },
    });
    expect(await config({ thinkingConfig: { thinkingBudget: 0 } })).toEqual({
      thinkingConfig: { thinkingBudget: 0 },
    });
  });

  test('fills schemas that require nothing, and takes that out of the calls again', async () => {
    const optional = { type: 'object', properties: { city: { type: 'string' } } };
    const request = {
      ...hello,
      tools: [
        {
          functionDeclarations: [
            { name: 'bare' },
            { name: 'optional', parametersJsonSchema: optional },
            { name: 'full', parametersJsonSchema: schema },
          ],
        },
      ],
    };
    const connection = open();
    const outgoing = await sent(connection, { model: 'claude-sonnet-4-6', body: JSON.stringify(request) });
    const declared = JSON.parse(outgoing.body as string).request.tools[0].functionDeclarations;
    expect(declared.map((one: any) => one.parameters.required)).toEqual([['reason'], ['_'], ['city']]);

    const call = (name: string, args: Json) => ({ functionCall: { id: name, name, args } });
    const parts = [
      call('bare', { reason: 'I was asked.' }),
      call('optional', { city: 'Bern', _: true }),
      call('full', { city: 'Bern', reason: 'kept', _: 1 }),
    ];
    const answer = Response.json({ response: { candidates: [{ content: { parts } }] }, traceId: 't' });
    const signal = new AbortController().signal;
    const said = await connection.send!(outgoing, signal, () => Promise.resolve(answer));
    const { candidates } = (await said.json()) as any;
    expect(candidates[0].content.parts.map((part: any) => part.functionCall.args)).toEqual([
      {},
      { city: 'Bern' },
      { city: 'Bern', reason: 'kept', _: 1 },
    ]);
  });
});

describe('the bases', () => {
  const answers = async (endpoints: Readonly<Record<string, string>>, ...said: (Response | Error)[]) => {
    const connection = open({ endpoints });
    const asked: string[] = [];
    const exchange = ({ url }: Outgoing) => {
      asked.push(new URL(url).host);
      const next = said.shift()!;
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    };
    const outgoing = await sent(connection);
    const answer = await connection.send!(outgoing, new AbortController().signal, exchange);
    return { asked, status: answer.status, text: await answer.text() };
  };
  const daily = 'daily-cloudcode-pa.googleapis.com';
  const both = [daily, 'cloudcode-pa.googleapis.com'];
  const good = () => Response.json({ response: { ok: 1 } });
  const unreachable = new GatewayError({ kind: 'transport', phase: 'connect' }, 'No.');

  test.each([
    ['it cannot be reached', unreachable],
    ['it has nothing left', new Response('{}', { status: 429 })],
    ['it has no capacity', new Response('No capacity available', { status: 503 })],
  ])('the second one is asked when of the first %s', async (_, first) => {
    expect(await answers(logins.endpoints, first, good())).toEqual({
      asked: both,
      status: 200,
      text: '{"ok":1}',
    });
  });

  test('the second one is not asked for anything else, and its word counts last', async () => {
    const broken = new Response('down', { status: 503 });
    expect(await answers(logins.endpoints, broken)).toEqual({ asked: [daily], status: 503, text: 'down' });
    const refused = new Response('no', { status: 400 });
    expect((await answers(logins.endpoints, refused)).asked).toEqual([daily]);
    const twice = await answers(
      logins.endpoints,
      new Response('', { status: 429 }),
      new Response('last', { status: 429 }),
    );
    expect(twice).toEqual({ asked: both, status: 429, text: 'last' });
  });

  test('an operator’s own base is the only one', async () => {
    const moved = { ...logins.endpoints, api: 'http://127.0.0.1:9' };
    const first = new Response('last', { status: 429 });
    expect((await answers(moved, first)).asked).toEqual(['127.0.0.1:9']);
  });
});

describe('logins', () => {
  test('a browser brings a file with the project that Google gives', async () => {
    const { signIn, google, slept } = start();
    Object.assign(google.person, { tier: undefined, waits: 1 });
    const fields = await signIn();
    expect(fields).toMatchObject({
      type: 'antigravity',
      email: 'person@example.com',
      project_id: 'managed-project',
      expires_in: 3600,
      timestamp: expect.any(Number),
      expired: expect.stringMatching(/Z$/),
    });
    expect(slept).toEqual([2_000]);
    expect(JSON.stringify(fields)).not.toContain('hush');
    expect(logins.fileName(fields)).toBe('antigravity-person@example.com.json');
    expect(logins.fileName({})).toBe('antigravity.json');
  });

  test('the person may name a project of their own', async () => {
    const { signIn } = start();
    expect(await signIn({ project: 'mine' })).toMatchObject({ project_id: 'mine' });
  });

  test('an account that is never ready is given up after five looks', async () => {
    const { signIn, google, slept } = start();
    Object.assign(google.person, { tier: undefined, waits: 99 });
    await expect(signIn()).rejects.toMatchObject({ fault: { kind: 'overloaded' } });
    expect(slept).toHaveLength(4);
  });

  test('renewing brings a token, and a project where there is none', async () => {
    const { provider, net } = start();
    const refreshed = { refresh_token: provider.issue().refreshToken };
    const changes = await logins.renew!(file(refreshed), net);
    expect(changes).toMatchObject({ access_token: expect.stringMatching(/^at-/), expires_in: 3600 });
    expect(changes).not.toHaveProperty('project_id');
    const second = { refresh_token: changes.refresh_token, project_id: undefined, access_token: undefined };
    expect(await logins.renew!(file(second), net)).toMatchObject({ project_id: 'managed-project' });
  });

  test('the end is what the file says, or when the token was given and for how long', () => {
    expect(logins.expiresAt!(file())).toBe(1_700_000_000_000 + 3_599_000);
    expect(logins.expiresAt!(file({ expired: '2030-01-01T00:00:00Z' }))).toBe(Date.UTC(2030, 0, 1));
    expect(logins.expiresAt!(file({ project_id: '' }))).toBe(1);
  });

  test('models and quotas are those that the service lists', async () => {
    const { provider, net, google } = start();
    google.person.quota = { 'claude-sonnet-4-6': 0, 'gemini-3-flash': 0.5 };
    const login = testLogin(logins, file({ access_token: provider.issue().accessToken }));
    expect(await logins.models!(login, net)).toEqual([
      {
        name: 'claude-sonnet-4-6',
        displayName: 'CLAUDE-SONNET-4-6',
        contextWindow: 200_000,
        maxOutputTokens: 64_000,
      },
      expect.objectContaining({ name: 'gemini-3-flash' }),
    ]);
    expect(await logins.quota!(login, net)).toMatchObject([
      { name: 'requests', model: 'claude-sonnet-4-6', remainingShare: 0 },
      { model: 'gemini-3-flash', remainingShare: 0.5, resetsAt: Date.parse('2026-12-01T08:00:00Z') },
    ]);
  });
});
