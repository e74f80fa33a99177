import { batches } from './batches.ts';
import { exposition } from './exposition.ts';
import { type LogFile, logFile } from './files.ts';
import { type Entry, eventEntry, requestEntry } from './lines.ts';
import type { Fields, Level } from './log.ts';
import { metrics } from './metrics.ts';
import { onTerminal, standardOutput } from './output.ts';
import { readable } from './readable.ts';
import type { RequestRecord } from './record.ts';
import { describe } from './redact.ts';
import { ring } from './ring.ts';
import type { LogSettings, Telemetry } from './telemetry.ts';

export interface TelemetryOptions {
  /** Takes whole lines for standard output, each with its line end; standard output itself when absent. */
  readonly write?: (text: string) => void | Promise<void>;
  /** Readable lines in colour instead of JSON. */
  readonly isTerminal?: boolean;
  /** `NO_COLOR` is honoured when absent. */
  readonly colour?: boolean;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

const linesKept = 5_000;

/** Records are written up together: done one by one between requests, the same work costs three times as much. */
const writeUp = { everyMs: 25, most: 512 };

/** The one Telemetry of a process. It logs to standard output until `configure` says more. */
export function createTelemetry(options: TelemetryOptions = {}): Telemetry {
  const { now = Date.now, isTerminal = onTerminal() } = options;
  const colour = options.colour ?? !process.env['NO_COLOR'];
  const output = outputOf(options);
  const console = batches(output);
  const kept = ring(linesKept);
  const shown = exposition();
  const counters = metrics(now, shown.observe);
  let settings: LogSettings = { debug: false, folder: undefined, maxTotalBytes: 0 };
  let file: LogFile | undefined;
  let seeded = false;
  let closed: RequestRecord[] = [];
  let observer: ((closed: RequestRecord) => void) | undefined;
  let writingUp: ReturnType<typeof setTimeout> | undefined;

  /** Counts and logs what was closed since the last time. Whoever reads lines or counters calls it first. */
  function settle(): void {
    clearTimeout(writingUp);
    writingUp = undefined;
    const due = closed;
    closed = [];
    for (const record of due) {
      observer?.(record);
      counters.count(record);
      emit(requestEntry(record, isoTime(record.closedAt)), record.closedAt);
    }
  }

  function emit(entry: Entry, atMs: number): void {
    const line = JSON.stringify(entry);
    kept.add(line, atMs);
    console.add(isTerminal ? readable(entry, colour) : line);
    if (file?.healthy) file.add(line);
  }

  function log(level: Level, event: string, fields: Fields = {}): void {
    if (level === 'debug' && !settings.debug) return;
    settle();
    const atMs = now();
    emit(eventEntry(level, event, fields, isoTime(atMs)), atMs);
  }

  function open(folder: string, maxTotalBytes: number): LogFile {
    const opened = logFile({
      folder,
      maxTotalBytes,
      now,
      failed: (error) =>
        // Deferred, because the file is not yet in place when its very opening fails.
        queueMicrotask(() =>
          log('warn', 'log-file-failed', {
            folder,
            why: describe(error),
            remedy: 'The log goes on at standard output alone. Make the folder writable or free some space.',
          }),
        ),
      recovered: () => log('info', 'log-file-recovered', { folder }),
    });
    if (!seeded) seed(opened);
    seeded = true;
    return opened;
  }

  /** Puts the newest lines of earlier runs before those of this one. */
  function seed(from: LogFile): void {
    const { lines } = kept.read({});
    const earlier = from.earlierLines(linesKept - lines.length);
    kept.clear();
    for (const line of [...earlier, ...lines]) kept.add(line, Math.min(timeOf(line), now()));
  }

  return {
    log,
    close(record) {
      record.totalMs = performance.now() - record.startedAt;
      record.closedAt = now();
      closed.push(record);
      if (closed.length >= writeUp.most) settle();
      else writingUp ??= setTimeout(settle, writeUp.everyMs);
    },
    observe(next) {
      observer = next;
    },
    lines(query) {
      settle();
      return kept.read(query);
    },
    providers(live) {
      settle();
      return counters.providers(live);
    },
    exposition(live, logins = []) {
      settle();
      return shown.text(counters, live, logins, console.lost + (file?.lost ?? 0));
    },
    configure(next) {
      settle();
      const same = next.folder === settings.folder && next.maxTotalBytes === settings.maxTotalBytes;
      settings = next;
      if (same) return;
      const old = file;
      file = next.folder === undefined ? undefined : open(next.folder, next.maxTotalBytes);
      old?.flush();
    },
    flush() {
      settle();
      file?.flush();
      console.flush();
    },
    async drained() {
      settle();
      await file?.drained();
      await console.drained();
    },
    async clear() {
      settle();
      const removed = (await file?.clear()) ?? 0;
      kept.clear();
      return removed;
    },
  };
}

function outputOf({ write }: TelemetryOptions) {
  return write ? { write, writeNow: (text: string) => void write(text) } : standardOutput();
}

const moment = new Date(0);
let spelled = moment.toISOString();

/** ISO 8601. Lines of one millisecond share their spelling. */
function isoTime(ms: number): string {
  if (moment.getTime() === ms) return spelled;
  moment.setTime(ms);
  return (spelled = moment.toISOString());
}

/** Every line begins with `{"time":"…"`; 0 for one that does not. */
function timeOf(line: string): number {
  return Date.parse(line.slice(9, 33)) || 0;
}
