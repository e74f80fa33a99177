import type { AnyElysia } from 'elysia';
import type { Config } from '../../src/config/schema.ts';
import type { Runtime, Steward } from '../../src/config/runtime.ts';
import type { ModelCard } from '../../src/core/model.ts';
import { protocols } from '../../src/protocols/index.ts';
import type { Protocol } from '../../src/protocols/protocol.ts';
import type { Exchange, Relay } from '../../src/relay/exchange.ts';
import { createApp } from '../../src/server/app.ts';
import type { Hall } from '../../src/server/hall.ts';
import { createTelemetry } from '../../src/telemetry/create.ts';

/** A key long enough for its mask to hide most of it. */
export const key = 'sk-test-0123456789abcdef-wxyz';

export interface Setup {
  readonly keys?: readonly string[];
  readonly relay?: Relay;
  readonly protocols?: readonly Protocol[];
  readonly origins?: readonly string[];
  readonly bodyMb?: number;
  readonly decodedMb?: number;
  readonly clientSeconds?: number;
  readonly cards?: readonly ModelCard[];
  readonly ready?: Hall['readiness'];
  readonly admin?: Hall['admin'];
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface Stand {
  readonly app: AnyElysia;
  readonly hall: Hall;
  /** What the request log holds, parsed. */
  logged(): readonly Record<string, any>[];
  /** The exchanges that reached the relay. */
  readonly exchanges: readonly Exchange[];
  get(path: string, init?: RequestInit): Promise<Response>;
  post(path: string, body: Bun.BodyInit, init?: RequestInit): Promise<Response>;
}

/** The whole app over a relay that answers `{"ok":true}` unless the setup says otherwise. */
export function stand(setup: Setup = {}): Stand {
  const telemetry = createTelemetry({ write: () => undefined, isTerminal: false });
  const exchanges: Exchange[] = [];
  const relay: Relay = async (exchange) => {
    exchanges.push(exchange);
    if (setup.relay) return setup.relay(exchange);
    exchange.record.status = 200;
    telemetry.close(exchange.record);
    return Response.json({ ok: true });
  };
  const hall: Hall = {
    steward: steward(runtime(setup)),
    relay,
    protocols: setup.protocols ?? protocols,
    telemetry,
    readiness: setup.ready ?? (() => ({ ready: true, reasons: [] })),
    live: () => [{ provider: 'demo', ready: 1, cooling: 0, inFlight: 0 }],
    ...(setup.admin ? { admin: setup.admin } : {}),
    version: '0.1.0',
    startedAt: Date.now(),
  };
  const app = createApp(hall);
  const send = (path: string, init: RequestInit) => app.handle(new Request(`http://localhost${path}`, init));
  return {
    app,
    hall,
    logged: () => telemetry.lines({}).lines.map((line) => JSON.parse(line)),
    exchanges,
    get: (path, init = {}) => send(path, init),
    post: (path, body, init = {}) => send(path, { method: 'POST', body, ...init }),
  };
}

/** A steward whose runtime never changes; the server only ever reads `current`. */
function steward(current: Runtime): Steward {
  const fixed = () => Promise.resolve({ outcome: 'unchanged' as const, etag: '' });
  return { current, source: { path: undefined, why: 'a test' }, apply: fixed, reload: fixed };
}

function runtime({
  keys = [],
  origins = [],
  bodyMb = 1,
  decodedMb = 2,
  clientSeconds = 60,
  cards = demoCards,
  tls,
}: Setup): Runtime {
  const config = {
    cors: { 'allow-origins': origins },
    limits: { 'body-mb': bodyMb, 'decoded-body-mb': decodedMb, 'client-seconds': clientSeconds },
    tls: tls ? { enable: true, ...tls } : { enable: false, cert: '', key: '' },
  } as unknown as Config;
  return {
    config,
    text: '',
    etag: '',
    connections: [],
    registry: {
      list: () => cards,
      find: () => [],
      found: () => ({ by: undefined, candidates: [] }),
      skipped: () => [],
      nearest: (name, limit) =>
        cards
          .map(({ id }) => id)
          .filter((id) => id[0] === name[0])
          .slice(0, limit),
    },
    clientKeys: new Map(keys.map((value) => [Bun.SHA256.hash(value, 'hex'), `label-${value.slice(-4)}`])),
    payload: [],
    close: () => Promise.resolve(),
  };
}

const demoCards: readonly ModelCard[] = [
  { id: 'demo', displayName: 'Demo', ownedBy: 'demo', created: 1_760_000_000 },
  { id: 'team-a/claude', displayName: 'Claude', ownedBy: 'anthropic', created: 1_760_000_000 },
];

/** What anybody may ask, without a key. */
export const openPaths: ReadonlySet<string> = new Set([
  '/',
  '/health',
  '/healthz',
  '/readyz',
  '/openapi.json',
  '/openapi.yaml',
  '/api/',
  '/api/scalar.js',
]);
