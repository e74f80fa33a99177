import type { Runtime } from '../config/runtime.ts';
import { asGatewayError, type GatewayError } from '../core/error.ts';
import { newId } from '../core/id.ts';
import type { Json } from '../core/json.ts';
import { turnEnd } from '../core/turn.ts';
import type { Protocol } from '../protocols/protocol.ts';
import { beginRecord, type RequestRecord } from '../telemetry/record.ts';
import { describe } from '../telemetry/redact.ts';
import { unsupportedEncoding } from './body.ts';
import { allowReading } from './cors.ts';
import type { Hall } from './hall.ts';
import { isGemini, isOwn, splitUrl } from './paths.ts';

/** One request inside the server, bound to the runtime it began with. */
export interface Visit {
  readonly request: Request;
  /** The parts of the path that its route names. */
  readonly params: Readonly<Record<string, string>>;
  /** Without the query. */
  readonly path: string;
  /** With its `?`; '' when there is none. */
  readonly search: string;
  readonly runtime: Runtime;
  readonly record: RequestRecord;
}

/** Answers one visit. Whatever it throws becomes an error answer, and then the record is closed here. */
export type Work = (visit: Visit) => Response | Promise<Response>;

/** How a dialect words an error. */
export type EncodeError = (error: GatewayError, requestId: string) => Json;

/**
 * What every answer has in common: a request id, the caller's error dialect, the list of pages that may read it, and a
 * record that is closed when the work fails. Work that succeeds closes its own record, if it wants one.
 */
export async function answer(
  hall: Hall,
  request: Request,
  work: Work,
  encodeError?: EncodeError,
  params: Visit['params'] = none,
): Promise<Response> {
  const { path, search } = splitUrl(request.url);
  const record = beginRecord(requestId(request.headers), request.method, path);
  const visit = { request, params, path, search, runtime: hall.steward.current, record };
  let response: Response;
  try {
    response = await work(visit);
  } catch (thrown) {
    response = refusal(hall, visit, thrown, encodeError ?? dialect(hall.protocols, request.headers, path));
  }
  response.headers.set('x-request-id', record.id);
  if (request.headers.has('origin') && !isOwn(path)) allowReading(request, response, visit.runtime);
  // Answers of one turn leave one after the other: sent as they come, each wakes its client by itself.
  await turnEnd();
  return response;
}

const none: Visit['params'] = {};

/** The error as an answer; logs what nobody foresaw and closes the record. */
function refusal(hall: Hall, visit: Visit, thrown: unknown, encodeError: EncodeError): Response {
  const error = asGatewayError(thrown);
  const { record } = visit;
  if (error.fault.kind === 'internal') hall.telemetry.log('error', 'internal', internals(record.id, thrown));
  record.status = statusOf(error);
  record.error = { code: error.code, scope: error.scope, message: error.message };
  hall.telemetry.close(record);
  return Response.json(encodeError(error, record.id), {
    status: record.status,
    headers: errorHeaders(error, record),
  });
}

/** What happened, for the log: the caller is told no more than where to look. */
function internals(id: string, thrown: unknown): Record<string, string> {
  return { id, error: describe(thrown) };
}

/** 415 is no fault of its own: to every dialect it is an invalid request. */
const statusOf = (error: GatewayError): number => (error.code === unsupportedEncoding ? 415 : error.status);

function errorHeaders(error: GatewayError, { attempts }: RequestRecord): Record<string, string> {
  const headers: Record<string, string> = {};
  if (error.fault.kind === 'unauthorized') headers['www-authenticate'] = 'Bearer';
  if (error.fault.kind === 'method-not-allowed') headers['allow'] = error.fault.allow.join(', ');
  if (error.retryAfterMs !== undefined)
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)));
  if (attempts.length > 0) headers['x-gateway-attempts'] = String(attempts.length);
  return headers;
}

/** The dialect of a caller on a path that belongs to no protocol, judged by what such clients send. */
function dialect(protocols: readonly Protocol[], headers: Headers, path: string): EncodeError {
  const id = isGemini(path)
    ? 'gemini'
    : headers.has('anthropic-version')
      ? 'anthropic-messages'
      : 'openai-chat';
  const client = protocols.find((protocol) => protocol.id === id)?.client;
  return client ? (error, requestId) => client.encodeError(error, requestId) : plainError;
}

/** An error in nobody's dialect. */
export const plainError: EncodeError = (error, requestId) => ({
  error: { message: error.advice, code: error.code, request_id: requestId },
});

const goodId = /^[A-Za-z0-9._-]{1,128}$/;

/** The caller's `x-request-id` when it is fit for a log line, or a new one. */
export function requestId(headers: Headers): string {
  const given = headers.get('x-request-id');
  return given !== null && goodId.test(given) ? given : nextId();
}

const processPart = newId('req_').slice(0, 16);
let requests = 0;

/** Random for the process and counted within it: a tenth of the cost of random bits, on the way of every request. */
const nextId = (): string => processPart + (requests++).toString(16).padStart(12, '0');
