import { afterEach, describe, expect, test } from 'bun:test';
import { createSignIns } from '../../src/accounts/logins/sign-in.ts';
import { createNet } from '../../src/accounts/logins/net.ts';
import { createKeeper, type Keeper } from '../../src/accounts/logins/keeper.ts';
import { createStore } from '../../src/accounts/logins/store.ts';
import { temporaryFolder } from '../config/support.ts';
import { loginChannel } from '../support/login-channel.ts';
import { oauthServer, type OauthServer } from '../support/oauth-server.ts';
import { createApp } from '../../src/server/app.ts';
import { stand } from './support.ts';

/** Browsers that come back to the gateway's own port, and the pages for Kiro. The test channel stands in for Kiro. */

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

function open() {
  const place = temporaryFolder();
  const provider: OauthServer = oauthServer();
  const steps = loginChannel(provider).logins!;
  const keeper: Keeper = createKeeper({
    store: createStore(`${place.path}/auth`),
    places: [{ id: 'kiro', steps }],
    settings: () => ({
      proxy: 'direct',
      workers: 1,
      endpoints: () => steps.endpoints,
      client: () => ({ id: 'test-client' }),
    }),
    log: () => {},
  });
  const signIns = createSignIns({
    keep: (to, fields) => keeper.save(to, fields),
    net: (_, signal) =>
      createNet({
        endpoints: steps.endpoints,
        client: { id: 'test-client' },
        proxy: 'direct',
        signal,
        now: Date.now,
        clock: Date.now,
      }),
  });
  const app = createApp({ ...stand().hall, keeper, signIns });
  const server = app.listen({ port: 0, hostname: '127.0.0.1' }).server!;
  endings.push(
    () => server.stop(true),
    () => provider.stop(),
    () => place.remove(),
  );
  const url = `http://127.0.0.1:${server.port}`;
  return {
    provider,
    keeper,
    signIns,
    url,
    steps,
    get: (path: string, init?: RequestInit) => fetch(url + path, init),
  };
}

describe('a browser that comes back to the main port', () => {
  test('ends the sign-in that it belongs to', async () => {
    const { get, provider, signIns, keeper } = open();
    const place = keeper.places[0]!;
    const signIn = await signIns.begin(place, place.steps.ways[0]!, { listen: false, port: 9 });
    const { search } = new URL(await provider.visit(signIn.url));
    const other = await get(`/codex/callback${search}`);
    expect([other.status, await other.text()]).toEqual([400, expect.stringContaining('another provider')]);
    const page = await get(`/kiro/callback${search}`);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('Signed in');
    expect(keeper.logins).toHaveLength(1);
  });

  test('with a state that nobody gave out does nothing, and says so', async () => {
    const { get, keeper } = open();
    const page = await get('/google/callback?state=%3Cscript%3E&code=x');
    expect(page.status).toBe(400);
    expect(await page.text()).not.toContain('<script>');
    expect(keeper.files).toEqual([]);
  });
});

describe('the pages for Kiro', () => {
  test('list the ways, begin one, and say how it stands', async () => {
    const { get, provider } = open();
    expect(await (await get('/v0/oauth/kiro')).text()).toContain('/v0/oauth/kiro/start?method=device');
    const page = await (await get('/v0/oauth/kiro/start?method=device')).text();
    expect(page).toContain('The code is ABCD-0001.');
    const state = /status\?state=([\w-]+)/.exec(page)![1]!;
    expect(await (await get(`/v0/oauth/kiro/status?state=${state}`)).json()).toEqual({ status: 'pending' });
    expect(provider.counts.device).toBe(1);
  });

  test('take over a login once', async () => {
    const { get, keeper } = open();
    const body = JSON.stringify({ tokens: { accessToken: 'a', refreshToken: 'r' } });
    const post = async () => (await get('/v0/oauth/kiro/import', { method: 'POST', body })).json();
    expect(await post()).toMatchObject({ success: true, outcome: 'added' });
    expect(await post()).toMatchObject({ success: true, outcome: 'unchanged' });
    expect(keeper.files).toHaveLength(1);
    const wrong = await get('/v0/oauth/kiro/import', { method: 'POST', body: '{"tokens":{}}' });
    expect(await wrong.text()).toContain('It has no refreshToken.');
  });

  test.each([
    { 'x-forwarded-for': '203.0.113.9' },
    { origin: 'https://evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { host: 'evil.example' },
  ])('are for this machine only: %j is refused', async (headers) => {
    const { get } = open();
    expect((await get('/v0/oauth/kiro/start?method=device', { headers: headers as never })).status).toBe(403);
  });
});
