import type { Log } from './log.ts';
import type { RequestRecord } from './record.ts';

/** Everything the program tells of itself: lines, counters, and the last lines on request. */
export interface Telemetry {
  readonly log: Log;
  /** Closes a record: one log line, and the counters. Called exactly once per request. */
  close(record: RequestRecord): void;
  /** Names who else is told of every closed record, a moment after it was closed. */
  observe(observer: (closed: RequestRecord) => void): void;
  /** The newest lines kept in memory (or in the log file when there is one), oldest first. */
  lines(query: LineQuery): Lines;
  /** The body of `/v1/metrics/providers`. `live` adds what only the pool knows. */
  providers(live: readonly LiveProvider[]): Readonly<Record<string, ProviderMetrics>>;
  /** The Prometheus text of `/metrics`. */
  exposition(
    live: readonly LiveProvider[],
    logins?: readonly LoginCount[],
  ): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Applies the log settings of a config; called at start and after each reload. */
  configure(settings: LogSettings): void;
  /** Writes what is buffered; called before the process ends. */
  flush(): void;
  /** Resolves when everything logged so far has been written; what an orderly stop waits for, then calls `flush`. */
  drained(): Promise<void>;
  /**
   * Forgets the lines kept in memory, empties the log file and removes the rotated ones.
   * @returns the number of files removed.
   */
  clear(): Promise<number>;
}

export interface LogSettings {
  readonly debug: boolean;
  /** The folder to log into; undefined means standard output only. */
  readonly folder: string | undefined;
  /** Bytes all log files may take together; 0 means no limit. */
  readonly maxTotalBytes: number;
}

export interface LineQuery {
  /** Only lines later than this, in seconds since 1970. */
  readonly after?: number;
  readonly limit?: number;
}

export interface Lines {
  readonly lines: readonly string[];
  /** Seconds since 1970 of the newest line, 0 when there is none. */
  readonly latest: number;
}

/** What the pool knows of a provider's credentials at this moment. */
export interface LiveProvider {
  readonly provider: string;
  readonly ready: number;
  readonly cooling: number;
  readonly inFlight: number;
  /** Logins that only a person can mend. */
  readonly needsLogin?: number;
  /** What the provider told of each credential's quota. */
  readonly quota?: readonly LiveQuota[];
  /** Prices per thousand tokens, when the config names them. */
  readonly cost?: { readonly per1kInput: number; readonly per1kOutput: number };
}

/** How many logins of a channel are in one state. */
export interface LoginCount {
  readonly channel: string;
  readonly state: string;
  readonly count: number;
}

/** One window of one credential's quota. */
export interface LiveQuota {
  /** The credential's label. */
  readonly credential: string;
  readonly name: string;
  readonly model?: string;
  readonly limit?: number;
  readonly remaining?: number;
  /** From 0 to 1. */
  readonly remaining_share?: number;
  /** ISO 8601. */
  readonly resets_at?: string;
  readonly source: string;
}

/** One value of `/v1/metrics/providers`; the field names are those of `spec/api.md` 1.2 and more. */
export interface ProviderMetrics {
  readonly request_count: number;
  readonly success_count: number;
  readonly failure_count: number;
  readonly total_tokens: number;
  /** 0 to 1; 1 when there were no requests. */
  readonly success_rate: number;
  readonly cost_per_1k_input?: number;
  readonly cost_per_1k_output?: number;
  readonly latency_p50_ms: number;
  readonly latency_p95_ms: number;
  readonly first_byte_p50_ms: number;
  readonly first_byte_p95_ms: number;
  readonly credentials_ready: number;
  readonly credentials_cooling: number;
  readonly credentials_needing_login?: number;
  readonly quota?: readonly LiveQuota[];
  readonly in_flight: number;
  readonly last_error: { readonly at: string; readonly code: string; readonly status: number } | null;
}
