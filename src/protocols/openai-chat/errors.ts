import type { GatewayError } from '../../core/error.ts';
import { compact, type Json } from '../../core/json.ts';
import { errorWords, upstreamError } from '../errors.ts';

/** The `type` of an error by its HTTP status; the fields and words of OpenAI's API reference. */
const errorTypes: ReadonlyMap<number, string> = new Map([
  [400, 'invalid_request_error'],
  [401, 'authentication_error'],
  [402, 'billing_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [405, 'invalid_request_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [499, 'invalid_request_error'],
  [503, 'overloaded_error'],
  [504, 'timeout_error'],
]);

/** `{error: {message, type, param, code}}`: the object an OpenAI SDK makes its exception from. */
export function encodeErrorBody(error: GatewayError, requestId?: string): Json {
  const { fault, upstream } = error;
  // Clients look for this one word to know that they must compact a conversation.
  const tooLong = fault.kind === 'too-large' && upstream?.code === 'context_length_exceeded';
  return {
    error: compact({
      message: error.advice,
      type: errorTypes.get(error.status) ?? (error.status < 500 ? 'invalid_request_error' : 'server_error'),
      param: fault.kind === 'invalid-request' ? (fault.field ?? null) : null,
      code: tooLong ? 'context_length_exceeded' : error.code,
      request_id: requestId,
    }),
  };
}

/** The first reading of an upstream's error answer, whatever it is made of. */
export const decodeError = (status: number, headers: Headers, text: string): GatewayError =>
  upstreamError(status, headers, errorWords(text));
