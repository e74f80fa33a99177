import { Type } from '@sinclair/typebox';
import type { Traces } from '../telemetry/traces.ts';
import { partOf } from './body.ts';
import { failures, parameter, pathParameter } from './docs.ts';
import type { AdminRoute } from './hall.ts';
import { Refusal } from './refusal.ts';

const trace = Type.Object(
  {
    id: Type.String(),
    at: Type.String({ description: 'When it was received, ISO 8601.' }),
    status: Type.Integer(),
    route: Type.Optional(Type.String({ description: 'Who served it: provider/model.' })),
    total_ms: Type.Number(),
    attempts: Type.Array(Type.Object({}, { additionalProperties: true })),
  },
  { additionalProperties: true, description: 'One request: times, attempts and why, what was dropped.' },
);

const traces = Type.Object({ traces: Type.Array(trace, { description: 'Newest first.' }) });

const mostListed = 1_000;

/** What happened to requests, by their ids. */
export function traceRoutes(kept: Traces): readonly AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/traces',
      silent: true,
      detail: {
        summary: 'The newest requests',
        description:
          'What happened to each: attempts, times, what was dropped. Never a prompt, an answer or a key.',
        parameters: [parameter('limit', Type.Integer({ minimum: 1 }), 'At most this many; 100 when absent.')],
        responses: {
          200: { description: 'The traces.', content: { 'application/json': { schema: traces } } },
          ...failures(400),
        },
      },
      work: ({ query }) => Response.json({ traces: kept.newest(limitOf(query)) }),
    },
    {
      method: 'GET',
      path: '/traces/:id',
      silent: true,
      detail: {
        summary: 'What happened to one request',
        description: 'The id is the `x-request-id` of its answer.',
        parameters: [pathParameter('id', 'The request id.')],
        responses: {
          200: { description: 'The trace.', content: { 'application/json': { schema: trace } } },
          ...failures(404),
        },
      },
      work({ request }) {
        const found = kept.find(partOf(request));
        if (found) return Response.json(found);
        throw new Refusal(
          404,
          'trace_not_found',
          'There is no trace of this request.',
          'Check the id, the `x-request-id` of its answer. Old traces make room for new ones, and of more than 100 requests a second only some that went well are kept; the log has a line of each.',
        );
      },
    },
  ];
}

function limitOf(query: URLSearchParams): number {
  const text = query.get('limit')?.trim() ?? '';
  const limit = text === '' ? 100 : Number(text);
  if (Number.isInteger(limit) && limit > 0) return Math.min(limit, mostListed);
  throw new Refusal(
    400,
    'invalid limit: must be greater than zero',
    'The query has an invalid limit.',
    'Send a whole number, such as 20.',
  );
}
