import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { GatewayError } from '../core/error.ts';
import { rememberedBy } from '../core/remember.ts';
import { turnEnd } from '../core/turn.ts';
import { type Reader, readerOf } from './reader.ts';
import { failureHeader } from './socks.ts';
import { upstreamThread } from './thread.ts';
import { brokenBody, proxyRefused, socksFailed, transportError } from './transport-error.ts';
import { cancelled, type Timeouts, Watch } from './watch.ts';
import { destinationOf, type Outgoing, wayOut, type WayOut } from './way.ts';

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
export async function send(outgoing: Outgoing, options: SendOptions): Promise<Answered> {
  const way = wayOut(outgoing);
  const out = way instanceof Promise ? await way : way;
  if (options.signal.aborted) throw cancelled();
  const watch = new Watch(options.signal, options.timeouts, outgoing, out);
  const uploaded = outgoing.body instanceof ReadableStream ? upstreamThread.upload() : undefined;
  try {
    // Bun sends from a thread of its own; to wake it for each request by itself costs a fifth of the whole exchange.
    await turnEnd();
    const response = await (options.fetch ?? fetch)(outgoing.url, initOf(outgoing, out, watch.signal));
    watch.answered();
    upstreamThread.begun();
    const refusal = refusalOf(response, outgoing, out);
    if (!refusal) return new Watched(response, watch);
    response.body?.cancel().catch(() => {});
    throw refusal;
  } catch (thrown) {
    watch.over();
    throw transportError(thrown, destinationOf(outgoing, out));
  } finally {
    uploaded?.();
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

// --------------------------------------------------------------------------------------------------------- the body

/** The part of a Response that anybody reads. */
export interface Answered extends Pick<Response, 'status' | 'ok' | 'headers' | 'body' | 'text' | 'json'> {
  bytes(): Promise<Uint8Array>;
}

/**
 * A response with its body under watch. Reading a short body whole stays native: a new Response around a stream costs
 * half as much again as the whole exchange, and a mere look at `body` is not free (measured on loopback).
 */
class Watched implements Answered {
  private stream: ReadableStream<Uint8Array<ArrayBuffer>> | null | undefined;

  constructor(
    private readonly response: Response,
    private readonly watch: Watch,
  ) {}

  get status(): number {
    return this.response.status;
  }

  get ok(): boolean {
    return this.response.ok;
  }

  get headers(): Headers {
    return this.response.headers;
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    if (this.stream === undefined) this.stream = this.response.body && streamOf(this.reader());
    return this.stream;
  }

  /** The body without a stream around it, unless there is one already. It is taken in one way only. */
  reader(): Reader {
    return this.stream === undefined ? readerOf(this.response.body, this.watch) : readerOf(this.stream);
  }

  bytes(): Promise<Uint8Array> {
    if (this.stream !== undefined || !isShort(this.response.headers)) return bytesWithin(this, longestBody);
    const { watch } = this;
    watch.wait();
    return this.response.bytes().then(
      (bytes) => {
        watch.over();
        return unpacked(bytes, longestBody);
      },
      (thrown: unknown) => {
        watch.over();
        throw brokenBody(thrown);
      },
    );
  }

  text(): Promise<string> {
    return this.bytes().then(textOf);
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }
}

const decoder = new TextDecoder();
const textOf = (bytes: Uint8Array): string => decoder.decode(bytes);
const shortBytes = 1024 * 1024;
const packedBytes = 16 * 1024;

/** No whole answer is larger; one that is has lost its end, or is meant to fill our memory. */
const longestBody = 256 * 1024 * 1024;

/**
 * A body of known, small length comes at once or not at all. One of unknown length may trickle for minutes (DeepSeek
 * and OpenRouter send blank lines while a model works on a whole answer), so it is read piece by piece; and so is a
 * compressed one of more than a few KiB, because nobody knows what becomes of it.
 */
function isShort(headers: Headers): boolean {
  const length = headers.get('content-length');
  return length !== null && Number(length) <= (headers.has('content-encoding') ? packedBytes : shortBytes);
}

/** A reader over the body of an answer, of whichever kind. */
export const readerFor = (answer: Answered): Reader =>
  answer instanceof Watched ? answer.reader() : readerOf(answer.body);

/** A reader as a stream that is pulled no faster than somebody reads it. */
const streamOf = (reader: Reader): ReadableStream<Uint8Array<ArrayBuffer>> =>
  new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const bytes = await reader.read();
        if (bytes) controller.enqueue(bytes);
        else controller.close();
      },
      cancel: () => reader.cancel(),
    },
    { highWaterMark: 0 },
  );

