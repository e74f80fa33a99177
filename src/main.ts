import { readArguments } from './cli/arguments.ts';

/**
 * What Bun reads from its environment at launch only. It allows 256 outgoing requests at a time unless told otherwise; and
 * it gives memory back to the system after 10 ms, which a busy gateway then has to ask for again with every request.
 */
const settings = { BUN_CONFIG_MAX_HTTP_REQUESTS: '65336', MIMALLOC_PURGE_DELAY: '1000' };

/** Starts the program anew with its settings, once, in the same process. */
function relaunch(): void {
  const { execve } = process as {
    execve?: (file: string, args: string[], environment: NodeJS.ProcessEnv) => void;
  };
  if (process.env['BUN_CONFIG_MAX_HTTP_REQUESTS'] !== undefined || !execve) return;
  const script = Bun.main.startsWith('/$bunfs/') ? [] : [Bun.main];
  const args = [process.execPath, ...script, ...process.argv.slice(2)];
  execve(process.execPath, args, { ...settings, ...process.env });
}

/** Whether the main job is asked for. A command line that makes no sense is told about by `run`. */
function serves(argv: readonly string[]): boolean {
  try {
    const { command, options } = readArguments(argv);
    return command === 'serve' && !options.help;
  } catch {
    return false;
  }
}

const argv = process.argv.slice(2);
if (serves(argv)) relaunch();
// Loaded only now, because whatever is loaded before a new start is loaded twice.
const { run } = await import('./cli/run.ts');
await run(argv);
