import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { GatewayError, type Phase } from '../core/error.ts';
import { environmentProxy, isSocks, type Proxy, redactProxy } from './proxy.ts';
import { type Place, reacts } from './reach.ts';
import { bridge, failureHeader } from './socks.ts';
import {
  brokenBody,
  type Destination,
  proxyRefused,
  socksFailed,
  transportError,
} from './transport-error.ts';

/** One request ready to leave: everything a channel has to say about it. */
export interface Outgoing {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Headers;
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly proxy: Proxy;
}

/** How long each phase of an exchange may take, in milliseconds; 0 means no limit. There is no limit on the whole. */
export interface Timeouts {
  /** Until the place reacts at all. */
  readonly connectMs: number;
  /** From the start to the response's headers. */
  readonly firstByteMs: number;
  /** Between two pieces of the body, while somebody waits for the next one. */
  readonly gapMs: number;
}

export interface SendOptions {
  /** Ends the exchange, at whatever point it is, and closes its connection. */
  readonly signal: AbortSignal;
  readonly timeouts: Timeouts;
  /** Bun's fetch, unless a test stands in for it. */
  readonly fetch?: Fetch;
}

export type Fetch = (url: string, init: BunFetchRequestInit) => Promise<Response>;

/**
 * The one way a request leaves this program. The answer may have any status but a redirect; its body, read through
 * `body`, `text()`, `bytes()` or `json()`, is decompressed, closes the upstream's connection when cancelled, and breaks
 * with a GatewayError when it stops short or falls silent. Its headers still describe the body as it was sent: pass them
 * on through `responseHeaders` only. A body that nobody reads must be cancelled.
 * @throws GatewayError `transport` with the phase that failed, `cancelled` after an abort, `upstream-failed` for a redirect.
 */
export async function send(outgoing: Outgoing, options: SendOptions): Promise<Response> {
  const out = wayOut(outgoing);
  return exchange(outgoing, out instanceof Promise ? await out : out, options);
}

async function exchange(outgoing: Outgoing, out: WayOut, options: SendOptions): Promise<Response> {
  if (options.signal.aborted) throw cancelled();
  const watch = new Watch(options.signal, options.timeouts, outgoing, out);
  try {
    const response = await (options.fetch ?? fetch)(outgoing.url, initOf(outgoing, out, watch.signal));
    watch.answered();
    const refusal = refusalOf(response, outgoing, out);
    if (!refusal) return guarded(response, watch);
    response.body?.cancel().catch(() => {});
    throw refusal;
  } catch (thrown) {
    watch.over();
    throw transportError(thrown, destinationOf(outgoing, out));
  }
}

function initOf(
  { method, headers, body }: Outgoing,
  { init }: WayOut,
  signal: AbortSignal,
): BunFetchRequestInit {
  const all: BunFetchRequestInit = { method, headers, signal, redirect: 'manual', timeout: false };
  if (body !== undefined) all.body = body;
  if (init.proxy !== undefined) all.proxy = init.proxy;
  if (init.keepalive !== undefined) all.keepalive = init.keepalive;
  return all;
}

// ------------------------------------------------------------------------------------------------------ the way out

interface WayOut {
  readonly init: Pick<BunFetchRequestInit, 'proxy' | 'keepalive'>;
  /** The proxy's URL, when there is one. */
  readonly via?: string;
}

const direct: WayOut = { init: { proxy: false } };
const unproxied: WayOut = { init: {} };

/**
 * Bun lets NO_PROXY overrule a proxy that a request names; a configured proxy must hold whatever the environment says,
 * so only the environment's own proxy respects it.
 */
