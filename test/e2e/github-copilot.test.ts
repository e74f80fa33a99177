import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { cleanUp, until, type Program } from '../support/binary.ts';
import { copilotUpstream } from '../support/copilot-upstream.ts';
import { clients } from './gateway.ts';
import { endpointLines, type Home, signedInHome } from './signed-in.ts';

/** A GitHub Copilot account on the compiled binary: signed in, imported, asked in three protocols, its sessions. */

/** Each test starts programs; a busy machine takes its time to do that. */
setDefaultTimeout(60_000);

const copilot = copilotUpstream();
afterAll(async () => {
  await cleanUp();
  await copilot.stop();
});
afterEach(() => {
  expect(copilot.refused).toEqual([]);
});

const signedIn = () =>
  signedInHome(`oauth-endpoints:\n${endpointLines('github-copilot', copilot.endpoints)}`);

/** What a command prints for programs. */
const told = async (home: Home, ...words: readonly string[]) =>
  JSON.parse((await home.run(...words, '--json')).output) as any;

const messages = [{ role: 'user' as const, content: 'count to 30' }];

describe('an account that signed in with a device', () => {
  let home: Home;
  let program: Program;

  beforeAll(async () => {
    home = signedIn();
    await home.typeCode((code) => copilot.provider.approve(code), 'auth', 'login', 'github-copilot');
    program = await home.serve();
    const listed = async () =>
      (await Array.fromAsync(await clients(program).gpt.models.list())).some(({ id }) => id === 'gpt-9-only');
    await until(program, listed);
  });

  test('is one file, and shows what is left of its plan', async () => {
    expect(Object.keys(home.files())).toEqual(['github-copilot-octo-person.json']);
    const { logins } = await told(home, 'auth', 'list', '--live');
    expect(logins).toMatchObject([{ channel: 'github-copilot', label: 'Octo-Person', state: 'ready' }]);
    expect(logins[0].quota).toMatchObject([{ name: 'premium_interactions', remaining: 225.5, limit: 300 }]);
  });

  test('offers the models that the service lists, and those only', async () => {
    const ids = (await Array.fromAsync(await clients(program).gpt.models.list())).map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining(['gpt-4.1', 'claude-sonnet-4.5', 'claude-sonnet-4-5']));
    expect(ids).not.toContain('gpt-off');
    expect(ids).not.toContain('raptor-mini');
  });

  test.each([
    ['gpt-4.1', '/chat/completions'],
    ['gpt-9-only', '/responses'],
    ['claude-sonnet-4-5', '/v1/messages'],
  ])('answers with %s from %s, whole and streamed', async (model, path) => {
    const { gpt, claude } = clients(program);
    const whole = await gpt.chat.completions.create({ model, messages });
    expect(whole.choices[0]!.message.content).toEndWith('29 30');
    const streamed = claude.messages.stream({ model, max_tokens: 1000, messages });
    expect(await streamed.finalText()).toEndWith('29 30');
    expect(copilot.accepted.slice(-2).map((seen) => seen.path)).toEqual([path, path]);
  });

  test('goes through a tool loop and sees a picture', async () => {
    const { gpt } = clients(program);
    const tools = [
      {
        type: 'function' as const,
        function: { name: 'weather', parameters: { type: 'object', properties: {} } },
      },
    ];
    const ask = { role: 'user' as const, content: 'use the tool weather' };
    const model = 'gpt-4.1';
    const first = await gpt.chat.completions.create({ model, tools, messages: [ask] });
    const said = first.choices[0]!.message;
    const result = { role: 'tool' as const, tool_call_id: said.tool_calls![0]!.id, content: 'sunny' };
    const second = await gpt.chat.completions.create({ model, tools, messages: [ask, said, result] });
    expect(second.choices[0]!.message.content).toBe('The tool said: sunny');
    const url = 'data:image/png;base64,iVBORw0KGgo=';
    const seen = await gpt.chat.completions.create({
      model,
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
    });
    expect(seen.choices[0]!.message.content).toBe('I see an image/png of 8 bytes.');
  });

  test('that is throttled tells when to come back', async () => {
    const error = { message: 'You have exceeded your rate limit.', code: 'user_model_rate_limited' };
    copilot.next.push({ status: 429, body: { error }, headers: { 'retry-after': '90' } });
    const failure = await clients(program)
      .gpt.chat.completions.create({ model: 'gpt-5-mini', messages })
      .catch((thrown: unknown) => thrown as { status: number; headers: Headers });
    expect('status' in failure && failure.status).toBe(429);
    expect('headers' in failure && failure.headers.get('retry-after')).toBe('90');
  });

  test('opens one session for many requests, and a new one when it is over', async () => {
    const { gpt } = clients(program);
    const ask = () => gpt.chat.completions.create({ model: 'gpt-4.1', messages });
    const before = copilot.sessions;
    await Promise.all(Array.from({ length: 50 }, ask));
    expect(copilot.sessions).toBe(before);
    copilot.expireSessions();
    await Promise.all(Array.from({ length: 50 }, ask));
    expect(copilot.sessions).toBe(before + 1);
  });

  test('keeps its tokens out of the log', () => {
    const [fields] = Object.values(home.files());
    expect(program.output()).not.toContain(String(fields!.access_token));
    expect(program.output()).not.toContain('tid=');
  });
});

