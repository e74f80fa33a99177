import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import type OpenAI from 'openai';
import { readObjects, type Json } from '../../src/core/json.ts';
import { cleanUp, clientKey, type Program } from '../support/binary.ts';
import { chatgpt, codexClient, idToken, plusHolder } from '../support/chatgpt.ts';
import { usageLimit } from '../support/codex-upstream.ts';
import { dial, hangUp, responseOf, textOf } from '../support/socket-client.ts';
import { clients } from './gateway.ts';
import { endpointLines, signedInHome, type Home } from './signed-in.ts';

/** A ChatGPT login in the auth folder of the binary, from its first request to the day it needs a person. */

/** Each test starts programs; a busy machine takes its time to do that. */
setDefaultTimeout(60_000);

const chat = chatgpt();
afterAll(async () => {
  await cleanUp();
  await chat.stop();
});
afterEach(() => chat.backend.reset());

const signedIn = (): Home =>
  signedInHome(
    `oauth-clients: {codex: {client-id: ${codexClient}}}\noauth-endpoints:\n${endpointLines('codex', chat.endpoints)}`,
  );

interface Running {
  readonly home: Home;
  readonly program: Program;
  readonly gpt: OpenAI;
}

async function served(home: Home): Promise<Running> {
  const program = await home.serve();
  return { home, program, gpt: clients(program).gpt };
}

/** The binary with these login files. */
function running(files: Readonly<Record<string, Json>>): Promise<Running> {
  const home = signedIn();
  for (const [name, fields] of Object.entries(files)) home.write(name, fields);
  return served(home);
}

