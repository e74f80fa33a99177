/**
 * How far the providers' clocks are from ours, learned from the `Date` of their answers. A machine whose clock is wrong
 * would otherwise take living tokens for dead ones, or renew too late.
 */
export interface Skew {
  /** The provider's time. */
  now(channel: string): number;
  /** An answer that was asked for and came at these moments of our clock said this. */
  heard(channel: string, date: string, askedAt: number, cameAt: number): void;
  /** Milliseconds that the provider is ahead of us; 0 as long as nothing is known. */
  of(channel: string): number;
}

/** The header counts whole seconds and may be a little old; less than this says nothing. */
const noiseMs = 3_000;

export function createSkew(now: () => number): Skew {
  const ahead = new Map<string, number>();
  const of = (channel: string) => ahead.get(channel) ?? 0;
  return {
    of,
    now: (channel) => now() + of(channel),
    heard(channel, date, askedAt, cameAt) {
      const theirs = Date.parse(date);
      if (!Number.isFinite(theirs)) return;
      // The moment of answering lies between asking and hearing; the header cuts half a second off on average.
      const measured = theirs + 500 - (askedAt + cameAt) / 2;
      ahead.set(channel, Math.abs(measured) < noiseMs ? 0 : measured);
    },
  };
}
