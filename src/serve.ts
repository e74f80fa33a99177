import { join } from 'node:path';
import type { Keeper } from './accounts/keeper.ts';
import { createEntitlements, type Entitlements, entitlementLimits } from './accounts/entitlements.ts';
import type { Login } from './accounts/login.ts';
import { Pool } from './accounts/pool.ts';
import { createTally } from './accounts/tally.ts';
import { restLimits, restStore } from './accounts/rest-store.ts';
import { createGate, guardBy } from './admin/gate.ts';
import type { AdminHall } from './admin/hall.ts';
import { createAdmin } from './admin/index.ts';
import { discoverConfig } from './config/discover.ts';
import { ConfigError, faultLine } from './config/fault.ts';
import { type FirstRun, firstRun } from './config/first-run.ts';
import { listenAddress } from './config/listen.ts';
import { type Paths, resolvePaths } from './config/paths.ts';
import { hereabouts } from './config/places.ts';
import { readConfig } from './config/read.ts';
import type { Runtime, Source } from './config/runtime.ts';
import type { Config } from './config/schema.ts';
import { createSteward, type LiveSteward } from './config/steward.ts';
import { watchConfig } from './config/watch.ts';
import { createDiscovery, type Discovery, discoveryLimits } from './models/discovery.ts';
import { protocols } from './protocols/index.ts';
import { createRelay } from './relay/handle.ts';
import { createMemory } from './relay/memory.ts';
import { hearAsked } from './relay/quota.ts';
import { isLocal } from './server/address.ts';
import { createApp } from './server/app.ts';
import type { Hall } from './server/hall.ts';
import { listen, ListenError } from './server/listen.ts';
import { Sockets } from './server/sockets.ts';
import { sqliteShelf } from './state/sqlite.ts';
import { createState, type State } from './state/state.ts';
import { banner } from './cli/banner.ts';
import { openKeeper, openSignIns } from './cli/keeping.ts';
import { liveProviders, readiness } from './cli/live.ts';
import { createTelemetry } from './telemetry/create.ts';
import type { LogSettings, Telemetry } from './telemetry/telemetry.ts';
import { createTraces, traceLimits } from './telemetry/traces.ts';
import { buildDate, commit, version } from './version.ts';

/** How long a stop waits for answers that are still being given. */
const drainMs = 25_000;

/**
 * The main job: finds or writes the config, builds everything, listens, and stays until a signal ends it.
 * @throws ConfigError, ListenError
 */
