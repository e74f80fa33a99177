import type { Json } from '../core/json.ts';
import type { AttemptRecord, RequestRecord, SkipRecord } from './record.ts';
import { clean, cleanId, cleanLabel } from './redact.ts';

/** The most that one trace tells of lists whose length others decide. */
const longestList = 100;

/**
 * A request that is over as an operator reads it: no body, no key, and foreign words cleaned. Fields that have nothing to
 * say are undefined, and are not written.
 */
export function traceOf(record: RequestRecord): Json {
  const { error, usage } = record;
  return {
    id: cleanId(record.id),
    at: new Date(record.closedAt - record.totalMs).toISOString(),
    client: words(record.client),
    method: record.method,
    path: cleanLabel(record.path),
    protocol: words(record.protocol),
    model: words(record.modelAsked),
    route: routeOf(record),
    credential: words(record.credential),
    status: record.status,
    stream: record.stream,
    lane: record.attempts.length === 0 ? undefined : record.direct ? 'direct' : 'translated',
    early: record.early || undefined,
    bytes_in: record.bytesIn || undefined,
    bytes_out: record.bytesOut || undefined,
    selected_ms: record.provider === '' ? undefined : record.attempts.at(-1)?.atMs,
    first_byte_ms: rounded(record.firstByteMs),
    total_ms: rounded(record.totalMs),
    conversation: words(record.affinity),
    skipped: record.skipped.length > 0 ? record.skipped.slice(0, longestList).map(skipOf) : undefined,
    attempts: record.attempts.slice(0, longestList).map(attemptOf),
    tokens: usage,
    dropped: record.dropped.size > 0 ? [...record.dropped].slice(0, longestList).map(clean) : undefined,
    error: error && { code: cleanLabel(error.code), scope: error.scope, message: clean(error.message) },
  };
}

const attemptOf = (attempt: AttemptRecord): Json => ({
  provider: cleanLabel(attempt.provider),
  credential: cleanLabel(attempt.credential),
  model: cleanLabel(attempt.model),
  outcome: attempt.outcome,
  status: attempt.status || undefined,
  code: words(attempt.code),
  at_ms: rounded(attempt.atMs),
  ms: rounded(attempt.ms),
  upstream_request_id: attempt.upstreamRequestId === '' ? undefined : clean(attempt.upstreamRequestId),
});

const skipOf = ({ provider, credential, model, why, untilMs }: SkipRecord): Json => ({
  provider: cleanLabel(provider),
  credential: cleanLabel(credential),
  model: cleanLabel(model),
  why: clean(why),
  until: Number.isFinite(untilMs) && untilMs > 0 ? new Date(untilMs).toISOString() : undefined,
});

/** Who served it, as `x-gateway-route` names it. */
const routeOf = ({ provider, modelUsed }: RequestRecord): string | undefined =>
  provider === '' ? undefined : cleanLabel(`${provider}/${modelUsed}`);

const words = (text: string): string | undefined => (text === '' ? undefined : cleanLabel(text));

const rounded = (ms: number | undefined): number | undefined =>
  ms === undefined ? undefined : Math.round(ms * 10) / 10;
