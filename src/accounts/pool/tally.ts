/** How often each credential was tried and with what success, in all and over the last hours. */
export interface Tally {
  /** @param credential its label. */
  add(credential: string, succeeded: boolean): void;
  of(credential: string): Tallied;
}

export interface Tallied {
  readonly success: number;
  readonly failed: number;
  /** Oldest first; the last one is the span that is now. */
  readonly recent: readonly Span[];
}

export interface Span {
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  readonly success: number;
  readonly failed: number;
}

const spanMs = 600_000;
const spans = 20;

interface Counts {
  success: number;
  failed: number;
  readonly bySpan: Map<number, { success: number; failed: number }>;
}

export function createTally(now: () => number): Tally {
  const counts = new Map<string, Counts>();
  const current = () => Math.floor(now() / spanMs);
  return {
    add(credential, succeeded) {
      let all = counts.get(credential);
      if (!all) counts.set(credential, (all = { success: 0, failed: 0, bySpan: new Map() }));
      const number = current();
      let span = all.bySpan.get(number);
      if (!span) {
        all.bySpan.set(number, (span = { success: 0, failed: 0 }));
        for (const old of all.bySpan.keys()) if (old <= number - spans) all.bySpan.delete(old);
      }
      const kind = succeeded ? 'success' : 'failed';
      all[kind]++;
      span[kind]++;
    },
    of(credential) {
      const all = counts.get(credential);
      const last = current();
      const recent = Array.from({ length: spans }, (_, index) => {
        const number = last - spans + 1 + index;
        const { success = 0, failed = 0 } = all?.bySpan.get(number) ?? {};
        return { from: number * spanMs, to: (number + 1) * spanMs, success, failed };
      });
      return { success: all?.success ?? 0, failed: all?.failed ?? 0, recent };
    },
  };
}
