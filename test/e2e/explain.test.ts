import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { binary, cleanUp, shell } from '../support/binary.ts';
import { ask, directions, gateway, type Gateway } from './gateway.ts';

/** An operator asks the binary why: which credential, which model, why a 429; and ends rests by hand. */

const management = 'the-management-key-of-explain';
let it: Gateway;
beforeAll(async () => {
  it = await gateway({
    keys: ['sk-sim-one-0123456789', 'sk-sim-two-9876543210'],
    more: `remote-management: {secret-key: "${management}"}\nsave-cooldown-status: true\n`,
  });
});
afterAll(() => it?.stop());
afterAll(cleanUp);

const chat = directions[0];
const command = (words: string) =>
  shell(`${binary} ${words} --config ${it.program.config}`, { HOME: it.program.home });
const idOf = (response: Response) => response.headers.get('x-request-id')!;
const reset = async (index: string) =>
  (
    await fetch(`${it.program.url}/v0/management/reset-quota`, {
      method: 'POST',
      headers: { authorization: `Bearer ${management}` },
      body: JSON.stringify({ auth_index: index }),
    })
  ).json() as Promise<{ ended: number }>;

describe('trace', () => {
  test('tells when what happened: bytes in, each attempt, the selection, the first byte, bytes out', async () => {
    it.openai.next.push({ kind: 'status', status: 429, headers: { 'retry-after': '60' } });
    const response = await ask(it.program, chat, 'count to 5');
    const text = await response.text();
    expect([response.status, response.headers.get('x-gateway-attempts')]).toEqual([200, '2']);
    const { code, stdout } = await command(`trace ${idOf(response)}`);
    expect(code).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().replaceAll(/ +/g, ' '));
    expect(lines[0]).toBe(`${idOf(response)} POST /v1/chat/completions 200`);
    for (const [index, line] of [
      /^received \S+Z from sk-c\.\.\.\w{4}, \d+ bytes$/,
      /^asked for gpt-sim over openai-chat$/,
      /^session new$/,
      /^attempt 1 at \d+ ms sim\/gpt-sim with sim sk-s\.\.\.\d{4}: failed \(429 \w+\) after \d+ ms, upstream request \S+$/,
      /^attempt 2 at \d+ ms sim\/gpt-sim with sim sk-s\.\.\.\d{4}: answered \(200\) after \d+ ms, upstream request \S+$/,
      /^served by sim\/gpt-sim with sim sk-s\.\.\.\d{4}, direct$/,
      /^selected \d+ ms$/,
      /^first byte \d+ ms$/,
      new RegExp(`^done [\\d.]+ ms, ${text.length} bytes$`),
      /^tokens input \d+, output 5/,
    ].entries())
      expect(lines[index + 1]).toMatch(line);
  });

  test('names who was skipped and why; a request that there was not is said to be none', async () => {
    it.openai.always = { kind: 'status', status: 429, headers: { 'retry-after': '60' } };
    await (await ask(it.program, chat, 'count to 5')).text();
    const response = await ask(it.program, chat, 'count to 5');
    it.openai.always = undefined;
    expect([response.status, await response.text()]).toEqual([
      429,
      expect.stringContaining('models explain'),
    ]);
    const { stdout } = await command(`trace ${idOf(response)}`);
    expect(stdout.match(/skipped +sim sk-s\.\.\.\d{4} \(gpt-sim\): rate_limit_exceeded/g)).toHaveLength(2);
    expect(stdout).toContain('error       rate_limit_exceeded');
    const unknown = await command('trace req_nobody');
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('no trace of req_nobody')]);
  });
});

describe('models', () => {
  test('is a table of who is ready, and explain says what holds the others back and how to end it', async () => {
    const table = await command('models');
    expect(table.stdout).toMatch(/^MODEL +PROVIDERS +CONTEXT +OUTPUT +THINKING +READY$/m);
    expect(table.stdout).toMatch(/^gpt-sim +sim .* 0 of 2$/m);
    const { stdout } = await command('models explain gpt-sim --key sk-of-nobody-0123456789');
    expect(stdout.match(/serves .*held back: resting rate_limit_exceeded until \S+Z/g)).toHaveLength(2);
    expect(stdout).toContain('skipped     claude has no such model');
    expect(stdout).toMatch(/key +is not one of api-keys/);
    expect(stdout).toContain('/v0/management/reset-quota with {"auth_index": "*"}');
    expect(await reset('*')).toMatchObject({ status: 'ok', ended: 2 });
    expect((await command('models')).stdout).toMatch(/^gpt-sim +sim .* 2 of 2$/m);
    expect((await ask(it.program, chat, 'count to 5')).status).toBe(200);
  });

  test('explain of a name that nobody offers names the nearest, and fails', async () => {
    const { code, stdout } = await command('models explain gtp-sim');
    expect([code, stdout]).toEqual([1, expect.stringContaining('nearest     gpt-sim')]);
  });
});

test('a trace outlives the gateway', async () => {
  const response = await ask(it.program, chat, 'count to 5');
  await response.text();
  await it.program.stop();
  const { code, stdout } = await command(`trace ${idOf(response)}`);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/served by +sim\/gpt-sim/)]);
});
