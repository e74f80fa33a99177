import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import OpenAI from 'openai';
import type { Json } from '../../src/core/json.ts';
import { cleanUp, clientKey, type Program, until } from '../support/binary.ts';
import { codeAssistUpstream, googleError, limitDetails } from '../support/code-assist-upstream.ts';
import { oauthServer } from '../support/oauth-server.ts';
import { type Speaker, speakers } from '../support/speakers.ts';
import { endpointLines, type Home, signedInHome } from './signed-in.ts';

/** Gemini CLI and Antigravity on the binary: from signing in to the day a login needs a person. */

/** Each test starts programs; a busy machine takes its time to do that. */
setDefaultTimeout(60_000);

const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const provider = oauthServer({ clientSecret: 'hush' });
const cli = codeAssistUpstream('gemini-cli', provider);
const antigravity = codeAssistUpstream('antigravity', provider);
afterAll(async () => {
  await cleanUp();
  cli.stop();
  antigravity.stop();
  await provider.stop();
});
afterEach(() => {
  const refused = [...cli.refused, ...antigravity.refused];
  cli.reset();
  antigravity.reset();
  expect(refused).toEqual([]);
});

function config(): string {
  const { authorize, token } = provider.endpoints;
  const userinfo = `${cli.url}/oauth2/v1/userinfo`;
  const client = '{client-id: test-client, client-secret: hush}';
  return [
    'oauth-endpoints:',
    endpointLines('gemini-cli', { authorize, token, userinfo, api: cli.url }),
    endpointLines('antigravity', { authorize, token, userinfo, api: antigravity.url }),
    `oauth-clients: {gemini-cli: ${client}, antigravity: ${client}}`,
    'request-retry: 0',
    '',
  ].join('\n');
}

const geminiFile = (token: Json, more: Json = {}): Json => ({
  type: 'gemini',
  email: 'person@example.com',
  project_id: 'managed-project',
  token,
  ...more,
});

