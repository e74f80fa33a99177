import type { Fault } from '../support/simulator.ts';
import { refuses } from './desk.ts';

/** One thing that goes wrong with the first of two keys, and what must come of it. */
export interface Scenario {
  readonly says: string;
  readonly upstream: 'openai-chat' | 'openai-responses' | 'anthropic-messages' | 'gemini';
  /** Some name a moment, by the clock of the test. */
  readonly fault: Fault | ((nowMs: number) => Fault);
  readonly whole?: true;
  /** The code under which the failed attempt is logged. */
  readonly code: string;
  /** Who pays: nobody, the model on that key, the key, or the place with all its keys. */
  readonly blamed: 'request' | 'model' | 'key' | 'place';
  /** When the key serves again, in milliseconds: not before the first, at the latest after the second. */
  readonly back?: readonly [number, number];
  /** What the client sees when it is no answer of the other key. */
  readonly status?: number;
}

const chat = (status: number, error: object, headers?: Record<string, string>) => ({
  upstream: 'openai-chat' as const,
  fault: refuses(status, { error }, headers),
});
const messages = (status: number, type: string, message: string, headers?: Record<string, string>) => ({
  upstream: 'anthropic-messages' as const,
  fault: refuses(status, { type: 'error', error: { type, message } }, headers),
});
/** One of Anthropic's windows is closed for ten minutes, and the others are open. */
const closedWindow = (name: string) => ({
  upstream: 'anthropic-messages' as const,
  fault: (nowMs: number) =>
    messages(429, 'rate_limit_error', 'Used up.', {
      'anthropic-ratelimit-unified-5h-status': 'allowed',
      'anthropic-ratelimit-unified-7d-status': 'allowed',
      [`anthropic-ratelimit-unified-${name}-status`]: 'rejected',
      [`anthropic-ratelimit-unified-${name}-reset`]: String(nowMs / 1000 + 600),
    }).fault,
});
const responses = (status: number, error: object, headers?: Record<string, string>) => ({
  upstream: 'openai-responses' as const,
  fault: refuses(status, { error }, headers),
});
const google = (status: number, word: string, message: string, details: readonly object[] = []) => ({
  upstream: 'gemini' as const,
  fault: refuses(status, { error: { code: status, message, status: word, details } }),
});
/** An answer that began with 200. */
const stream = (upstream: Scenario['upstream'], ...frames: readonly string[]) => ({
  upstream,
  fault: refuses(200, frames.map((frame) => `${frame}\n\n`).join(''), {
    'content-type': 'text/event-stream',
  }),
});

const exactly = (ms: number): readonly [number, number] => [ms, ms];
/** A guess: the first second, shortened at random by up to a half. */
const guess: readonly [number, number] = [500, 1_000];
const minute: readonly [number, number] = [30_000, 60_000];
/** Until a plan is tried again that leaves a model out. */
const plan: readonly [number, number] = [3 * 3_600_000, 6 * 3_600_000];
const limited = { code: 'rate_limit_exceeded', blamed: 'model' } as const;
const used = { code: 'insufficient_quota', blamed: 'key' } as const;

const slow = { message: 'Slow down.', type: 'requests', code: 'rate_limit_exceeded' };

