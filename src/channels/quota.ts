import type { QuotaWindow } from '../accounts/quota.ts';
import { compact } from '../core/json.ts';
import { numberOf, waitOf } from '../protocols/waits.ts';

/** What providers say of a credential's quota in the headers of every answer, good or bad. */

/** The three numbers of one limit, as headers spell them. */
export interface Told {
  readonly limit?: string | null | undefined;
  readonly remaining?: string | null | undefined;
  readonly reset?: string | null | undefined;
}

/** One window from three headers; undefined when they say neither how much there is nor how much is left. */
function windowOf(name: string, told: Told, source: string, now: number): QuotaWindow | undefined {
  const [limit, remaining] = [numberOf(told.limit), numberOf(told.remaining)];
  if (limit === undefined && remaining === undefined) return undefined;
  const wait = waitOf(told.reset ?? '', now);
  const resetsAt = wait === undefined ? undefined : now + wait;
  return compact({ name, limit, remaining, resetsAt, source, seenAt: now });
}

type Part = 'limit' | 'remaining' | 'reset';

/**
 * Every window of a family of headers.
 * @param nameIn the name of the window that a header speaks of; undefined when it is no limit and nothing that remains.
 * @param header what the header of a window's part is called.
 */
export function windowsBy(
  headers: Headers,
  nameIn: (header: string) => string | undefined,
  header: (name: string, part: Part) => string,
  now: number,
): readonly QuotaWindow[] {
  const names = new Set<string>();
  headers.forEach((_, found) => {
    const name = nameIn(found);
    if (name !== undefined) names.add(name);
  });
  const windows = [...names].map((name) => {
    const [limit, remaining, reset] = (['limit', 'remaining', 'reset'] as const).map((part) =>
      headers.get(header(name, part)),
    );
    return windowOf(name || 'requests', { limit, remaining, reset }, header(name, 'remaining'), now);
  });
  return windows.filter((window) => window !== undefined);
}

/** Upstreams send the same few headers with every answer; foreign names could be many, so their number is bounded. */
const mostRemembered = 512;

/** The same reading of names, each made once. */
export function remembered(read: (name: string) => string | undefined): (name: string) => string | undefined {
  const known = new Map<string, string | undefined>();
  return (name) => {
    if (known.has(name)) return known.get(name);
    if (known.size >= mostRemembered) known.clear();
    const verdict = read(name);
    known.set(name, verdict);
    return verdict;
  };
}

/**
 * `x-ratelimit-limit-requests` and its kin: OpenAI and Groq (`requests`, `tokens`), Cerebras (`requests-day`), Mistral
 * (`req-minute`), OpenRouter and Together (no name at all), with resets as durations, dates, seconds or moments.
 */
export function rateLimits(headers: Headers, now: number): readonly QuotaWindow[] {
  const found = families.map(({ nameIn, headerOf }) => windowsBy(headers, nameIn, headerOf, now));
  return found.flat();
}

const families = ['x-ratelimit', 'ratelimit'].map((family) => {
  const pattern = new RegExp(`^${family}-(?:limit|remaining)(?:-(.+))?$`);
  return {
    nameIn: remembered((header) => {
      const found = pattern.exec(header);
      return found ? (found[1] ?? '') : undefined;
    }),
    headerOf: (name: string, part: Part) => `${family}-${part}${name === '' ? '' : `-${name}`}`,
  };
});
