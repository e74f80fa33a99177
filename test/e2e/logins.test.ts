import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import type { Json } from '../../src/core/json.ts';
import { chatgpt, codexClient } from '../support/chatgpt.ts';
import { codeAssistUpstream, googleError, limitDetails } from '../support/code-assist-upstream.ts';
import { copilotUpstream } from '../support/copilot-upstream.ts';
import { cleanUp, clientKey, type Program, until } from '../support/binary.ts';
import { kiroProfile, kiroUpstream } from '../support/kiro-upstream.ts';
import { oauthServer } from '../support/oauth-server.ts';
import { serviceAccount, vertexUpstream } from '../support/vertex-upstream.ts';
import { endpointLines, type Home, signedInHome } from './signed-in.ts';

/**
 * What happens to the login of every channel on the compiled binary, from a token that ends to a provider that refuses it:
 * the same for all of them. What is each channel's own stands in its file beside this one, and docs/accounts.md has the
 * table of both.
 */

/** One channel with a simulator that does what the table asks for. */
interface Stage {
  readonly config: string;
  readonly model: string;
  /** A login of somebody who signed in before. */
  file(): Json;
  /** Ends every token that may be sent, without a word to the gateway. */
  expire(): void;
  /** How many tokens or sessions were given out. */
  renewals(): number;
  /** The next renewal is refused for good. */
  refuseRenewal(): void;
  /** The next answer is a 403, and a 429 that says to come back in 77 seconds. */
  forbid(): void;
  limit(): void;
  /** The code that the 403 has here, and the next step that is told. */
  readonly forbidden: readonly [code: string, remedy: RegExp];
  readonly quota: boolean;
  stop(): unknown;
}

const soon = () => new Date(Date.now() + 3_600_000).toISOString();
const waits = 77;
const limited = { message: 'Rate limit reached.', code: 'rate_limit_exceeded' };

/** A clock of a provider that can be put forward by more than the life of a token. */
function movable() {
  let aheadMs = 0;
  return { now: () => Date.now() + aheadMs, pass: () => void (aheadMs += 30 * 86_400_000) };
}

function codexStage(): Stage {
  const clock = movable();
  const chat = chatgpt({ now: clock.now });
  return {
    config: `oauth-clients: {codex: {client-id: ${codexClient}}}\noauth-endpoints:\n${endpointLines('codex', chat.endpoints)}`,
    model: 'gpt-5.5',
    file: () => chat.file(),
    expire: clock.pass,
    renewals: () => chat.provider.counts.refresh,
    refuseRenewal: () => void chat.provider.next.push({ status: 400, body: { error: 'invalid_grant' } }),
    // The backend says so with a 400, too.
    forbid: () =>
      void chat.backend.next.push({
        status: 400,
        error: {
          type: 'invalid_request_error',
          message: "The 'gpt-5.5' model is not supported when using Codex with a ChatGPT account.",
        },
      }),
    limit: () =>
      void chat.backend.next.push({ status: 429, error: limited, headers: { 'retry-after': String(waits) } }),
    forbidden: ['upstream_not_entitled', /plan|access/i],
    quota: true,
    stop: () => chat.stop(),
  };
}

function codeAssistStage(product: 'gemini-cli' | 'antigravity'): Stage {
  const clock = movable();
  const provider = oauthServer({ clientSecret: 'hush', now: clock.now });
  const upstream = codeAssistUpstream(product, provider);
  const { authorize, token } = provider.endpoints;
  const addresses = { authorize, token, userinfo: `${upstream.url}/oauth2/v1/userinfo`, api: upstream.url };
  const refuse = (status: number, message: string, details: Parameters<typeof googleError>[2]) =>
    void upstream.next.push({ kind: 'status', status, body: googleError(status, message, details) });
  return {
    config: [
      `oauth-endpoints:\n${endpointLines(product, addresses)}`,
      `oauth-clients: {${product}: {client-id: test-client, client-secret: hush}}\n`,
    ].join(''),
    model: product === 'gemini-cli' ? 'gemini-2.5-flash' : 'gemini-3-flash',
    file() {
      const { accessToken, refreshToken } = provider.issue();
      const about = { email: 'person@example.com', project_id: 'managed-project' };
      const tokens = { access_token: accessToken, refresh_token: refreshToken };
      return product === 'gemini-cli'
        ? { type: 'gemini', ...about, token: { ...tokens, expiry: soon() } }
        : { type: 'antigravity', ...about, ...tokens, expired: soon() };
    },
    expire: clock.pass,
    renewals: () => provider.counts.refresh,
    refuseRenewal: () => void provider.next.push({ status: 400, body: { error: 'invalid_grant' } }),
    forbid: () => refuse(403, 'Verify your account.', limitDetails('VALIDATION_REQUIRED', '0s').slice(0, 1)),
    limit: () => refuse(429, 'Slow down.', limitDetails('RATE_LIMIT_EXCEEDED', `${waits}s`)),
    forbidden: ['upstream_verification_required', /account/i],
    quota: true,
    async stop() {
      upstream.stop();
      await provider.stop();
    },
  };
}

