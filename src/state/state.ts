import { type Json, tryParseObject } from '../core/json.ts';
import { memoryShelf } from './memory.ts';

/** What outlives a request, and on disk a restart: documents by key, in spaces that each have their limits. */
export interface State {
  /** The space of a name, always the same one. The limits of the first call count. */
  space(name: string, limits: Limits): Space;
  /** Writes what is waiting, now. */
  flush(): void;
  /** The same, and closes the file; what comes later is kept in memory only. */
  close(): void;
}

/** Documents of one kind. Nothing here waits for a disk but a `get` of what is not in memory any more. */
export interface Space {
  /** The document, unless it has expired or had to make room. Never change what comes back. */
  get(key: string): Json | undefined;
  /** Keeps a document, which nobody may change from now on. One that is larger than a space takes is not kept. */
  put(key: string, value: Json): void;
  /** The documents put last, newest first. */
  newest(limit: number): readonly Json[];
  /** Returns whether there was one. */
  delete(key: string): boolean;
}

/** How much a space holds. When it is full, the oldest documents make room. */
export interface Limits {
  readonly entries: number;
  /** Of all documents together, as they are kept. */
  readonly bytes: number;
  /** Of one document, as JSON. */
  readonly entryBytes: number;
  readonly ttlMs: number;
}

/** Where documents lie as text. A shelf is synchronous, and throws when it is broken. */
export interface Shelf {
  read(space: string, key: string, nowMs: number): string | undefined;
  /** The entries written last, newest first. */
  newest(space: string, limit: number, nowMs: number): readonly string[];
  write(space: string, limits: Limits, entries: readonly Entry[]): void;
  remove(space: string, key: string): void;
  /** Forgets what has expired. */
  sweep(nowMs: number): void;
  close(): void;
}

export interface Entry {
  readonly key: string;
  readonly text: string;
  readonly expiresAt: number;
}

/** A shelf that is only busy for a moment: what was to be written is kept and tried again. */
export class ShelfBusy extends Error {
  override readonly name = 'ShelfBusy';
}

export interface StateOptions {
  /** Opens the shelf; called once, when it is first needed. Absent: everything stays in memory. */
  readonly open?: () => Shelf;
  /** Told once, when the shelf cannot be opened or breaks; from then on memory takes its place. */
  readonly warn?: (message: string, cause: unknown) => void;
  readonly now?: () => number;
}

/** Writes are gathered for so long, so that a busy gateway writes once for many answers. */
const flushMs = 50;
const sweepMs = 600_000;
/** What may wait for a busy shelf; the oldest of it is lost beyond that. */
const mostWaiting = 10_000;

/** What is to be written; a document without a value is to be removed. */
interface Waiting {
  readonly value: Json | undefined;
  readonly expiresAt: number;
}

/** State over a shelf. A crash of the machine loses the last moment of it at most. */
export function createState(options: StateOptions = {}): State {
  const { now = Date.now, warn = () => {} } = options;
  const spaces = new Map<string, { readonly space: Space; flush(): void }>();
  let shelf: Shelf | undefined;
  let flushing: ReturnType<typeof setTimeout> | undefined;
  let sweeping: ReturnType<typeof setInterval> | undefined;

  /** Does something with the shelf; when it is broken, with memory in its place. */
  function use<T>(work: (shelf: Shelf) => T): T {
    try {
      shelf ??= opened();
      return work(shelf);
    } catch (thrown) {
      if (thrown instanceof ShelfBusy) throw thrown;
      warn('The state file cannot be used, so nothing in it outlives this process.', thrown);
      shelf = memoryShelf();
      return work(shelf);
    }
  }

  function opened(): Shelf {
    sweeping = setInterval(() => calmly((shelf) => shelf.sweep(now())), sweepMs);
    sweeping.unref();
    return options.open?.() ?? memoryShelf();
  }

  /** For work that can wait: a busy shelf is left alone. Returns whether it was done. */
  function calmly(work: (shelf: Shelf) => void): boolean {
    try {
      use(work);
      return true;
    } catch {
      return false;
    }
  }

  function flushSoon(): void {
    flushing ??= setTimeout(flushAll, flushMs);
    flushing.unref();
  }

  function flushAll(): void {
    clearTimeout(flushing);
    flushing = undefined;
    for (const { flush } of spaces.values()) flush();
  }

  function create(name: string, limits: Limits) {
    const waiting = new Map<string, Waiting>();

    function flush(): void {
      if (waiting.size === 0) return;
      const done = calmly((shelf) => {
        const entries: Entry[] = [];
        for (const [key, { value, expiresAt }] of waiting) {
          const text = value === undefined ? '' : JSON.stringify(value);
          if (value === undefined) shelf.remove(name, key);
          else if (text.length <= limits.entryBytes) entries.push({ key, text, expiresAt });
        }
        shelf.write(name, limits, entries);
      });
      if (done) return waiting.clear();
      for (const key of [...waiting.keys()].slice(0, -mostWaiting)) waiting.delete(key);
      flushSoon();
    }

    const space: Space = {
      get(key) {
        const found = waiting.get(key);
        if (found) return found.expiresAt > now() ? found.value : undefined;
        let text: string | undefined;
        calmly((shelf) => (text = shelf.read(name, key, now())));
        return text === undefined ? undefined : tryParseObject(text);
      },
      put(key, value) {
        waiting.delete(key);
        waiting.set(key, { value, expiresAt: now() + limits.ttlMs });
        flushSoon();
      },
      newest(limit) {
        flush();
        let texts: readonly string[] = [];
        calmly((shelf) => (texts = shelf.newest(name, limit, now())));
        return texts.map(tryParseObject).filter((value) => value !== undefined);
      },
      delete(key) {
        const existed = space.get(key) !== undefined;
        waiting.delete(key);
        if (calmly((shelf) => void shelf.remove(name, key))) return existed;
        waiting.set(key, { value: undefined, expiresAt: 0 });
        flushSoon();
        return existed;
      },
    };
    return { space, flush };
  }

  return {
    space(name, limits) {
      let made = spaces.get(name);
      if (!made) spaces.set(name, (made = create(name, limits)));
      return made.space;
    },
    flush: flushAll,
    close() {
      flushAll();
      clearTimeout(flushing);
      clearInterval(sweeping);
      flushing = undefined;
      calmly((shelf) => shelf.close());
      shelf = memoryShelf();
    },
  };
}
