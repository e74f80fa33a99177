import { Type } from '@sinclair/typebox';
import type { AnyElysia } from 'elysia';
import type { Hall } from './hall.ts';
import { mountGet } from './mount.ts';
import type { Description } from './openapi.ts';

const status = Type.Object({ status: Type.String() });

const root = Type.Object({
  message: Type.String(),
  version: Type.String(),
  docs: Type.String({ description: 'Path of the API page.' }),
  endpoints: Type.Array(Type.String()),
});

const readiness = Type.Object({
  status: Type.Union([Type.Literal('ready'), Type.Literal('not ready')]),
  reasons: Type.Array(Type.String(), { description: 'Why no credential can serve; empty when one can.' }),
  version: Type.String(),
  uptime_seconds: Type.Integer(),
});

/** `/`, `/health`, `/healthz` and `/readyz`: open to everybody, and silent in the request log. */
export function mountHealth(app: AnyElysia, hall: Hall): void {
  const welcome = {
    message: 'CLI Proxy API Server',
    version: hall.version,
    docs: '/api/',
    endpoints: endpoints(hall),
  };
  mountGet(
    app,
    hall,
    { ...open, path: '/', summary: 'What this server is', response: root, example: welcome },
    () => Response.json(welcome),
  );
  for (const path of ['/health', '/healthz']) {
    mountGet(
      app,
      hall,
      { ...open, path, summary: 'Whether the process is alive', response: status, example: { status: 'ok' } },
      () => Response.json({ status: 'ok' }),
    );
  }
  mountGet(app, hall, readyDescription(hall.version), () => {
    const { ready, reasons } = hall.readiness();
    return Response.json(
      {
        status: ready ? 'ready' : 'not ready',
        reasons,
        version: hall.version,
        uptime_seconds: Math.floor((Date.now() - hall.startedAt) / 1000),
      },
      { status: ready ? 200 : 503 },
    );
  });
}

const open = { tag: 'health', open: true } as const;

const readyDescription = (version: string): Description => ({
  ...open,
  path: '/readyz',
  summary: 'Whether any credential can serve now',
  response: readiness,
  example: { status: 'ready', reasons: [], version, uptime_seconds: 42 },
  failures: { 503: 'No credential can serve now; `reasons` says why.' },
});

/** What a visitor can call, as `POST /v1/chat/completions`. */
function endpoints(hall: Hall): readonly string[] {
  const routes = hall.protocols.flatMap(({ client }) => client?.routes ?? []);
  return [
    ...routes.map(({ method, path }) => `${method} ${path}`),
    'GET /v1/models',
    'GET /v1/metrics/providers',
  ];
}