/**
 * The body of an answer, whole.
 * @throws GatewayError `bad-upstream-data` when it is longer than `limit` bytes, of which no more are read then.
 */
export async function bytesWithin(answer: Answered, limit: number): Promise<Uint8Array> {
  const reader = readerFor(answer);
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (let piece = await reader.read(); piece; piece = await reader.read()) {
    size += piece.byteLength;
    if (size > limit) {
      reader.cancel();
      throw tooLong(limit);
    }
    pieces.push(piece);
  }
  return unpacked(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces), limit);
}

const tooLong = (limit: number) =>
  new GatewayError(
    { kind: 'bad-upstream-data' },
    `The answer of the upstream is larger than ${limit / mebibyte} MiB.`,
    { remedy: 'Check the base-url in config.yaml; something else may be answering there.' },
  );

const mebibyte = 1024 * 1024;

/** Fetch has undone what Content-Encoding says; some upstreams compress and do not say so. No JSON begins like this. */
function unpacked(bytes: Uint8Array, maxOutputLength: number): Uint8Array {
  try {
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes, { maxOutputLength });
    if (bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd)
      return zstdDecompressSync(bytes, { maxOutputLength });
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

/** Which web pages may read an answer is for this gateway to say. */
const pageRights = /^access-control-/;

/**
 * The client's headers that mean something to an upstream.
 * @param allow names in lower case; a trailing `*` makes one a prefix. Credentials and connection headers never pass.
 */
export function passHeaders(clientHeaders: Headers, allow: readonly string[]): Headers {
  const passed = new Headers();
  const { names, prefixes } = allowed(allow);
  const bound = boundToConnection(clientHeaders);
  for (const name of names) {
    const value = clientHeaders.get(name);
    if (value !== null && !bound?.has(name)) passed.set(name, value);
  }
  if (prefixes.length === 0) return passed;
  for (const [name, value] of clientHeaders) {
    const wanted = prefixes.some((prefix) => name.startsWith(prefix));
    if (wanted && !neverFromClient.has(name) && !bound?.has(name)) passed.set(name, value);
  }
  return passed;
}

interface Allowed {
  readonly names: readonly string[];
  readonly prefixes: readonly string[];
}

const allowed = rememberedBy((list: readonly string[]): Allowed => ({
  names: list.filter((name) => !name.endsWith('*') && !neverFromClient.has(name)),
  prefixes: list.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1)),
}));

/** An upstream's headers that a client may see. */
export function responseHeaders(upstreamHeaders: Headers): Headers {
  const passed = new Headers();
  const bound = boundToConnection(upstreamHeaders);
  upstreamHeaders.forEach((value, name) => {
    if (neverFromUpstream.has(name) || bound?.has(name)) return;
    if (foreignGateways.test(name) || pageRights.test(name)) return;
    passed.set(name, value);
  });
  return passed;
}

/** The names that a Connection header binds to its connection (RFC 9110, 7.6.1). */
function boundToConnection(headers: Headers): ReadonlySet<string> | undefined {
  const value = headers.get('connection');
  if (!value || value === 'keep-alive' || value === 'close') return undefined;
  return new Set(value.toLowerCase().split(/\s*,\s*/));
}
