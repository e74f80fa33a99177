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

// ---------------------------------------------------------------------------------------------------------- reading

/** The first reading of an error answer; Google wraps it in an array on streams that are no SSE. */
export function decodeError(status: number, headers: Headers, text: string): GatewayError {
  const body = tryParseObject(text) ?? tryParseObject(text.trim().replace(/^\[|\]$/g, ''));
  const said = readObject(body?.error);
  // Proxies in front of Google may answer 400 to everything; its own word is in the body (capture 271a176564114432).
  const real = status === 400 && said?.status === 'RESOURCE_EXHAUSTED' ? 429 : status;
  return sharpened(upstreamError(real, headers, errorWords(text)), said);
}

/** An error carried inside a 200, or inside a stream. */
export function decodeErrorBody(body: Json, status: number): GatewayError {
  const words = readErrorWords(body);
  const said = readObject(body.error);
  const code = status || readNumber(said?.code) || statusOfWords(words);
  return sharpened(upstreamError(code, new Headers(), words), said);
}

/** What only Google's own words and details tell. */
function sharpened(error: GatewayError, said: Json | undefined): GatewayError {
  if (!said) return error;
  const details = readObjects(said.details);
  const message = readString(said.message) ?? '';
  const delay = retryDelayMs(details, message);
  const named = withReason(error, details);
  const waiting = delay === undefined ? named : named.with({ retryAfterMs: delay });
  return (
    refusedKey(waiting, details, message) ??
    usedUp(waiting, details, message) ??
    refusedRequest(waiting, details, message) ??
    waiting
  );
}

/** Google's machine word for what happened, such as `QUOTA_EXHAUSTED`, becomes the upstream's code. */
function withReason(error: GatewayError, details: readonly Json[]): GatewayError {
  const code = details.map((detail) => readString(detail.reason)).find((reason) => reason);
  return code && error.upstream ? error.with({ upstream: { ...error.upstream, code } }) : error;
}

/** A key that Google does not take comes as 400, or as 403 when there is none; so does a country it does not serve. */
function refusedKey(
  error: GatewayError,
  details: readonly Json[],
  message: string,
): GatewayError | undefined {
  const reasons = details.map((detail) => readString(detail.reason));
  if (reasons.includes('API_KEY_INVALID') || /unregistered callers/.test(message))
    return error.with({
      fault: { kind: 'upstream-unauthorized' },
      message: "The upstream refused the gateway's credential.",
      remedy: 'The operator should check the key of this provider in config.yaml.',
    });
  if (!/user location is not supported/i.test(message)) return undefined;
  return error.with({
    fault: { kind: 'upstream-forbidden', status: 403 },
    remedy: 'The operator should reach this provider through a proxy-url in a country that it serves.',
  });
}

/** Which quota closed: that of a day is used up, that of a minute throttles. Its id becomes the upstream's code. */
function usedUp(error: GatewayError, details: readonly Json[], message: string): GatewayError | undefined {
  if (error.status !== 429 || !error.upstream) return undefined;
  const violations = details.flatMap((detail) => readObjects(detail.violations));
  const ids = violations.map((violation) => readString(violation.quotaId)).filter((id) => id !== undefined);
  const daily = ids.find((id) => /PerDay/i.test(id));
  const code = daily ?? ids[0];
  if (code === undefined) return undefined;
  const exhausted = daily !== undefined || /\blimit: 0\b/.test(message);
  return error.with({
    fault: { kind: exhausted ? 'quota-exhausted' : 'rate-limited' },
    upstream: { ...error.upstream, code },
  });
}

/** Requests that Google faults in words of its own. */
function refusedRequest(
  error: GatewayError,
  details: readonly Json[],
  message: string,
): GatewayError | undefined {
  if (/token count \(?\d*\)? ?exceeds/.test(message)) return error.with({ fault: { kind: 'too-large' } });
  if (error.upstream?.status === 404 && /^models\/|publisher model/i.test(message))
    return error.with({ fault: { kind: 'not-found', what: 'model' }, scope: 'model' });
  const field = details
    .flatMap((detail) => readObjects(detail.fieldViolations))
    .map((violation) => readString(violation.field))
    .find((name) => name);
  if (!field || error.fault.kind !== 'invalid-request') return undefined;
  return error.with({ fault: { ...error.fault, field } });
}

/** `RetryInfo.retryDelay` ("0.84s"), else `ErrorInfo.metadata.quotaResetDelay` ("373ms"), else "after 12s" in the message. */
function retryDelayMs(details: readonly Json[], message: string): number | undefined {
  const told = details.map(
    (detail) => readString(detail.retryDelay) ?? readString(readObject(detail.metadata)?.quotaResetDelay),
  );
  const said = /\b(?:after|in) ((?:\d+(?:\.\d+)?(?:ms|[hms]))+)/.exec(message)?.[1];
  const text = told.find((delay) => delay !== undefined) ?? said;
  return text === undefined ? undefined : durationMs(text);
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

function durationMs(text: string): number {
  const pieces = text.matchAll(/(\d+(?:\.\d+)?)(ms|[hms])/g);
  return Math.ceil([...pieces].reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0));
}
