import { describe, expect, test } from 'bun:test';
import { upstreamError } from '../../src/protocols/errors.ts';
import {
  durationMs,
  fieldWaitMs,
  limitWaitMs,
  retryAfterMs,
  spokenWaitMs,
} from '../../src/protocols/waits.ts';

const now = Date.parse('2026-01-01T00:00:00Z');

describe('a duration', () => {
  test.each<[string, number | undefined]>([
    ['373ms', 373],
    ['0.84s', 840],
    ['6m0s', 360_000],
    ['1h2m3s', 3_723_000],
    ['1h 2m', 3_720_000],
    ['27 seconds', 27_000],
    ['1 hour and 5 minutes', 3_900_000],
    ['2 days', 172_800_000],
    ['5', undefined],
    ['5 models', undefined],
    ['s', undefined],
    ['', undefined],
  ])('%j is %p', (text, ms) => expect(durationMs(text)).toBe(ms));
});

describe('a sentence', () => {
  test.each<[string, number | undefined]>([
    ['Limit 3, Requested 1. Please try again in 20s. Visit https://example.com.', 20_000],
    ['Please try again in 7m12.5s.', 432_500],
    ['Requests have exceeded call rate limit. Please retry after 27 seconds.', 27_000],
    ['Your quota will reset after 1h2m3s.', 3_723_000],
    ['Quota exceeded, retry in about 5 minutes', 300_000],
    ['Please wait 10 seconds before the next request', 10_000],
    ['You can try again after 2026-01-01T00:01:00Z.', 60_000],
    ['Limit 10 requests in 60 seconds', undefined],
    ['This model can be used with 5 minutes of audio', undefined],
    ['The model is overloaded. Please try again later.', undefined],
  ])('%j says %p', (text, ms) => expect(spokenWaitMs(text, now)).toBe(ms));
});

describe('the fields of an error', () => {
  const details = (detail: object) => ({ details: [detail] });
  test.each<[Record<string, unknown>, number | undefined]>([
    [{ resets_at: now / 1000 + 90, resets_in_seconds: 5 }, 90_000],
    [{ resets_in_seconds: 5 }, 5_000],
    [{ retry_after: 2.5 }, 2_500],
    [{ retry_after_ms: 250 }, 250],
    [details({ retryDelay: '34.4s' }), 34_400],
    [details({ metadata: { quotaResetDelay: '1h0m0.5s' } }), 3_600_500],
    [details({ metadata: { quotaResetTimeStamp: '2026-01-01T00:02:00Z' } }), 120_000],
    [{ metadata: { headers: { 'X-RateLimit-Reset': String(now + 5_000) } } }, 5_000],
    [{ metadata: { headers: { 'bad name': 1, 'Retry-After': '3\n' } } }, 3_000],
    [{ resets_at: 'soon', retry_after: null, details: 'none' }, undefined],
    [{}, undefined],
  ])('%j say %p', (error, ms) => expect(fieldWaitMs(error, now)).toBe(ms));
});

test("Anthropic's limits of a key count where no Retry-After is given", () => {
  const headers = new Headers({
    'anthropic-ratelimit-requests-remaining': '9',
    'anthropic-ratelimit-requests-reset': '2026-01-01T00:00:01Z',
    'anthropic-ratelimit-tokens-remaining': '0',
    'anthropic-ratelimit-tokens-reset': '2026-01-01T00:00:30Z',
  });
  expect(limitWaitMs(headers, now)).toBe(30_000);
  expect(retryAfterMs(headers, now)).toBeUndefined();
});

test('the limits that OpenAI tells with every answer are no reason to stay away after a 500', () => {
  const headers = new Headers({
    'x-ratelimit-reset-requests': '8.64s',
    'x-ratelimit-remaining-requests': '99',
  });
  expect(upstreamError(500, headers, {}).retryAfterMs).toBeUndefined();
  expect(upstreamError(429, headers, {}).retryAfterMs).toBe(8_640);
});
