import type { LineQuery, Lines } from './telemetry.ts';

/** The newest lines in memory, bounded in number and size. */
export interface Ring {
  /** `atMs` is milliseconds since 1970. */
  add(line: string, atMs: number): void;
  read(query: LineQuery): Lines;
  clear(): number;
}

/** A ring of at most `maxLines` lines and `maxCharacters` characters; the oldest make room. */
export function ring(maxLines = 5_000, maxCharacters = 8 * 1024 * 1024): Ring {
  const lines = Array.from<string>({ length: maxLines }).fill('');
  /** Seconds since 1970, unique and rising, so that `after` continues exactly where a reader stopped. */
  const times = new Float64Array(maxLines);
  let first = 0;
  let count = 0;
  let characters = 0;
  let latest = 0;

  const slot = (index: number): number => (first + index) % maxLines;

  function dropOldest(): void {
    characters -= lines[first]!.length;
    lines[first] = '';
    first = (first + 1) % maxLines;
    count--;
  }

  /** How many of the kept lines are not later than `after`; they stand in order, so a binary search finds it. */
  function notLater(after: number): number {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[slot(middle)]! > after) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  return {
    add(line, atMs) {
      while (count > 0 && (count >= maxLines || characters + line.length > maxCharacters)) dropOldest();
      latest = atMs / 1000 > latest ? atMs / 1000 : Math.round(latest * 1e6 + 1) / 1e6;
      lines[slot(count)] = line;
      times[slot(count)] = latest;
      count++;
      characters += line.length;
    },
    read({ after = 0, limit = maxLines }) {
      const from = Math.max(notLater(after), count - limit);
      const found: string[] = [];
      for (let index = from; index < count; index++) found.push(lines[slot(index)]!);
      return { lines: found, latest: count > 0 ? latest : 0 };
    },
    clear() {
      const removed = count;
      lines.fill('');
      first = count = characters = 0;
      return removed;
    },
  };
}