const ask = (program: Program, model: string, more: Json = {}) =>
  fetch(`${program.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'say hello' }], ...more }),
  });

describe('a person who signs in', () => {
  let home: Home;
  let program: Program;
  beforeAll(async () => {
    home = signedInHome(config());
    Object.assign(cli.person, { tier: undefined, waits: 0 });
    await home.browse(provider.visit, 'auth', 'login', 'gemini-cli');
    await home.browse(provider.visit, 'auth', 'login', 'antigravity');
    cli.person.quota = { 'gemini-3-sim': 0.25 };
    antigravity.person.quota = { 'claude-sonnet-4-6': 0.5 };
    program = await home.serve();
  });

  test('has a file for each, without the secret of the client', () => {
    const files = home.files();
    expect(Object.keys(files).toSorted()).toEqual([
      'antigravity-person@example.com.json',
      'gemini-person@example.com-managed-project.json',
    ]);
    expect(JSON.stringify(files)).not.toContain('hush');
    expect(cli.asked).toMatchObject({ loadCodeAssist: 1, onboardUser: 1 });
  });

  test('is offered the models of the catalogue and those that the service lists', async () => {
    const gpt = new OpenAI({ apiKey: clientKey, baseURL: `${program.url}/v1` });
    const listed = async () => (await Array.fromAsync(await gpt.models.list())).map(({ id }) => id);
    await until(program, async () => (await listed()).includes('gemini-3-sim'));
    expect(await listed()).toEqual(
      expect.arrayContaining(['gemini-2.5-pro', 'gemini-3-flash', 'claude-sonnet-4-6']),
    );
  });

  test.each(['gemini-2.5-flash', 'gemini-3-flash', 'claude-sonnet-4-6'])(
    '%s answers in every protocol: whole, streamed, with tools and pictures',
    async (model) => {
      const said = async (client: Speaker) => ({
        whole: await client.say(model, 'Grüße, 世界 😀'),
        streamed: (await client.stream(model, 'count to 12')).join(''),
        loop: await client.loop(model),
        picture: await client.show(model, png),
      });
      for (const client of speakers(program.url, clientKey))
        expect([client.protocol, await said(client)]).toEqual([
          client.protocol,
          {
            whole: 'You said: Grüße, 世界 😀',
            streamed: '1 2 3 4 5 6 7 8 9 10 11 12',
            loop: { calls: [{ city: 'Zürich "quoted" 😀' }], text: 'The tool said: sunny' },
            picture: `I see an image/png of ${Buffer.from(png, 'base64').length} bytes.`,
          },
        ]);
    },
  );

  test('is told what a service does not take of a request', async () => {
    const losses = async (model: string, more: Json) =>
      (await ask(program, model, more)).headers.get('x-gateway-dropped') ?? '';
    expect(await losses('gemini-3-flash', { max_tokens: 50 })).toContain('maxOutputTokens');
    expect(await losses('claude-sonnet-4-6', { max_tokens: 50 })).not.toContain('maxOutputTokens');
    const response = await fetch(`${program.url}/v1beta/models/gemini-2.5-flash:generateContent`, {
      method: 'POST',
      headers: { 'x-goog-api-key': clientKey, 'content-type': 'application/json' },
      body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'say hello' }] }], store: true }),
    });
    expect([response.status, response.headers.get('x-gateway-dropped')]).toEqual([
      200,
      expect.stringContaining('store'),
    ]);
  });

  test('reads what is left of each model', async () => {
    const { code, output } = await home.run('auth', 'list', '--live', '--json');
    expect(code).toBe(0);
    expect(output).toContain('"model": "gemini-3-sim"');
    expect(output).toContain('"remaining_share": 0.25');
    expect(output).toContain('"model": "claude-sonnet-4-6"');
  });

  test('hears of limits and refusals in the service’s own words', async () => {
    const details = limitDetails('QUOTA_EXHAUSTED', '3600s', { model: 'gemini-2.5-pro' });
    cli.next.push({ kind: 'status', status: 429, body: googleError(429, 'Used up.', details) });
    const limited = await ask(program, 'gemini-2.5-pro');
    expect(limited.status).toBe(429);
    expect(Number(limited.headers.get('retry-after'))).toBeWithin(3_500, 3_601);
    const validation = limitDetails('VALIDATION_REQUIRED', '0s').slice(0, 1);
    cli.next.push({
      kind: 'status',
      status: 403,
      body: googleError(403, 'Verify your account.', validation),
    });
    const forbidden = await ask(program, 'gemini-2.5-flash');
    expect(forbidden.status).toBe(403);
    expect(await forbidden.text()).toContain('upstream_verification_required');
  });
});

describe('a token that has ended', () => {
  test('is renewed once for fifty requests at a time, and the new one is on disk', async () => {
    const home = signedInHome(config());
    const { refreshToken } = provider.issue();
    const expiry = '2020-01-01T00:00:00Z';
    home.write('gemini-a.json', geminiFile({ access_token: 'dead', refresh_token: refreshToken, expiry }));
    const before = provider.counts.refresh;
    const program = await home.serve();
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(program, 'gemini-2.5-flash')));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(provider.counts.refresh - before).toBe(1);
    expect(provider.counts.reused).toBe(0);
    const { token } = home.files()['gemini-a.json'] as { token: Json };
    expect(token.access_token).not.toBe('dead');
    expect(token.refresh_token).not.toBe(refreshToken);
    await program.stop();
  });

  test('and cannot be renewed says which command to run, and so does the list', async () => {
    const home = signedInHome(config());
    const expiry = '2020-01-01T00:00:00Z';
    home.write('gemini-a.json', geminiFile({ access_token: 'dead', refresh_token: 'gone', expiry }));
    const program = await home.serve();
    const refused = await ask(program, 'gemini-2.5-flash');
    expect(refused.status).toBe(502);
    expect(await refused.text()).toContain('auth login gemini-cli');
    await program.stop();
    expect((await home.run('auth', 'list')).output).toContain('auth login gemini-cli');
  });
});

test('a renewal without the operator’s client says where to set it, and works once it is set', async () => {
  const home = signedInHome(config().replace(/oauth-clients: .*/, ''));
  const expiry = '2020-01-01T00:00:00Z';
  const { refreshToken } = provider.issue();
  home.write('gemini-a.json', geminiFile({ access_token: 'dead', refresh_token: refreshToken, expiry }));
  const program = await home.serve();
  const refused = await ask(program, 'gemini-2.5-flash');
  expect(refused.ok).toBe(false);
  expect(await refused.text()).toContain('oauth-clients.gemini-cli.client-id');
  await program.stop();
  const known = await home.serve({ GEMINI_CLIENT_ID: 'test-client', GEMINI_CLIENT_SECRET: 'hush' });
  expect((await ask(known, 'gemini-2.5-flash')).status).toBe(200);
  await known.stop();
});

test('what Gemini CLI left behind is taken over once, however often, and finds its project', async () => {
  const home = signedInHome(config());
  const { accessToken, refreshToken } = provider.issue();
  const creds = {
    access_token: accessToken,
    refresh_token: refreshToken,
    token_type: 'Bearer',
    scope: 'https://www.googleapis.com/auth/cloud-platform',
    expiry_date: Date.now() + 3_600_000,
  };
  home.write('.gemini/oauth_creds.json', creds);
  home.write('.gemini/google_accounts.json', { active: 'person@example.com', old: [] });
  const first = await home.run('auth', 'import', 'gemini-cli');
  expect([first.code, first.output]).toEqual([0, expect.stringContaining('person@example.com')]);
  await home.run('auth', 'import', 'gemini-cli');
  expect(Object.keys(home.files())).toHaveLength(1);
  const program = await home.serve();
  expect((await ask(program, 'gemini-2.5-flash')).status).toBe(200);
  expect(Object.values(home.files())[0]).toMatchObject({ project_id: 'managed-project', auto: true });
  await program.stop();
  // The file names a project now, and importing the same account again changes neither.
  await home.run('auth', 'import', 'gemini-cli');
  expect(Object.values(home.files())).toEqual([
    expect.objectContaining({ email: 'person@example.com', project_id: 'managed-project' }),
  ]);
});
