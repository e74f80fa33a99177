import { labels } from './labels.ts';
import type { AttemptRecord, RequestRecord } from './record.ts';
import type { LiveProvider, ProviderMetrics } from './telemetry.ts';
import { window } from './window.ts';

/** What is counted of one provider since the program began. */
export interface Tally {
  /** Attempts by outcome, then by error code. */
  readonly attempts: Map<string, Counts>;
  readonly tokens: Record<TokenKind, number>;
  /** Answers that broke after they had begun, by the phase they broke in. */
  readonly drops: Counts;
}

export type Counts = Map<string, number>;

export type TokenKind = 'input' | 'output' | 'cache_read' | 'cache_write' | 'reasoning';

export interface Metrics {
  count(record: RequestRecord): void;
  /** Client requests by protocol, then by status class. */
  readonly requests: ReadonlyMap<string, Counts>;
  readonly tallies: ReadonlyMap<string, Tally>;
  /** The name a provider is shown under. */
  label(provider: string): string;
  providers(live: readonly LiveProvider[]): Readonly<Record<string, ProviderMetrics>>;
}

/** Called for each answer with its provider's label and milliseconds. */
export interface Observe {
  duration(provider: string, ms: number): void;
  firstByte(provider: string, ms: number): void;
}

interface Book extends Tally {
  requests: number;
  successes: number;
  failures: number;
  readonly latency: ReturnType<typeof window>;
  readonly firstByte: ReturnType<typeof window>;
  lastError: ProviderMetrics['last_error'];
}

/** The counters of everything that goes through, per provider. */
export function metrics(now: () => number, observe: Observe): Metrics {
  const books = new Map<string, Book>();
  const requests = new Map<string, Counts>();
  const protocolLabel = labels(32, /^[a-z][a-z0-9-]{0,31}$/);
  const providerLabel = labels(256, /^[^\p{C}]{1,64}$/u);
  const codeLabel = labels(96, /^[a-z][a-z0-9_]{0,47}$/);

  function bookOf(provider: string): Book {
    const label = providerLabel(provider);
    const book = books.get(label);
    if (book) return book;
    const fresh = emptyBook();
    books.set(label, fresh);
    return fresh;
  }

  /** One that was cancelled is a request, but neither a success nor a failure. */
  function countAttempt({ provider, outcome, code, status }: AttemptRecord): void {
    const book = bookOf(provider);
    const told = outcome === 'failed' ? codeLabel(code) : 'none';
    book.requests++;
    if (outcome === 'answered') book.successes++;
    add(within(book.attempts, outcome), told);
    if (outcome !== 'failed') return;
    book.failures++;
    book.lastError = { at: new Date(now()).toISOString(), code: told, status };
  }

  function countServed(record: RequestRecord): void {
    const book = bookOf(record.provider);
    const { usage } = record;
    if (usage) {
      book.tokens.input += usage.input;
      book.tokens.output += usage.output;
      book.tokens.cache_read += usage.cacheRead;
      book.tokens.cache_write += usage.cacheWrite;
      book.tokens.reasoning += usage.reasoning;
    }
    if (record.error || record.status >= 400) return;
    const lostMs = failedMs(record.attempts);
    const label = providerLabel(record.provider);
    const servedMs = Math.max(0, record.totalMs - lostMs);
    book.latency.add(servedMs);
    observe.duration(label, servedMs);
    if (record.firstByteMs === undefined) return;
    const firstByteMs = Math.max(0, record.firstByteMs - lostMs);
    book.firstByte.add(firstByteMs);
    observe.firstByte(label, firstByteMs);
  }

  return {
    requests,
    tallies: books,
    label: providerLabel,
    count(record) {
      add(within(requests, protocolLabel(record.protocol)), statusClass(record.status));
      for (const attempt of record.attempts) countAttempt(asItEnded(attempt, record));
      if (record.provider !== '') countServed(record);
      const phase = dropPhase(record);
      if (phase) add(bookOf(record.provider).drops, phase);
    },
    providers(live) {
      const shown = new Map<string, ProviderMetrics>();
      for (const each of live) shown.set(providerLabel(each.provider), numbers(bookOf(each.provider), each));
      for (const [provider, book] of books)
        if (!shown.has(provider) && provider !== 'none') shown.set(provider, numbers(book));
      return Object.fromEntries([...shown].sort(([a], [b]) => (a < b ? -1 : 1)));
    },
  };
}

const emptyBook = (): Book => ({
  attempts: new Map(),
  tokens: { input: 0, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 },
  drops: new Map(),
  requests: 0,
  successes: 0,
  failures: 0,
  latency: window(),
  firstByte: window(),
  lastError: null,
});

function add(counts: Counts, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** What is counted under a key, from now on at the latest. */
function within(groups: Map<string, Counts>, key: string): Counts {
  const counts = groups.get(key);
  if (counts) return counts;
  const fresh: Counts = new Map();
  groups.set(key, fresh);
  return fresh;
}

function failedMs(attempts: readonly AttemptRecord[]): number {
  let total = 0;
  for (const { outcome, ms } of attempts) if (outcome === 'failed') total += ms;
  return total;
}

/** An answer that broke on the way was a success when its first content came, and is a failure of its upstream now. */
function asItEnded(attempt: AttemptRecord, { error }: RequestRecord): AttemptRecord {
  if (attempt.outcome !== 'answered' || !error || error.scope === 'request') return attempt;
  return { ...attempt, outcome: 'failed', code: error.code };
}

/** Where a stream broke, undefined when it did not. */
function dropPhase({ stream, error, status, firstByteMs }: RequestRecord): string | undefined {
  if (!stream) return undefined;
  if (status === 499) return 'client';
  if (!error || status >= 400) return undefined;
  if (firstByteMs === undefined) return 'opening';
  if (error.code === 'upstream_timeout') return 'gap';
  return error.code === 'stream_interrupted' ? 'cut' : 'error';
}

const statusClasses = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'];
const statusClass = (status: number) => statusClasses[Math.floor(status / 100)] ?? 'none';

function numbers(book: Book, live?: LiveProvider): ProviderMetrics {
  const [latencyP50 = 0, latencyP95 = 0] = book.latency.quantiles(0.5, 0.95);
  const [firstByteP50 = 0, firstByteP95 = 0] = book.firstByte.quantiles(0.5, 0.95);
  const decided = book.successes + book.failures;
  return {
    request_count: book.requests,
    success_count: book.successes,
    failure_count: book.failures,
    total_tokens: book.tokens.input + book.tokens.output,
    success_rate: decided === 0 ? 1 : book.successes / decided,
    ...(live?.cost && {
      cost_per_1k_input: live.cost.per1kInput,
      cost_per_1k_output: live.cost.per1kOutput,
    }),
    latency_p50_ms: latencyP50,
    latency_p95_ms: latencyP95,
    first_byte_p50_ms: firstByteP50,
    first_byte_p95_ms: firstByteP95,
    credentials_ready: live?.ready ?? 0,
    credentials_cooling: live?.cooling ?? 0,
    ...(live?.needsLogin ? { credentials_needing_login: live.needsLogin } : {}),
    ...(live?.quota?.length ? { quota: live.quota } : {}),
    in_flight: live?.inFlight ?? 0,
    last_error: book.lastError,
  };
}
