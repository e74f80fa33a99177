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
  let last: number | undefined;
  for (const window of windows)
    if (usedUp(window) && (window.resetsAt ?? 0) > (last ?? 0)) last = window.resetsAt;
  return last;
}

/** What is known, brought up to date: a window told again replaces the old one, and one that has opened again is gone. */
export function merged(
  known: readonly QuotaWindow[],
  told: readonly QuotaWindow[],
  nowMs: number,
): readonly QuotaWindow[] {
  const kept: QuotaWindow[] = [];
  for (const old of known) if ((old.resetsAt ?? Infinity) > nowMs && !isAmong(told, old)) kept.push(old);
  return kept.length > 0 ? [...kept, ...told] : told;
}

function isAmong(windows: readonly QuotaWindow[], { name, model }: QuotaWindow): boolean {
  for (const window of windows) if (window.name === name && window.model === model) return true;
  return false;
}

/** Until when some window has no more than this share left; 0 when none has, or none says when it opens again. */
export function lowUntil(windows: readonly QuotaWindow[], reserve: number, nowMs: number): number {
  let untilMs = 0;
  for (const window of windows)
    if (shareLeft(window) <= reserve) untilMs = Math.max(untilMs, window.resetsAt ?? 0);
  return untilMs > nowMs ? untilMs : 0;
}

/** From 0 to 1; 1 when nobody knows. */
const shareLeft = ({ remainingShare, remaining, limit }: QuotaWindow): number =>
  remainingShare ?? (remaining === undefined || !limit ? 1 : remaining / limit);
