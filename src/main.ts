import { readArguments, UsageError } from './cli/arguments.ts';
import { check } from './cli/check.ts';
import { help } from './cli/help.ts';
import { ConfigError } from './config/fault.ts';
import { newKey } from './config/first-run.ts';
import { serve } from './serve.ts';
import { ListenError } from './server/listen.ts';
import { buildDate, commit, version } from './version.ts';

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

async function run(argv: readonly string[]): Promise<number> {
  const { command, options } = readArguments(argv);
  if (options.help) return print(help);
  switch (command) {
    case 'serve':
      liftRequestLimit();
      process.umask(0o077);
      await serve(options);
      return 0;
    case 'check':
      return check(options);
    case 'new-key':
      return print(`${newKey()}\n`);
    case 'version':
      return print(`cliproxyapi++ ${version} (${commit}, ${buildDate}, Bun ${Bun.version})\n`);
    case 'help':
      return print(help);
    default:
      throw new UsageError(`There is no command "${command}".`);
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** A failure as one message for a person, and its exit code (sysexits.h). */
function failure(error: unknown): { message: string; code: number } {
  if (error instanceof UsageError) return { message: `${error.message}\n\n${help}`, code: 64 };
  if (error instanceof ConfigError)
    return { message: `The configuration cannot be used.\n\n${error.message}`, code: 78 };
  if (error instanceof ListenError) return { message: error.message, code: error.exitCode };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), code: 70 };
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  const { message, code } = failure(error);
  process.stderr.write(`${message}\n`);
  process.exit(code);
}
