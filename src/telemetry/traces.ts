import type { Json } from '../core/json.ts';
import type { RequestRecord } from './record.ts';
import { traceOf } from './trace.ts';

/** What happened to the newest requests, by request id: in memory, and on disk for after a restart. */
export interface Traces {
  /** Takes a request that is over. Nothing is written up before somebody asks or the disk's turn comes. */
  add(closed: ClosedRecord): void;
  find(id: string): Json | undefined;
  /** Newest first. */
  newest(limit: number): readonly Json[];
  /** Writes what is waiting; called before the process ends. */
  flush(): void;
}

/** A request that is over, with what only the moment of its closing knew. */
export interface ClosedRecord {
  readonly record: RequestRecord;
  readonly totalMs: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** Where traces lie on disk; a space of the state store will do. */
export interface TraceShelf {
  get(key: string): Json | undefined;
  put(key: string, value: Json): void;
  newest(limit: number): readonly Json[];
}

export interface TracesOptions {
  readonly shelf: TraceShelf;
  /** How many stay in memory. */
  readonly most?: number;
}

/** Room on disk. A trace is some hundred bytes to a few kilobytes. */
export const traceLimits = {
  entries: 5_000,
  bytes: 32 * 1024 * 1024,
  entryBytes: 256 * 1024,
  ttlMs: 7 * 24 * 3_600_000,
};

/** Enough to bridge the time until the disk's turn. Records that are kept longer grow old, and cost full collections. */
const mostInMemory = 500;
const writeEveryMs = 250;
/** What one turn writes. A gateway busier than that keeps on disk whatever failed, and of the rest what there is time for. */
const mostPerTurn = 100;

/** Traces over a shelf. */
export function createTraces({ shelf, most = mostInMemory }: TracesOptions): Traces {
  /** A ring: the newest stands before `next`. An id that a client uses twice means its newest request. */
  const kept = Array.from<ClosedRecord | undefined>({ length: most });
  let next = 0;
  let waiting: ClosedRecord[] = [];
  let turn: ReturnType<typeof setTimeout> | undefined;

  const newestFirst = (): readonly ClosedRecord[] =>
    [...kept.slice(next), ...kept.slice(0, next)].filter((closed) => closed !== undefined).reverse();

  function writeSome(): void {
    turn = undefined;
    if (waiting.length > mostPerTurn) waiting.sort((a, b) => weight(b) - weight(a));
    for (const closed of waiting.slice(0, mostPerTurn)) shelf.put(closed.record.id, traceOf(closed));
    waiting = [];
  }

  return {
    add(closed) {
      kept[next] = closed;
      next = (next + 1) % most;
      if (waiting.length < (weight(closed) > 0 ? most : mostPerTurn)) waiting.push(closed);
      if (turn !== undefined) return;
      turn = setTimeout(writeSome, writeEveryMs);
      turn.unref();
    },
    find(id) {
      const closed = newestFirst().find(({ record }) => record.id === id);
      return closed ? traceOf(closed) : shelf.get(id);
    },
    newest(limit) {
      const byId = new Map<string, ClosedRecord>();
      for (const closed of newestFirst()) {
        if (byId.size === limit) break;
        if (!byId.has(closed.record.id)) byId.set(closed.record.id, closed);
      }
      const newest = [...byId.values()].map(traceOf);
      if (newest.length === limit) return newest;
      const known = new Set(newest.map(({ id }) => id));
      const earlier = shelf.newest(limit + newest.length).filter(({ id }) => !known.has(id));
      return [...newest, ...earlier].slice(0, limit);
    },
    flush() {
      clearTimeout(turn);
      writeSome();
    },
  };
}

/** What is worth more on disk: failures, then requests that needed more than one attempt. */
const weight = ({ record }: ClosedRecord): number =>
  (record.error || record.status >= 400 ? 2 : 0) + (record.attempts.length > 1 ? 1 : 0);
