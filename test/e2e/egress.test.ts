import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { brokenKinds, type Doors, openDoors } from '../egress/doors.ts';
import { cleanUp, clientKey, start } from '../support/binary.ts';
import { codexToken, codexUpstream } from '../support/codex-upstream.ts';
import { copilotUpstream } from '../support/copilot-upstream.ts';
import { dial } from '../support/socket-client.ts';
import { endpointLines, signedInHome } from './signed-in.ts';

/** The binary in an environment that would lead everything past its proxies; `test/egress` tries every kind of request. */

const codex = codexUpstream();
const copilot = copilotUpstream();
const copilotApi = copilot.endpoints.github.replace(/\/github$/, '/api');
let doors: Doors;
beforeAll(async () => {
  codex.accounts.set(codexToken, '');
  doors = await openDoors();
});
beforeEach(() => void doors.look());
afterAll(async () => {
  await cleanUp();
  await doors.close();
  await codex.stop();
  await copilot.stop();
});

const env = { NO_PROXY: '*', no_proxy: '127.0.0.1' };

describe.each(['http', 'socks5'] as const)('through a proxy by %s', (kind) => {
  test('a client’s WebSocket and its POST reach the upstream', async () => {
    const config = [
      'codex-api-key:',
      `  - {api-key: ${codexToken}, base-url: "${await doors.at(codex.url)}", websockets: true,`,
      `     proxy-url: "${doors.working[kind]}", models: [{name: codex-sim}]}`,
      '',
    ].join('\n');
    const program = await start({ config, env });
    const client = await dial(`${program.url}/v1/responses`, clientKey);
    const input = [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'say hello' }] }];
    const events = await client.turn({ type: 'response.create', model: 'codex-sim', store: false, input });
    expect(events.at(-1)).toMatchObject({ type: 'response.completed' });
    client.socket.close();
    const posted = await fetch(`${program.url}/v1/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientKey}` },
      body: JSON.stringify({ model: 'codex-sim', store: false, input }),
    });
    expect([posted.status, (await posted.text()).length > 0]).toEqual([200, true]);
    expect(codex.turns.map(({ over }) => over)).toEqual(['socket', 'http']);
    codex.reset();
    codex.accounts.set(codexToken, '');
    await program.stop();
    const { direct, proxied } = doors.look();
    expect([direct, proxied > 1]).toEqual([0, true]);
  }, 60_000);
});

describe('auth login --proxy-url', () => {
  const home = async () =>
    signedInHome(
      `oauth-endpoints:\n${endpointLines('github-copilot', await doors.all({ ...copilot.endpoints, api: copilotApi }))}`,
    );
  const words = (proxy: string) => ['auth', 'login', 'github-copilot', '--proxy-url', proxy];

  test('signs in through it, and the login serves through it', async () => {
    const it = await home();
    const proxy = doors.working.socks5;
    await it.typeCode((code) => copilot.provider.approve(code), ...words(proxy));
    expect(Object.values(it.files())).toEqual([expect.objectContaining({ proxy_url: proxy })]);
    const program = await it.serve(env);
    const answer = await fetch(`${program.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientKey}` },
      body: JSON.stringify({ model: 'gpt-4.1', messages: [{ role: 'user', content: 'say hello' }] }),
    });
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('hello')]);
    await program.stop();
    const { direct, proxied } = doors.look();
    expect([direct, proxied > 3]).toEqual([0, true]);
  }, 60_000);

  test.each(brokenKinds)(
    'by %s reaches nobody and keeps nothing',
    async (kind) => {
      const it = await home();
      const { code, output } = await it.run(...words(doors.broken[kind]), '--no-browser');
      expect([code, output.includes('wrong')]).toEqual([1, false]);
      expect(it.files()).toEqual({});
      expect(doors.look()).toEqual({ direct: 0, proxied: 0 });
    },
    60_000,
  );
});