const weather = {
  type: 'function' as const,
  name: 'weather',
  strict: false,
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const model = 'gpt-5.5';
const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

describe('signing in', () => {
  const name = 'codex-you@example.com-plus.json';
  const answers = async ({ gpt, program }: Running) => {
    expect((await gpt.responses.create({ model, input: 'say one' })).output_text).toBe('one');
    await program.stop();
  };

  test('with a browser makes a file that serves', async () => {
    const home = signedIn();
    const said = await home.browse(chat.provider.visit, 'auth', 'login', 'codex', '--way', 'browser');
    expect(said).toContain('you@example.com is signed in to codex');
    expect(Object.keys(home.files())).toEqual([name]);
    await answers(await served(home));
  });

  test('with a code on another device makes a file that serves', async () => {
    const home = signedIn();
    await home.typeCode(chat.approve, 'auth', 'login', 'codex', '--way', 'device');
    expect(home.files()[name]).toMatchObject({ type: 'codex', account_id: 'acct-0123' });
    await answers(await served(home));
  });

  test('is not needed where Codex has done it; taken over twice it is one account, with what is left of its plan', async () => {
    const home = signedIn();
    const { id_token, access_token, refresh_token, account_id } = chat.file();
    home.write('.codex/auth.json', {
      OPENAI_API_KEY: null,
      tokens: { id_token, access_token, refresh_token, account_id },
      last_refresh: new Date().toISOString(),
    });
    for (const outcome of ['added', 'unchanged']) {
      const { output } = await home.run('auth', 'import', 'codex', '--json');
      expect(JSON.parse(output).imported).toMatchObject([{ outcome, channel: 'codex' }]);
    }
    expect(Object.keys(home.files())).toEqual([name]);
    const { logins } = JSON.parse((await home.run('auth', 'list', '--live', '--json')).output);
    expect(logins).toMatchObject([{ state: 'ready', quota: [{ name: '5h' }, { name: 'weekly' }] }]);
    await answers(await served(home));
  });
});

describe('a ChatGPT login', () => {
  let it: Running;
  beforeAll(async () => {
    it = await running({ 'codex-you@example.com-plus.json': chat.file(plusHolder, { websockets: true }) });
  });

  test('offers the models of its plan', async () => {
    const ids = (await Array.fromAsync(await it.gpt.models.list())).map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining([model, 'gpt-5.4', 'gpt-5.3-codex-spark', 'gpt-image-2']));
    expect(ids).not.toContain('gpt-4o');
  });

  test('answers whole and streamed, in both of OpenAI’s languages', async () => {
    const whole = await it.gpt.responses.create({ model, input: 'say one' });
    expect([whole.status, whole.output_text]).toEqual(['completed', 'one']);
    const stream = it.gpt.responses.stream({ model, input: 'count to 30' });
    expect((await stream.finalResponse()).output_text.split(' ')).toHaveLength(30);
    const completion = await it.gpt.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'say two' }],
    });
    expect(completion.choices[0]?.message.content).toBe('two');
    expect(chat.backend.refused).toEqual([]);
    expect(chat.backend.turns.map(({ headers }) => headers.get('chatgpt-account-id'))).toEqual(
      Array(3).fill('acct-0123'),
    );
  });

  test('goes through a tool loop and sees pictures', async () => {
    const input: OpenAI.Responses.ResponseInputItem[] = [{ role: 'user', content: 'use the tool weather' }];
    const first = await it.gpt.responses.create({ model, tools: [weather], input, store: false });
    const call = first.output.find((item) => item.type === 'function_call')!;
    const output = { type: 'function_call_output' as const, call_id: call.call_id, output: 'sunny' };
    const more = [...input, ...(first.output as OpenAI.Responses.ResponseInputItem[]), output];
    const second = await it.gpt.responses.create({ model, tools: [weather], input: more, store: false });
    expect(second.output_text).toBe('The tool said: sunny');
    const image_url = `data:image/png;base64,${png}`;
    const seen = await it.gpt.responses.create({
      model,
      input: [{ role: 'user', content: [{ type: 'input_image', image_url, detail: 'auto' }] }],
    });
    expect(seen.output_text).toBe('I see an image/png of 70 bytes.');
    expect(chat.backend.refused).toEqual([]);
  });

  test('continues an answer that its backend has forgotten, whole and streamed', async () => {
    const first = await it.gpt.responses.create({ model, input: 'say one' });
    const second = await it.gpt.responses
      .stream({ model, input: 'say two', previous_response_id: first.id })
      .finalResponse();
    const third = await it.gpt.responses.create({
      model,
      input: 'say three',
      previous_response_id: second.id,
    });
    expect(third.output_text).toBe('three');
    expect(readObjects(chat.backend.turns.at(-1)!.body.input)).toHaveLength(5);
    expect(chat.backend.refused).toEqual([]);
  });

  test('carries a WebSocket client over one WebSocket', async () => {
    const client = await dial(`${it.program.url}/v1/responses`, clientKey);
    const ask = (text: string, more: Json = {}) =>
      client.turn({
        type: 'response.create',
        model,
        store: false,
        input: [{ role: 'user', content: [{ type: 'input_text', text }] }],
        ...more,
      });
    const first = await ask('say one');
    const second = await ask('say two', { previous_response_id: responseOf(first).id });
    expect([first, second].map(textOf)).toEqual(['one', 'two']);
    expect(chat.backend.turns.map(({ over }) => over)).toEqual(['socket', 'socket']);
    expect(chat.backend.turns.map(({ body }) => readObjects(body.input).length)).toEqual([1, 1]);
    expect(chat.backend.handshakes[0]!.headers.get('chatgpt-account-id')).toBe('acct-0123');
    await hangUp(client);
  });

  test('draws with the tool of a model that chats', async () => {
    const drawn = await it.gpt.images.generate({
      model: 'gpt-image-2',
      prompt: 'A cat.',
      size: '1024x1536',
      quality: 'high',
    });
    expect(drawn.data).toEqual([{ b64_json: png, revised_prompt: 'A picture, drawn by gpt-image-2.' }]);
    expect(drawn.output_format).toBe('png');
    expect(chat.backend.turns[0]!.body).toMatchObject({
      tools: [{ type: 'image_generation', model: 'gpt-image-2', size: '1024x1536', quality: 'high' }],
      stream: true,
    });
    chat.backend.next.push({ failAfter: 3 });
    const failure = await it.gpt.images
      .generate({ model: 'gpt-image-2', prompt: 'A dog.' }, { maxRetries: 0 })
      .catch((thrown: unknown) => thrown);
    expect(String(failure)).toContain('in the middle');
    expect(chat.backend.refused).toEqual([]);
  });

  test('compacts a conversation', async () => {
    const response = await fetch(`${it.program.url}/v1/responses/compact`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, input: [{ role: 'user', content: 'I live in Paris.' }] }),
    });
    expect(await response.json()).toMatchObject({ object: 'response.compaction' });
  });

  test('gives Codex the backend’s own events, and other clients none of them', async () => {
    const events = async (headers: Readonly<Record<string, string>>) => {
      const response = await fetch(`${it.program.url}/backend-api/codex/responses`, {
        method: 'POST',
        headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ model, input: 'say one', stream: true, store: false }),
      });
      return await response.text();
    };
    expect(await events({ originator: 'codex_cli_rs' })).toContain('codex.rate_limits');
    expect(await events({})).not.toContain('codex.rate_limits');
  });

  test('tells a refused request as it is, and rests for nothing', async () => {
    chat.backend.next.push({
      status: 400,
      error: { message: 'No such tool.', type: 'invalid_request_error' },
    });
    const failure = await it.gpt.responses
      .create({ model, input: 'Hi' })
      .catch((thrown: unknown) => thrown as { status: number });
    expect(failure).toMatchObject({ status: 400 });
    expect((await it.gpt.responses.create({ model, input: 'say one' })).output_text).toBe('one');
  });
});

