import { readArguments } from './cli/arguments.ts';

/**
 * What Bun, its engine and its allocator, mimalloc, read from the environment at launch only.
 * - Bun allows 256 outgoing requests at a time unless told otherwise.
 * - Memory that is free goes back to the system after 100 ms, and ten times a second so does what is free between used blocks.
 *   A busy gateway has to ask for both again at once, so it keeps them for a while (decision 13).
 * - The engine compiles a function that has run often enough. Most of what a start runs does so a few times only, so six
 *   times as often is enough here: a start is a tenth shorter, and what requests run gets there within a second.
 */
const settings = {
  BUN_CONFIG_MAX_HTTP_REQUESTS: '65336',
  MIMALLOC_PURGE_DELAY: '5000',
  MIMALLOC_PURGE_HOLES_MIN_INTERVAL: '5000',
  BUN_JSC_thresholdForJITAfterWarmUp: '3000',
};

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
