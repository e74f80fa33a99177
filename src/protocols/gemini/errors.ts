import type { Fault, ForbiddenReason, GatewayError } from '../../core/error.ts';
import {
  type Json,
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import { errorWords, readErrorWords, statusOfWords, upstreamError } from '../errors.ts';
import { refaulted } from '../remedies.ts';

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
  const named = withReason(error, details);
  return (
    refusedKey(named, details, message) ??
    refusedUse(named, details) ??
    usedUp(named, details, message) ??
    refusedRequest(named, details, message) ??
    named
  );
}

/** Google's machine word for what happened, such as `QUOTA_EXHAUSTED`, becomes the upstream's code. */
function withReason(error: GatewayError, details: readonly Json[]): GatewayError {
  const code = reasonsOf(details).find((reason) => reason);
  return code && error.upstream ? error.with({ upstream: { ...error.upstream, code } }) : error;
}

const reasonsOf = (details: readonly Json[]) => details.map((detail) => readString(detail.reason));

/** A key that Google does not take comes as 400, or as 403 when there is none. */
function refusedKey(
  error: GatewayError,
  details: readonly Json[],
  message: string,
): GatewayError | undefined {
  if (!reasonsOf(details).includes('API_KEY_INVALID') && !/unregistered callers/.test(message))
    return undefined;
  const refused = refaulted(error, { kind: 'upstream-unauthorized' });
  return refused.with({ message: "The upstream refused the gateway's credential." });
}

/** The reasons that Google gives in `ErrorInfo` only; its sentences differ from service to service. */
const reasons: ReadonlyMap<string | undefined, ForbiddenReason> = new Map([
  ['BILLING_DISABLED', 'billing'],
  ['CONSUMER_SUSPENDED', 'suspended'],
  ['VALIDATION_REQUIRED', 'verification_required'],
  ['SERVICE_DISABLED', 'not_entitled'],
  ['API_KEY_SERVICE_BLOCKED', 'not_entitled'],
  ['IAM_PERMISSION_DENIED', 'not_entitled'],
]);

function refusedUse(error: GatewayError, details: readonly Json[]): GatewayError | undefined {
  const reason = reasonsOf(details)
    .map((word) => reasons.get(word))
    .find(Boolean);
  if (!reason || error.status === 429) return undefined;
  return refaulted(error, { kind: 'upstream-forbidden', status: 403, reason });
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
  const fault: Fault = { kind: exhausted ? 'quota-exhausted' : 'rate-limited' };
  return refaulted(error, fault).with({ upstream: { ...error.upstream, code } });
}

/** Requests that Google faults in words of its own. */
function refusedRequest(
  error: GatewayError,
  details: readonly Json[],
  message: string,
): GatewayError | undefined {
  if (/token count \(?\d*\)? ?exceeds/.test(message)) return refaulted(error, { kind: 'too-large' });
  if (error.upstream?.status === 404 && /^models\/|publisher model/i.test(message))
    return refaulted(error, { kind: 'not-found', what: 'model' }).with({ scope: 'model' });
  const field = details
    .flatMap((detail) => readObjects(detail.fieldViolations))
    .map((violation) => readString(violation.field))
    .find((name) => name);
  if (!field || error.fault.kind !== 'invalid-request') return undefined;
  return error.with({ fault: { ...error.fault, field } });
}
