import { type AnyElysia, Elysia, ValidationError } from 'elysia';
import { GatewayError } from '../core/error.ts';
import { isLocal } from './address.ts';
import { answer, type EncodeError, requestId } from './answer.ts';
import { mountClients } from './clients.ts';
import { mountDocs } from './docs.ts';
import type { Door, Hall } from './hall.ts';
import { mountHealth } from './health.ts';
import { mountMetrics } from './metrics.ts';
import { mountModels } from './models.ts';
import { hidden } from './openapi.ts';
import { isManagement, splitUrl } from './paths.ts';
import { mountSignIn } from './sign-in.ts';
import { mountSockets, socketOptions } from './socket.ts';
import { mountStored } from './stored.ts';
import { answerUnknown } from './unknown.ts';

/**
 * The whole HTTP surface as one Elysia app. Client routes carry no life-cycle hooks: what all answers share is in
 * `answer.ts`, one function call deep.
 */
export function createApp(hall: Hall): AnyElysia {
  const app = new Elysia({
    // Ready-made answers would skip our request ids.
    nativeStaticResponse: false,
    // Elysia looks for the path behind the first 11 characters of a URL, which is too late in `http://gw/v1`.
    handler: { standardHostname: hall.steward.current.config.tls.enable },
    websocket: socketOptions(hall.steward.current.config),
  }).onError(({ error, code, request }) => unforeseen(hall, request, code, error));
  mountHealth(app, hall);
  mountModels(app, hall);
  mountMetrics(app, hall);
  mountClients(app, hall);
  mountSockets(app, hall);
  mountStored(app, hall);
  mountSignIn(app, hall);
  mountManagement(app, hall);
  mountDocs(app, hall);
  const unknown = answerUnknown(app);
  app.all('/*', ({ request }) => answer(hall, request, unknown), { detail: hidden });
  return app;
}

/** Management has its own routes, keys and errors; only the request id is ours. */
function mountManagement(app: AnyElysia, hall: Hall): void {
  const preflight = () => new Response(null, { status: 204 });
  for (const path of ['/v0/management', '/v0/management/*'])
    app.options(path, ({ request }) => answer(hall, request, preflight), { detail: hidden });
  if (!hall.admin) return;
  const door: Door = { isLocal, requestId: stampedId };
  const shell = new Elysia().onTransform(({ set, request }) => {
    set.headers['x-request-id'] = stampedId(request);
  });
  app.use(shell.use(hall.admin(door)));
}

/** The request's id, written into the request itself so that everybody reads the same one. */
function stampedId(request: Request): string {
  const id = requestId(request.headers);
  request.headers.set('x-request-id', id);
  return id;
}

/** What reached Elysia itself: a management route's schema, or a fault that no route caught. */
function unforeseen(hall: Hall, request: Request, code: unknown, thrown: unknown): Promise<Response> {
  const { path } = splitUrl(request.url);
  const encodeError = isManagement(path) ? managementError : undefined;
  const fail = () => {
    throw foreseen(code, thrown);
  };
  return answer(hall, request, fail, encodeError);
}

function foreseen(code: unknown, thrown: unknown): unknown {
  if (code === 'PARSE')
    return new GatewayError({ kind: 'invalid-request' }, 'The request body could not be parsed.', {
      cause: thrown,
      remedy: 'Check the body against its Content-Type.',
    });
  if (thrown instanceof ValidationError) {
    const [first] = thrown.all;
    const where = first && 'path' in first && first.path ? `${thrown.type}${first.path}` : thrown.type;
    const what = first?.summary ?? 'not as described';
    return new GatewayError({ kind: 'invalid-request', field: where }, `${where} is wrong: ${what}.`, {
      remedy: 'The API page at /api/ describes what is expected.',
    });
  }
  return thrown;
}

/** The shape of management's own refusals. */
const managementError: EncodeError = (error, requestId) => ({
  error: error.code,
  message: error.message,
  remedy: error.remedy ?? '',
  request_id: requestId,
});
