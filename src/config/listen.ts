import type { Config } from './schema.ts';

/** Where the server listens. */
export interface Listen {
  /** What to bind to; `::` takes IPv4 as well. */
  readonly host: string;
  /** What to bind to on a machine without IPv6. */
  readonly fallback?: string;
  readonly port: number;
  readonly loopback: boolean;
  /** Why this address, for the start banner. */
  readonly why: string;
}

/** An address that would let strangers use the operator's credentials. */
export interface Refused {
  readonly refused: string;
  readonly expected: string;
}

type Keys = Pick<Config, 'host' | 'port' | 'api-keys'>;

/**
 * The address to listen on. Without client keys that is loopback, whatever happens: an explicit other host without a
 * key is refused, never silently narrowed or opened.
 */
export function listenAddress(config: Keys): Listen | Refused {
  const { port } = config;
  const open = config['api-keys'].length === 0;
  const host = config.host.replace(/^\[(.*)\]$/, '$1');
  if (/[/\s]|^[^:]*:\d+$/.test(host))
    return {
      refused: 'holds more than a host',
      expected: 'a host name or an address; the port has its own key',
    };
  if (isLoopback(host)) return { host, port, loopback: true, why: `host is ${host}` };
  if (host === '' && open)
    return {
      host: '127.0.0.1',
      port,
      loopback: true,
      why: 'there is no client key, so only this machine is served; add one under api-keys to serve others',
    };
  if (open)
    return {
      refused: `would serve everybody who reaches ${host}, because there is no client key`,
      expected: 'a key under api-keys (`cliproxyapi++ new-key` prints one), or host: 127.0.0.1',
    };
  if (host === '')
    return {
      host: '::',
      fallback: '0.0.0.0',
      port,
      loopback: false,
      why: 'host is empty and there are client keys',
    };
  return { host, port, loopback: false, why: `host is ${host}` };
}

/** Names and addresses of this machine that no other machine can reach. */
export function isLoopback(host: string): boolean {
  return /^(localhost|([\w-]+\.)+localhost|127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/i.test(host);
}
