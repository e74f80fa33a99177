import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import type { Json } from '../../src/core/json.ts';
import { cleanUp, clientKey, type Program } from '../support/binary.ts';
import { kiroProfile, kiroUpstream } from '../support/kiro-upstream.ts';
import { clients } from './gateway.ts';
import { endpointLines, type Home, signedInHome } from './signed-in.ts';

/** A Kiro account on the compiled binary: signed in, imported, asked, renewed. */

/** Each test starts programs; a busy machine takes its time to do that. */
setDefaultTimeout(60_000);

const kiro = kiroUpstream();
afterAll(async () => {
  await cleanUp();
  await kiro.stop();
});
afterEach(() => {
  expect(kiro.refused).toEqual([]);
});

const signedIn = () => signedInHome(`oauth-endpoints:\n${endpointLines('kiro', kiro.endpoints)}`);

/** What a command prints for programs. */
const told = async (home: Home, ...words: readonly string[]) =>
  JSON.parse((await home.run(...words, '--json')).output) as any;

const model = 'kiro-claude-sonnet-4-5';
const png = 'data:image/png;base64,iVBORw0KGgo=';

describe('an account that signed in with a device', () => {
  let home: Home;
  let program: Program;

  beforeAll(async () => {
    home = signedIn();
    const approve = (code: string) => kiro.auth.decide(code, 'approved');
    const said = await home.typeCode(approve, 'auth', 'login', 'kiro');
    expect(said).toContain('person@example.com is signed in to kiro');
    program = await home.serve();
  });

  test('is one file that only its owner can read, and lists its credits', async () => {
    expect(Object.keys(home.files())).toEqual(['kiro-aws-Person@Example.com.json']);
    const { logins } = await told(home, 'auth', 'list', '--live');
    expect(logins).toMatchObject([{ channel: 'kiro', state: 'ready' }]);
    expect(logins[0].quota[0]).toMatchObject({ name: 'credit', remaining: 37.5, limit: 50 });
  });

  test('offers its models', async () => {
    const ids = (await Array.fromAsync(await clients(program).gpt.models.list())).map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining([model, 'kiro-claude-haiku-4-5', 'claude-sonnet-4-5']));
  });

  test('answers whole and streamed, in the words of OpenAI and of Anthropic', async () => {
    const { gpt, claude } = clients(program);
    const messages = [{ role: 'user' as const, content: 'count to 30' }];
    const whole = await gpt.chat.completions.create({ model, messages });
    expect(whole.choices[0]!.message.content).toEndWith('29 30');
    const streamed = claude.messages.stream({ model, max_tokens: 1000, messages });
    expect(await streamed.finalText()).toEndWith('29 30');
  });

  test('goes through a tool loop, thinks and sees a picture', async () => {
    const { gpt, claude } = clients(program);
    const tools = [{ name: 'weather', input_schema: { type: 'object' as const, properties: {} } }];
    const ask = { role: 'user' as const, content: 'use the tool weather' };
    const first = await claude.messages.create({
      model,
      max_tokens: 9000,
      thinking: { type: 'enabled', budget_tokens: 2048 },
      tools,
      messages: [ask],
    });
    expect(first.content.map(({ type }) => type)).toEqual(['thinking', 'text', 'tool_use']);
    const call = first.content.find((block) => block.type === 'tool_use')!;
    const second = await claude.messages.create({
      model,
      max_tokens: 1000,
      tools,
      messages: [
        ask,
        { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'sunny' }] },
      ],
    });
    expect(second.content).toMatchObject([{ type: 'text', text: 'The tool said: sunny' }]);
    const seen = await gpt.chat.completions.create({
      model,
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: png } }] }],
    });
    expect(seen.choices[0]!.message.content).toBe('I see an image/png of 8 bytes.');
  });

  test('is renewed once when fifty requests find its token over, and the new one is on disk', async () => {
    const [name] = Object.keys(home.files());
    const before = home.files()[name!]!;
    kiro.auth.expireAll();
    const { gpt } = clients(program);
    const asked = Array.from({ length: 50 }, (_, index) => `say ${index}`);
    const answers = await Promise.all(
      asked.map((content) => gpt.chat.completions.create({ model, messages: [{ role: 'user', content }] })),
    );
    expect(answers.map(({ choices }) => choices[0]!.message.content)).toEqual(
      asked.map((text) => text.slice(4)),
    );
    expect(kiro.auth.counts).toMatchObject({ refresh: 1, reused: 0 });
    expect(home.files()[name!]!.refresh_token).not.toBe(before.refresh_token);
    for (const field of ['access_token', 'refresh_token', 'client_secret'])
      expect(program.output()).not.toContain(String(before[field]));
  });
});

