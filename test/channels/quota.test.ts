import { describe, expect, test } from 'bun:test';
import { type QuotaWindow, reopensAt } from '../../src/accounts/quota.ts';
import { quota as claude } from '../../src/channels/claude/quota.ts';
import { judge as codexJudge } from '../../src/channels/codex/judge.ts';
import { quota as codex } from '../../src/channels/codex/quota.ts';
import { quota as gemini } from '../../src/channels/gemini/quota.ts';
import { rateLimits } from '../../src/channels/quota.ts';
import { GatewayError } from '../../src/core/error.ts';
import { random } from '../support/random.ts';

const now = Date.parse('2026-01-01T12:00:00Z');
const read = (reader: typeof rateLimits, headers: Record<string, string>) =>
  reader(new Headers(headers), now).map(({ seenAt, source, ...window }) => {
    expect(seenAt).toBe(now);
    expect(source.length).toBeGreaterThan(3);
    return window;
  });

describe('x-ratelimit-*', () => {
  test('of OpenAI and Groq: requests and tokens, with durations', () => {
    const windows = read(rateLimits, {
      'x-ratelimit-limit-requests': '14400',
      'x-ratelimit-remaining-requests': '14370',
      'x-ratelimit-reset-requests': '6m0s',
      'x-ratelimit-limit-tokens': '18000',
      'x-ratelimit-remaining-tokens': '0',
      'x-ratelimit-reset-tokens': '7.66s',
    });
    expect(windows).toContainEqual({
      name: 'requests',
      limit: 14400,
      remaining: 14370,
      resetsAt: now + 360_000,
    });
    expect(windows).toContainEqual({ name: 'tokens', limit: 18000, remaining: 0, resetsAt: now + 7_660 });
    expect(windows).toHaveLength(2);
  });

  test.each([
    ['OpenRouter: a moment in milliseconds', 'x-ratelimit', String(now + 5_000)],
    ['a moment in seconds', 'x-ratelimit', String(now / 1000 + 5)],
    ['the draft standard: seconds', 'ratelimit', '5'],
    ['a date', 'x-ratelimit', '2026-01-01T12:00:05Z'],
  ])('of %s', (_, family, reset) => {
    const headers = {
      [`${family}-limit`]: '20',
      [`${family}-remaining`]: '3',
      [`${family}-reset`]: reset,
    };
    expect(read(rateLimits, headers)).toEqual([
      { name: 'requests', limit: 20, remaining: 3, resetsAt: now + 5_000 },
    ]);
  });

  test('of Cerebras: the day and the minute apart', () => {
    const windows = read(rateLimits, {
      'x-ratelimit-limit-requests-day': '1000',
      'x-ratelimit-remaining-requests-day': '1',
      'x-ratelimit-reset-requests-day': '33011.38',
      'x-ratelimit-remaining-tokens-minute': '60000',
    });
    expect(windows.map(({ name }) => name).toSorted()).toEqual(['requests-day', 'tokens-minute']);
    expect(windows.find(({ name }) => name === 'requests-day')?.resetsAt).toBe(now + 33_011_380);
  });

  test('come in the order of their headers, those of the draft standard last', () => {
    const windows = read(rateLimits, {
      'ratelimit-limit': '5',
      'X-RateLimit-Remaining-Images': '1',
      'X-RateLimit-Remaining-Tokens': '2',
      'X-RateLimit-Limit-Tokens': '3',
      'X-RateLimit-Limit-Requests': '4',
    });
    expect(windows.map(({ name, limit }) => [name, limit])).toEqual([
      ['requests', 4],
      ['tokens', 3],
      ['images', undefined],
      ['requests', 5],
    ]);
  });

  test('of a service that says nothing of it: nothing', () => {
    expect(read(rateLimits, { 'content-type': 'application/json', 'x-ratelimit-reset': '5' })).toEqual([]);
  });
});

describe("Anthropic's headers", () => {
  test('tell the limits of a key', () => {
    const headers = {
      'anthropic-ratelimit-input-tokens-limit': '50000',
      'anthropic-ratelimit-input-tokens-remaining': '49000',
      'anthropic-ratelimit-input-tokens-reset': '2026-01-01T12:01:00Z',
    };
    expect(read(claude, headers)).toEqual([
      { name: 'input-tokens', limit: 50000, remaining: 49000, resetsAt: now + 60_000 },
    ]);
  });

  test('tell the shared windows of a subscription, and say nothing of the one that only some models count against', () => {
    const headers = {
      'anthropic-ratelimit-unified-status': 'rejected',
      'anthropic-ratelimit-unified-5h-status': 'allowed',
      'anthropic-ratelimit-unified-5h-utilization': '0.25',
      'anthropic-ratelimit-unified-5h-reset': String(now / 1000 + 3600),
      'anthropic-ratelimit-unified-7d-status': 'rejected',
      'anthropic-ratelimit-unified-7d-reset': String(now / 1000 + 7200),
      'anthropic-ratelimit-unified-7d_oi-status': 'rejected',
    };
    expect(read(claude, headers)).toEqual([
      { name: '5h', remainingShare: 0.75, resetsAt: now + 3_600_000 },
      { name: '7d', remainingShare: 0, resetsAt: now + 7_200_000 },
    ]);
  });
});

