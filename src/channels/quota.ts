import type { QuotaWindow } from '../accounts/quota.ts';
import { compact } from '../core/json.ts';
import { numberOf, waitOf } from '../protocols/waits.ts';

/** What providers say of a credential's quota in the headers of every answer, good or bad. */

/** A limit that headers tell of: its name, and what the headers of its three numbers are called. */
export interface Limit {
  readonly name: string;
  readonly limit: string;
  readonly remaining: string;
  readonly reset: string;
}

/** The limit that a header tells of, by its name; undefined when it says neither how much there is nor how much is left. */
export type LimitOf = (header: string) => Limit | undefined;

/** Headers by their names in lower case: Bun's way to all of them that makes the fewest strings. It does not sort them. */
export type Told = Readonly<Record<string, string | undefined>>;

/** Every window of the limits that headers tell of, in the order of their names. */
export function windowsBy(headers: Told, limitOf: LimitOf, now: number): QuotaWindow[] {
  const windows: QuotaWindow[] = [];
  for (const header of limitHeaders(headers, limitOf)) {
    const limit = limitOf(header);
    // What remains is read with its limit, where there is one.
    if (!limit || (header === limit.remaining && headers[limit.limit] !== undefined)) continue;
    const window = windowOf(limit, headers, now);
    if (window) windows.push(window);
  }
  return windows;
}

function limitHeaders(headers: Told, limitOf: LimitOf): readonly string[] {
  let found: string[] | undefined;
  for (const header in headers) if (limitOf(header)) (found ??= []).push(header);
  return found ? found.sort() : noHeaders;
}

const noHeaders: readonly string[] = [];

/** One window from three headers; undefined when they say neither how much there is nor how much is left. */
function windowOf(told: Limit, headers: Told, now: number): QuotaWindow | undefined {
  const limit = numberOf(headers[told.limit]);
  const remaining = numberOf(headers[told.remaining]);
  if (limit === undefined && remaining === undefined) return undefined;
  const wait = waitOf(headers[told.reset] ?? '', now);
  const resetsAt = wait === undefined ? undefined : now + wait;
  return compact({ name: told.name, limit, remaining, resetsAt, source: told.remaining, seenAt: now });
}

/** Upstreams send the same few headers with every answer; foreign names could be many, so their number is bounded. */
const mostRemembered = 512;

/** The same reading of names, each made once. */
export function remembered(read: LimitOf): LimitOf {
  /** Null is a name that tells of none. */
  const known = new Map<string, Limit | null>();
  return (name) => {
    let verdict = known.get(name);
    if (verdict === undefined) {
      if (known.size >= mostRemembered) known.clear();
      known.set(name, (verdict = read(name) ?? null));
    }
    return verdict ?? undefined;
  };
}

/**
 * `x-ratelimit-limit-requests` and its kin: OpenAI and Groq (`requests`, `tokens`), Cerebras (`requests-day`), Mistral
 * (`req-minute`), OpenRouter and Together (no name at all), with resets as durations, dates, seconds or moments.
 */
export const rateLimits = (headers: Headers, now: number): readonly QuotaWindow[] =>
  windowsBy(headers.toJSON(), limitOf, now).sort(draftLast);

const limitOf = remembered((header) => {
  const found = /^((?:x-)?ratelimit)-(?:limit|remaining)(?:-(.+))?$/.exec(header);
  if (!found) return undefined;
  const [, family, name] = found;
  const headerOf = (part: string) => `${family}-${part}${name ? `-${name}` : ''}`;
  return {
    name: name ?? 'requests',
    limit: headerOf('limit'),
    remaining: headerOf('remaining'),
    reset: headerOf('reset'),
  };
});

/** The names of the draft standard come after those that providers made up. */
const draftLast = (a: QuotaWindow, b: QuotaWindow): number => Number(isDraft(a)) - Number(isDraft(b));

const isDraft = ({ source }: QuotaWindow): boolean => source.startsWith('ratelimit');
