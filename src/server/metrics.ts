import { Type } from '@sinclair/typebox';
import type { AnyElysia } from 'elysia';
import { loginCounts } from '../accounts/logins/view.ts';
import { isLocal } from './address.ts';
import type { Visit } from './answer.ts';
import { admit } from './gate.ts';
import type { Hall } from './hall.ts';
import { mountGet } from './mount.ts';
import type { Description } from './openapi.ts';

const milliseconds = (description: string) => Type.Number({ minimum: 0, description });
const count = Type.Integer({ minimum: 0 });

const provider = Type.Object({
  request_count: count,
  success_count: count,
  failure_count: count,
  total_tokens: count,
  success_rate: Type.Number({ minimum: 0, maximum: 1, description: '1 when there were no requests.' }),
  cost_per_1k_input: Type.Optional(Type.Number()),
  cost_per_1k_output: Type.Optional(Type.Number()),
  latency_p50_ms: milliseconds('Half of the requests took no longer than this.'),
  latency_p95_ms: milliseconds('95 of 100 requests took no longer than this.'),
  first_byte_p50_ms: milliseconds('Until the first content, half of the requests.'),
  first_byte_p95_ms: milliseconds('Until the first content, 95 of 100 requests.'),
  credentials_ready: count,
  credentials_cooling: count,
  credentials_needing_login: Type.Optional(
    Type.Integer({ minimum: 1, description: 'Logins that only a person can mend.' }),
  ),
  quota: Type.Optional(
    Type.Array(
      Type.Object({
        credential: Type.String(),
        name: Type.String({ description: 'The window, such as 5h, weekly or requests.' }),
        model: Type.Optional(Type.String()),
        limit: Type.Optional(Type.Number()),
        remaining: Type.Optional(Type.Number()),
        remaining_share: Type.Optional(Type.Number({ description: 'From 0 to 1.' })),
        resets_at: Type.Optional(Type.String({ format: 'date-time' })),
        source: Type.String({ description: 'The header or endpoint that told it.' }),
      }),
    ),
  ),
  in_flight: count,
  last_error: Type.Union([
    Type.Object({
      at: Type.String({ format: 'date-time' }),
      code: Type.String(),
      status: Type.Integer({ description: "The upstream's HTTP status, 0 when there was none." }),
    }),
    Type.Null(),
  ]),
});

const access = 'Open to direct callers on this machine; everybody else needs a client key.';

const providersDescription: Description = {
  tag: 'metrics',
  path: '/v1/metrics/providers',
  summary: 'How every provider is doing',
  description: access,
  response: Type.Record(Type.String(), provider, { description: 'Keyed by provider.' }),
  example: {
    demo: {
      request_count: 12,
      success_count: 12,
      failure_count: 0,
      total_tokens: 480,
      success_rate: 1,
      latency_p50_ms: 3,
      latency_p95_ms: 9,
      first_byte_p50_ms: 1,
      first_byte_p95_ms: 2,
      credentials_ready: 1,
      credentials_cooling: 0,
      in_flight: 0,
      last_error: null,
    },
  },
  failures: { 401: 'The caller is not on this machine, and its client key is missing or unknown.' },
};

const expositionDescription: Description = {
  tag: 'metrics',
  path: '/metrics',
  summary: 'The same and more for Prometheus',
  description: access,
  response: Type.String(),
  example: '# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.',
  contentType: 'text/plain',
  failures: { 401: 'The caller is not on this machine, and its client key is missing or unknown.' },
};

/** `/v1/metrics/providers` and `/metrics`: silent in the request log unless refused. */
export function mountMetrics(app: AnyElysia, hall: Hall): void {
  const enter = ({ request, runtime, path, record }: Visit) => {
    if (!isLocal(request, app.server)) record.client = admit(request.headers, runtime, path).label;
  };
  mountGet(app, hall, providersDescription, (visit) => {
    enter(visit);
    return Response.json(hall.telemetry.providers(hall.live()));
  });
  mountGet(app, hall, expositionDescription, async (visit) => {
    enter(visit);
    const { contentType, body } = await hall.telemetry.exposition(
      hall.live(),
      loginCounts(hall.keeper?.files ?? []),
    );
    return new Response(body, { headers: { 'content-type': contentType } });
  });
}
