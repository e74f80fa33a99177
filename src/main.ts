import { readArguments } from './cli/arguments.ts';

/**
 * Bun allows 256 outgoing requests at a time unless its environment says otherwise at launch, so the program starts
 * itself anew once, in the same process.
 */
function liftRequestLimit(): void {
  const variable = 'BUN_CONFIG_MAX_HTTP_REQUESTS';
  const { execve } = process as {
    execve?: (file: string, args: string[], environment: NodeJS.ProcessEnv) => void;
  };
  if (process.env[variable] !== undefined || !execve) return;
  const script = Bun.main.startsWith('/$bunfs/') ? [] : [Bun.main];
  const args = [process.execPath, ...script, ...process.argv.slice(2)];
  execve(process.execPath, args, { ...process.env, [variable]: '65336' });
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
if (serves(argv)) liftRequestLimit();
// Loaded only now, because whatever is loaded before a new start is loaded twice.
const { run } = await import('./cli/run.ts');
await run(argv);