export const limits: readonly Scenario[] = [
  {
    says: 'Retry-After in seconds',
    ...chat(429, slow, { 'retry-after': '7' }),
    ...limited,
    back: exactly(7_000),
  },
  {
    says: 'retry-after-ms',
    ...chat(429, slow, { 'retry-after-ms': '2500' }),
    ...limited,
    back: exactly(2_500),
  },
  {
    says: 'Retry-After as a date',
    ...chat(429, slow, { 'retry-after': new Date(Date.now() + 600_000).toUTCString() }),
    ...limited,
    back: [550_000, 600_000],
  },
  {
    says: 'Retry-After of many days, capped at an hour',
    ...chat(429, slow, { 'retry-after': '999999' }),
    ...limited,
    back: exactly(3_600_000),
  },
  {
    says: 'a sentence of OpenAI',
    ...chat(429, { ...slow, message: 'Please try again in 6m0s.' }),
    ...limited,
    back: exactly(360_000),
  },
  {
    says: 'a sentence of Azure',
    ...chat(429, { ...slow, message: 'Please retry after 27 seconds.' }),
    ...limited,
    back: exactly(27_000),
  },
  {
    says: 'headers that OpenRouter passes on',
    ...chat(429, {
      message: 'Rate limit exceeded',
      code: 429,
      metadata: { headers: { 'X-RateLimit-Reset': '30' } },
    }),
    ...limited,
    back: exactly(30_000),
  },
  { says: 'no hint at all', ...chat(429, slow), ...limited, back: guess },
  {
    says: 'a bill that is not paid',
    ...chat(429, { ...slow, code: 'insufficient_quota' }),
    ...used,
    back: guess,
  },
  {
    says: 'Anthropic',
    ...messages(429, 'rate_limit_error', 'Too many.', { 'retry-after': '31' }),
    ...limited,
    back: exactly(31_000),
  },
  { says: "Anthropic's shared window", ...closedWindow('5h'), ...used, back: [600_000, 602_000] },
  {
    says: "Anthropic's window of some models",
    ...closedWindow('7d_oi'),
    code: 'insufficient_quota',
    blamed: 'model',
    back: [600_000, 602_000],
  },
  {
    says: "Google's RetryInfo",
    ...google(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded.', [
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.4s' },
    ]),
    ...limited,
    back: exactly(34_400),
  },
  {
    says: "Google's quotaResetDelay",
    ...google(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded.', [
      { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', metadata: { quotaResetDelay: '373ms' } },
    ]),
    ...limited,
    back: exactly(373),
  },
  {
    says: 'a sentence of Google',
    ...google(429, 'RESOURCE_EXHAUSTED', 'Quota will reset after 1m3s.'),
    ...limited,
    back: exactly(63_000),
  },
  {
    says: 'a plan of ChatGPT, by its body',
    ...responses(429, { type: 'usage_limit_reached', message: 'Used up.', resets_in_seconds: 900 }),
    ...used,
    back: exactly(900_000),
  },
  {
    says: 'a plan of ChatGPT, by its headers',
    ...responses(
      429,
      { type: 'usage_limit_reached', message: 'Used up.' },
      {
        'x-codex-primary-used-percent': '100',
        'x-codex-primary-window-minutes': '300',
        'x-codex-primary-reset-after-seconds': '1200',
      },
    ),
    ...used,
    back: exactly(1_200_000),
  },
  {
    says: 'a model at capacity',
    ...responses(429, {
      message: 'Selected model is at capacity. Please try a different model.',
      type: 'server_error',
    }),
    ...limited,
    back: guess,
  },
];

export const refusals: readonly Scenario[] = [
  {
    says: '401',
    upstream: 'openai-chat',
    fault: { kind: 'status', status: 401 },
    code: 'upstream_auth',
    blamed: 'key',
    back: minute,
  },
  {
    says: '402',
    ...chat(402, { message: 'Insufficient Balance' }),
    code: 'upstream_billing',
    blamed: 'key',
    back: minute,
  },
  {
    says: '403 for a model that is not in the plan',
    ...messages(
      403,
      'permission_error',
      'Your API key does not have permission to use the specified resource.',
    ),
    code: 'upstream_not_entitled',
    blamed: 'model',
    back: plan,
  },
  {
    says: '403 for an account that is suspended',
    ...google(403, 'PERMISSION_DENIED', 'Consumer has been suspended.'),
    code: 'upstream_suspended',
    blamed: 'key',
    back: minute,
  },
  {
    says: '403 for an account that is to be verified',
    ...google(403, 'PERMISSION_DENIED', 'Verify your account to continue.'),
    code: 'upstream_verification_required',
    blamed: 'key',
    back: minute,
  },
  {
    says: '403 for a country',
    ...chat(403, {
      code: 'unsupported_country_region_territory',
      message: 'Country, region, or territory not supported',
    }),
    code: 'upstream_region',
    blamed: 'place',
  },
  {
    says: 'a page that asks for a browser',
    upstream: 'openai-responses',
    fault: refuses(403, '<!DOCTYPE html><html><title>Just a moment...</title></html>', {
      'content-type': 'text/html',
    }),
    code: 'upstream_challenge',
    blamed: 'place',
  },
  {
    says: '404 for a model',
    ...chat(404, {
      message: 'The model does not exist.',
      code: 'model_not_found',
      type: 'invalid_request_error',
    }),
    code: 'model_not_found',
    blamed: 'model',
    back: minute,
  },
  {
    says: '400 for a model that is not supported',
    ...responses(400, {
      message: "The 'resp-sim' model is not supported when using Codex.",
      type: 'invalid_request_error',
    }),
    code: 'model_not_found',
    blamed: 'model',
    back: minute,
  },
  {
    says: '400 for a wrong value',
    ...chat(400, { message: "Invalid 'temperature'.", type: 'invalid_request_error', param: 'temperature' }),
    code: 'invalid_request',
    blamed: 'request',
    status: 400,
  },
  {
    says: 'Anthropic, of fast mode without credits',
    ...messages(429, 'rate_limit_error', 'Usage credits are required for fast mode.'),
    code: 'rate_limit_exceeded',
    blamed: 'request',
    status: 429,
  },
];

