import { readFileSync } from 'node:fs';
import type { Subprocess } from 'bun';

/** A program under measurement or a tool of the bench, on a core of its own where the system can do that. */
export interface Program {
  readonly pid: number;
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

/** 0: what is measured. 1: the upstream and the load generator. */
export type Core = 0 | 1;

/** Whether programs are bound to cores; without that the numbers disturb each other more. */
export const pinned =
  process.platform === 'linux' && Bun.which('taskset') !== null && navigator.hardwareConcurrency > 1;

export const onCore = (core: Core | undefined, command: readonly string[]): string[] =>
  pinned && core !== undefined ? ['taskset', '-c', String(core), ...command] : [...command];

const running = new Set<Subprocess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

/** Starts a program in silence; what it writes to standard error goes to a file. */
export function launch(
  command: readonly string[],
  core: Core | undefined,
  { env, errors }: { readonly env?: Record<string, string>; readonly errors: string },
): Program {
  return watched(
    Bun.spawn(onCore(core, command), {
      env: { ...basicEnvironment(), ...env },
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: Bun.file(errors),
    }),
  );
}

/** Starts one of the bench's own scripts that prints its port first. */
export async function launchScript(
  path: string,
  args: readonly string[],
  core: Core,
): Promise<Program & { readonly port: number }> {
  const command = onCore(core, [process.execPath, path, ...args]);
  const child = Bun.spawn(command, {
    env: { ...basicEnvironment(), BUN_CONFIG_MAX_HTTP_REQUESTS: '65336' },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const program = watched(child);
  for await (const bytes of child.stdout) return { ...program, port: Number(Buffer.from(bytes).toString()) };
  throw new Error(`${path} ended before it said its port`);
}

/** Ends with the bench, however that ends. */
export function watched(child: Subprocess): Program {
  running.add(child);
  void child.exited.then(() => running.delete(child));
  return {
    pid: child.pid,
    async stop() {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await child.exited;
      clearTimeout(late);
    },
  };
}

const basicEnvironment = (): Record<string, string> => ({ PATH: process.env['PATH'] ?? '' });

/** Processor time a process has used so far, in milliseconds; the kernel counts in steps of 10. */
export function cpuMs(pid: number): number {
  if (process.platform !== 'linux') return seconds(ps(pid, 'time')) * 1000;
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Resident memory in MiB. */
export function residentMb(pid: number): number {
  if (process.platform !== 'linux') return Number(ps(pid, 'rss')) / 1024;
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? NaN) / 1024;
}

const ps = (pid: number, what: string): string =>
  Bun.spawnSync(['ps', '-o', `${what}=`, '-p', String(pid)])
    .stdout.toString()
    .trim();

/** `1:02.50` in seconds. */
const seconds = (time: string): number => time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
