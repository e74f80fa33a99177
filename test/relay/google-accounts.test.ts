import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import antigravity from '../../src/channels/antigravity/index.ts';
import type { Channel } from '../../src/channels/channel.ts';
import geminiCli from '../../src/channels/gemini-cli/index.ts';
import vertex from '../../src/channels/vertex/index.ts';
import type { Json } from '../../src/core/json.ts';
import {
  type CodeAssist,
  codeAssistUpstream,
  googleError,
  limitDetails,
} from '../support/code-assist-upstream.ts';
import { oauthServer, type OauthServer } from '../support/oauth-server.ts';
import type { Simulator } from '../support/simulator.ts';
import { serviceAccount, vertexUpstream } from '../support/vertex-upstream.ts';
import { kept, type Kept } from './kept.ts';
import { type Speaker, speakers } from '../support/speakers.ts';
import { clientKey, post } from './support.ts';

/** Google's accounts as ways out: every client protocol through the program to what signs in with them. */

const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const pngBytes = Buffer.from(png, 'base64').length;
const protocols = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini'];
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

interface Place {
  readonly simulator: Simulator;
  readonly kept: Kept;
  stop(): Promise<unknown>;
}

// ------------------------------------------------------------------------------------------------------- Code Assist

interface Product extends Place {
  readonly provider: OauthServer;
  readonly google: CodeAssist;
}

const channels: Readonly<Record<'gemini-cli' | 'antigravity', Channel>> = {
  'gemini-cli': geminiCli as Channel,
  antigravity: antigravity as Channel,
};

const geminiFile = ({ accessToken, refreshToken }: Tokens, more: Json = {}): Json => ({
  type: 'gemini',
  email: 'person@example.com',
  project_id: 'managed-project',
  token: { access_token: accessToken, refresh_token: refreshToken, expiry: inAnHour() },
  ...more,
});

const antigravityFile = ({ accessToken, refreshToken }: Tokens, more: Json = {}): Json => ({
  type: 'antigravity',
  email: 'person@example.com',
  project_id: 'managed-project',
  access_token: accessToken,
  refresh_token: refreshToken,
  expired: inAnHour(),
  ...more,
});

const makeFile = { 'gemini-cli': geminiFile, antigravity: antigravityFile };

type Tokens = ReturnType<OauthServer['issue']>;

async function product(
  id: 'gemini-cli' | 'antigravity',
  more: Json = {},
  prepare: (google: CodeAssist) => void = () => {},
): Promise<Product> {
  const provider = oauthServer({ clientSecret: 'hush' });
  const google = codeAssistUpstream(id, provider);
  google.person.quota = { 'gemini-3-sim': 1, 'gemini-2-sim': 1, 'claude-sonnet-4-6': 1 };
  prepare(google);
  const channel = channels[id];
  const it = await kept({
    channel,
    endpoints: {
      ...channel.logins!.endpoints,
      ...provider.endpoints,
      userinfo: `${google.url}/oauth2/v1/userinfo`,
      api: google.url,
      ...(id === 'antigravity' ? { second: google.url } : {}),
    },
    files: { 'a.json': makeFile[id](provider.issue(), more) },
  });
  const stop = () => Promise.all([it.stop(), provider.stop(), google.stop()]);
  return { provider, google, simulator: google, kept: it, stop };
}

async function vertexPlace(): Promise<Place & { readonly google: ReturnType<typeof vertexUpstream> }> {
  const account = serviceAccount();
  const google = vertexUpstream(account);
  const it = await kept({
    channel: vertex as Channel,
    endpoints: { api: google.api.url, token: google.token },
    files: {
      'vertex-sim-project.json': {
        type: 'vertex',
        service_account: account.key,
        project_id: 'sim-project',
        email: account.key.client_email,
        location: 'us-central1',
      },
    },
  });
  return { google, simulator: google.api, kept: it, stop: () => Promise.all([it.stop(), google.stop()]) };
}