const openingChunk =
  'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-sim","choices":[{"index":0,"delta":{"role":"assistant"}}]}';

export const troubles: readonly Scenario[] = [
  { says: '500', ...chat(500, { message: 'Oops.' }), code: 'upstream_error', blamed: 'place' },
  { says: '529', ...messages(529, 'overloaded_error', 'Overloaded'), code: 'overloaded', blamed: 'place' },
  {
    says: '503 of Google',
    ...google(503, 'UNAVAILABLE', 'The model is overloaded.'),
    code: 'overloaded',
    blamed: 'place',
  },
  {
    says: 'a reset before the headers',
    upstream: 'gemini',
    fault: { kind: 'reset', when: 'before-headers' },
    code: 'stream_interrupted',
    blamed: 'place',
  },
  {
    says: 'a reset after the headers',
    upstream: 'openai-responses',
    fault: { kind: 'reset', when: 'after-headers' },
    code: 'stream_interrupted',
    blamed: 'place',
  },
  {
    says: 'a whole answer that is reset',
    upstream: 'anthropic-messages',
    fault: { kind: 'reset', when: 'mid-body' },
    whole: true,
    code: 'stream_interrupted',
    blamed: 'place',
  },
  {
    says: 'no headers',
    upstream: 'openai-chat',
    fault: { kind: 'hang', when: 'before-headers' },
    code: 'upstream_timeout',
    blamed: 'place',
  },
  {
    says: 'headers and then nothing',
    upstream: 'anthropic-messages',
    fault: { kind: 'hang', when: 'after-headers' },
    code: 'upstream_timeout',
    blamed: 'place',
  },
  {
    says: 'half of a whole answer',
    upstream: 'openai-responses',
    fault: { kind: 'hang', when: 'mid-body' },
    whole: true,
    code: 'upstream_timeout',
    blamed: 'place',
  },
  {
    says: 'a page instead of an answer',
    upstream: 'gemini',
    fault: { kind: 'wrong-type' },
    code: 'upstream_bad_data',
    blamed: 'place',
  },
  {
    says: 'garbage that calls itself JSON',
    upstream: 'anthropic-messages',
    fault: refuses(200, '{"half'),
    whole: true,
    code: 'upstream_bad_data',
    blamed: 'place',
  },
  {
    says: 'garbage that calls itself a stream',
    ...stream('openai-responses', '\u0000\u0001 no frame', 'data: {"broken', 'data: {}'),
    code: 'upstream_bad_data',
    blamed: 'place',
  },
  { says: 'a stream that is empty', ...stream('gemini'), code: 'stream_interrupted', blamed: 'place' },
  {
    says: 'an error as a whole 200',
    upstream: 'openai-chat',
    fault: { kind: 'error-body' },
    whole: true,
    code: 'upstream_error',
    blamed: 'place',
  },
  {
    says: 'an error as a whole 200 where a stream was due',
    upstream: 'anthropic-messages',
    fault: { kind: 'error-body' },
    code: 'upstream_error',
    blamed: 'place',
  },
  {
    says: 'a limit inside a stream of Chat',
    ...stream(
      'openai-chat',
      openingChunk,
      'data: {"error":{"message":"Slow down. Try again in 8s.","type":"rate_limit_error","code":429}}',
    ),
    ...limited,
    back: exactly(8_000),
  },
  {
    says: 'a limit inside a stream of Responses',
    ...stream(
      'openai-responses',
      'event: response.created\ndata: {"type":"response.created","response":{"id":"r","model":"resp-sim","status":"in_progress","output":[]}}',
      'event: response.failed\ndata: {"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"rate_limit_exceeded","message":"Please try again in 11.054s."}}}',
    ),
    ...limited,
    back: exactly(11_054),
  },
  {
    says: 'an overload inside a stream of Messages',
    ...stream(
      'anthropic-messages',
      'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
    ),
    code: 'overloaded',
    blamed: 'place',
  },
  {
    says: 'a limit inside a stream of Gemini',
    ...stream(
      'gemini',
      'data: {"error":{"code":429,"message":"Exhausted.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"9s"}]}}',
    ),
    ...limited,
    back: exactly(9_000),
  },
];
