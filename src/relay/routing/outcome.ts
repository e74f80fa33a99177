import type { Walk } from '../../accounts/pool/walk.ts';
import { GatewayError } from '../../core/error.ts';
import type { RequestRecord } from '../../telemetry/record.ts';
import { responseHeaders } from '../../wire/fetch.ts';
import type { Errand } from '../errand.ts';
import type { Attempt } from './plan.ts';

/** Keeps the books of an attempt that has answered. @param startedAt by the clock of `performance.now()`. */
export function answered(
  errand: Errand,
  walk: Walk<Attempt>,
  attempt: Attempt,
  startedAt: number,
  headers: Headers,
): void {
  const { record } = errand.exchange;
  walk.answered(note(record, attempt, startedAt, headers));
  errand.held = walk;
  if (errand.config['passthrough-headers']) errand.passed = responseHeaders(headers);
  record.provider = attempt.connection.provider;
  record.credential = attempt.account.label;
  record.modelUsed = attempt.model;
  record.affinity = walk.affinity;
}

/** The same of one that has failed. @throws GatewayError when the client had left, or waits no longer. */
export function failed(
  errand: Errand,
  walk: Walk<Attempt>,
  attempt: Attempt,
  startedAt: number,
  error: GatewayError,
): void {
  const { record, signal } = errand.exchange;
  note(record, attempt, startedAt, signal.aborted ? undefined : error);
  if (!signal.aborted) return;
  walk.end();
  throw gone(errand);
}

/**
 * @param end how it ended: the answer's headers, why it failed, or undefined when the client left.
 * @returns how many milliseconds it took.
 */
function note(
  record: RequestRecord,
  { connection, account, model }: Attempt,
  startedAt: number,
  end: Headers | GatewayError | undefined,
): number {
  const ms = performance.now() - startedAt;
  const error = end instanceof GatewayError ? end : undefined;
  const headers = end instanceof GatewayError ? undefined : end;
  record.attempts.push({
    provider: connection.provider,
    credential: account.label,
    model,
    atMs: Math.round(startedAt - record.startedAt),
    ms: Math.round(ms),
    outcome: headers ? 'answered' : error ? 'failed' : 'cancelled',
    status: error?.upstream?.status ?? (headers ? 200 : 0),
    code: error?.code ?? '',
    upstreamRequestId: error?.upstream?.requestId ?? requestIdOf(headers),
  });
  return ms;
}

/** Vendors name their own request id in one of these. */
const requestIdOf = (headers: Headers | undefined) =>
  headers?.get('x-request-id') ?? headers?.get('request-id') ?? '';

/** The request ends without anybody's fault but the clock's or the client's. */
export const gone = ({ exchange }: Errand): GatewayError =>
  exchange.signal.reason instanceof GatewayError
    ? exchange.signal.reason
    : new GatewayError({ kind: 'cancelled' }, 'The client closed the connection.');
