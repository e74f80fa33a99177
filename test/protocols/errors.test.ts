import { describe, expect, test } from 'bun:test';
import { errorWords, plainText, statusOfWords, upstreamError } from '../../src/protocols/errors.ts';
import { faultOfStatus } from '../../src/protocols/faults.ts';
import { limitWaitMs } from '../../src/protocols/waits.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const wait = (headers: Record<string, string>) => limitWaitMs(new Headers(headers), now);

describe('limitWaitMs', () => {
  test.each([
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:01:00 GMT' }, 60_000],
    [{ 'retry-after': 'Wed, 31 Dec 2025 00:00:00 GMT' }, 0],
    [{ 'retry-after-ms': '250', 'retry-after': '9' }, 250],
    [{ 'x-ratelimit-reset-requests': '6m0s', 'x-ratelimit-remaining-requests': '0' }, 360_000],
    [{ 'x-ratelimit-reset-tokens': '7.66s' }, 7_660],
    [{ 'x-ratelimit-reset-requests': '12ms' }, 12],
    [{ 'x-ratelimit-reset': String(now + 5_000), 'x-ratelimit-remaining': '0' }, 5_000],
    [{ 'x-ratelimit-reset': String(now / 1000 + 5) }, 5_000],
  ])('reads %j as %d ms', (headers, expected) => {
    expect(wait(headers as Record<string, string>)).toBe(expected);
  });

  test('waits for the limit that is used up, not for the others', () => {
    const headers = {
      'x-ratelimit-reset-requests': '1m12s',
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-tokens': '1h',
      'x-ratelimit-remaining-tokens': '29000',
    };
    expect(wait(headers)).toBe(72_000);
  });

  test.each([{}, { 'retry-after': 'soon' }, { 'retry-after': '-3' }, { 'x-ratelimit-reset': 'x' }])(
    'knows nothing from %j',
    (headers) => expect(wait(headers as Record<string, string>)).toBeUndefined(),
  );
});

describe('plainText', () => {
  test('strips a challenge page to what a person would read', () => {
    const page =
      '<!DOCTYPE html><html><head><title>Just a moment...</title><style>*{margin:0}</style>' +
      '<script>window._cf = {};</script></head><body><h1>Attention&nbsp;required!</h1>\n<p>Enable  cookies &amp; go.</p></body></html>';
    expect(plainText(page)).toBe('Just a moment... Attention required! Enable cookies & go.');
  });

  test('caps the length at 500 characters without cutting a character in two', () => {
    const text = plainText('😀'.repeat(400));
    expect(text.length).toBeLessThanOrEqual(500);
    expect(text.isWellFormed()).toBe(true);
  });

  test('leaves text with angle brackets alone', () => {
    expect(plainText('expected a value <= 2, got <nil>')).toBe('expected a value <= 2, got <nil>');
  });

  test('says no secret', () => {
    expect(plainText('Incorrect API key provided: sk-proj-abcdefgh12345678.')).not.toContain('abcdefgh');
  });
});

describe('errorWords', () => {
  test.each([
    [
      '{"error":{"message":"m","type":"t","code":"c","param":"p"}}',
      { message: 'm', type: 't', code: 'c', param: 'p' },
    ],
    ['{"error":{"message":"m","code":429}}', { message: 'm', code: '429' }],
    ['{"error":"words"}', { message: 'words' }],
    ['{"detail":"Not Found"}', { message: 'Not Found' }],
    [
      '{"detail":[{"loc":["body","n"],"msg":"too many","type":"value_error"}]}',
      { message: 'body.n: too many' },
    ],
    [
      '{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}',
      { message: 'Invalid model: x', type: 'invalid_model', code: '1500' },
    ],
    [
      '[{"error":{"code":429,"message":"Quota","status":"RESOURCE_EXHAUSTED"}}]',
      { message: 'Quota', type: 'RESOURCE_EXHAUSTED', code: '429' },
    ],
    ['upstream connect error', { message: 'upstream connect error' }],
    ['', {}],
    ['{"a":1}', {}],
  ])('reads %s', (text, expected) => {
    expect(errorWords(text) as unknown).toEqual(expected);
  });

  test('adds what the provider behind a router said (capture 4ad959f80af95887)', () => {
    const text =
      '{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"{\\"error\\":{\\"message\\":\\"slow down\\"}}"}}}';
    expect(errorWords(text).message).toBe('Provider returned error: slow down');
  });
});