export async function serve(options: { readonly config?: string }): Promise<void> {
  const here = hereabouts();
  const startedAt = Date.now();
  const { source, text, first } = await findConfig(here, options.config);
  const telemetry = createTelemetry();
  /** What a runtime asks, and what itself stands on the steward. */
  const late: { keeper?: Keeper; discovery?: Discovery } = {};
  const { environment } = here;
  const steward = createSteward({
    source,
    text,
    environment,
    log: telemetry.log,
    logins: () => late.keeper?.logins ?? [],
    discovered: (connectionId) => late.discovery?.known(connectionId),
  });
  const { config } = steward.current;
  const paths = await resolvePaths(config, source.path, here);
  telemetry.configure(logSettings(config, paths));
  const close = (record: Parameters<Telemetry['close']>[0]) => telemetry.close(record);
  const live = () => liveProviders(steward.current, pool);
  const state = openState(paths, telemetry);
  const keepsRests = () => steward.current.config['save-cooldown-status'];
  const entitlements = createEntitlements(
    state.space('entitlements', entitlementLimits),
    restStore(state.space('rests', restLimits), keepsRests),
    Date.now,
  );
  const pool = new Pool({ store: entitlements });
  const memory = createMemory(state, createState());
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
  const traces = createTraces({ shelf: state.space('traces', traceLimits) });
  const tally = createTally(Date.now);
  telemetry.observe((closed) => {
    if (closed.record.protocol !== '') traces.add(closed);
    for (const { credential, outcome } of closed.record.attempts)
      if (outcome !== 'cancelled') tally.add(credential, outcome === 'answered');
  });
  const sockets = new Sockets();
  const management = adminHall(
    { steward, telemetry, traces, pool, keeper, signIns, tally, entitlements },
    environment,
  );
  const gate = createGate(management, { isLocal });
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
  const server = open(hall, config);
  steward.onSwap(({ config, connections }) => {
    telemetry.configure(logSettings(config, paths));
    pool.keep(connections.flatMap(({ accounts }) => accounts));
    discovery.watch(connections);
  });
  discovery.watch(steward.current.connections);
  process.stderr.write(banner({ server, source, paths, first, config, version }));
  telemetry.log('info', 'started', {
    version,
    port: server.port,
    config: source.path ?? 'memory',
    why: source.why,
  });
  const watch =
    source.path === undefined ? undefined : watchConfig({ path: source.path, steward, log: telemetry.log });
  keeper.start();
  // A terminal that is closed sends it too, and then nobody is left who could stop the program.
  if (!process.stdin.isTTY) process.on('SIGHUP', () => void reload(steward, telemetry));
  await untilStopped(process.stdin.isTTY);
  telemetry.log('info', 'stopping', { open_requests: server.pendingRequests });
  watch?.close();
  await signIns.close();
  discovery.close();
  await drain(server, sockets);
  await keeper.close();
  await steward.close();
  telemetry.flush();
  traces.flush();
  state.close();
  await telemetry.drained();
  process.exit(0);
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

/** The config to start with: the one found, or one written now. */
async function findConfig(here: ReturnType<typeof hereabouts>, flag: string | undefined) {
  const { found } = discoverConfig(here, flag);
  if (found) return { source: found satisfies Source, text: readConfig(found.path), first: undefined };
  const first: FirstRun = await firstRun(here);
  return { source: { path: first.path, why: first.why } satisfies Source, text: first.text, first };
}

const mebibyte = 1024 * 1024;

function logSettings(config: Config, paths: Paths): LogSettings {
  return {
    debug: config.debug,
    folder: config['logging-to-file'] ? paths.logs.path : undefined,
    maxTotalBytes: config['logs-max-total-size-mb'] * mebibyte,
  };
}

function adminHall(
  stands: Omit<AdminHall, 'version' | 'commit' | 'builtAt' | 'password'>,
  environment: NodeJS.ProcessEnv,
): AdminHall {
  const password = environment.MANAGEMENT_PASSWORD?.trim();
  return {
    ...stands,
    version,
    commit,
    builtAt: buildDate,
    ...(password ? { password } : {}),
  };
}

/** What outlives the process, in a file where one can be written. */
function openState({ state }: Paths, telemetry: Telemetry): State {
  const file = join(state.path, 'state.sqlite');
  return createState({
    ...(state.writable ? { open: () => sqliteShelf(file) } : {}),
    warn: (message, cause) => telemetry.log('warn', 'state-lost', { file, message, cause: String(cause) }),
  });
}

/** Listens where the config says. */
function open(hall: Hall, config: Config): Bun.Server<unknown> {
  const address = listenAddress(config);
  if ('refused' in address)
    throw new ListenError(`host ${address.refused}; expected ${address.expected}.`, 78);
  return listen(createApp(hall), config, address);
}

async function reload(steward: LiveSteward, telemetry: Telemetry): Promise<void> {
  try {
    await steward.reload();
  } catch (error) {
    const faults = error instanceof ConfigError ? error.faults.map(faultLine) : [String(error)];
    telemetry.log('error', 'config-refused', { faults, kept: 'the last config stays in effect' });
  }
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the program at once. */
function untilStopped(inTerminal: boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = false;
  const stop = () => {
    if (asked) process.exit(130);
    asked = true;
    resolve();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  if (inTerminal) process.on('SIGHUP', stop);
  return promise;
}

/** Takes no new connection, lets open answers end, and then closes what is left. */
async function drain(server: Bun.Server<unknown>, sockets: Sockets): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, drainMs);
  const open = () => server.pendingRequests + sockets.busy;
  const idle = setInterval(() => open() === 0 && resolve(), 20);
  void server.stop();
  sockets.close();
  if (open() > 0) await late;
  clearTimeout(timer);
  clearInterval(idle);
  await server.stop(true);
}
