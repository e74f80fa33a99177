import { ConfigError } from '../config/fault.ts';
import { buildDate, commit, version } from '../version.ts';
import { readArguments, UsageError } from './arguments.ts';
import { help } from './help.ts';
import { print, readable } from './print.ts';

/** Does what a command line asks for, and sets the exit code. A failure is told on standard error and ends the process. */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    process.exitCode = await command(argv);
  } catch (error) {
    const { message, code } = failure(error);
    process.stderr.write(`${readable(message)}\n`);
    process.exit(code);
  }
}

/** Each command loads what it needs, so that none waits for the others. */
async function command(argv: readonly string[]): Promise<number> {
  const { command, words, options } = readArguments(argv);
  if (options.help && command !== 'auth') return print(help);
  switch (command) {
    case 'auth':
      return (await import('./auth.ts')).auth(words, options);
    case 'serve':
      process.umask(0o077);
      await (await import('../serve.ts')).serve(options);
      return 0;
    case 'check':
      return (await import('./check.ts')).check(options);
    case 'models':
      return (await import('./models.ts')).models(words, options);
    case 'trace':
      return (await import('./trace.ts')).trace(words[0], options);
    case 'new-key':
      return print((await import('../config/first-run.ts')).newKey());
    case 'version':
      return print(`cliproxyapi++ ${version} (${commit}, ${buildDate}, Bun ${Bun.version})`);
    case 'help':
      return print(help);
    default:
      throw new UsageError(`There is no command "${command}".`);
  }
}

/** A failure as one message for a person, and its exit code (sysexits.h). */
function failure(error: unknown): { message: string; code: number } {
  if (error instanceof UsageError) return { message: `${error.message}\n\n${help}`, code: 64 };
  if (error instanceof ConfigError)
    return { message: `The configuration cannot be used.\n\n${error.message}`, code: error.exitCode };
  if (error instanceof Error && 'exitCode' in error)
    return { message: error.message, code: Number(error.exitCode) };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), code: 70 };
}
