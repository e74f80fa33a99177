import type { Login } from '../../src/accounts/login.ts';
import { Pool } from '../../src/accounts/pool/pool.ts';
import type { Channel } from '../../src/channels/channel.ts';
import { channels as everyChannel } from '../../src/channels/index.ts';
import { buildRuntime } from '../../src/config/build.ts';
import type { Runtime, Steward } from '../../src/config/runtime.ts';
import type { Json } from '../../src/core/json.ts';
import { protocols } from '../../src/protocols/index.ts';
import { createRelay } from '../../src/relay/handle.ts';
import { createApp } from '../../src/server/app.ts';
import { listen } from '../../src/server/listen.ts';
import { createTelemetry } from '../../src/telemetry/create.ts';
import { traceOf } from '../../src/telemetry/trace.ts';

export const clientKey = 'sk-client-0123456789abcdef';

/** The whole program in this process, but for its config file. */
export interface Standing {
  readonly url: string;
  readonly port: number;
  readonly pool: Pool;
  readonly runtime: Runtime;
  /** The request log so far, parsed. */
  logged(): readonly Record<string, any>[];
  /** What an operator is told of the requests so far. */
  traces(): readonly Json[];
  /** Resolves with the log line of the request number `count` (from 1). */
  line(count: number): Promise<Record<string, any>>;
  /** A request with the client's key. */
  post(path: string, body: Bun.BodyInit, init?: RequestInit): Promise<Response>;
  stop(): Promise<unknown>;
}

/**
 * Starts it with a config text; `more` are channels that only a test has, `logins` those that somebody keeps, `now` the
 * clock that rests go by.
 */
export function standing(
  text: string,
  more: readonly Channel[] = [],
  logins: () => readonly Login[] = () => [],
  now: () => number = Date.now,
): Standing {
  const proxy = /^proxy-url:/m.test(text) ? '' : 'proxy-url: direct\n';
  const { runtime } = buildRuntime(`api-keys:\n  - ${clientKey}\n${proxy}${text}`, {
    file: 'config.yaml',
    environment: {},
    channels: [...everyChannel, ...more],
    logins,
    now,
  });
  const telemetry = createTelemetry({ write: () => undefined, isTerminal: false });
  const traces: Json[] = [];
  telemetry.observe((closed) => void traces.push(traceOf(closed)));
  const waiting = new Set<() => void>();
  const close = (record: Parameters<typeof telemetry.close>[0]) => {
    telemetry.close(record);
    for (const look of waiting) look();
  };
  const fixed = () => Promise.resolve({ outcome: 'unchanged' as const, etag: '' });
  const steward: Steward = {
    current: runtime,
    source: { path: undefined, why: 'a test' },
    apply: fixed,
    reload: fixed,
  };
  const pool = new Pool({ now });
  const app = createApp({
    steward,
    relay: createRelay({ pool, now, log: telemetry.log, close }),
    protocols,
    telemetry: { ...telemetry, close },
    readiness: () => ({ ready: true, reasons: [] }),
    live: () => [],
    version: '0',
    startedAt: 0,
  });
  const server = listen(app, runtime.config, { host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${server.port}`;
  const logged = () =>
    telemetry
      .lines({})
      .lines.map((line) => JSON.parse(line))
      .filter((line) => line.path !== undefined);
  return {
    url,
    port: server.port!,
    pool,
    runtime,
    logged,
    traces: () => (logged(), traces),
    line: (count) =>
      new Promise((resolve) => {
        const look = () => {
          const found = logged()[count - 1];
          if (!found) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    post: (path, body, init = {}) =>
      fetch(url + path, {
        method: 'POST',
        body,
        ...init,
        headers: { authorization: `Bearer ${clientKey}`, ...init.headers },
      }),
    stop: () => server.stop(true),
  };
}

/** A JSON request with the client's key. */
export const post = (it: Standing, path: string, body: unknown, init: RequestInit = {}) =>
  it.post(path, JSON.stringify(body), init);

/** An upstream on loopback, answering each request with what `answer` says. */
export interface Upstream {
  readonly url: string;
  /** What came, without the bodies. */
  readonly requests: readonly { readonly url: URL; readonly headers: Headers }[];
  stop(): Promise<unknown>;
}

export function upstream(
  answer: (request: Request, count: number) => Response | Promise<Response>,
): Upstream {
  const requests: { url: URL; headers: Headers }[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch: (request) =>
      answer(request, requests.push({ url: new URL(request.url), headers: new Headers(request.headers) })),
  });
  return { url: `http://127.0.0.1:${server.port}`, requests, stop: () => server.stop(true) };
}

/** An openai-compatible entry of config.yaml in front of an upstream. */
export const compatible = (
  name: string,
  url: string,
  models: readonly string[],
  keys: readonly string[] = ['sk-upstream-one-0123456789'],
): string =>
  [
    `  - name: ${name}`,
    `    base-url: ${url}/v1`,
    '    api-key-entries:',
    ...keys.map((key) => `      - api-key: ${key}`),
    '    models:',
    ...models.map((model) => `      - ${model}`),
    '',
  ].join('\n');
