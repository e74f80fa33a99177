import { GatewayError } from '../../core/error.ts';
import { type Json, readObject, readString, tryParseObject } from '../../core/json.ts';
import { errorWords, readErrorWords, statusOfWords, upstreamError } from '../errors.ts';
import { refaulted } from '../remedies.ts';

/** The documented error types and the HTTP status of each (platform.claude.com, API errors). */
const statuses: ReadonlyMap<string | undefined, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['api_error', 500],
  ['timeout_error', 504],
  ['overloaded_error', 529],
]);

const types = new Map([...statuses].map(([type, status]) => [status, type]));

function typeOf({ fault, status }: GatewayError): string {
  if (fault.kind === 'overloaded' || fault.kind === 'unavailable') return 'overloaded_error';
  return types.get(status) ?? (status < 500 && status !== 499 ? 'invalid_request_error' : 'api_error');
}

/** The body of an error, whole or in a stream: `{type: "error", error: {type, message, code}}`. */
export const encodeError = (error: GatewayError): Json => ({
  type: 'error',
  error: { type: typeOf(error), message: error.advice, code: error.code, ...threadDetails(error) },
});

/** Anthropic's SDK reads here that it must send the whole conversation, or begin another thread. */
function threadDetails({ code }: GatewayError): Json {
  if (!code.startsWith('thread_')) return {};
  return {
    details: {
      error_code: code,
      ...(code === 'thread_unsupported_request' ? { unsupported: ['model'] } : {}),
    },
  };
}

/** An error answer of an upstream: Anthropic's own shape, or whatever stands in its place. */
export function decodeError(status: number, headers: Headers, text: string): GatewayError {
  const error = upstreamError(status, headers, errorWords(text));
  const body = tryParseObject(text);
  const details = readObject(readObject(body?.error)?.details);
  const code = readString(details?.error_code);
  // What becomes of a thread is between its client and its server, so no model and no credential is to blame.
  if (code?.startsWith('thread_'))
    return error.with({ fault: { kind: 'invalid-request', field: 'thread', code } });
  return sharpened(error, readString(body?.request_id));
}

/** An error inside an answer that began with 200: its type stands for the status. */
export function decodeErrorEvent(event: Json): GatewayError {
  const words = readErrorWords(event);
  const status = statuses.get(words.type) ?? statusOfWords(words);
  return sharpened(upstreamError(status, new Headers(), words), readString(event.request_id));
}

function sharpened(error: GatewayError, requestId: string | undefined): GatewayError {
  const { fault, upstream } = error;
  const named =
    upstream && requestId && !upstream.requestId
      ? error.with({ upstream: { ...upstream, requestId } })
      : error;
  // The whole of what Anthropic says to a country that it does not serve.
  const elsewhere = fault.kind === 'upstream-forbidden' && /\bRequest not allowed\b/.test(error.message);
  return elsewhere ? refaulted(named, { ...fault, reason: 'region' }) : named;
}

/** The upstream stopped before the message was over. */
export const cut = (): GatewayError =>
  new GatewayError(
    { kind: 'transport', phase: 'cut' },
    'The upstream closed the stream before its answer was over.',
    {
      remedy: 'Send the request again.',
    },
  );

/** The upstream says something that is no Messages answer. */
export const badData = (what: string): GatewayError =>
  new GatewayError({ kind: 'bad-upstream-data' }, `The upstream's answer is no Anthropic message: ${what}.`, {
    remedy: 'The operator should check that the base-url of this provider speaks the Anthropic Messages API.',
  });
