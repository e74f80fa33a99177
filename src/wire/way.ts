import { GatewayError } from '../core/error.ts';
import { environmentProxy, isExcepted, isSocks, type Proxy, redactProxy } from './proxy.ts';
import type { Place } from './reach.ts';
import { bridge } from './socks.ts';
import type { Destination } from './transport-error.ts';

/** One request ready to leave: everything a channel has to say about it. */
export interface Outgoing {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Headers;
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly proxy: Proxy;
}

/** Where a request goes and how, without what it says. */
export type Target = Pick<Outgoing, 'url' | 'proxy'>;

/** How a request gets out, in the words of Bun's fetch. */
export interface WayOut {
  readonly init: Pick<BunFetchRequestInit, 'proxy' | 'keepalive'>;
  /** The proxy's URL, when there is one. */
  readonly via?: string;
}

const direct: WayOut = { init: { proxy: false } };
const unproxied: WayOut = { init: {} };

/**
 * The way that a request's proxy setting asks for.
 * Bun lets NO_PROXY overrule a proxy that a request names; a configured proxy must hold whatever the environment says,
 * so only the environment's own proxy respects it.
 * @throws GatewayError `transport` when the environment names a proxy that cannot be used.
 */
export function wayOut({ proxy, url }: Outgoing): WayOut | Promise<WayOut> {
  if (proxy === 'direct') return direct;
  if (proxy === 'environment') return environmentWay(url);
  if (isSocks(proxy.url)) return socksWay(proxy.url, url, false);
  return { init: { proxy: { url: proxy.url, respectNoProxy: false } }, via: proxy.url };
}

/** Bun ignores a proxy variable of a kind it does not know, and goes out directly; here it works or is an error. */
function environmentWay(url: string): WayOut | Promise<WayOut> {
  const proxy = environmentProxy(url);
  if (!proxy) return unproxied;
  if (isSocks(proxy.url)) return socksWay(proxy.url, url, true);
  const scheme = /^([a-z0-9+.-]+):\/\//i.exec(proxy.url)?.[1];
  if (scheme === undefined || /^https?$/i.test(scheme)) return { init: {}, via: proxy.url };
  throw new GatewayError(
    { kind: 'transport', phase: 'connect' },
    `The environment variable ${proxy.variable} names a proxy of the kind ${scheme}, which is not supported.`,
    { remedy: 'Use an http, https, socks5 or socks5h proxy, or set proxy-url: direct.' },
  );
}

async function socksWay(proxyUrl: string, url: string, respectNoProxy: boolean): Promise<WayOut> {
  const { url: bridgeUrl, headers } = await bridge(proxyUrl);
  // The bridge gives a plain-http request a connection of its own, which must not be reused for another host.
  const keepalive = url.startsWith('https:') ? {} : { keepalive: false };
  return { init: { proxy: { url: bridgeUrl, headers, respectNoProxy }, ...keepalive }, via: proxyUrl };
}

/** Where a request goes, as errors may name it. */
export const destinationOf = ({ url }: Target, { via }: WayOut): Destination => ({
  host: URL.parse(url)?.host ?? 'the upstream',
  ...(via === undefined ? {} : { via: redactProxy(via) }),
});

/** Where a connection may be stuck: at the proxy where there is one, and never at the host behind it. */
export function placeOf({ url, proxy }: Target, { via }: WayOut): Place | undefined {
  const direct = via === undefined || (proxy === 'environment' && isExcepted(url));
  const parsed = URL.parse(direct ? url : /^\w+:\/\//.test(via) ? via : `http://${via}`);
  return parsed ? { host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'), port: portOf(parsed) } : undefined;
}

function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port);
  if (protocol.startsWith('socks5')) return 1080;
  return protocol === 'https:' ? 443 : 80;
}
