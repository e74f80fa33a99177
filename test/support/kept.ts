import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeeper } from '../../src/accounts/keeper.ts';
import { createStore } from '../../src/accounts/store.ts';
import type { LiveLogin } from '../../src/accounts/live-login.ts';
import { channels } from '../../src/channels/index.ts';
import { placesOf } from '../../src/config/logins.ts';
import type { Json } from '../../src/core/json.ts';
import { standing, type Standing } from '../relay/support.ts';

/** The whole program in this process with logins of one channel, kept in a folder of their own. */
export interface Kept {
  readonly it: Standing;
  readonly logins: readonly LiveLogin[];
  stop(): Promise<void>;
}

/**
 * @param endpoints the channel's addresses, on loopback.
 * @param files what stands in the auth folder.
 * @param asked whether the provider has told its models before the first request.
 */
export async function kept(
  channel: string,
  endpoints: Readonly<Record<string, string>>,
  files: readonly Json[],
  asked = false,
): Promise<Kept> {
  const folder = mkdtempSync(join(tmpdir(), 'cliproxyapi-kept-'));
  const places = placesOf(channels);
  const place = places.find(({ id }) => id === channel)!;
  const keeper = createKeeper({
    store: createStore(folder),
    places,
    settings: () => ({
      proxy: 'direct',
      workers: 4,
      endpoints: () => endpoints,
      client: () => ({ id: 'x' }),
    }),
    log: () => {},
  });
  for (const fields of files) await keeper.save(place, fields);
  await keeper.load();
  const logins = keeper.logins as readonly LiveLogin[];
  if (asked) for (const login of logins) await keeper.ask(login);
  const addresses = Object.entries(endpoints).map(([name, address]) => `    ${name}: ${address}\n`);
  const it = standing(`oauth-endpoints:\n  ${channel}:\n${addresses.join('')}`, [], () => keeper.logins);
  return {
    it,
    logins,
    async stop() {
      await it.stop();
      await keeper.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
