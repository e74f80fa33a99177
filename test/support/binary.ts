import { setDefaultTimeout } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dir, '../..');

/** The program as users run it: one compiled file. */
export const binary = join(root, 'dist/cliproxyapi++');

let building: Promise<void> | undefined;

/** Builds the binary unless the one in `dist/` is newer than every source. Once per run. */
export function built(): Promise<void> {
  building ??= build();
  return building;
}

async function build(): Promise<void> {
  if (isFresh()) return;
  const child = Bun.spawn([process.execPath, join(root, 'scripts/build.ts')], {
    cwd: root,
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const said = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`The build failed:\n${said.join('\n')}`);
}

function isFresh(): boolean {
  const made = changedAt(binary);
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).map((file) =>
    join(root, 'src', file),
  );
  return (
    made > 0 &&
    [...sources, join(root, 'package.json'), join(root, 'bun.lock')].every((file) => changedAt(file) < made)
  );
}

const changedAt = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** A running program. */
export interface Program {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Its HOME and working directory, empty but for what the test put there. */
  readonly home: string;
  readonly config: string;
  /** Everything it has printed so far. */
  output(): string;
  /** The output, as soon as it matches; fails when the program ends first. */
  said(pattern: RegExp): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Ends it with SIGTERM; gives the exit code. */
  stop(): Promise<number>;
  readonly exited: Promise<number>;
}

export interface Launch {
  /** The text of config.yaml; `host`, `port` and what else a test does not care about are added. None: no file is written. */
  readonly config?: string;
  readonly port?: number;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly home?: string;
  /** What to put before the command, such as `setpriv`. */
  readonly wrapper?: readonly string[];
}

export const clientKey = 'sk-client-e2e-0123456789abcdef';

// Starting, building and streaming take longer than the 5 seconds a unit test may.
setDefaultTimeout(120_000);

const running = new Set<Program>();
const homes: string[] = [];

/** Ends what still runs and removes every folder; for the `afterAll` of each file that starts programs. */
export async function cleanUp(): Promise<void> {
  await Promise.all([...running].map((program) => program.stop()));
  for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true });
}

/** A fresh folder, removed by `cleanUp`. */
export function temporaryHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'cliproxyapi-e2e-'));
  homes.push(home);
  return home;
}

/** A port nobody listens on at this moment. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** A config with a client key and this in it, on a port of its own. */
export const configOf = (port: number, more: string): string =>
  `host: 127.0.0.1\nport: ${port}\napi-keys:\n  - ${clientKey}\n${more}`;

/** Starts the program and does not wait for it. */
export async function launch(options: Launch = {}): Promise<Program> {
  await built();
  const home = options.home ?? temporaryHome();
  const port = options.port ?? freePort();
  const config = join(home, 'config.yaml');
  mkdirSync(home, { recursive: true });
  if (options.config !== undefined) writeFileSync(config, configOf(port, options.config), { mode: 0o600 });
  const args = options.args ?? (options.config === undefined ? [] : ['--config', config]);
  const child = Bun.spawn([...(options.wrapper ?? []), binary, ...args], {
    cwd: home,
    env: { PATH: process.env.PATH ?? '', HOME: home, ...options.env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const listeners = new Set<() => void>();
  let output = '';
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      output += decoder.decode(chunk, { stream: true });
      for (const listener of listeners) listener();
    }
  };
  const collected = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const exited = child.exited.then(async (code) => {
    await collected;
    running.delete(program);
    for (const listener of listeners) listener();
    return code;
  });
  const program: Program = {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid,
    home,
    config,
    exited,
    output: () => output,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (pattern.test(output)) resolve(output);
          else if (child.exitCode !== null)
            reject(new Error(`It ended without saying ${pattern}:\n${output}`));
          else return;
          listeners.delete(look);
        };
        listeners.add(look);
        look();
      }),
    signal: (name) => child.kill(name),
    stop() {
      child.kill('SIGTERM');
      return exited;
    },
  };
  running.add(program);
  return program;
}

/** Starts the program and waits until it answers `/health`. */
export async function start(options: Launch = {}): Promise<Program> {
  const program = await launch(options);
  await until(program, async () => (await fetch(`${program.url}/health`)).ok);
  return program;
}

/** Asks until the answer is yes, leaving the processor to the program in between; fails when the program ends. */
export async function until(program: Program, ask: () => Promise<boolean>): Promise<void> {
  let over = false;
  void program.exited.then(() => (over = true));
  for (;;) {
    if (await ask().catch(() => false)) return;
    if (over) throw new Error(`The program ended:\n${program.output()}`);
    await Bun.sleep(5);
  }
}

/** An answer as a shell user sees it. */
export interface Shell {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line as a user would paste it. */
export async function shell(command: string, env: Readonly<Record<string, string>> = {}): Promise<Shell> {
  const child = Bun.spawn(['bash', '-c', command], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}
