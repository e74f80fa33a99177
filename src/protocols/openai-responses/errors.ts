import { GatewayError } from '../../core/error.ts';
import { type Json, readNumber, readObject } from '../../core/json.ts';
import { errorWords, type ErrorWords, readErrorWords, statusOfWords, upstreamError } from '../errors.ts';

// --------------------------------------------------------------------------------------------------- to a client

/** The words that OpenAI's clients sort errors by, by HTTP status. */
const types: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
};

/** An error answer as OpenAI words it. */
export function encodeError(error: GatewayError, requestId?: string): Json {
  const { status } = error;
  return {
    error: {
      message: error.advice,
      type: types[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error'),
      param: error.fault.kind === 'invalid-request' ? (error.fault.field ?? null) : null,
      code: error.code,
      ...(requestId === undefined ? {} : { request_id: requestId }),
    },
  };
}

/** Codes of a failed response that its clients treat in a way of their own and that stand for the request's own fault. */
const ownCodes = new Set([
  'context_length_exceeded',
  'cyber_policy',
  'bio_policy',
  'image_content_policy_violation',
]);

/**
 * The code inside a failed response. Clients retry `server_error` and `rate_limit_exceeded`, so nothing that would fail
 * again may be called so; what is wrong with the request itself is an `invalid_prompt`.
 */
export function failureCode(error: GatewayError): string {
  const { status, upstream } = error;
  if (upstream?.code !== undefined && ownCodes.has(upstream.code)) return upstream.code;
  if (error.fault.kind === 'too-large') return 'context_length_exceeded';
  if (status === 429) return 'rate_limit_exceeded';
  return status >= 500 || status === 499 ? 'server_error' : 'invalid_prompt';
}

/** What a client is told when the upstream stops without a word. */
export const cut = (): GatewayError =>
  new GatewayError({ kind: 'transport', phase: 'cut' }, 'The upstream stopped in the middle of its answer.', {
    remedy: 'Send the request again.',
  });

/** What a stream is that holds something else than events. */
export const garbage = (): GatewayError =>
  new GatewayError({ kind: 'bad-upstream-data' }, 'The upstream sent a stream event that is not JSON.', {
    remedy: 'Check the base-url of this provider in config.yaml; a proxy in between may be answering.',
  });

/** What an answer is that is no response and no error either. */
export const badData = (): GatewayError =>
  new GatewayError({ kind: 'bad-upstream-data' }, 'The upstream answered something that is not a response.', {
    remedy: 'Check the base-url of this provider in config.yaml.',
  });

// ------------------------------------------------------------------------------------------------ from an upstream

/** An error answer. */
export const decodeError = (status: number, headers: Headers, text: string): GatewayError =>
  upstreamError(status, headers, errorWords(text));

/** `response.failed` and `error` events, and a whole response whose status is failed. */
export function decodeFailure(event: Json): GatewayError {
  const response = readObject(event.response);
  if (response?.status === 'cancelled' && !response.error)
    return new GatewayError(
      { kind: 'upstream-failed', status: 500 },
      'The upstream cancelled the response.',
      {
        remedy: 'Send the request again.',
      },
    );
  const words = readErrorWords(response ? { error: response.error } : event);
  const status = readNumber(event.status) ?? readNumber(event.status_code) ?? failureStatus(words);
  return upstreamError(status, new Headers(), words);
}

/** The status that a failure told in words amounts to, by the codes of this wire first. */
function failureStatus(words: ErrorWords): number {
  const { code = '' } = words;
  if (/^(invalid|unsupported|empty|bio|cyber)_|^image_|policy/.test(code)) return 400;
  if (code === 'slow_down') return 503;
  if (code === 'usage_not_included') return 403;
  return statusOfWords(words);
}