function vertexStage(): Stage {
  const account = serviceAccount();
  const google = vertexUpstream(account);
  const refuse = (status: number, message: string, details: Parameters<typeof googleError>[2] = []) =>
    void google.api.next.push({ kind: 'status', status, body: googleError(status, message, details) });
  return {
    config: `oauth-endpoints:\n${endpointLines('vertex', { api: google.api.url, token: google.token })}`,
    model: 'gemini-2.5-flash',
    file: () => ({
      type: 'vertex',
      service_account: account.key,
      project_id: account.key.project_id,
      email: account.key.client_email,
      location: 'europe-west4',
    }),
    expire: google.revoke,
    renewals: () => google.statements.length,
    refuseRenewal: () =>
      void google.nextToken.push(Response.json({ error: 'invalid_grant' }, { status: 400 })),
    forbid: () => refuse(403, "Permission 'aiplatform.endpoints.predict' denied on resource."),
    limit: () => refuse(429, 'Resource exhausted.', limitDetails('RATE_LIMIT_EXCEEDED', `${waits}s`)),
    forbidden: ['upstream_not_entitled', /plan|access/i],
    quota: false,
    stop: () => google.stop(),
  };
}

function kiroStage(): Stage {
  const kiro = kiroUpstream();
  return {
    config: `oauth-endpoints:\n${endpointLines('kiro', kiro.endpoints)}`,
    model: 'kiro-claude-sonnet-4-5',
    file() {
      const { accessToken, refreshToken } = kiro.auth.issue({ method: 'social', profileArn: kiroProfile });
      return {
        type: 'kiro',
        access_token: accessToken,
        refresh_token: refreshToken,
        profile_arn: kiroProfile,
        auth_method: 'social',
        provider: 'Github',
        expires_at: soon(),
      };
    },
    expire: () => kiro.auth.expireAll(),
    renewals: () => kiro.auth.counts.refresh,
    refuseRenewal: () => void kiro.auth.next.push({ status: 401, body: { message: 'Bad credentials' } }),
    forbid: () =>
      void kiro.next.push({
        status: 403,
        body: { message: 'Your User ID is temporarily suspended.', reason: 'TEMPORARILY_SUSPENDED' },
      }),
    limit() {
      const body = { message: 'Too many requests' };
      // Both places of the service are throttled.
      for (let place = 0; place < 2; place++)
        kiro.next.push({ status: 429, body, headers: { 'retry-after': String(waits) } });
    },
    forbidden: ['upstream_suspended', /provider|account/i],
    quota: true,
    stop: () => kiro.stop(),
  };
}

function copilotStage(): Stage {
  const copilot = copilotUpstream();
  return {
    config: `oauth-endpoints:\n${endpointLines('github-copilot', copilot.endpoints)}`,
    model: 'gpt-4.1',
    file: () => ({
      type: 'github-copilot',
      access_token: copilot.provider.issue().accessToken,
      username: 'Octo-Person',
    }),
    expire: () => copilot.expireSessions(),
    renewals: () => copilot.sessions,
    refuseRenewal: () => void copilot.sessionNext.push({ status: 401, body: { message: 'Bad credentials' } }),
    // The service says so with a 400 that names no field.
    forbid: () =>
      void copilot.next.push({
        status: 400,
        body: { error: { message: 'The requested model is not supported.', code: 'model_not_supported' } },
      }),
    limit: () =>
      void copilot.next.push({
        status: 429,
        body: { error: limited },
        headers: { 'retry-after': String(waits) },
      }),
    forbidden: ['upstream_not_entitled', /plan|access/i],
    quota: true,
    stop: () => copilot.stop(),
  };
}

