import { ConfigError } from '../config/fault.ts';
import { newKey } from '../config/first-run.ts';
import { serve } from '../serve.ts';
import { ListenError } from '../server/listen.ts';
import { buildDate, commit, version } from '../version.ts';
import { readArguments, UsageError } from './arguments.ts';
import { auth } from './auth.ts';
import { AuthFailure } from './auth-desk.ts';
import { check } from './check.ts';
import { help } from './help.ts';
import { models } from './models.ts';
import { print, readable } from './print.ts';
import { trace } from './trace.ts';

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

async function command(argv: readonly string[]): Promise<number> {
  const { command, words, options } = readArguments(argv);
  if (options.help && command !== 'auth') return print(help);
  switch (command) {
    case 'auth':
      return auth(words, options);
    case 'serve':
      process.umask(0o077);
      await serve(options);
      return 0;
    case 'check':
      return check(options);
    case 'models':
      return models(words, options);
    case 'trace':
      return trace(words[0], options);
    case 'new-key':
      return print(newKey());
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
  if (error instanceof AuthFailure) return { message: error.message, code: 1 };
  if (error instanceof ListenError) return { message: error.message, code: error.exitCode };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), code: 70 };
}
