/** How much of something a provider still gives a credential, in the provider's own words. */
export interface QuotaWindow {
  /** Which window, such as `requests`, `tokens`, `5h`, `weekly`, `credits`. */
  readonly name: string;
  /** The model it is counted for; absent: all of them. */
  readonly model?: string;
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
