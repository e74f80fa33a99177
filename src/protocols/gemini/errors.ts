import type { GatewayError } from '../../core/error.ts';
import {
  type Json,
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import { errorWords, readErrorWords, statusOfWords, upstreamError } from '../errors.ts';

/** Google's canonical status words, by HTTP status (google.rpc.Code). */
const statusWords: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  402: 'FAILED_PRECONDITION',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  409: 'ABORTED',
  413: 'INVALID_ARGUMENT',
  415: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

/** An error in Google's own shape; the reason and the request id stand where its clients look for details. */
export function encodeErrorBody(error: GatewayError, requestId?: string): Json {
  const info = {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason: error.code.toUpperCase(),
    domain: 'cliproxyapi++',
  };
  const request = { '@type': 'type.googleapis.com/google.rpc.RequestInfo', requestId };
  const retry = {
    '@type': 'type.googleapis.com/google.rpc.RetryInfo',
    retryDelay: `${Math.ceil((error.retryAfterMs ?? 0) / 1000)}s`,
  };
  return {
    error: {
      code: error.status,
      message: error.advice,
      status: statusWords[error.status] ?? 'INTERNAL',
      details: [
        info,
        ...(requestId === undefined ? [] : [request]),
        ...(error.retryAfterMs === undefined ? [] : [retry]),
      ],
    },
  };
}

/** The first reading of an error answer; Google wraps it in an array on streams that are no SSE. */
export function decodeError(status: number, headers: Headers, text: string): GatewayError {
  const body = tryParseObject(text) ?? tryParseObject(text.trim().replace(/^\[|\]$/g, ''));
  return sharpened(upstreamError(status, headers, errorWords(text)), body);
}

/** An error carried inside a 200, or inside a stream. */
export function decodeErrorBody(body: Json, status: number): GatewayError {
  const words = readErrorWords(body);
  const said = readNumber(readObject(body.error)?.code);
  return sharpened(upstreamError(status || said || statusOfWords(words), new Headers(), words), body);
}

/** What only Google's details tell: a refused key comes as 400, and the wait stands in the body. */
function sharpened(error: GatewayError, body: Json | undefined): GatewayError {
  const said = readObject(body?.error);
  const reasons = readObjects(said?.details).map((detail) => readString(detail.reason));
  const message = readString(said?.message) ?? '';
  const delay = retryDelayMs(said);
  if (reasons.includes('API_KEY_INVALID') || /unregistered callers/.test(message))
    return error.with({
      fault: { kind: 'upstream-unauthorized' },
      message: "The upstream refused the gateway's credential.",
      remedy: 'The operator should check the key of this provider in config.yaml.',
    });
  if (/token count \(?\d*\)? ?exceeds/.test(message)) return error.with({ fault: { kind: 'too-large' } });
  return delay === undefined ? error : error.with({ retryAfterMs: delay });
}

/** `RetryInfo.retryDelay` ("0.84s"), else `ErrorInfo.metadata.quotaResetDelay` ("373ms"), else "after 12s" in the message. */
function retryDelayMs(error: Json | undefined): number | undefined {
  const details = readObjects(error?.details);
  const told = details.map(
    (detail) => readString(detail.retryDelay) ?? readString(readObject(detail.metadata)?.quotaResetDelay),
  );
  const message = /\b(?:after|in) ((?:\d+(?:\.\d+)?(?:ms|[hms]))+)/.exec(
    readString(error?.message) ?? '',
  )?.[1];
  const text = told.find((delay) => delay !== undefined) ?? message;
  return text === undefined ? undefined : durationMs(text);
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

function durationMs(text: string): number {
  const pieces = text.matchAll(/(\d+(?:\.\d+)?)(ms|[hms])/g);
  return Math.ceil([...pieces].reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0));
}