function wayOut({ proxy, url }: Outgoing): WayOut | Promise<WayOut> {
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

const destinationOf = ({ url }: Outgoing, { via }: WayOut): Destination => ({
  host: URL.parse(url)?.host ?? 'the upstream',
  ...(via === undefined ? {} : { via: redactProxy(via) }),
});

/** Answers that are no upstream's answer: the proxy's own refusals, and redirects. */
function refusalOf(response: Response, outgoing: Outgoing, out: WayOut): GatewayError | undefined {
  const { status, headers } = response;
  if (status < 300) return undefined;
  if (out.via !== undefined && status === 407) return proxyRefused(407, destinationOf(outgoing, out));
  const socksFailure = status === 502 ? headers.get(failureHeader) : null;
  if (socksFailure) return socksFailed(socksFailure, destinationOf(outgoing, out));
  return redirects.has(status) ? redirected(status, headers.get('location') ?? '', outgoing.url) : undefined;
}

const redirects = new Set([301, 302, 303, 307, 308]);

/** Nothing is followed: the credential was meant for the host that was asked. */
function redirected(status: number, location: string, base: string): GatewayError {
  const target = URL.parse(location, base);
  const where = target ? `${target.origin}${target.pathname}` : 'an address that is no URL';
  return new GatewayError(
    { kind: 'upstream-failed', status },
    `The upstream redirects to ${where}, and redirects are not followed.`,
    { remedy: 'Set base-url in config.yaml to the address that answers itself.' },
  );
}

// ------------------------------------------------------------------------------------------------------- deadlines

/** The clock of one exchange: one timer that serves each phase in turn, and the signal that ends it. */
class Watch {
  private readonly abort = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** When somebody began to wait for the body; 0 while nobody does. */
  private waitingSince = 0;
  private headersDue = true;

  constructor(
    private readonly client: AbortSignal,
    private readonly timeouts: Timeouts,
    private readonly outgoing: Outgoing,
    private readonly out: WayOut,
  ) {
    client.addEventListener('abort', this);
    const { connectMs, firstByteMs } = timeouts;
    if (connectMs > 0 && (firstByteMs <= 0 || connectMs < firstByteMs)) this.arm(connectMs, onConnectDue);
    else if (firstByteMs > 0) this.arm(firstByteMs, onFirstByteDue);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** Headers have come. */
  answered(): void {
    this.headersDue = false;
    this.disarm();
  }

  /** Somebody waits for the body, from now on. */
  wait(): void {
    this.waitingSince = performance.now();
    if (this.timer === undefined && this.timeouts.gapMs > 0) this.arm(this.timeouts.gapMs, onGapDue);
  }

  /** Nobody waits; a slow client is no fault of the upstream. */
  rest(): void {
    this.waitingSince = 0;
  }

  /** The exchange is done. */
  over(): void {
    this.headersDue = false;
    this.waitingSince = 0;
    this.disarm();
    this.client.removeEventListener('abort', this);
  }

  /** The client is gone; the name is the one that EventTarget calls. */
  handleEvent(): void {
    this.abort.abort(cancelled());
  }

  async connectDue(): Promise<void> {
    const { connectMs, firstByteMs } = this.timeouts;
    if (firstByteMs > 0) this.arm(firstByteMs - connectMs, onFirstByteDue);
    const reacted = await anyReacts(placesOf(this.outgoing, this.out));
    if (!reacted && this.headersDue) this.abort.abort(late('connect', connectMs, this.outgoing));
  }

  firstByteDue(): void {
    this.abort.abort(late('first-byte', this.timeouts.firstByteMs, this.outgoing));
  }

  /** Reading on does not touch the timer, only the time; so it may be early, and then waits for the rest. */
  gapDue(): void {
    this.timer = undefined;
    if (this.waitingSince === 0) return;
    const { gapMs } = this.timeouts;
    const leftMs = gapMs - (performance.now() - this.waitingSince);
    if (leftMs > 0) return this.arm(leftMs, onGapDue);
    this.abort.abort(late('gap', gapMs, this.outgoing));
  }

  private arm(ms: number, due: (watch: Watch) => void): void {
    this.disarm();
    this.timer = setTimeout(due, Math.min(ms, longestTimerMs), this);
  }

  private disarm(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

const onConnectDue = (watch: Watch) => void watch.connectDue();
const onFirstByteDue = (watch: Watch) => watch.firstByteDue();
const onGapDue = (watch: Watch) => watch.gapDue();

/** The longest a timer can run; longer ones would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

async function anyReacts(places: readonly Place[]): Promise<boolean> {
  const reacted = await Promise.all(places.map(reacts));
  return reacted.includes(true);
}

/** Where a connection may be stuck: at the proxy, or at the host itself where no proxy must be used. */
function placesOf({ url, proxy }: Outgoing, { via }: WayOut): readonly Place[] {
  const urls = via === undefined ? [url] : proxy === 'environment' ? [via, url] : [via];
  return urls.flatMap((text) => {
    const parsed = URL.parse(text);
    return parsed ? [{ host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'), port: portOf(parsed) }] : [];
  });
}

function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port);
  if (protocol.startsWith('socks5')) return 1080;
  return protocol === 'https:' ? 443 : 80;
}

const lateWords: Readonly<Record<Exclude<Phase, 'cut'>, readonly [what: string, remedy: string]>> = {
  connect: [
    'does not react to a connection',
    'Check the network, the base-url and any proxy-url in config.yaml.',
  ],
  'first-byte': [
    'did not begin to answer',
    'Send the request again, or raise timeouts.first-byte-seconds for models that think long before they answer.',
  ],
  gap: [
    'fell silent in the middle of its answer',
    'Send the request again, or raise timeouts.gap-seconds for models that pause long.',
  ],
};

function late(phase: Exclude<Phase, 'cut'>, ms: number, { url }: Outgoing): GatewayError {
  const [what, remedy] = lateWords[phase];
  const host = URL.parse(url)?.host ?? 'The upstream';
  return new GatewayError({ kind: 'transport', phase }, `${host} ${what} within ${ms / 1000} s.`, { remedy });
}

const cancelled = () => new GatewayError({ kind: 'cancelled' }, 'The request was cancelled.');

// --------------------------------------------------------------------------------------------------------- the body

/**
 * The same response with its body under watch. Reading a short body whole stays native: a new Response around a stream
 * costs half as much again as the whole exchange, and so does a mere look at `body` (measured on loopback).
 */
function guarded(response: Response, watch: Watch): Response {
  let body: ReadableStream<Uint8Array> | null | undefined;
  const guardedBody = () => {
    if (body === undefined) body = watchedBody(nativeBody.call(response), watch);
    return body;
  };
  const bytes = async () => {
    if (body !== undefined || !isShort(response.headers))
      return unpacked(await new Response(guardedBody()).bytes());
    watch.wait();
    try {
      return unpacked(await nativeBytes.call(response));
    } catch (thrown) {
      throw brokenBody(thrown);
    } finally {
      watch.over();
    }
  };
  const text = async () => decoder.decode(await bytes());
  response.bytes = bytes;
  response.text = text;
  response.json = async () => JSON.parse(await text());
  return Object.defineProperty(response, 'body', { get: guardedBody });
}

const nativeBytes = Response.prototype.bytes;
const nativeBody = Object.getOwnPropertyDescriptor(Response.prototype, 'body')!.get as (
  this: Response,
) => ReadableStream<Uint8Array> | null;
const decoder = new TextDecoder();
const shortBytes = 1024 * 1024;

/**
 * A body of known, small length comes at once or not at all. One of unknown length may trickle for minutes (DeepSeek
 * and OpenRouter send blank lines while a model works on a whole answer), so it is read piece by piece.
 */
function isShort(headers: Headers): boolean {
  const length = headers.get('content-length');
  return length !== null && Number(length) <= shortBytes;
}

function watchedBody(
  source: ReadableStream<Uint8Array> | null,
  watch: Watch,
): ReadableStream<Uint8Array> | null {
  if (!source) {
    watch.over();
    return null;
  }
  const reader = source.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        watch.wait();
        try {
          const { done, value } = await reader.read();
          watch.rest();
          if (!done) return controller.enqueue(value);
          watch.over();
          controller.close();
        } catch (thrown) {
          watch.over();
          throw brokenBody(thrown);
        }
      },
      cancel() {
        watch.over();
        return reader.cancel();
      },
    },
    { highWaterMark: 0 },
  );
}

const unpackedLimit = 256 * 1024 * 1024;

/** Fetch has undone what Content-Encoding says; some upstreams compress and do not say so. No JSON begins like this. */
function unpacked(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  try {
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes, { maxOutputLength: unpackedLimit });
    if (bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd)
      return zstdDecompressSync(bytes, { maxOutputLength: unpackedLimit });
  } catch {
    return bytes;
  }
  return bytes;
}

