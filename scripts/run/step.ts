import { join, sep } from 'node:path';

/** The repository's folder, with a separator behind it. */
export const root = join(import.meta.dir, '../..') + sep;

/** One command of a job. */
export interface Step {
  readonly name: string;
  readonly command: readonly string[];
}

/** A tool from node_modules. */
export const tool = (name: string, ...args: readonly string[]): Step => ({
  name,
  command: [process.execPath, 'run', '--silent', name, ...args],
});

/**
 * Runs a step in the foreground, names it and says how long it took; SIGTERM and SIGINT are passed on and end the job.
 * @returns whether it ended well
 */
export async function runStep({ name, command }: Step): Promise<boolean> {
  console.log(`\n== ${name}`);
  const started = performance.now();
  const child = Bun.spawn([...command], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const stop = (signal: NodeJS.Signals) => {
    child.kill(signal);
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const code = await child.exited;
  process.off('SIGINT', stop).off('SIGTERM', stop);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`== ${name}: ${code === 0 ? 'ok' : `failed (exit code ${code})`} in ${seconds} s`);
  return code === 0;
}
