import { describe, expect, test } from 'bun:test';
import { protocols } from '../../src/protocols/index.ts';
import { random } from '../support/random.ts';
import { chat, forbidden, google, info, messages, pages, retry, type Row } from '../support/refusals.ts';

/** What vendors really answer, and what it must be read as. */

const requests: readonly Row[] = [
  {
    says: 'OpenAI: too long',
    status: 400,
    ...chat({
      message: "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000.",
      type: 'invalid_request_error',
      param: 'messages',
      code: 'context_length_exceeded',
    }),
    code: 'request_too_large',
    scope: 'request',
    shown: 413,
    otherModel: true,
  },
  {
    says: 'Anthropic: too long',
    status: 400,
    ...messages('invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum'),
    code: 'request_too_large',
    scope: 'request',
    shown: 413,
    otherModel: true,
  },
  {
    says: 'Google: too long',
    status: 400,
    ...google(
      400,
      'INVALID_ARGUMENT',
      'The input token count (1250074) exceeds the maximum number of tokens allowed.',
    ),
    code: 'request_too_large',
    scope: 'request',
    shown: 413,
    otherModel: true,
  },
  {
    says: 'llama.cpp: too long',
    status: 400,
    ...chat({
      code: 400,
      message: 'the request exceeds the available context size',
      type: 'exceed_context_size_error',
    }),
    code: 'request_too_large',
    scope: 'request',
    shown: 413,
    otherModel: true,
  },
  {
    says: 'Azure: the filter refuses the prompt',
    status: 400,
    ...chat({
      message:
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
      type: null,
      param: 'prompt',
      code: 'content_filter',
      status: 400,
      innererror: { code: 'ResponsibleAIPolicyViolation' },
    }),
    code: 'content_filter',
    scope: 'request',
    shown: 400,
    otherModel: true,
  },
  {
    says: 'Anthropic: the filter refuses the answer',
    status: 400,
    ...messages('invalid_request_error', 'Output blocked by content filtering policy'),
    code: 'content_filter',
    scope: 'request',
    shown: 400,
    otherModel: true,
  },
  {
    says: 'xAI: the filter refuses, as 403',
    status: 403,
    protocol: 'openai-responses',
    body: {
      code: 'The caller does not have permission to execute the specified operation',
      error: 'Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO',
    },
    code: 'content_filter',
    scope: 'request',
    shown: 400,
    otherModel: true,
  },
  {
    says: 'Anthropic: the model takes no prefill',
    status: 400,
    ...messages(
      'invalid_request_error',
      'This model does not support assistant message prefill. The conversation must end with a user message.',
    ),
    code: 'invalid_request',
    scope: 'request',
    shown: 400,
    otherModel: true,
  },
  {
    says: 'OpenAI: a wrong value',
    status: 400,
    ...chat({
      message: "Invalid 'temperature'.",
      type: 'invalid_request_error',
      param: 'temperature',
      code: 'decimal_above_max_value',
    }),
    code: 'decimal_above_max_value',
    scope: 'request',
    shown: 400,
    otherModel: false,
  },
  {
    says: 'OpenAI: an item that was not stored',
    status: 404,
    protocol: 'openai-responses',
    body: {
      error: {
        message: "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
        type: 'invalid_request_error',
        param: 'input',
        code: null,
      },
    },
    code: 'not_found',
    scope: 'request',
    shown: 404,
    otherModel: false,
  },
];

const models: readonly Row[] = [
  {
    says: 'OpenAI',
    status: 404,
    ...chat({
      message: 'The model `x` does not exist or you do not have access to it.',
      type: 'invalid_request_error',
      code: 'model_not_found',
    }),
    code: 'model_not_found',
    scope: 'model',
    shown: 404,
  },
  {
    says: 'Codex',
    status: 400,
    protocol: 'openai-responses',
    body: { detail: "The 'gpt-x' model is not supported when using Codex with a ChatGPT account." },
    code: 'model_not_found',
    scope: 'model',
    shown: 404,
  },
  {
    says: 'Anthropic',
    status: 404,
    ...messages('not_found_error', 'model: claude-x'),
    code: 'model_not_found',
    scope: 'model',
    shown: 404,
  },
  {
    says: 'Google',
    status: 404,
    ...google(
      404,
      'NOT_FOUND',
      'models/x is not found for API version v1beta, or is not supported for generateContent.',
    ),
    code: 'model_not_found',
    scope: 'model',
    shown: 404,
  },
  {
    says: 'Groq, of a model that is gone',
    status: 400,
    ...chat({
      message: 'The model `x` has been decommissioned and is no longer supported.',
      type: 'invalid_request_error',
      code: 'model_decommissioned',
    }),
    code: 'model_not_found',
    scope: 'model',
    shown: 404,
  },
  {
    says: 'Ollama',
    status: 404,
    protocol: 'openai-chat',
    body: { error: "model 'x' not found" },
    code: 'model_not_found',
    scope: 'model',
    shown: 404,
  },
];

