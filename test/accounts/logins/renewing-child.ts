import { createKeeper } from '../../../src/accounts/logins/keeper.ts';
import type { Steps } from '../../../src/accounts/steps.ts';
import { createStore } from '../../../src/accounts/logins/store.ts';
import { type Json, readNumber } from '../../../src/core/json.ts';

/**
 * A process that renews one login as fast as it can, for `store-kill.test.ts`. Its provider is real HTTP on loopback,
 * run by the parent. It loads little and awaits nothing at its top, so that it can be compiled: 200 of it are started.
 */
const [folder = '', token = ''] = process.argv.slice(2);
const steps: Steps = {
  types: ['test'],
  endpoints: { token },
  leadMs: 0,
  identify: ({ email }) => ({ account: String(email), label: String(email) }),
  fileName: () => 'test.json',
  async renew({ refresh_token: refreshToken }, net) {
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: String(refreshToken),
      client_id: 'test-client',
    });
    const answer = (await (await net.fetch(token, { body })).json()) as Json;
    const endsAt = net.now() + readNumber(answer['expires_in'])! * 1000;
    return { access_token: answer['access_token'], expired: new Date(endsAt).toISOString() };
  },
  ways: [],
  manual: { title: '', needs: '', serves: '', limits: '', terms: '' },
};
const keeper = createKeeper({
  store: createStore(folder),
  places: [{ id: 'test', steps }],
  settings: () => ({ proxy: 'direct', workers: 1, endpoints: () => ({ token }), client: () => ({}) }),
  log: () => {},
});

/** Whatever ends it, the parent must not wait for it. */
async function renewForEver(): Promise<never> {
  await keeper.load();
  const login = keeper.find('test-person.json')!.login!;
  process.stdout.write('.');
  for (;;) {
    await keeper.renew(login);
    process.stdout.write('.');
  }
}

void renewForEver();
