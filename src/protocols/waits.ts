import { type Json, readNumber, readObject, readObjects, readString } from '../core/json.ts';

/** When an upstream wants to be asked again: what its headers, its error bodies and its sentences say of it. */

/**
 * How long the headers ask for, in milliseconds from `now`: `retry-after-ms`, or `retry-after` as seconds or an HTTP date.
 * Undefined when they do not say.
 */
export function retryAfterMs(headers: Headers, now = Date.now()): number | undefined {
  const exact = numberOf(headers.get('retry-after-ms'));
  if (exact !== undefined) return exact;
  const told = headers.get('retry-after');
  const seconds = numberOf(told);
  return seconds === undefined ? untilDate(told ?? '', now) : Math.round(seconds * 1000);
}

/**
 * The same of an answer that says a limit was reached: else the reset of a limit counts, as OpenAI, Groq, OpenRouter and
 * Anthropic spell it. Every other answer has such headers as well, and there they mean nothing.
 */
export const limitWaitMs = (headers: Headers, now = Date.now()): number | undefined =>
  retryAfterMs(headers, now) ?? resetMs(headers, now);

/** The limits that count backwards: `x-ratelimit-reset-tokens`, `anthropic-ratelimit-tokens-reset`, each with what remains. */
const resetNames: readonly (readonly [RegExp, (limit: string) => string])[] = [
  [/^x-ratelimit-reset((?:-.+)?)$/, (limit) => `x-ratelimit-remaining${limit}`],
  [/^anthropic-ratelimit-(?!unified)(.+)-reset$/, (limit) => `anthropic-ratelimit-${limit}-remaining`],
];

/** The longest wait among the limits that are used up; when none says that it is, the shortest of all. */
function resetMs(headers: Headers, now: number): number | undefined {
  const all: number[] = [];
  const usedUp: number[] = [];
  headers.forEach((value, name) => {
    for (const [pattern, remaining] of resetNames) {
      const limit = pattern.exec(name)?.[1];
      const wait = limit === undefined ? undefined : waitOf(value, now);
      if (limit === undefined || wait === undefined) continue;
      all.push(wait);
      if (numberOf(headers.get(remaining(limit))) === 0) usedUp.push(wait);
    }
  });
  if (usedUp.length > 0) return Math.max(...usedUp);
  return all.length > 0 ? Math.min(...all) : undefined;
}

/**
 * One reset as a header or a field spells it: `1ms`, `7.66s`, `6m0s`, a date; a bare number is seconds from now, or a
 * moment in seconds or milliseconds when it is that large.
 */
export function waitOf(text: string, now: number): number | undefined {
  const bare = numberOf(text);
  if (bare === undefined) return durationMs(text) ?? untilDate(text, now);
  if (bare > 1e11) return Math.max(0, bare - now);
  return bare > 1e9 ? Math.max(0, Math.round(bare * 1000 - now)) : Math.round(bare * 1000);
}

/** A number of zero or more, as a header spells it. */
export function numberOf(text: string | null | undefined): number | undefined {
  if (typeof text !== 'string' || !/^\s*\d+(?:\.\d+)?\s*$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** An HTTP date or RFC 3339. `Date.parse` takes '-3' for a year, so one needs a letter. */
function untilDate(text: string, now: number): number | undefined {
  const date = /[a-z]/i.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

// -------------------------------------------------------------------------------------------------------- durations

const units: readonly (readonly [RegExp, number])[] = [
  [/^(?:ms|milli)/i, 1],
  [/^s/i, 1_000],
  [/^m/i, 60_000],
  [/^h/i, 3_600_000],
  [/^d/i, 86_400_000],
];

const unit = '(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)';
const pieces = new RegExp(`(\\d+(?:\\.\\d+)?)\\s*(${unit})(?![a-z])`, 'gi');
const duration = `(?:\\d+(?:\\.\\d+)?\\s*${unit}(?![a-z])(?:,?\\s*(?:and\\s+)?)?)+`;
const wholly = new RegExp(`^\\s*${duration}\\s*$`, 'i');

/** `6m0s`, `0.84s`, `373ms`, `1 hour and 5 minutes`; undefined for anything else. */
export function durationMs(text: string): number | undefined {
  return wholly.test(text) ? sumOf(text) : undefined;
}

function sumOf(text: string): number {
  let ms = 0;
  for (const [, count, name = ''] of text.matchAll(pieces)) ms += Number(count) * unitMs(name);
  return Math.ceil(ms);
}

function unitMs(name: string): number {
  for (const [pattern, ms] of units) if (pattern.test(name)) return ms;
  return 0;
}

// ----------------------------------------------------------------------------------------------- bodies and sentences

const invitation =
  '(?:try again|retry|retrying|resets?|wait|available|back)\\b[^.;:]{0,40}?\\b(?:in|after|for|wait)';
const spoken = new RegExp(`\\b(?:${invitation}|wait|after)\\s+(?:about\\s+)?(${duration})`, 'i');
const spokenDate =
  /\b(?:try again|retry|resets?|until)\b[^.;]{0,40}?(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))/i;

/** What a sentence says of it: "Please try again in 6m0s", "retry after 27 seconds", "reset after 1h2m3s". */
export function spokenWaitMs(message: string, now = Date.now()): number | undefined {
  const said = spoken.exec(message)?.[1];
  if (said !== undefined) return sumOf(said);
  return untilDate(spokenDate.exec(message)?.[1] ?? '', now);
}

/**
 * What the fields of an error body say of it: `retry_after`, Codex's `resets_at` and `resets_in_seconds`, Google's
 * `RetryInfo` and `quotaResetDelay`, the headers that a router passes on in `metadata.headers`.
 */
export function fieldWaitMs(error: Json, now = Date.now()): number | undefined {
  const at = readNumber(error['resets_at']);
  if (at !== undefined) return waitOf(String(at), now);
  const exact = readNumber(error['retry_after_ms']);
  if (exact !== undefined) return Math.max(0, exact);
  const seconds = [error['resets_in_seconds'], error['retry_after'], error['retry_after_seconds']]
    .map(readNumber)
    .find((value) => value !== undefined);
  if (seconds !== undefined) return Math.max(0, Math.round(seconds * 1000));
  return googleWaitMs(error, now) ?? passedOnMs(error, now);
}

function googleWaitMs(error: Json, now: number): number | undefined {
  const details = readObjects(error['details']);
  const delays = details.map((detail) => readString(detail['retryDelay']));
  const resets = details.map((detail) => {
    const metadata = readObject(detail['metadata']);
    return readString(metadata?.['quotaResetDelay']) ?? readString(metadata?.['quotaResetTimeStamp']);
  });
  const told = [...delays, ...resets].find((value) => value !== undefined);
  return told === undefined ? undefined : waitOf(told, now);
}

function passedOnMs(error: Json, now: number): number | undefined {
  const headers = readObject(readObject(error['metadata'])?.['headers']);
  if (!headers) return undefined;
  const texts = Object.entries(headers).filter(([name]) => /^[\w-]+$/.test(name));
  const plain = texts.map(([name, value]) => [name, String(value).replace(/[^\x20-\x7e]/g, '')] as const);
  return limitWaitMs(new Headers(Object.fromEntries(plain)), now);
}
