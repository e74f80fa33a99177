import type { Json } from '../core/json.ts';
import type { RequestRecord } from './record.ts';
import { traceOf } from './trace.ts';

/** What happened to the newest requests, by request id: on disk, so that a restart changes nothing. */
export interface Traces {
  /** Takes a request that is over. Nothing is written up before somebody asks or the disk's turn comes. */
  add(record: RequestRecord): void;
  find(id: string): Json | undefined;
  /** Newest first. */
  newest(limit: number): readonly Json[];
  /** Writes what is waiting; called before the process ends. */
  flush(): void;
}

/** Where traces lie on disk; a space of the state store will do. */
export interface TraceShelf {
  get(key: string): Json | undefined;
  put(key: string, value: Json): void;
  newest(limit: number): readonly Json[];
}

/** Room on disk. A trace is some hundred bytes to a few kilobytes. */
export const traceLimits = {
  entries: 5_000,
  bytes: 32 * 1024 * 1024,
  entryBytes: 256 * 1024,
  ttlMs: 7 * 24 * 3_600_000,
};

const writeEveryMs = 1_000;
/** What one turn writes. A busier gateway keeps what failed first, and of the rest what there is time for. */
const mostPerTurn = 100;
/** More than this does not even wait for its turn. */
const mostWaiting = 500;

/**
 * Traces over a shelf. Only those that wait for their turn on it are in memory: records that are kept there longer grow
 * old, and cost full collections.
 */
export function createTraces(shelf: TraceShelf): Traces {
  let waiting: RequestRecord[] = [];
  let turn: ReturnType<typeof setTimeout> | undefined;

  function writeSome(): void {
    turn = undefined;
    if (waiting.length > mostPerTurn) waiting.sort((a, b) => weight(b) - weight(a));
    for (const record of waiting.slice(0, mostPerTurn)) shelf.put(record.id, traceOf(record));
    waiting = [];
  }

  return {
    add(record) {
      if (waiting.length >= (weight(record) > 0 ? mostWaiting : mostPerTurn)) return;
      waiting.push(record);
      if (turn !== undefined) return;
      turn = setTimeout(writeSome, writeEveryMs);
      turn.unref();
    },
    find(id) {
      const record = waiting.findLast((each) => each.id === id);
      return record ? traceOf(record) : shelf.get(id);
    },
    newest(limit) {
      // An id that a client uses twice means its newest request.
      const byId = new Map<unknown, Json>();
      for (const record of waiting.toReversed())
        if (!byId.has(record.id)) byId.set(record.id, traceOf(record));
      for (const earlier of shelf.newest(limit + byId.size))
        if (!byId.has(earlier.id)) byId.set(earlier.id, earlier);
      return [...byId.values()].slice(0, limit);
    },
    flush() {
      clearTimeout(turn);
      writeSome();
    },
  };
}

/** What is worth more on disk: failures, then requests that needed more than one attempt. */
const weight = ({ error, status, attempts }: RequestRecord): number =>
  (error || status >= 400 ? 2 : 0) + (attempts.length > 1 ? 1 : 0);
