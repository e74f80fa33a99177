/** The last measurements of something, for quantiles of the recent past. */
export interface Window {
  add(value: number): void;
  /** For each share (0 to 1) the value it lies at or below, by the nearest rank, rounded; 0 without measurements. */
  quantiles(...shares: readonly number[]): readonly number[];
}

/** A window over the last `size` values. Adding is cheap; the sort is paid by whoever asks. */
export function window(size = 1_024): Window {
  const values = new Float64Array(size);
  let added = 0;
  return {
    add(value) {
      values[added++ % size] = value;
    },
    quantiles(...shares) {
      const sorted = values.slice(0, Math.min(added, size)).sort();
      return shares.map((share) =>
        Math.round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0),
      );
    },
  };
}