test('the hosts file of an editor is found and taken over, twice as one account', async () => {
  const home = signedIn();
  const token = copilot.provider.issue().accessToken;
  const hosts = { 'github.com': { user: 'Octo-Person', oauth_token: token } };
  home.write('.config/github-copilot/hosts.json', hosts);
  const first = await told(home, 'auth', 'import', 'github-copilot');
  expect(first.imported).toMatchObject([{ outcome: 'added' }]);
  await told(home, 'auth', 'import', 'github-copilot');
  expect(Object.keys(home.files())).toEqual(['github-copilot-octo-person.json']);
});

test('a model that the plan of one account leaves out is asked of the other from then on, is shown, and is remembered', async () => {
  const home = signedInHome(
    `remote-management: {secret-key: the-key}\noauth-endpoints:\n${endpointLines('github-copilot', copilot.endpoints)}`,
  );
  for (const username of ['first', 'second'])
    home.write(`${username}.json`, {
      type: 'github-copilot',
      access_token: copilot.provider.issue().accessToken,
      username,
    });
  const program = await home.serve();
  const error = { message: 'The requested model is not supported.', code: 'model_not_supported' };
  copilot.next.push({ status: 400, body: { error } });
  const model = 'gpt-4.1';
  const servers = async (running: Program) => {
    const before = copilot.accepted.length;
    for (let time = 0; time < 4; time++)
      await clients(running).gpt.chat.completions.create({ model, messages });
    return new Set(copilot.accepted.slice(before).map(({ headers }) => headers.get('authorization'))).size;
  };
  expect(await servers(program)).toBe(1);
  const { credentials } = await told(home, 'models', 'explain', model);
  const states = credentials.map((each: { state: string }) => each.state);
  expect(states.toSorted()).toEqual(['not entitled', 'ready']);
  await program.stop();
  const { logins } = await told(home, 'auth', 'list');
  const excluded = logins.flatMap((login: any) => login.not_entitled ?? []);
  expect(excluded).toMatchObject([{ model, message: expect.stringContaining('not supported') }]);
  expect((await home.run('auth', 'list')).output).toContain(`its plan leaves out ${model}`);
  const again = await home.serve();
  expect(await servers(again)).toBe(1);
  const asked = await fetch(
    `${again.url}/v0/management/auth-files/models?name=${logins.find((login: any) => login.not_entitled).name}`,
    { headers: { authorization: 'Bearer the-key' } },
  );
  const { models } = (await asked.json()) as any;
  expect(models.filter((each: any) => each.not_entitled).map((each: any) => each.id)).toContain(model);
  await again.stop();
});
