import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createKeeper, type Keeper, type KeeperOptions } from '../../../src/accounts/logins/keeper.ts';
import type { LiveLogin } from '../../../src/accounts/logins/live-login.ts';
import { createStore } from '../../../src/accounts/logins/store.ts';
import type { Channel } from '../../../src/channels/channel.ts';
import type { Logins } from '../../../src/channels/login.ts';
import type { Json } from '../../../src/core/json.ts';
import { createState, type Limits } from '../../../src/state/state.ts';
import { recordingLog, temporaryFolder } from '../../config/support.ts';
import { loginChannel, loginFields } from '../../support/login-channel.ts';
import { oauthServer, type OauthOptions, type OauthServer } from '../../support/oauth-server.ts';

/** A keeper with a folder, a provider and a clock of its own. */
export interface Desk {
  readonly provider: OauthServer;
  readonly folder: string;
  readonly keeper: Keeper;
  /** The test channel, for a runtime. */
  readonly channel: Channel;
  /** Milliseconds since 1970, as the keeper and the provider see them. */
  now: number;
  readonly lines: ReturnType<typeof recordingLog>['lines'];
  /** How often another runtime was wanted. */
  changes: number;
  write(name: string, fields: Json): void;
  read(name: string): Json;
  /** A login of the test channel whose token ends at that time, in the folder and loaded. */
  login(endsAt: number, more?: Json, name?: string): Promise<LiveLogin>;
  /** Another keeper on the same folder, as after a restart. */
  restart(options?: Partial<KeeperOptions>): Promise<Keeper>;
  close(): Promise<void>;
}

export interface DeskOptions extends OauthOptions {
  readonly logins?: Partial<Logins>;
  readonly keeper?: Partial<KeeperOptions>;
}

export const noon = Date.UTC(2026, 5, 1, 12);
const limits: Limits = { entries: 1000, bytes: 1e6, entryBytes: 1e5, ttlMs: 1e12 };

export function openDesk(options: DeskOptions = {}): Desk {
  const place = temporaryFolder();
  const { log, lines } = recordingLog();
  const memory = createState().space('logins', limits);
  const folder = join(place.path, 'auth');
  mkdirSync(folder, { mode: 0o700 });
  const clock = () => desk.now;
  const provider = oauthServer({ now: clock, date: clock, ...options });
  const channel = loginChannel(provider, options.logins);
  const keepers: Keeper[] = [];

  function keeper(more: Partial<KeeperOptions> = {}): Keeper {
    const made = createKeeper({
      store: createStore(folder, log),
      places: [{ id: channel.id, steps: channel.logins! }],
      settings: () => ({
        proxy: 'direct',
        workers: 4,
        endpoints: ({ steps }) => steps.endpoints,
        client: () => ({ id: 'test-client' }),
      }),
      log,
      memory,
      changed: () => void desk.changes++,
      now: clock,
      random: () => 0.5,
      ...options.keeper,
      ...more,
    });
    keepers.push(made);
    return made;
  }

  const desk: Desk = {
    provider,
    folder,
    channel,
    now: noon,
    lines,
    changes: 0,
    keeper: undefined as unknown as Keeper,
    write(name, fields) {
      mkdirSync(dirname(join(folder, name)), { recursive: true, mode: 0o700 });
      writeFileSync(join(folder, name), JSON.stringify(fields, null, 2), { mode: 0o600 });
    },
    read: (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Json,
    async login(endsAt, more = {}, name = 'test-person.json') {
      desk.write(name, loginFields(provider, endsAt, more));
      await desk.keeper.load();
      return desk.keeper.find(name)!.login!;
    },
    async restart(more) {
      const made = keeper(more);
      await made.load();
      return made;
    },
    async close() {
      for (const made of keepers) await made.close();
      await provider.stop();
      place.remove();
    },
  };
  (desk as { keeper: Keeper }).keeper = keeper();
  return desk;
}

export const forever = new AbortController().signal;
export const minutes = 60_000;