// -------------------------------------------------------------------------------------------------- what all must do

const places: readonly (readonly [string, readonly string[], () => Promise<Place>])[] = [
  ['gemini-cli', ['gemini-3-sim', 'gemini-2-sim'], () => product('gemini-cli')],
  ['antigravity', ['gemini-3-sim', 'claude-sonnet-4-6'], () => product('antigravity')],
  ['vertex', ['gemini-3-flash-preview', 'gemini-2.5-flash'], vertexPlace],
];

describe.each(places)('%s', (_, models, open) => {
  let place: Place;
  let clients: readonly Speaker[];
  beforeAll(async () => {
    place = await open();
    clients = speakers(place.kept.gateway.url, clientKey);
  });
  afterAll(() => place?.stop());
  /** Whatever a client asked for, the service must never have had a reason to refuse what the gateway made of it. */
  afterEach(() => {
    const refused = [...place.simulator.refused];
    place.simulator.reset();
    expect(refused).toEqual([]);
  });

  describe.each(protocols)('asked in %s', (protocol) => {
    const client = () => clients.find((one) => one.protocol === protocol)!;

    test.each(models)('%s answers whole', async (model) => {
      expect(await client().say(model, 'Grüße, 世界 😀')).toBe('You said: Grüße, 世界 😀');
    });

    test.each(models)('%s answers in a stream, word by word', async (model) => {
      const pieces = await client().stream(model, 'count to 30');
      expect(pieces.join('').split(' ')).toHaveLength(30);
      expect(pieces.length).toBeGreaterThan(20);
    });

    test.each(models)('%s calls a tool and hears its result', async (model) => {
      const { calls, text } = await client().loop(model);
      expect(calls).toEqual([{ city: 'Zürich "quoted" 😀' }]);
      expect(text).toBe('The tool said: sunny');
    });

    test.each(models)('%s sees a picture', async (model) => {
      expect(await client().show(model, png)).toBe(`I see an image/png of ${pngBytes} bytes.`);
    });
  });
});

// ------------------------------------------------------------------------------------------- what is Code Assist's own

const chat = (it: Place, model = 'gemini-3-sim', more: object = {}) =>
  post(it.kept.gateway, '/v1/chat/completions', {
    model,
    messages: [{ role: 'user', content: 'Hi' }],
    ...more,
  });

