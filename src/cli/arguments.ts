import { parseArgs } from 'node:util';
import { fromReference } from './reference-flags.ts';

/** What the command line asks for. */
export interface Arguments {
  readonly command: string;
  /** Words after the command that are no option. */
  readonly words: readonly string[];
  readonly options: Options;
}

export interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly explain?: boolean;
  readonly losses?: boolean;
  /** A client's key that is asked about. */
  readonly key?: string;
  /** What the running gateway is asked with. */
  readonly 'management-key'?: string;
  /** How to sign in; see `auth-login.ts` for these. */
  readonly way?: string;
  readonly 'no-browser'?: boolean;
  readonly incognito?: boolean;
  readonly port?: string;
  readonly 'proxy-url'?: string;
  readonly set?: readonly string[];
  readonly 'account-dir'?: string;
  /** Ask the providers as well. */
  readonly live?: boolean;
  /** Do it without asking. */
  readonly yes?: boolean;
  readonly help?: boolean;
  readonly version?: boolean;
}

/** A command line that makes no sense; the message says why. Exit code 64. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const options = {
  config: { type: 'string' },
  json: { type: 'boolean' },
  explain: { type: 'boolean' },
  losses: { type: 'boolean' },
  key: { type: 'string' },
  'management-key': { type: 'string' },
  way: { type: 'string' },
  'no-browser': { type: 'boolean' },
  incognito: { type: 'boolean' },
  port: { type: 'string' },
  'proxy-url': { type: 'string' },
  set: { type: 'string', multiple: true },
  'account-dir': { type: 'string' },
  live: { type: 'boolean' },
  yes: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const;

/**
 * Reads a command line. Options may stand anywhere and take one dash or two, as the replaced program's did.
 * @throws UsageError
 */
export function readArguments(argv: readonly string[]): Arguments {
  const args = fromReference(argv).map((word) => (/^-[a-z][a-z-]+(=.*)?$/.test(word) ? `-${word}` : word));
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true, strict: true });
    const [command = values.version ? 'version' : values.help ? 'help' : 'serve', ...words] = positionals;
    return { command, words, options: values };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
