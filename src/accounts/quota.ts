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
