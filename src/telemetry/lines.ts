import type { Fields, Level } from './log.ts';
import type { AttemptRecord, RequestRecord } from './record.ts';
import { clean, cleanId, cleanLabel } from './redact.ts';

/** One log line before it is spelled: cleaned values in the order they are written. */
export interface Entry {
  readonly time: string;
  readonly level: Level;
  readonly event: string;
  readonly [field: string]: unknown;
}

/** The most that one line tells of lists whose length others decide. */
const longestList = 32;

/** The line of a finished request. Fields that have nothing to say are undefined, and are not written. */
export function requestEntry(record: RequestRecord, time: string): Entry {
  const { attempts, error } = record;
  return {
    time,
    level: levelOf(record),
    event: 'request',
    id: cleanId(record.id),
    client: label(record.client),
    protocol: label(record.protocol),
    method: label(record.method),
    path: label(record.path),
    model: label(record.modelAsked),
    model_used: label(record.modelUsed),
    provider: label(record.provider),
    credential: label(record.credential),
    upstream_request_id: upstreamRequestId(attempts),
    attempts: attempts.length,
    failed: failedAttempts(attempts),
    status: record.status,
    stream: record.stream,
    direct: record.direct,
    first_byte_ms: rounded(record.firstByteMs),
    total_ms: rounded(record.totalMs),
    tokens: tokensOf(record),
    dropped: record.dropped.size > 0 ? [...record.dropped].slice(0, longestList).map(clean) : undefined,
    error: error && { code: label(error.code), scope: error.scope, message: clean(error.message) },
  };
}

const label = (text: string) => (text === '' ? undefined : cleanLabel(text));
const words = (text: string) => (text === '' ? undefined : clean(text));

function upstreamRequestId(attempts: readonly AttemptRecord[]): string | undefined {
  for (const { outcome, upstreamRequestId: id } of attempts) if (outcome === 'answered') return words(id);
  return undefined;
}

function failedAttempts(attempts: readonly AttemptRecord[]): readonly object[] | undefined {
  let failed: object[] | undefined;
  for (const attempt of attempts) {
    if (attempt.outcome === 'answered' || failed?.length === longestList) continue;
    (failed ??= []).push(failedAttempt(attempt));
  }
  return failed;
}

/** The line of anything else that happened. */
export function eventEntry(level: Level, event: string, fields: Fields, time: string): Entry {
  const head = { time, level, event: clean(event) };
  const entry: Record<string, unknown> & Entry = { ...head };
  for (const [name, value] of Object.entries(fields))
    if (value !== undefined) entry[name] = cleanValue(value);
  return Object.assign(entry, head);
}

function cleanValue(value: NonNullable<Fields[string]>): unknown {
  if (typeof value === 'string') return clean(value);
  return typeof value === 'object' ? value.slice(0, longestList).map(clean) : value;
}

/** `status_code` is the name that operators search for: `status_code":403` finds every refusal of an upstream. */
const failedAttempt = (attempt: AttemptRecord) => ({
  provider: cleanLabel(attempt.provider),
  credential: cleanLabel(attempt.credential),
  model: cleanLabel(attempt.model),
  status_code: attempt.status > 0 ? attempt.status : undefined,
  code: attempt.outcome === 'cancelled' ? 'cancelled' : cleanLabel(attempt.code),
  ms: rounded(attempt.ms),
  upstream_request_id: words(attempt.upstreamRequestId),
});

/** An answer of no tokens at all is one that nobody counted: OpenAI streams tell usage only to those who ask. */
function tokensOf({ usage }: RequestRecord): Readonly<Record<string, unknown>> | undefined {
  if (!usage || usage.input + usage.output === 0) return undefined;
  const { input, output, cacheRead, cacheWrite, reasoning, estimated } = usage;
  return {
    input,
    output,
    cache_read: cacheRead,
    cache_write: cacheWrite,
    reasoning,
    estimated: estimated || undefined,
  };
}

/** A client that goes away is nobody's failure. */
function levelOf({ status, error }: RequestRecord): Level {
  if (status >= 500) return 'error';
  if (status === 499) return 'info';
  return status >= 400 || error ? 'warn' : 'info';
}

const rounded = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(ms * 10) / 10);
