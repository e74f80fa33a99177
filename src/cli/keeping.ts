import { createEntitlements, type Entitlements, entitlementLimits } from '../accounts/pool/entitlements.ts';
import { createKeeper, type Keeper, type KeeperOptions } from '../accounts/logins/keeper.ts';
import { createNet } from '../accounts/logins/net.ts';
import { createSignIns, type SignIns } from '../accounts/logins/sign-in.ts';
import { createStore } from '../accounts/logins/store.ts';
import { channels } from '../channels/index.ts';
import type { Environment } from '../config/environment.ts';
import { loginSettings, placesOf } from '../config/logins.ts';
import type { Config } from '../config/schema.ts';
import type { Limits, State } from '../state/state.ts';
import type { Log } from '../telemetry/log.ts';

/** What the logins of one auth folder are kept with. */
export interface Keeping extends Pick<KeeperOptions, 'changed' | 'mended' | 'counted'> {
  /** The auth folder. */
  readonly folder: string;
  readonly config: () => Config;
  readonly environment: Environment;
  readonly log: Log;
  /** Where refusals are remembered. */
  readonly state?: State;
}

/** What a gateway on this state has learned of plans, for whoever shows it. */
export function openEntitlements(state: State): Entitlements {
  const nowhere = { get: () => undefined, put() {}, delete: () => false };
  return createEntitlements(state.space('entitlements', entitlementLimits), nowhere, Date.now);
}

/** A year: a refusal stands until its file changes. */
const refusals: Limits = { entries: 10_000, bytes: 4 << 20, entryBytes: 8_192, ttlMs: 365 * 86_400_000 };

/** A keeper over the channels that ship. */
export function openKeeper({ folder, config, environment, log, state, ...told }: Keeping): Keeper {
  return createKeeper({
    store: createStore(folder, log),
    places: placesOf(channels),
    settings: () => loginSettings(config(), environment),
    log,
    ...told,
    ...(state ? { memory: state.space('login-refusals', refusals) } : {}),
  });
}

/** Signing in, with a keeper that takes what comes of it. */
export function openSignIns(keeper: Keeper, config: () => Config, environment: Environment): SignIns {
  return createSignIns({
    keep: (place, fields) => keeper.save(place, fields, { enable: true }),
    net(place, signal, own) {
      const { proxy, endpoints, client } = loginSettings(config(), environment);
      return createNet({
        endpoints: endpoints(place),
        client: client(place),
        proxy: own ?? proxy,
        signal,
        now: () => Date.now() + keeper.skewOf(place.id),
        clock: Date.now,
      });
    },
  });
}