describe("Codex's headers", () => {
  const plan = {
    'x-codex-primary-used-percent': '100',
    'x-codex-primary-window-minutes': '300',
    'x-codex-primary-reset-after-seconds': '600',
    'x-codex-secondary-used-percent': '40.5',
    'x-codex-secondary-window-minutes': '10080',
    'x-codex-secondary-reset-at': String(now / 1000 + 86_400),
  };

  test('tell the two windows of a plan', () => {
    expect(read(codex, plan)).toEqual([
      { name: '5h', remainingShare: 0, resetsAt: now + 600_000 },
      { name: 'weekly', remainingShare: expect.closeTo(0.595), resetsAt: now + 86_400_000 },
    ]);
  });

  test('tell when a plan that is used up opens again, where the body does not', () => {
    const error = new GatewayError({ kind: 'quota-exhausted' }, 'Used up.', { upstream: { status: 429 } });
    expect(codexJudge(error, new Headers(plan), now).retryAfterMs).toBe(600_000);
    expect(codexJudge(error.with({ retryAfterMs: 5 }), new Headers(plan), now).retryAfterMs).toBe(5);
    expect(codexJudge(error, new Headers(), now).retryAfterMs).toBeUndefined();
  });
});

describe("Google's refusals", () => {
  const violation = (quotaId: string) => ({
    quotaMetric: 'generativelanguage.googleapis.com/generate_content_free_tier_requests',
    quotaId,
    quotaDimensions: { location: 'global', model: 'gemini-x' },
    quotaValue: '20',
  });
  const body = (...ids: string[]) =>
    JSON.stringify({
      error: {
        code: 429,
        details: [
          { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: ids.map(violation) },
          { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34s' },
        ],
      },
    });

  test('tell which quota closed, for which model, until when', () => {
    const [minute, day] = gemini(body('GenerateRequestsPerMinute', 'GenerateRequestsPerDay'), now);
    expect(minute).toMatchObject({ model: 'gemini-x', limit: 20, remaining: 0, resetsAt: now + 34_000 });
    // Midnight in California is at 08:00 in winter.
    expect(day?.resetsAt).toBe(Date.parse('2026-01-02T08:00:00Z'));
  });

  test.each(['', '[]', 'null', '{"error":null}', '<html>', '{"error":{"details":[{"violations":[{}]}]}}'])(
    'that hold nothing of the kind tell nothing: %s',
    (text) => expect(gemini(text, now)).toEqual([]),
  );
});

test('what is closed opens again when its last window does', () => {
  const window = (more: object): QuotaWindow => ({ name: 'n', source: 's', seenAt: now, ...more });
  const open = window({ remaining: 3, resetsAt: now + 9 });
  const closed = [
    window({ remaining: 0, resetsAt: now + 5 }),
    window({ remainingShare: 0, resetsAt: now + 7 }),
  ];
  expect(reopensAt([open, ...closed])).toBe(now + 7);
  expect(reopensAt([open])).toBeUndefined();
  expect(reopensAt([window({ remaining: 0 })])).toBeUndefined();
});

test('no garbage in a header or a body makes a reader throw, or tell a number that is none', () => {
  const dice = random(7);
  const names = [
    ...['limit', 'remaining', 'reset'].flatMap((part) => [
      `x-ratelimit-${part}-requests`,
      `x-ratelimit-${part}`,
      `ratelimit-${part}`,
      `anthropic-ratelimit-tokens-${part}`,
    ]),
    ...['status', 'utilization', 'reset'].map((part) => `anthropic-ratelimit-unified-5h-${part}`),
    ...['used-percent', 'reset-at', 'reset-after-seconds', 'window-minutes'].map(
      (part) => `x-codex-primary-${part}`,
    ),
  ];
  const values = [
    '',
    '0',
    '-1',
    'NaN',
    '1e999',
    '6m0s',
    '0.5',
    'rejected',
    '10;w=60',
    'Infinity',
    '9'.repeat(400),
  ];
  values.push('2026-01-01T00:00:00Z', '99999999-01-01', '{"a":1}', '%', 'Thu, 01 Jan 2026 00:00:00 GMT');
  for (let round = 0; round < 2_000; round++) {
    const headers = new Headers();
    for (const name of names) if (dice.oneIn(2)) headers.set(name, dice.pick(values));
    for (const window of [rateLimits, claude, codex].flatMap((reader) => reader(headers, now)))
      for (const value of [window.limit, window.remaining, window.remainingShare, window.resetsAt])
        expect(value === undefined || (Number.isFinite(value) && value >= 0)).toBe(true);
    expect(Array.isArray(gemini(dice.text(40), now))).toBe(true);
  }
});
