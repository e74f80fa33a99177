import type { LineQuery, Lines } from './telemetry.ts';

/** The newest lines in memory, bounded in number and size. */
export interface Ring {
  /** `atMs` is milliseconds since 1970. */
  add(line: string, atMs: number): void;
  read(query: LineQuery): Lines;
  clear(): number;
}

interface Kept {
  readonly line: string;
  /** Seconds since 1970, unique and rising, so that `after` continues exactly where a reader stopped. */
  readonly at: number;
}

/** A ring of at most `maxLines` lines and `maxCharacters` characters; the oldest make room. */
export function ring(maxLines = 5_000, maxCharacters = 8 * 1024 * 1024): Ring {
  const slots = Array.from<Kept | undefined>({ length: maxLines });
  let first = 0;
  let count = 0;
  let characters = 0;
  let latest = 0;

  const slot = (index: number) => slots[(first + index) % maxLines]!;

  function dropOldest(): void {
    characters -= slot(0).line.length;
    slots[first] = undefined;
    first = (first + 1) % maxLines;
    count--;
  }

  /** How many of the kept lines are not later than `after`; they stand in order, so a binary search finds it. */
  function notLater(after: number): number {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (slot(middle).at > after) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  return {
    add(line, atMs) {
      while (count > 0 && (count >= maxLines || characters + line.length > maxCharacters)) dropOldest();
      latest = atMs / 1000 > latest ? atMs / 1000 : Math.round(latest * 1e6 + 1) / 1e6;
      slots[(first + count) % maxLines] = { line, at: latest };
      count++;
      characters += line.length;
    },
    read({ after = 0, limit = maxLines }) {
      const from = Math.max(notLater(after), count - limit);
      const lines: string[] = [];
      for (let index = from; index < count; index++) lines.push(slot(index).line);
      return { lines, latest: count > 0 ? latest : 0 };
    },
    clear() {
      const removed = count;
      slots.fill(undefined);
      first = count = characters = 0;
      return removed;
    },
  };
}
