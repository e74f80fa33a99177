import type { GatewayError } from '../../core/error.ts';
import { type Json, readNumber, readObject } from '../../core/json.ts';
import { errorWords, readErrorWords, statusOfWords, upstreamError } from '../errors.ts';

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

/** The code inside a failed response: its clients retry `server_error` and `rate_limit_exceeded`, and nothing else. */
export function failureCode(error: GatewayError): string {
  if (error.status === 429) return 'rate_limit_exceeded';
  return error.status >= 500 ? 'server_error' : error.code;
}

export const decodeError = (status: number, headers: Headers, text: string): GatewayError =>
  upstreamError(status, headers, errorWords(text));

/** `response.failed` and `error` events, and a whole response whose status is failed. */
export function decodeFailure(event: Json): GatewayError {
  const response = readObject(event.response);
  const words = readErrorWords(response ? { error: response.error } : event);
  const status = readNumber(event.status) ?? readNumber(event.status_code) ?? statusOfWords(words);
  return upstreamError(status, new Headers(), words);
}
