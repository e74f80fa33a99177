import { discoverConfig } from '../config/discover.ts';
import { type Listen, listenAddress } from '../config/listen.ts';
import { parseConfig } from '../config/parse.ts';
import { hereabouts } from '../config/places.ts';
import { readConfig } from '../config/read.ts';
import type { Config } from '../config/schema.ts';
import { type Json, readString, tryParseObject } from '../core/json.ts';
import { asGatewayError } from '../core/error.ts';
import { send } from '../wire/fetch.ts';
import type { Options } from './arguments.ts';

/** What the running gateway says, or why it could not be asked. */
export type Asked =
  | { readonly kind: 'answered'; readonly body: Json }
  /** It answered, and what was asked for is not there. */
  | { readonly kind: 'not-found'; readonly message: string }
  | { readonly kind: 'unreachable'; readonly why: string };

/** The config that commands stand on: the same file that the gateway takes. */
export interface Grounds {
  readonly config: Config;
  /** The config file; undefined when there is none. */
  readonly path: string | undefined;
  readonly text: string;
}

/** @throws ConfigError when the file cannot be used. */
export function groundsOf(options: Pick<Options, 'config'>): Grounds {
  const here = hereabouts();
  const { found } = discoverConfig(here, options.config);
  const text = found ? readConfig(found.path) : '';
  const file = found?.path ?? 'config.yaml';
  const { config } = parseConfig(text, { file, environment: here.environment });
  return { config, path: found?.path, text };
}

/**
 * Asks the gateway that runs with this config, over its management API on this machine. The key is the one given, else
 * `MANAGEMENT_PASSWORD`, else the config's own, which cannot be used when it is a hash.
 * @param path behind `/v0/management`.
 */
export async function askGateway({ config }: Grounds, path: string, key: string | undefined): Promise<Asked> {
  const address = listenAddress(config);
  if ('refused' in address) return { kind: 'unreachable', why: `the config names no address to ask` };
  const secret = key ?? process.env['MANAGEMENT_PASSWORD']?.trim() ?? plainKey(config);
  if (!secret)
    return {
      kind: 'unreachable',
      why: 'there is no management key to ask the gateway with; give one with --management-key or in MANAGEMENT_PASSWORD',
    };
  try {
    const response = await send(
      {
        method: 'GET',
        url: `${baseOf(config, address)}/v0/management${path}`,
        headers: new Headers({ authorization: `Bearer ${secret}` }),
        proxy: 'direct',
      },
      {
        signal: new AbortController().signal,
        timeouts: { connectMs: 2_000, firstByteMs: 10_000, gapMs: 5_000 },
      },
    );
    const body = tryParseObject(await response.text()) ?? {};
    const message = readString(body.message) ?? `it answered ${response.status}`;
    if (response.ok) return { kind: 'answered', body };
    const missing = response.status === 404 && readString(body.error) !== 'management_disabled';
    return missing ? { kind: 'not-found', message } : { kind: 'unreachable', why: message };
  } catch (thrown) {
    return { kind: 'unreachable', why: asGatewayError(thrown).message };
  }
}

function plainKey(config: Config): string | undefined {
  const key = config['remote-management']['secret-key'].trim();
  return key === '' || key.startsWith('$2') ? undefined : key;
}

function baseOf({ tls }: Config, { host, port }: Listen): string {
  const reachable = host === '::' || host === '0.0.0.0' ? '127.0.0.1' : host;
  return `${tls.enable ? 'https' : 'http'}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
