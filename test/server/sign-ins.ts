import { createKeeper } from '../../src/accounts/logins/keeper.ts';
import { createSignIns } from '../../src/accounts/logins/sign-in.ts';
import { createStore } from '../../src/accounts/logins/store.ts';
import { channels } from '../../src/channels/index.ts';
import { placesOf } from '../../src/config/logins.ts';
import { testNet } from '../support/net.ts';

/** The logins and sign-ins of every channel, over an empty folder and a net without an internet. */
export function everySignIn(folder: string) {
  const keeper = createKeeper({
    store: createStore(`${folder}/auth`),
    places: placesOf(channels),
    settings: () => ({
      proxy: 'direct',
      workers: 1,
      endpoints: (one) => one.steps.endpoints,
      client: () => ({ id: 'x' }),
    }),
    log: () => {},
  });
  const signIns = createSignIns({
    keep: (to, fields) => keeper.save(to, fields),
    net: (one) => testNet(one.steps.endpoints),
  });
  return {
    keeper,
    signIns,
    async close() {
      await signIns.close();
      await keeper.close();
    },
  };
}
