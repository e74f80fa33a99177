import { type AnyElysia, Elysia } from 'elysia';
import { beginRecord, type RequestRecord } from '../telemetry/record.ts';
import { describe } from '../telemetry/redact.ts';
import { accountRoutes } from './accounts.ts';
import { configRoutes } from './config.ts';
import { createGate } from './gate.ts';
import type { AdminDoor, AdminHall, AdminRoute, Caller, Visit } from './hall.ts';
import { kiroQuotaRoutes } from './kiro-quota.ts';
import { logRoutes } from './logs.ts';
import { modelRoutes } from './models.ts';
import { oauthTableRoutes } from './oauth-tables.ts';
import { oauthRoutes } from './oauth.ts';
import { Refusal, refusalBody } from './refusal.ts';
import { restRoutes } from './rests.ts';
import { traceRoutes } from './traces.ts';

const base = '/v0/management';

/**
 * The management API as an Elysia plugin. Every request under `/v0/management` goes through the gate first, also to
 * paths that do not exist; routes carry no life-cycle hooks, because what all answers share is in `answer`.
 */
export function createAdmin(hall: AdminHall, door: AdminDoor, gate = createGate(hall, door)): AnyElysia {
  const routes = [
    ...configRoutes(hall),
    ...logRoutes(hall.telemetry),
    ...traceRoutes(hall.traces),
    ...modelRoutes(hall.steward, hall.pool),
    ...restRoutes(hall),
    ...accountRoutes(hall),
    ...oauthRoutes(hall),
    ...oauthTableRoutes(hall),
    ...kiroQuotaRoutes(hall),
  ];
  const headers = commonHeaders(hall);

  async function answer(request: Request, server: Caller | null, route: Work): Promise<Response> {
    const url = new URL(request.url);
    const record = beginRecord(door.requestId(request), request.method, url.pathname);
    let response: Response;
    try {
      await gate(request, server);
      record.client = 'management';
      response = await route.work({ request, query: url.searchParams });
    } catch (thrown) {
      response = refused(hall, record, thrown);
    }
    for (const [name, value] of headers) response.headers.set(name, value);
    record.status = response.status;
    if (!route.silent || response.status >= 400) hall.telemetry.close(record);
    return response;
  }

  const app = new Elysia({ name: 'admin' });
  for (const route of routes)
    app.route(route.method, base + route.path, ({ request, server }) => answer(request, server, route), {
      parse: 'none',
      detail: { tags: ['management'], ...route.detail },
    });
  const unknown: Work = { work: (visit) => nothingHere(visit, routes) };
  for (const path of [base, `${base}/*`])
    app.all(path, ({ request, server }) => answer(request, server, unknown), {
      parse: 'none',
      detail: { hide: true },
    });
  return app;
}

type Work = Pick<AdminRoute, 'work' | 'silent'>;

/** On every answer: who answers, in the reference's words, and that nobody may keep or reinterpret it. */
function commonHeaders({ version, commit, builtAt }: AdminHall): readonly (readonly [string, string])[] {
  return [
    ['x-cpa-version', version],
    ['x-cpa-commit', commit ?? 'none'],
    ['x-cpa-build-date', builtAt ?? 'unknown'],
    ['x-cpa-support-plugin', 'false'],
    ['cache-control', 'no-store'],
    ['x-content-type-options', 'nosniff'],
  ];
}

/** The error as an answer; what nobody foresaw is logged with its stack. */
function refused(hall: AdminHall, record: RequestRecord, thrown: unknown): Response {
  const refusal = thrown instanceof Refusal ? thrown : unforeseen(hall, record, thrown);
  record.error = { code: refusal.code, scope: 'request', message: refusal.message };
  const { status, more } = refusal;
  return Response.json(refusalBody(refusal, record.id), { status, headers: { ...more.headers } });
}

function unforeseen(hall: AdminHall, record: RequestRecord, thrown: unknown): Refusal {
  hall.telemetry.log('error', 'internal', { request_id: record.id, detail: describe(thrown) });
  return new Refusal(
    500,
    'internal_error',
    'The gateway failed in a way nobody foresaw.',
    'Look up the request id in the log and report it.',
  );
}

/** @throws Refusal 405 when the path exists with another method, 404 with the list of routes otherwise. */
function nothingHere({ request }: Visit, routes: readonly AdminRoute[]): never {
  const path = new URL(request.url).pathname;
  const allow = routes.filter((route) => base + route.path === path).map(({ method }) => method);
  if (allow.length > 0)
    throw new Refusal(
      405,
      'method not allowed',
      `${request.method} is not allowed on ${path}.`,
      `Use ${allow.join(' or ')}.`,
      {
        headers: { allow: allow.join(', ') },
      },
    );
  throw new Refusal(
    404,
    'not_found',
    `Nothing is at ${path}.`,
    'Use one of `routes`; /api/ describes them.',
    {
      fields: { routes: routes.map(({ method, path: known }) => `${method} ${base}${known}`) },
    },
  );
}
