/** Slows down addresses that send wrong keys. It never bans: whoever holds the right key is let in at any time. */
export interface Throttle {
  /** Milliseconds that wrong keys of this address still have to wait; 0 when they are welcome. */
  waitMs(address: string): number;
  /** Whether a key nobody knows yet may be checked now: always, but during a throttle only a few times a second. */
  admits(address: string): boolean;
  /** Counts a wrong key; returns how many there were in a row. */
  failed(address: string): number;
  /** The right key came. */
  clear(address: string): void;
}

interface Offender {
  failures: number;
  untilMs: number;
  checkedMs: number;
}

const freeFailures = 5;
const longestMs = 300_000;
/** Between two checks during a throttle: guessing stays slow, the owner of the key does not notice. */
const betweenChecksMs = 250;
/** Failures are forgotten after this long without another. */
const forgetMs = 3_600_000;
const mostAddresses = 10_000;

export function throttle(now: () => number): Throttle {
  const offenders = new Map<string, Offender>();

  function offenderAt(address: string): Offender | undefined {
    const offender = offenders.get(address);
    if (!offender || now() - offender.untilMs < forgetMs) return offender;
    offenders.delete(address);
    return undefined;
  }

  /** Milliseconds left of the offender's wait. */
  const waitOf = (offender: Offender | undefined) =>
    offender && offender.failures >= freeFailures ? Math.max(0, offender.untilMs - now()) : 0;

  return {
    waitMs: (address) => waitOf(offenderAt(address)),
    admits(address) {
      const offender = offenderAt(address);
      if (!offender || waitOf(offender) === 0) return true;
      if (now() - offender.checkedMs < betweenChecksMs) return false;
      offender.checkedMs = now();
      return true;
    },
    failed(address) {
      const failures = (offenderAt(address)?.failures ?? 0) + 1;
      const delayMs =
        failures < freeFailures ? 0 : Math.min(longestMs, 2_000 * 2 ** (failures - freeFailures));
      // Inserted anew, so that the oldest one stands first and makes room.
      offenders.delete(address);
      if (offenders.size >= mostAddresses) offenders.delete(offenders.keys().next().value!);
      offenders.set(address, { failures, untilMs: now() + delayMs, checkedMs: now() });
      return failures;
    },
    clear(address) {
      offenders.delete(address);
    },
  };
}
