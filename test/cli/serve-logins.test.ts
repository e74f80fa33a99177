import { afterEach, beforeEach, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UnsecuredJWT } from 'jose';
import { oauthServer, type OauthServer } from '../support/oauth-server.ts';
import { home } from './support.ts';

/** The gateway as a process, with logins in its folder and a provider that does not answer at first. */

let provider: OauthServer;
let place: ReturnType<typeof home>;
beforeEach(() => {
  provider = oauthServer({ clientId: 'our-client' });
  place = home(
    [
      'port: 0',
      'host: 127.0.0.1',
      'oauth-clients: {codex: {client-id: our-client}}',
      `oauth-endpoints: {codex: {token: "${provider.endpoints.token}", usage: "${provider.url}/none"}}`,
    ].join('\n'),
  );
});
afterEach(async () => {
  await provider.stop();
  place.remove();
});

function write(name: string, email: string, endsAt: number) {
  const { accessToken, refreshToken } = provider.issue();
  const auth = { chatgpt_account_id: email, chatgpt_plan_type: 'plus' };
  const fields = {
    type: 'codex',
    email,
    account_id: email,
    id_token: new UnsecuredJWT({ email, 'https://api.openai.com/auth': auth }).encode(),
    access_token: accessToken,
    refresh_token: refreshToken,
    expired: new Date(endsAt).toISOString(),
  };
  writeFileSync(join(place.auth, name), JSON.stringify(fields), { mode: 0o600 });
  return refreshToken;
}

const tokenIn = (name: string) =>
  (JSON.parse(readFileSync(join(place.auth, name), 'utf8')) as { refresh_token: string }).refresh_token;

test('a provider that hangs delays neither the start nor the stop of renewal: it serves what is ready, and renews later', async () => {
  const hang = Promise.withResolvers<void>();
  provider.next.push({ until: hang.promise });
  const old = write('a.json', 'a@example.com', Date.now() - 1000);
  const gateway = place.start(['serve']);
  const [, url = ''] = await gateway.said(/listening {2}(http\S+)/);
  const json = async (path: string) => (await fetch(url + path)).json() as Promise<any>;
  const until = async (path: string, wanted: (body: any) => boolean) => {
    for (;;) {
      const body = await json(path);
      if (wanted(body)) return body;
      await Bun.sleep(20);
    }
  };
  expect((await json('/readyz')).status).toBe('ready');
  expect((await json('/v1/models')).data.length).toBeGreaterThan(0);

  // Another login comes while the first one waits.
  provider.revoke(write('b.json', 'b@example.com', Date.now() - 1000));
  await until('/v1/metrics/providers', ({ codex }) => codex.credentials_needing_login === 1);
  expect(tokenIn('a.json')).toBe(old);

  hang.resolve();
  while (tokenIn('a.json') === old) await Bun.sleep(20);
  expect(provider.counts.reused).toBe(0);

  gateway.process.kill('SIGTERM');
  expect((await gateway.ended()).code).toBe(0);
}, 60_000);