const stages: readonly (readonly [string, () => Stage])[] = [
  ['codex', codexStage],
  ['gemini-cli', () => codeAssistStage('gemini-cli')],
  ['antigravity', () => codeAssistStage('antigravity')],
  ['vertex', vertexStage],
  ['kiro', kiroStage],
  ['github-copilot', copilotStage],
];

/** Each test starts programs; a busy machine takes its time to do that. */
setDefaultTimeout(60_000);

afterAll(cleanUp);

describe.each(stages)('a login of %s', (channel, open) => {
  let stage: Stage;
  let home: Home;
  let program: Program;
  beforeAll(async () => {
    stage = open();
    home = signedInHome(`request-retry: 0\nremote-management: {secret-key: the-key}\n${stage.config}`);
    home.write(`${channel}.json`, stage.file());
    program = await home.serve();
  });
  afterAll(() => stage.stop() as Promise<void>);

  const ask = (content: string, stream = false) =>
    fetch(`${program.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: stage.model, stream, messages: [{ role: 'user', content }] }),
    });

  test('offers its models, and says what is left where the provider tells it', async () => {
    const listed = await fetch(`${program.url}/v1/models`, {
      headers: { authorization: `Bearer ${clientKey}` },
    });
    const { data } = (await listed.json()) as { data: readonly { id: string }[] };
    expect(data.map(({ id }) => id)).toContain(stage.model);
    const { output } = await home.run('auth', 'list', '--live', '--json');
    const { logins } = JSON.parse(output) as { logins: readonly Json[] };
    expect(logins).toMatchObject([{ channel, state: 'ready' }]);
    expect(logins[0]!['quota'] !== undefined).toBe(stage.quota);
    if (!stage.quota) return;
    // The running gateway asks at its start, and shows it by provider and by login.
    const metrics = async () => (await (await fetch(`${program.url}/v1/metrics/providers`)).json()) as any;
    await until(program, async () => (await metrics())[channel]?.quota?.length > 0);
    const files = await fetch(`${program.url}/v0/management/auth-files`, {
      headers: { authorization: 'Bearer the-key' },
    });
    expect(((await files.json()) as any).files[0].quota).not.toBeEmpty();
  });

  test('whose token ends while an answer streams finishes it, and is renewed once for the fifty that come next', async () => {
    const streamed = await ask('count to 30', true);
    const reader = streamed.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value ?? '';
    stage.expire();
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    expect(text).toContain('30');
    expect(text).toEndWith('data: [DONE]\n\n');
    const before = stage.renewals();
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => ask(`say ${index}`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(stage.renewals() - before).toBe(1);
  });

  test('that is forbidden something is told so with its reason and the next step', async () => {
    stage.forbid();
    const response = await ask('say hello');
    const [code, remedy] = stage.forbidden;
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect([response.status, error.code]).toEqual([403, code]);
    expect(error.message).toMatch(remedy);
  });

  test('that is throttled is not asked again before the time that the provider told, which clients are told', async () => {
    // What was forbidden rests too, so this is another process with the same login.
    await program.stop();
    program = await home.serve();
    expect((await ask('say hello')).status).toBe(200);
    stage.limit();
    for (let time = 0; time < 2; time++) {
      const response = await ask('say hello');
      expect(response.status).toBe(429);
      expect(Number(response.headers.get('retry-after'))).toBeWithin(waits - 10, waits + 1);
    }
    const listed = await fetch(`${program.url}/v0/management/auth-files`, {
      headers: { authorization: 'Bearer the-key' },
    });
    expect(await listed.json()).toMatchObject({ files: [{ state: 'cooling', unavailable: true }] });
  });

  test('that the provider renews no more asks for a person by the command to run, and is not tried again', async () => {
    await program.stop();
    stage.expire();
    stage.refuseRenewal();
    program = await home.serve();
    for (let time = 0; time < 2; time++) {
      const response = await ask('say hello');
      expect([response.ok, await response.text()]).toEqual([
        false,
        expect.stringContaining(`auth login ${channel}`),
      ]);
    }
    await program.stop();
    expect((await home.run('auth', 'list')).output).toContain(`auth login ${channel}`);
  });
});
