import { banner } from './cli/banner.ts';
import { compose } from './compose.ts';
import { discoverConfig } from './config/discover.ts';
import { ConfigError, faultLine } from './config/fault.ts';
import { type FirstRun, firstRun } from './config/first-run.ts';
import { listenAddress } from './config/listen.ts';
import { hereabouts } from './config/places.ts';
import { readConfig } from './config/read.ts';
import type { Source } from './config/runtime.ts';
import type { Config } from './config/schema.ts';
import type { LiveSteward } from './config/steward.ts';
import { watchConfig } from './config/watch.ts';
import { createApp } from './server/app.ts';
import type { Hall } from './server/hall.ts';
import { listen, ListenError } from './server/listen.ts';
import type { Sockets } from './server/sockets.ts';
import type { Telemetry } from './telemetry/telemetry.ts';
import { version } from './version.ts';

/** How long a stop waits for answers that are still being given. */
const drainMs = 25_000;

/**
 * The main job: finds or writes the config, puts everything together, listens, and stays until a signal ends it.
 * @throws ConfigError, ListenError
 */
export async function serve(options: { readonly config?: string }): Promise<void> {
  const here = hereabouts();
  const { source, text, first } = await findConfig(here, options.config);
  const program = await compose(source, text, here);
  const { hall, steward, telemetry, sockets, paths } = program;
  const { config } = steward.current;
  const { log } = telemetry;
  const server = open(hall, config);
  process.stderr.write(banner({ server, source, paths, first, config, version }));
  log('info', 'started', { version, port: server.port, config: source.path ?? 'memory', why: source.why });
  const watch = source.path === undefined ? undefined : watchConfig({ path: source.path, steward, log });
  program.begin();
  // A terminal that is closed sends it too, and then nobody is left who could stop the program.
  if (!process.stdin.isTTY) process.on('SIGHUP', () => void reload(steward, telemetry));
  await untilStopped(process.stdin.isTTY);
  log('info', 'stopping', { open_requests: server.pendingRequests });
  watch?.close();
  await program.quiet();
  await drain(server, sockets);
  await program.close();
  process.exit(0);
}

/** The config to start with: the one found, or one written now. */
async function findConfig(here: ReturnType<typeof hereabouts>, flag: string | undefined) {
  const { found } = discoverConfig(here, flag);
  if (found) return { source: found satisfies Source, text: readConfig(found.path), first: undefined };
  const first: FirstRun = await firstRun(here);
  return { source: { path: first.path, why: first.why } satisfies Source, text: first.text, first };
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