describe('Code Assist', () => {
  let it: Product;
  afterEach(() => it?.stop());

  test('counts tokens by itself for a client of its own protocol', async () => {
    it = await product('gemini-cli');
    const counted = await post(it.kept.gateway, '/v1beta/models/gemini-3-sim:countTokens', {
      contents: [{ role: 'user', parts: [{ text: 'Hi' }] }],
    });
    expect(await counted.json()).toEqual({ totalTokens: 42 });
    expect(it.google.asked.countTokens).toBe(1);
  });

  test('is sent the text of a Gemini client as it is, in the wrapping', async () => {
    it = await product('gemini-cli');
    const body = '{ "contents": [ {"role":"user", "parts":[{"text":"H\\u0069"}]} ] }';
    await it.kept.gateway.post('/v1beta/models/gemini-3-sim:generateContent', body);
    expect(it.google.accepted[0]!.body).toBe(
      `{"model":"gemini-3-sim","project":"managed-project","request":${body}}`,
    );
  });

  test('an expired token is renewed once for fifty requests, and none of them fails', async () => {
    it = await product('gemini-cli');
    const login = it.kept.login('a.json');
    await it.kept.keeper.store.read();
    await it.kept.keeper.patch('a.json', (fields) => ({
      ...fields,
      token: { ...(fields.token as Json), access_token: 'dead', expiry: '2020-01-01T00:00:00Z' },
    }));
    await it.kept.keeper.load();
    const answers = await Promise.all(Array.from({ length: 50 }, () => chat(it)));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect([it.provider.counts.refresh, it.provider.counts.reused]).toEqual([1, 0]);
    expect(it.kept.read('a.json')).toEqual(JSON.parse(JSON.stringify(login.fields)) as Json);
    await Promise.all(answers.map((answer) => answer.body?.cancel()));
  });

  test('a token that is refused before its time is renewed, and the request goes on', async () => {
    it = await product('antigravity', { access_token: 'revoked' });
    expect((await chat(it, 'gemini-3-flash')).status).toBe(200);
    expect(it.provider.counts.refresh).toBe(1);
    expect(it.google.received.filter(({ path }) => path.endsWith(':generateContent'))).toHaveLength(2);
  });

  test('a refresh that is refused for good says which command to run', async () => {
    it = await product('gemini-cli', { token: { access_token: 'dead', refresh_token: 'gone' } });
    const answer = await chat(it, 'gemini-2.5-flash');
    expect(answer.status).toBe(502);
    expect(await answer.text()).toContain('auth login gemini-cli');
    expect(it.kept.login('a.json').state).toMatchObject({ kind: 'needs-login' });
  });

  test('a file without a project finds it, and keeps it', async () => {
    it = await product('antigravity', { project_id: '' }, ({ person }) => (person.tier = undefined));
    expect((await chat(it)).status).toBe(200);
    expect(it.kept.read('a.json')).toMatchObject({ project_id: 'managed-project' });
    expect(it.google.asked).toMatchObject({ loadCodeAssist: 1, onboardUser: 1 });
  });

  test('several projects share one token, and one goes on when the other is used up', async () => {
    it = await product(
      'gemini-cli',
      { project_id: 'one,two' },
      ({ person }) => (person.projects = ['one', 'two']),
    );
    const body = googleError(429, 'Used up.', limitDetails('QUOTA_EXHAUSTED', '3600s'));
    it.google.next.push({ kind: 'status', status: 429, body });
    for (let count = 0; count < 3; count++) expect((await chat(it)).status).toBe(200);
    const asked = it.google.received.filter(({ path }) => path.endsWith(':generateContent'));
    const projects = asked.map(({ json }) => json.project);
    const [spent] = projects;
    expect(projects.slice(1)).toEqual(Array(3).fill(spent === 'one' ? 'two' : 'one'));
  });

  test('a used-up quota is told with the time when it comes back', async () => {
    it = await product('gemini-cli');
    const details = limitDetails('QUOTA_EXHAUSTED', '3600s', { model: 'gemini-3-sim' });
    const body = googleError(429, 'Used up.', details);
    it.google.always = { kind: 'status', status: 429, body };
    const answer = await chat(it);
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeWithin(3_500, 3_601);
    // Other models go on.
    it.google.always = undefined;
    expect((await chat(it, 'gemini-2-sim')).status).toBe(200);
  });

  test('a refusal names its reason', async () => {
    it = await product('gemini-cli');
    const details = limitDetails('SERVICE_DISABLED', '0s').slice(0, 1);
    it.google.next.push({ kind: 'status', status: 403, body: googleError(403, 'It is off.', details) });
    const answer = await chat(it);
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain('cloudaicompanion.googleapis.com');
  });

  test('a failure in the middle of a stream is told in the stream', async () => {
    it = await product('gemini-cli');
    it.google.next.push({ kind: 'error-event', after: 2 });
    const text = await (await chat(it, 'gemini-3-sim', { stream: true })).text();
    expect(text).toContain('You');
    expect(text).toContain('"error"');
  });

  test('bytes that come one by one, and whoever leaves, are no trouble', async () => {
    it = await product('antigravity');
    it.google.next.push({ kind: 'drip' });
    const whole = await (await chat(it, 'gemini-3-sim', { stream: true })).text();
    expect(whole).toContain('[DONE]');
    it.google.next.push({ kind: 'hang', when: 'mid-body', after: 2 });
    const abort = new AbortController();
    const body = JSON.stringify({
      model: 'gemini-3-sim',
      stream: true,
      messages: [{ role: 'user', content: 'Hi' }],
    });
    const left = await it.kept.gateway.post('/v1/chat/completions', body, { signal: abort.signal });
    await left.body!.getReader().read();
    abort.abort();
    await it.google.received.at(-1)!.left;
  });

  test('a picture that a chat draws comes as OpenAI’s image, and as it is to a Gemini client', async () => {
    it = await product('antigravity');
    const model = 'gemini-3.1-flash-image';
    const parts = [{ inlineData: { mimeType: 'image/png', data: png } }];
    const response = { candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP' }] };
    const body = JSON.stringify({ response, traceId: 't' });
    it.google.next.push({ kind: 'status', status: 200, body }, { kind: 'status', status: 200, body });
    const drawn = await post(it.kept.gateway, '/v1/images/generations', { model, prompt: 'A red dot' });
    expect(await drawn.json()).toMatchObject({ data: [{ b64_json: png }] });
    expect(it.google.received.at(-1)!.json).toMatchObject({ requestType: 'image_gen' });
    const own = await post(it.kept.gateway, `/v1beta/models/${model}:generateContent`, {
      contents: [{ role: 'user', parts: [{ text: 'A red dot' }] }],
    });
    expect(await own.json()).toEqual(response);
  });

  test('thoughts of Claude have a budget, and its answer has room', async () => {
    it = await product('antigravity');
    const answer = await post(it.kept.gateway, '/v1/messages', {
      model: 'claude-sonnet-4-6',
      max_tokens: 3_000,
      thinking: { type: 'enabled', budget_tokens: 2_000 },
      messages: [{ role: 'user', content: 'Hi' }],
    });
    expect(answer.status).toBe(200);
    const { request } = it.google.accepted[0]!.json as { request: { generationConfig: Json } };
    expect(request.generationConfig).toMatchObject({
      maxOutputTokens: 3_000,
      thinkingConfig: { thinkingBudget: 2_000 },
    });
    const high = await chat(it, 'claude-sonnet-4-6', { reasoning_effort: 'high' });
    expect(high.status).toBe(200);
    expect(it.google.refused).toEqual([]);
  });
});

describe('Vertex AI by service account', () => {
  let it: Awaited<ReturnType<typeof vertexPlace>>;
  beforeAll(async () => {
    it = await vertexPlace();
  });
  afterAll(() => it?.stop());

  test('one token serves many requests, and another is made when it is refused', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => chat(it, 'gemini-2.5-flash')));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(it.google.statements).toHaveLength(1);
    it.google.revoke();
    const later = await chat(it, 'gemini-2.5-flash');
    expect([later.status, await later.text()]).toEqual([200, expect.stringContaining('You said')]);
    expect(it.google.statements).toHaveLength(2);
  });

  test('Imagen draws for a client of OpenAI and for one of Google', async () => {
    const drawn = await post(it.kept.gateway, '/v1/images/generations', {
      model: 'imagen-4.0-generate-001',
      prompt: 'A red circle',
      n: 2,
    });
    const { data } = (await drawn.json()) as { data: { b64_json: string }[] };
    expect(data.map(({ b64_json }) => b64_json)).toEqual(['aW1hZ2U=', 'aW1hZ2U=']);
    const own = await post(it.kept.gateway, '/v1beta/models/imagen-4.0-generate-001:predict', {
      instances: [{ prompt: 'A red circle' }],
      parameters: { sampleCount: 1 },
    });
    expect(await own.json()).toEqual({
      predictions: [{ mimeType: 'image/png', bytesBase64Encoded: 'aW1hZ2U=' }],
    });
  });

  test('an account that is no more says which command to run', async () => {
    it.google.revoke();
    for (let count = 0; count < 3; count++)
      it.google.nextToken.push(
        Response.json(
          { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' },
          { status: 400 },
        ),
      );
    const answer = await chat(it, 'gemini-2.5-flash');
    expect(answer.status).toBe(502);
    expect(await answer.text()).toContain('auth login vertex');
  });
});