describe('what the service refuses', () => {
  const ask = (program: Program) =>
    fetch(`${program.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientKey}` },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'say hello' }] }),
    });

  /** An account that signed in with Google, in a browser. */
  async function byGoogle(): Promise<Program> {
    const home = signedIn();
    const visit = async (url: string) => (await fetch(url, { redirect: 'manual' })).headers.get('location')!;
    const said = await home.browse(visit, 'auth', 'login', 'kiro', '--way', 'google');
    expect(said).toContain('is signed in to kiro: added kiro-google-Person@Example.com.json');
    return home.serve();
  }

  test('with 429 at both places is told with its own hint, and asked again after it', async () => {
    const program = await byGoogle();
    for (let place = 0; place < 2; place++)
      kiro.next.push({
        status: 429,
        body: { message: 'Too many requests' },
        headers: { 'retry-after': '120' },
      });
    const first = await ask(program);
    expect([first.status, first.headers.get('retry-after')]).toEqual([429, '120']);
    const asked = kiro.accepted.length;
    const second = await ask(program);
    expect(second.status).toBe(429);
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(100);
    expect(kiro.accepted.length).toBe(asked);
    await program.stop();
  });

  test('with 403 for a suspended account says so and what to do', async () => {
    const program = await byGoogle();
    const body = { message: 'Your User ID is temporarily suspended.', reason: 'TEMPORARILY_SUSPENDED' };
    kiro.next.push({ status: 403, body });
    const response = await ask(program);
    expect(response.status).toBe(403);
    expect(await response.text()).toContain('upstream_suspended');
    await program.stop();
  });
});

describe('the file of the IDE', () => {
  function withCache(): Home {
    const home = signedIn();
    const { accessToken, refreshToken } = kiro.auth.issue({ method: 'social', profileArn: kiroProfile });
    const cache: Json = {
      accessToken,
      refreshToken,
      profileArn: kiroProfile,
      authMethod: 'social',
      provider: 'Github',
      expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    };
    home.write('.aws/sso/cache/kiro-auth-token.json', cache);
    return home;
  }

  test('is found and taken over, twice as one account, and answers', async () => {
    const home = withCache();
    expect((await told(home, 'auth', 'import', 'kiro')).imported).toMatchObject([{ outcome: 'added' }]);
    expect((await told(home, 'auth', 'import', 'kiro')).imported).toMatchObject([{ outcome: 'unchanged' }]);
    expect(Object.keys(home.files())).toHaveLength(1);
    const program = await home.serve();
    const { choices } = await clients(program).gpt.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'say hello' }],
    });
    expect(choices[0]!.message.content).toBe('hello');
    expect(kiro.accepted.at(-1)!.body.profileArn).toBe(kiroProfile);
    await program.stop();
  });

  test('whose token the provider refuses for good names the command to run', async () => {
    const home = withCache();
    await told(home, 'auth', 'import', 'kiro');
    const program = await home.serve();
    kiro.auth.expireAll();
    kiro.auth.next.push({ status: 401, body: { message: 'Bad credentials' } });
    const failure = await clients(program)
      .gpt.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hi' }] })
      .catch((thrown: unknown) => thrown);
    expect(String(failure)).toContain('auth login kiro');
    await program.stop();
  });
});