const limits: readonly Row[] = [
  {
    says: 'OpenAI, in a header',
    status: 429,
    headers: { 'retry-after': '7', 'x-ratelimit-reset-requests': '12ms' },
    ...chat({ message: 'Rate limit reached.', type: 'requests', code: 'rate_limit_exceeded' }),
    code: 'rate_limit_exceeded',
    scope: 'credential',
    shown: 429,
    retryAfterMs: 7_000,
  },
  {
    says: 'OpenAI, in the reset of the limit that is used up',
    status: 429,
    headers: {
      'x-ratelimit-reset-requests': '6m0s',
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-tokens': '1s',
      'x-ratelimit-remaining-tokens': '100',
    },
    ...chat({ message: 'Rate limit reached.', code: 'rate_limit_exceeded' }),
    code: 'rate_limit_exceeded',
    scope: 'credential',
    shown: 429,
    retryAfterMs: 360_000,
  },
  {
    says: 'Groq, in a sentence',
    status: 429,
    ...chat({
      message:
        'Rate limit reached for model `x` on tokens per minute (TPM): Limit 6000. Please try again in 7m12.5s.',
      type: 'tokens',
      code: 'rate_limit_exceeded',
    }),
    code: 'rate_limit_exceeded',
    scope: 'credential',
    shown: 429,
    retryAfterMs: 432_500,
  },
  {
    says: 'Azure, in a sentence',
    status: 429,
    ...chat({
      code: '429',
      message: 'Requests have exceeded call rate limit. Please retry after 27 seconds.',
    }),
    code: 'rate_limit_exceeded',
    scope: 'credential',
    shown: 429,
    retryAfterMs: 27_000,
  },
  {
    says: 'OpenAI, of a bill that is not paid',
    status: 429,
    ...chat({
      message: 'You exceeded your current quota, please check your plan and billing details.',
      type: 'insufficient_quota',
      code: 'insufficient_quota',
    }),
    code: 'insufficient_quota',
    scope: 'credential',
    shown: 429,
  },
  {
    says: 'Anthropic, in a header',
    status: 429,
    headers: { 'retry-after': '31' },
    ...messages('rate_limit_error', "This request would exceed your account's rate limit."),
    code: 'rate_limit_exceeded',
    scope: 'credential',
    shown: 429,
    retryAfterMs: 31_000,
  },
  {
    says: 'Google, in RetryInfo',
    status: 429,
    ...google(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded.', [retry('34.4s')]),
    code: 'rate_limit_exceeded',
    scope: 'credential',
    shown: 429,
    retryAfterMs: 34_400,
  },
  {
    says: 'Google, in quotaResetDelay',
    status: 429,
    ...google(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded.', [
      info('RATE_LIMIT_EXCEEDED', { quotaResetDelay: '373.8ms' }),
    ]),
    code: 'rate_limit_exceeded',
    scope: 'credential',
    shown: 429,
    retryAfterMs: 374,
  },
  {
    says: 'Google, in a sentence',
    status: 429,
    ...google(429, 'RESOURCE_EXHAUSTED', 'Your quota will reset after 1h2m3s.'),
    code: 'rate_limit_exceeded',
    scope: 'credential',
    shown: 429,
    retryAfterMs: 3_723_000,
  },
  {
    says: 'Codex, in seconds',
    status: 429,
    protocol: 'openai-responses',
    body: {
      error: {
        type: 'usage_limit_reached',
        message: 'The usage limit has been reached',
        plan_type: 'plus',
        resets_in_seconds: 5400,
      },
    },
    code: 'insufficient_quota',
    scope: 'credential',
    shown: 429,
    retryAfterMs: 5_400_000,
  },
  {
    says: 'OpenRouter, in the headers that it passes on',
    status: 429,
    ...chat({
      message: 'Rate limit exceeded: free-models-per-min',
      code: 429,
      metadata: {
        headers: { 'X-RateLimit-Limit': '20', 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': '30' },
      },
    }),
    code: 'rate_limit_exceeded',
    scope: 'credential',
    shown: 429,
    retryAfterMs: 30_000,
  },
  {
    says: 'a server that is overloaded',
    status: 529,
    ...messages('overloaded_error', 'Overloaded'),
    code: 'overloaded',
    scope: 'provider',
    shown: 503,
  },
  {
    says: 'a server that is busy, with a time',
    status: 503,
    headers: { 'retry-after': '3' },
    ...google(503, 'UNAVAILABLE', 'The model is overloaded. Please try again later.'),
    code: 'overloaded',
    scope: 'provider',
    shown: 503,
    retryAfterMs: 3_000,
  },
  {
    says: 'a server that gave up waiting for us',
    status: 408,
    ...chat({ message: 'Timed out.' }),
    code: 'upstream_error',
    scope: 'provider',
    shown: 502,
  },
];

const read = ({ protocol, status, headers = {}, body }: Row) =>
  protocols
    .find(({ id }) => id === protocol)!
    .upstream!.decodeError(
      status,
      new Headers(headers),
      typeof body === 'string' ? body : JSON.stringify(body),
    );

describe.each([
  ['refused use', forbidden],
  ['pages instead of answers', pages],
  ['the request itself', requests],
  ['models', models],
  ['limits and trouble', limits],
])('%s', (_, rows) => {
  test.each(rows.map((row) => [row.says, row] as const))('%s', (_, row) => {
    const error = read(row);
    const { code, scope, shown: status, retryAfterMs } = row;
    expect({
      code: error.code,
      scope: error.scope as string,
      status: error.status,
      retryAfterMs: error.retryAfterMs,
    }).toEqual({
      code,
      scope,
      status,
      retryAfterMs,
    });
    expect(error.otherModelMay).toBe(row.otherModel ?? true);
    // Every error says what to do next, and no page comes through as it is.
    expect(error.remedy).toMatch(/^[A-Z].*\.$/);
    expect(error.message).not.toMatch(/<\w+/);
  });
});

test('each reason of a refusal has a remedy of its own', () => {
  const remedies = new Map(forbidden.map((row) => [row.code, read(row).remedy]));
  expect(new Set(remedies.values()).size).toBe(remedies.size);
});

test('a plan that is used up is closed until the moment that Codex names', () => {
  const resetsAt = Math.floor(Date.now() / 1000) + 7_200;
  const body = JSON.stringify({ error: { type: 'usage_limit_reached', resets_at: resetsAt } });
  const error = read({ ...limits[9]!, body });
  expect(Math.abs(error.retryAfterMs! - 7_200_000)).toBeLessThan(2_000);
});

test('a field that is called like a reason is only a field', () => {
  for (const message of [
    'tools[0].location is not supported.',
    'metadata: verify your input, the key "suspended" is not allowed.',
    'Unknown parameter: billing.',
  ]) {
    const { code, scope } = read({ ...requests[8]!, ...chat({ message, type: 'invalid_request_error' }) });
    expect([message, code, scope as string]).toEqual([message, 'invalid_request', 'request']);
  }
});

test('a type that is called like a part of the language is only a word', () => {
  for (const type of ['constructor', '__proto__', 'toString']) {
    const details = [info(type)];
    expect(read({ ...requests[0]!, ...messages(type, 'x'), status: 500 }).code).toBe('upstream_error');
    expect(read({ ...requests[0]!, ...google(400, type, 'x', details), status: 400 }).status).toBe(400);
  }
});

test('a page that is made to be slow to read is read like any other', () => {
  for (const piece of ['<', '<!--', '<script', '<a ', '&', '1s ', 'location ', 'try again ']) {
    const body = `<html>${piece.repeat(256 * 1024)}`.slice(0, 256 * 1024);
    // What grows with the square of its length would take this past the time of a test.
    for (let round = 0; round < 20; round++)
      expect(read({ ...requests[0]!, body, status: 429 }).status).toBe(429);
  }
});

test('whatever comes is read as some error that blames somebody and says what to do', () => {
  const dice = random(3);
  const statuses = [301, 400, 401, 402, 403, 404, 408, 413, 422, 429, 451, 500, 503, 521, 529];
  for (let round = 0; round < 2_000; round++) {
    const value = dice.oneIn(2) ? { error: dice.json(3) } : dice.json(3);
    const body = dice.oneIn(5) ? dice.text(40) : JSON.stringify(value);
    const status = dice.pick(statuses);
    for (const { id } of protocols) {
      const error = read({ ...requests[0]!, protocol: id, status, body, headers: {} });
      expect(error.status).toBeGreaterThanOrEqual(400);
      expect(error.remedy).toMatch(/\.$/);
      expect(error.retryAfterMs ?? 0).toBeGreaterThanOrEqual(0);
    }
  }
});