describe('renewal', () => {
  const fifty = Array.from({ length: 50 }, (_, index) => `say ${index}`);

  test('happens once for fifty requests that find the token over, and all are answered', async () => {
    const before = chat.provider.counts.refresh;
    const expired = chat.file(plusHolder, { access_token: 'at-over', expired: '2020-01-01T00:00:00Z' });
    const it = await running({ 'codex-you.json': expired });
    const answers = await Promise.all(fifty.map((input) => it.gpt.responses.create({ model, input })));
    expect(answers.map(({ output_text }) => `say ${output_text}`)).toEqual(fifty);
    expect(chat.provider.counts.refresh - before).toBe(1);
    expect(chat.provider.counts.reused).toBe(0);
    expect(it.home.files()['codex-you.json']!.refresh_token).not.toBe(expired.refresh_token);
    await it.program.stop();
  });

  test('happens once when the backend refuses a token that looked good, and nobody notices', async () => {
    const before = chat.provider.counts.refresh;
    const it = await running({ 'codex-you.json': chat.file(plusHolder, { access_token: 'at-unknown' }) });
    const answers = await Promise.all(fifty.map((input) => it.gpt.responses.create({ model, input })));
    expect(answers).toHaveLength(50);
    expect(chat.provider.counts.refresh - before).toBe(1);
    await it.program.stop();
  });

  test('that is refused for good asks for a person by the command to run', async () => {
    const over = chat.file(plusHolder, { access_token: 'at-over', expired: '2020-01-01T00:00:00Z' });
    chat.provider.revoke(String(over.refresh_token));
    const before = chat.provider.counts.refresh;
    const it = await running({ 'codex-you.json': over });
    const ask = () =>
      it.gpt.responses.create({ model, input: 'Hi' }, { maxRetries: 0 }).catch((thrown: unknown) => thrown);
    expect(String(await ask())).toContain('auth login codex');
    // The provider is not asked again, and whoever comes next is told the same.
    expect(String(await ask())).toContain('auth login codex');
    expect(chat.provider.counts.refresh - before).toBe(1);
    await it.program.stop();
  });
});

describe('two accounts', () => {
  // The simulator knows one account; the other's token is refused as a stranger's would be.
  const other = { email: 'other@example.com', user: 'user-9', account: 'acct-other', plan: 'team' };

  test('one that may not is passed over for one that may', async () => {
    const it = await running({
      'codex-other.json': chat.file(other, { priority: 1 }),
      'codex-you.json': chat.file(),
    });
    expect((await it.gpt.responses.create({ model, input: 'say one' })).output_text).toBe('one');
    expect(chat.backend.refused).toHaveLength(1);
    expect(chat.backend.refused[0]).toContain('account header');
    await it.program.stop();
  });

  test('a used-up plan rests until its reset, which clients are told', async () => {
    const it = await running({ 'codex-you.json': chat.file() });
    chat.backend.next.push(usageLimit(Math.floor(Date.now() / 1000) + 1_800));
    const ask = () =>
      fetch(`${it.program.url}/v1/responses`, {
        method: 'POST',
        headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model, input: 'say one' }),
      });
    const first = await ask();
    expect(first.status).toBe(429);
    const second = await ask();
    expect(second.status).toBe(429);
    const wait = Number(second.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(1_700);
    expect(wait).toBeLessThanOrEqual(1_800);
    // The backend was asked once.
    expect(chat.backend.turns).toHaveLength(0);
    expect(chat.backend.next).toHaveLength(0);
    await it.program.stop();
  });

  test('the same account in two files is one', async () => {
    const fields = chat.file();
    const it = await running({
      'codex-a.json': fields,
      'codex-b.json': { ...fields, id_token: idToken(plusHolder) },
    });
    expect((await it.gpt.responses.create({ model, input: 'say one' })).output_text).toBe('one');
    await it.program.stop();
  });
});

test('the log holds no token of a login', async () => {
  const fields = chat.file();
  const it = await running({ 'codex-you.json': fields });
  await it.gpt.responses.create({ model, input: 'say one' });
  await it.program.stop();
  for (const name of ['access_token', 'refresh_token', 'id_token'])
    expect(it.program.output()).not.toContain(String(fields[name]));
});
