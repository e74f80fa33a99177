import { tryParseObject } from '../../core/json.ts';
import { without } from '../../telemetry/redact.ts';
import { type Answered, bytesWithin, type Fetch, send } from '../../wire/fetch.ts';
import type { Proxy } from '../../wire/proxy.ts';
import type { Timeouts } from '../../wire/watch.ts';
import { userAgent } from '../../version.ts';
import { secretsSent } from './secrets.ts';
import type { Net, NetRequest } from '../steps.ts';

/** What a `Net` is made of. */
export interface NetOptions extends Pick<Net, 'endpoints' | 'client' | 'signal'> {
  readonly proxy: Proxy;
  /** The provider's time, as far as it is known; see `skew.ts`. */
  readonly now: () => number;
  /** Told of every answer's `Date`, and when by our own clock it was asked for and came. */
  readonly onDate?: (date: string, askedAt: number, cameAt: number) => void;
  /** Our own clock. */
  readonly clock: () => number;
  /** Bun's fetch, unless a test stands in for it. */
  readonly fetch?: Fetch;
}

/** Nobody waits minutes for a token. */
const timeouts: Timeouts = { connectMs: 10_000, firstByteMs: 30_000, gapMs: 15_000 };

const longestAnswer = 4 * 1024 * 1024;

/** The way in which steps of signing in and renewing reach their provider. */
export function createNet(options: NetOptions): Net {
  const { endpoints, client, signal, now } = options;
  return {
    endpoints,
    client,
    signal,
    now,
    sleep: (ms) => sleep(ms, signal),
    async fetch(url, request = {}) {
      const askedAt = options.clock();
      const answered = await send(
        { ...outgoing(url, request), proxy: options.proxy },
        { signal, timeouts, ...(options.fetch ? { fetch: options.fetch } : {}) },
      );
      const date = answered.headers.get('date');
      if (date !== null) options.onDate?.(date, askedAt, options.clock());
      return whole(answered, request);
    },
  };
}

function outgoing(url: string, request: NetRequest) {
  const { body, method = body === undefined ? 'GET' : 'POST' } = request;
  const headers = new Headers(request.headers);
  if (!headers.has('user-agent')) headers.set('user-agent', userAgent);
  if (!headers.has('accept')) headers.set('accept', 'application/json');
  if (body instanceof URLSearchParams && !headers.has('content-type'))
    headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8');
  const text = body instanceof URLSearchParams ? body.toString() : body;
  return { method, url, headers, ...(text === undefined ? {} : { body: text }) };
}

/**
 * The answer with its body read, so that nothing stays open when a step does not look at it. A refusal is told to many,
 * so it does not repeat what was sent.
 */
async function whole(answered: Answered, request: NetRequest): Promise<Response> {
  const headers = new Headers(answered.headers);
  for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) headers.delete(name);
  const bytes = await bytesWithin(answered, longestAnswer);
  const empty = bytes.length === 0 || answered.status === 204 || answered.status === 304;
  const { status } = answered;
  if (empty) return new Response(null, { status, headers });
  const text = new TextDecoder().decode(bytes);
  return new Response(isRefusal(status, text) ? without(text, secretsSent(request)) : text, {
    status,
    headers,
  });
}

/** Some refuse with HTTP 200 and an `error`. */
const isRefusal = (status: number, text: string): boolean =>
  status >= 400 || tryParseObject(text)?.['error'] !== undefined;

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(done, ms);
  const onAbort = () => {
    clearTimeout(timer);
    reject(signal.reason as Error);
  };
  function done() {
    signal.removeEventListener('abort', onAbort);
    resolve();
  }
  signal.addEventListener('abort', onAbort, { once: true });
  return promise;
}