// -------------------------------------------------------------------------------------------------- header hygiene

/** Headers of one connection, which never pass from one side to the other. */
const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** What describes a body as it was sent, not as it is passed on. */
const framing = ['content-length', 'content-encoding'];

const neverFromClient = new Set([
  ...hopByHop,
  ...framing,
  'accept-encoding',
  'authorization',
  'cookie',
  'expect',
  'host',
  'x-api-key',
  'x-goog-api-key',
]);

const neverFromUpstream = new Set([
  ...hopByHop,
  ...framing,
  'set-cookie',
  'alt-svc',
  'strict-transport-security',
]);

/** Prefixes by which other gateways mark their own words. */
const foreignGateways = /^(x-litellm-|helicone-|x-portkey-|cf-aig-|x-kong-|x-bt-)/;

/**
 * The client's headers that mean something to an upstream.
 * @param allow names in lower case; a trailing `*` makes one a prefix. Credentials and connection headers never pass.
 */
export function passHeaders(clientHeaders: Headers, allow: readonly string[]): Headers {
  const passed = new Headers();
  const { names, prefixes } = allowed(allow);
  const bound = boundToConnection(clientHeaders);
  clientHeaders.forEach((value, name) => {
    if (neverFromClient.has(name) || bound?.has(name)) return;
    if (names.has(name) || prefixes.some((prefix) => name.startsWith(prefix))) passed.set(name, value);
  });
  return passed;
}

interface Allowed {
  readonly names: ReadonlySet<string>;
  readonly prefixes: readonly string[];
}

const allowLists = new WeakMap<readonly string[], Allowed>();

function allowed(list: readonly string[]): Allowed {
  let known = allowLists.get(list);
  if (!known) {
    known = {
      names: new Set(list.filter((name) => !name.endsWith('*'))),
      prefixes: list.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1)),
    };
    allowLists.set(list, known);
  }
  return known;
}

/** An upstream's headers that a client may see. */
export function responseHeaders(upstreamHeaders: Headers): Headers {
  const passed = new Headers();
  const bound = boundToConnection(upstreamHeaders);
  upstreamHeaders.forEach((value, name) => {
    if (neverFromUpstream.has(name) || bound?.has(name) || foreignGateways.test(name)) return;
    passed.set(name, value);
  });
  return passed;
}

/** The names that a Connection header binds to its connection (RFC 9110, 7.6.1). */
function boundToConnection(headers: Headers): ReadonlySet<string> | undefined {
  const value = headers.get('connection');
  return value ? new Set(value.toLowerCase().split(/\s*,\s*/)) : undefined;
}