describe('faults', () => {
  test.each([
    [
      400,
      { code: 'unsupported_value', param: 'messages[0].role' },
      { kind: 'invalid-request', field: 'messages[0].role', code: 'unsupported_value' },
    ],
    [400, { code: 'context_length_exceeded' }, { kind: 'too-large' }],
    [400, { message: "This model's maximum context length is 1048565 tokens." }, { kind: 'too-large' }],
    [400, { message: 'openai/x is not a valid model ID' }, { kind: 'not-found', what: 'model' }],
    [400, { code: 'content_filter' }, { kind: 'content-filtered' }],
    [400, { code: 'invalid_api_key' }, { kind: 'upstream-unauthorized' }],
    [401, {}, { kind: 'upstream-unauthorized' }],
    [402, {}, { kind: 'upstream-forbidden', status: 402, reason: 'billing' }],
    [403, {}, { kind: 'upstream-forbidden', status: 403 }],
    [404, { type: 'invalid_request_error', code: 'model_not_found' }, { kind: 'not-found', what: 'model' }],
    [404, { type: 'not_found_error', message: 'model: claude-x' }, { kind: 'not-found', what: 'model' }],
    [404, { type: 'not_found_error', message: 'No such file.' }, { kind: 'not-found', what: 'item' }],
    [404, { message: '404 page not found' }, { kind: 'upstream-failed', status: 404 }],
    [408, {}, { kind: 'upstream-failed', status: 408 }],
    [409, {}, { kind: 'invalid-request' }],
    [413, {}, { kind: 'too-large' }],
    [422, { message: 'm' }, { kind: 'invalid-request' }],
    [429, { code: 'rate_limit_exceeded' }, { kind: 'rate-limited' }],
    [429, { code: 'insufficient_quota' }, { kind: 'quota-exhausted' }],
    [429, { type: 'usage_limit_reached' }, { kind: 'quota-exhausted' }],
    [500, {}, { kind: 'upstream-failed', status: 500 }],
    [500, { type: 'overloaded_error' }, { kind: 'overloaded' }],
    [503, {}, { kind: 'overloaded' }],
    [529, {}, { kind: 'overloaded' }],
  ])('%d %j is %j', (status, words, expected) => {
    expect(faultOfStatus(status as number, words as object) as unknown).toEqual(expected);
  });

  test.each([
    [{ code: '429' }, 429],
    [{ type: 'rate_limit_error' }, 429],
    [{ type: 'overloaded_error' }, 503],
    [{ type: 'invalid_request_error', code: 'context_length_exceeded' }, 400],
    [{ type: 'server_error' }, 500],
    [{ code: 'constructor' }, 500],
    [{}, 500],
  ])('an error without a status that says %j amounts to %d', (words, expected) => {
    expect(statusOfWords(words)).toBe(expected as number);
  });

  test('blames the model, not the credential, for an unknown model', () => {
    expect(upstreamError(404, new Headers(), { code: 'model_not_found' }).scope).toBe('model');
  });

  test('never repeats what a refused key looked like (capture 1eab5e1487ab373f)', () => {
    const error = upstreamError(401, new Headers(), { message: 'Incorrect API key provided: test-key.' });
    expect(error.advice).not.toContain('test-key');
    expect(error.advice).toContain('config.yaml');
  });

  test('tells a client that must compact its conversation the word it looks for', () => {
    const error = upstreamError(400, new Headers(), { message: 'prompt is too long: 210000 tokens' });
    expect(error.upstream?.code).toBe('context_length_exceeded');
  });
});
