/** How much of something a provider still gives a credential, in the provider's own words. */
export interface QuotaWindow {
  /** Which window, such as `requests`, `tokens`, `5h`, `weekly`, `credits`. */
  readonly name: string;
  /** The model it is counted for; absent: all of them. */
  readonly model?: string;
  /** The project it is counted in, where a login acts in several; absent: all of them. */
  readonly workspace?: string;
  /** How much there is in all, in the window's own unit. */
  readonly limit?: number;
  readonly remaining?: number;
  /** What is left, from 0 to 1; for providers that give shares only. */
  readonly remainingShare?: number;
  /** Milliseconds since 1970. */
  readonly resetsAt?: number;
  /** Where it was read: a header's name, or an endpoint. */
  readonly source: string;
  /** When it was read, in milliseconds since 1970. */
  readonly seenAt: number;
}

/** Whether nothing is left of a window. */
export const usedUp = ({ remaining, remainingShare }: QuotaWindow): boolean =>
  remaining === 0 || remainingShare === 0;

/** When the last of the windows that are used up opens again; undefined when none is, or none says. */
export function reopensAt(windows: readonly QuotaWindow[]): number | undefined {
  const resets = windows.filter(usedUp).map(({ resetsAt }) => resetsAt ?? NaN);
  const known = resets.filter((reset) => !Number.isNaN(reset));
  return known.length > 0 ? Math.max(...known) : undefined;
}

/** What is known, brought up to date: a window told again replaces the old one, and one that has opened again is gone. */
export function merged(
  known: readonly QuotaWindow[],
  told: readonly QuotaWindow[],
  nowMs: number,
): readonly QuotaWindow[] {
  const kept = known.filter(
    (old) => (old.resetsAt ?? Infinity) > nowMs && !told.some((window) => isSame(window, old)),
  );
  return [...kept, ...told];
}

const isSame = (a: QuotaWindow, b: QuotaWindow): boolean => a.name === b.name && a.model === b.model;

/** Until when some window has no more than this share left; 0 when none has, or none says when it opens again. */
export function lowUntil(windows: readonly QuotaWindow[], reserve: number, nowMs: number): number {
  const low = windows.filter((window) => shareLeft(window) <= reserve).map(({ resetsAt = 0 }) => resetsAt);
  const untilMs = Math.max(0, ...low);
  return untilMs > nowMs ? untilMs : 0;
}

/** From 0 to 1; 1 when nobody knows. */
const shareLeft = ({ remainingShare, remaining, limit }: QuotaWindow): number =>
  remainingShare ?? (remaining === undefined || !limit ? 1 : remaining / limit);
