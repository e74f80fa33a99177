import { join } from 'node:path';
import { createEntitlements, type Entitlements, entitlementLimits } from './accounts/pool/entitlements.ts';
import type { Keeper } from './accounts/logins/keeper.ts';
import type { Login } from './accounts/login.ts';
import { Pool } from './accounts/pool/pool.ts';
import { restLimits, restStore } from './accounts/pool/rest-store.ts';
import { createTally } from './accounts/pool/tally.ts';
import { createGate, guardBy } from './admin/gate.ts';
import type { AdminHall } from './admin/hall.ts';
import { createAdmin } from './admin/index.ts';
import { openKeeper, openSignIns } from './cli/keeping.ts';
import { liveProviders, readiness } from './cli/live.ts';
import { type Paths, resolvePaths } from './config/paths.ts';
import type { Whereabouts } from './config/places.ts';
import type { Runtime, Source } from './config/runtime.ts';
import type { Config } from './config/schema.ts';
import { createSteward, type LiveSteward } from './config/steward.ts';
import { createDiscovery, type Discovery, discoveryLimits } from './models/discovery.ts';
import { protocols } from './protocols/index.ts';
import { createRelay } from './relay/handle.ts';
import { createMemory } from './relay/memory.ts';
import { hearAsked } from './relay/routing/quota.ts';
import { isLocal } from './server/address.ts';
import type { Hall } from './server/hall.ts';
import { Sockets } from './server/sockets.ts';
import { sqliteShelf } from './state/sqlite.ts';
import { createState, type State } from './state/state.ts';
import { createTelemetry } from './telemetry/create.ts';
import type { LogSettings, Telemetry } from './telemetry/telemetry.ts';
import { createTraces, traceLimits } from './telemetry/traces.ts';
import { buildDate, commit, version } from './version.ts';

/** The program put together, before it listens. */
export interface Composed {
  /** What the server stands on. */
  readonly hall: Hall;
  readonly steward: LiveSteward;
  readonly telemetry: Telemetry;
  readonly sockets: Sockets;
  readonly paths: Paths;
  /** Begins what goes on by itself: renewing logins, asking places for their models. */
  begin(): void;
  /** Ends what begins requests of its own; answers that are being given go on. */
  quiet(): Promise<void>;
  /** Puts everything away, when nothing is being answered any more. */
  close(): Promise<void>;
}

/**
 * Builds everything that a config asks for, one thing on top of the other. Nothing waits for a network.
 * @throws ConfigError
 */
export async function compose(source: Source, text: string, here: Whereabouts): Promise<Composed> {
  const startedAt = Date.now();
  const { environment } = here;
  const telemetry = createTelemetry();
  /** What a runtime asks, and what itself stands on the steward. */
  const late: { keeper?: Keeper; discovery?: Discovery } = {};
  const steward = createSteward({
    source,
    text,
    environment,
    log: telemetry.log,
    logins: () => late.keeper?.logins ?? [],
    discovered: (connectionId) => late.discovery?.known(connectionId),
  });
  const paths = await resolvePaths(steward.current.config, source.path, here);
  telemetry.configure(logSettings(steward.current.config, paths));
  const state = openState(paths, telemetry);
  const { pool, entitlements } = openPool(state, steward);
  const keeper = (late.keeper = openKeeper({
    folder: paths.auth.path,
    config: () => steward.current.config,
    environment,
    log: telemetry.log,
    state,
    changed: once(() => steward.refresh()),
    mended: (login) => lift(login, steward.current, pool, entitlements),
    counted: (login) => hearAsked(login, steward.current, pool),
  }));
  await keeper.load();
  const discovery = (late.discovery = createDiscovery({
    space: state.space('models', discoveryLimits),
    log: telemetry.log,
    now: Date.now,
    changed: once(() => steward.refresh()),
  }));
  if (keeper.logins.length > 0 || steward.current.connections.some(({ models }) => models.live))
    await steward.refresh();
  const signIns = openSignIns(keeper, () => steward.current.config, environment);
  const { traces, tally } = openRecords(state, telemetry);
  const sockets = new Sockets();
  const management: AdminHall = {
    steward,
    telemetry,
    traces,
    pool,
    keeper,
    signIns,
    tally,
    entitlements,
    ...programFacts(environment),
  };
  const gate = createGate(management, { isLocal });
  const memory = createMemory(state, createState());
  const close = (record: Parameters<Telemetry['close']>[0]) => telemetry.close(record);
  const live = () => liveProviders(steward.current, pool);
  const hall: Hall = {
    steward,
    relay: createRelay({ pool, now: Date.now, log: telemetry.log, memory, close }),
    memory,
    sockets,
    keeper,
    signIns,
    protocols,
    telemetry,
    readiness: () => readiness(live()),
    live,
    admin: (door) => createAdmin(management, door, gate),
    guard: guardBy(gate),
    version,
    startedAt,
  };
  steward.onSwap(({ config, connections }) => {
    telemetry.configure(logSettings(config, paths));
    pool.keep(connections.flatMap(({ accounts }) => accounts));
    discovery.watch(connections);
  });
  return {
    hall,
    steward,
    telemetry,
    sockets,
    paths,
    begin() {
      discovery.watch(steward.current.connections);
      keeper.start();
    },
    async quiet() {
      await signIns.close();
      discovery.close();
    },
    async close() {
      await keeper.close();
      await steward.close();
      telemetry.flush();
      traces.flush();
      state.close();
      await telemetry.drained();
    },
  };
}

