import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createKeeper, type Keeper } from '../../src/accounts/logins/keeper.ts';
import type { LiveLogin } from '../../src/accounts/logins/live-login.ts';
import { createStore } from '../../src/accounts/logins/store.ts';
import type { Channel } from '../../src/channels/channel.ts';
import type { Json } from '../../src/core/json.ts';
import { recordingLog, temporaryFolder } from '../config/support.ts';
import { standing, type Standing } from './support.ts';

/** The whole program in this process with logins in a folder, kept as the program keeps them. */
export interface Kept {
  readonly gateway: Standing;
  readonly keeper: Keeper;
  login(name: string): LiveLogin;
  /** What a file holds now. */
  read(name: string): Json;
  stop(): Promise<void>;
}

export interface KeptOptions {
  readonly channel: Channel;
  readonly endpoints: Readonly<Record<string, string>>;
  /** The login files, by name. */
  readonly files: Readonly<Record<string, Json>>;
  /** More of config.yaml. */
  readonly config?: string;
  /** Whether the providers have told their models before the first request, as after a start; yes by default. */
  readonly asked?: boolean;
}

/** Loads the logins, asks for their models as the program does at its start, and begins to answer. */
export async function kept({
  channel,
  endpoints,
  files,
  config = '',
  asked = true,
}: KeptOptions): Promise<Kept> {
  const place = temporaryFolder();
  const folder = join(place.path, 'auth');
  mkdirSync(folder, { mode: 0o700 });
  for (const [name, fields] of Object.entries(files))
    writeFileSync(join(folder, name), JSON.stringify(fields), { mode: 0o600 });
  const { log } = recordingLog();
  const keeper = createKeeper({
    store: createStore(folder, log),
    places: [{ id: channel.id, steps: channel.logins! }],
    settings: () => ({
      proxy: 'direct',
      workers: 4,
      endpoints: () => endpoints,
      client: () => ({ id: 'test-client', secret: 'hush' }),
    }),
    log,
  });
  await keeper.load();
  for (const { login } of keeper.files) if (asked && login) await keeper.ask(login);
  const moved = Object.entries(endpoints).map(([name, url]) => `    ${name}: ${url}\n`);
  const text = `oauth-endpoints:\n  ${channel.id}:\n${moved.join('')}${config}`;
  const gateway = standing(text, [], () => keeper.logins);
  return {
    gateway,
    keeper,
    login: (name) => keeper.find(name)!.login!,
    read: (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Json,
    async stop() {
      await gateway.stop();
      await keeper.close();
      place.remove();
    },
  };
}
