import type { LineQuery, Lines } from './telemetry.ts';

/** The newest lines in memory, bounded in number and size. */
export interface Ring {
  /** `atMs` is milliseconds since 1970. */
  add(line: string, atMs: number): void;
  read(query: LineQuery): Lines;
  clear(): number;
}

/** So much is set aside before there are lines. */
const smallest = 64 * 1024;

/**
 * A ring of at most `maxLines` lines and `maxBytes` bytes; the oldest make room, but the newest always stays. Lines lie in
 * one buffer: as strings they would all grow old before they are let go, and only a full collection finds the old.
 */
export function ring(maxLines = 5_000, maxBytes = 8 * 1024 * 1024): Ring {
  let buffer = Buffer.allocUnsafeSlow(Math.min(smallest, maxBytes));
  const starts = new Uint32Array(maxLines);
  const sizes = new Uint32Array(maxLines);
  /** Seconds since 1970, unique and rising, so that `after` continues exactly where a reader stopped. */
  const times = new Float64Array(maxLines);
  let first = 0;
  let count = 0;
  let bytes = 0;
  /** Where the newest line ends. */
  let end = 0;
  let latest = 0;

  const slot = (index: number): number => (first + index) % maxLines;

  function dropOldest(): void {
    bytes -= sizes[first]!;
    first = (first + 1) % maxLines;
    count--;
    if (count === 0) end = 0;
  }

  /** Where so many bytes are free in one piece: behind the newest line, or again from the beginning; -1 if nowhere. */
  function roomFor(size: number): number {
    const oldest = count > 0 ? starts[first]! : 0;
    if (count > 0 && end <= oldest) return oldest - end >= size ? end : -1;
    if (buffer.length - end >= size) return end;
    return count > 0 && oldest >= size ? 0 : -1;
  }

  /** Moves all lines to the beginning of a larger buffer. */
  function grow(size: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(Math.min(maxBytes, 2 * buffer.length), bytes + size));
    end = 0;
    for (let index = 0; index < count; index++) {
      const at = slot(index);
      const start = starts[at]!;
      starts[at] = end;
      end += buffer.copy(larger, end, start, start + sizes[at]!);
    }
    buffer = larger;
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

  function textAt(at: number): string {
    const start = starts[at]!;
    return buffer.toString('utf8', start, start + sizes[at]!);
  }

  return {
    add(line, atMs) {
      const size = Buffer.byteLength(line);
      while (count > 0 && (count >= maxLines || bytes + size > maxBytes)) dropOldest();
      let start = roomFor(size);
      for (; start < 0; start = roomFor(size)) {
        if (count === 0 || buffer.length < maxBytes) grow(size);
        else dropOldest();
      }
      latest = atMs / 1000 > latest ? atMs / 1000 : Math.round(latest * 1e6 + 1) / 1e6;
      const at = slot(count);
      buffer.write(line, start);
      starts[at] = start;
      sizes[at] = size;
      times[at] = latest;
      count++;
      bytes += size;
      end = start + size;
    },
    read({ after = 0, limit = maxLines }) {
      const from = Math.max(notLater(after), count - limit);
      const found: string[] = [];
      for (let index = from; index < count; index++) found.push(textAt(slot(index)));
      return { lines: found, latest: count > 0 ? latest : 0 };
    },
    clear() {
      const removed = count;
      first = count = bytes = end = 0;
      return removed;
    },
  };
}