/** The pool, with what it remembers over restarts. */
function openPool(state: State, steward: LiveSteward) {
  const keepsRests = () => steward.current.config['save-cooldown-status'];
  const entitlements = createEntitlements(
    state.space('entitlements', entitlementLimits),
    restStore(state.space('rests', restLimits), keepsRests),
    Date.now,
  );
  return { entitlements, pool: new Pool({ store: entitlements }) };
}

/** What is kept of requests that are over. */
function openRecords(state: State, telemetry: Telemetry) {
  const traces = createTraces(state.space('traces', traceLimits));
  const tally = createTally(Date.now);
  telemetry.observe((record) => {
    if (record.protocol !== '') traces.add(record);
    for (const { credential, outcome } of record.attempts)
      if (outcome !== 'cancelled') tally.add(credential, outcome === 'answered');
  });
  return { traces, tally };
}

/** What management tells of the program itself, and the key that the environment gives it. */
function programFacts(environment: NodeJS.ProcessEnv) {
  const password = environment['MANAGEMENT_PASSWORD']?.trim();
  return { version, commit, builtAt: buildDate, ...(password ? { password } : {}) };
}

/** What outlives the process, in a file where one can be written. */
function openState({ state }: Paths, telemetry: Telemetry): State {
  const file = join(state.path, 'state.sqlite');
  return createState({
    ...(state.writable ? { open: () => sqliteShelf(file) } : {}),
    warn: (message, cause) => telemetry.log('warn', 'state-lost', { file, message, cause: String(cause) }),
  });
}

const mebibyte = 1024 * 1024;

function logSettings(config: Config, paths: Paths): LogSettings {
  return {
    debug: config.debug,
    folder: config['logging-to-file'] ? paths.logs.path : undefined,
    maxTotalBytes: config['logs-max-total-size-mb'] * mebibyte,
  };
}

/** Whoever is mended is used at once, whatever its old tokens were made to rest for. */
function lift({ id }: Login, { connections }: Runtime, pool: Pool, entitlements: Entitlements): void {
  for (const { accounts } of connections)
    for (const account of accounts)
      if (account.secret.kind === 'login' && account.secret.login.id === id) {
        pool.clear(account.id);
        entitlements.forget(account.id);
      }
}

/** Many logins that list their models one after the other are not worth a runtime each. */
const gatherMs = 100;

/** What is wanted several times within a moment is done once. */
function once(work: () => Promise<void>): () => void {
  let timer: Timer | undefined;
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      void work();
    }, gatherMs);
    timer.unref();
  };
}
