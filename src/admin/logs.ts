import { Type } from '@sinclair/typebox';
import { describe } from '../telemetry/redact.ts';
import type { LineQuery, Telemetry } from '../telemetry/telemetry.ts';
import { failures, parameter } from './docs.ts';
import type { AdminRoute } from './hall.ts';
import { Refusal } from './refusal.ts';

const answer = Type.Object({
  lines: Type.Array(Type.String(), { description: 'Oldest first; each is one JSON object.' }),
  'line-count': Type.Integer({ minimum: 0 }),
  'latest-timestamp': Type.Number({
    description:
      'Of the newest line, in seconds since 1970 with fractions; send it as `after` to go on from here. 0 without lines.',
  }),
});

const cleared = Type.Object({
  success: Type.Boolean(),
  message: Type.String(),
  removed: Type.Integer({ description: 'Rotated log files that were removed.' }),
});

/** The program's own log: what it keeps in memory, filled at start from the log file where there is one. */
export function logRoutes(telemetry: Telemetry): readonly AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/logs',
      // A viewer that polls would fill the log with itself.
      silent: true,
      detail: {
        summary: 'The newest log lines',
        description: 'Works with and without `logging-to-file`: the newest 5,000 lines are kept in memory.',
        parameters: [
          parameter(
            'after',
            Type.Number({ minimum: 0 }),
            'Only lines later than this, in seconds since 1970.',
          ),
          parameter('limit', Type.Integer({ minimum: 1 }), 'Only the newest lines, at most this many.'),
          parameter('lines', Type.Integer({ minimum: 1 }), 'The same as `limit`.'),
        ],
        responses: {
          200: { description: 'The lines.', content: { 'application/json': { schema: answer } } },
          ...failures(400),
        },
      },
      work({ query }) {
        const { lines, latest } = telemetry.lines(readQuery(query));
        return Response.json({ lines, 'line-count': lines.length, 'latest-timestamp': latest });
      },
    },
    {
      method: 'DELETE',
      path: '/logs',
      detail: {
        summary: 'Forgets all log lines',
        description: 'Empties the memory and main.log, and removes the rotated log files.',
        responses: {
          200: { description: 'Done.', content: { 'application/json': { schema: cleared } } },
          ...failures(500),
        },
      },
      async work() {
        const removed = await telemetry.clear().catch((cause: unknown) => {
          throw new Refusal(
            500,
            'failed to clear log files',
            `The log files could not be cleared: ${describe(cause)}.`,
            'Check that the log folder belongs to the user the gateway runs as.',
          );
        });
        return Response.json({ success: true, message: 'Logs cleared successfully', removed });
      },
    },
  ];
}

function readQuery(query: URLSearchParams): LineQuery {
  const after = readNumber(query, 'after');
  const limit = readNumber(query, 'limit') ?? readNumber(query, 'lines');
  if (after !== undefined && after < 0)
    throw invalid(
      'invalid after: must not be negative',
      'Send seconds since 1970, such as a `latest-timestamp`.',
    );
  if (limit !== undefined && (limit <= 0 || !Number.isInteger(limit)))
    throw invalid('invalid limit: must be greater than zero', 'Send a whole number of lines, such as 200.');
  return { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) };
}

function readNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)?.trim() ?? '';
  if (text === '') return undefined;
  const number = Number(text);
  if (Number.isFinite(number)) return number;
  throw invalid(`invalid ${name}: must be a number`, 'Send a plain decimal number.');
}

const invalid = (code: string, remedy: string) => new Refusal(400, code, `The query has an ${code}.`, remedy);
