import { GatewayError } from '../core/error.ts';

/** Which way out: `environment` follows HTTP(S)_PROXY, `direct` bypasses every proxy, a URL names one. */
export type Proxy = 'environment' | 'direct' | { readonly url: string };

const schemes = new Set(['http:', 'https:', 'socks5:', 'socks5h:']);

/**
 * Reads a `proxy-url` setting: empty follows the environment, `direct` or `none` bypasses every proxy, anything else
 * must be `http`, `https`, `socks5` or `socks5h` with a host.
 * @throws GatewayError `invalid-request` that says what is wrong and never repeats credentials.
 */
export function parseProxy(text: string): Proxy {
  const trimmed = text.trim();
  if (trimmed === '') return 'environment';
  if (/^(direct|none)$/i.test(trimmed)) return 'direct';
  const scheme = /^([a-z][a-z0-9+.-]*:)\/\//i.exec(trimmed)?.[1]?.toLowerCase();
  if (scheme === undefined) throw invalid('it has no scheme');
  if (!schemes.has(scheme)) throw invalid(`its scheme is "${scheme.slice(0, -1)}"`);
  const url = URL.parse(trimmed);
  if (!url) throw invalid('it is not a URL');
  if (url.hostname === '') throw invalid('it names no host');
  if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '')
    throw invalid('nothing may follow the host and the port');
  return { url: url.href };
}

function invalid(why: string): GatewayError {
  return new GatewayError(
    { kind: 'invalid-request', field: 'proxy-url' },
    `The proxy URL cannot be used: ${why}.`,
    {
      remedy:
        'Write http://host:port, https://host:port, socks5://host:port, socks5h://host:port, or direct.',
    },
  );
}

export const isSocks = (url: string): boolean => /^socks5h?:/i.test(url);

/** A proxy as a person may see it: scheme, host and port, without credentials. */
export function redactProxy(url: string): string {
  const parsed = URL.parse(url);
  return parsed ? `${parsed.protocol}//${parsed.host}` : 'the configured proxy';
}

export interface EnvironmentProxy {
  readonly variable: string;
  readonly url: string;
}

/** The proxy variable that applies to a URL, as Bun's fetch chooses it: the scheme's own, else ALL_PROXY. */
export function environmentProxy(url: string): EnvironmentProxy | undefined {
  const variables = url.startsWith('https:') ? secureVariables : plainVariables;
  for (const variable of variables) {
    const value = process.env[variable];
    if (value) return { variable, url: value };
  }
  return undefined;
}

const plainVariables = ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'];
const secureVariables = ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'];

/** Whether NO_PROXY takes a URL's host out: `*`, a host, a domain with all below it, each with or without a port. */
export function isExcepted(url: string): boolean {
  const { hostname, host } = new URL(url);
  const names = (process.env.no_proxy ?? process.env.NO_PROXY ?? '').toLowerCase().split(',');
  return names.some((text) => {
    const name = text.trim().replace(/^\*?\./, '');
    return (
      name !== '' && (name === '*' || [hostname, host].some((it) => it === name || it.endsWith(`.${name}`)))
    );
  });
}
