import { GatewayError } from '../../core/error.ts';
import { compact, type Json, readString, tryParseObject } from '../../core/json.ts';
import {
  type ErrorWords,
  errorWords,
  plainText,
  statusOfWords,
  upstreamError,
} from '../../protocols/errors.ts';
import { refaulted } from '../../protocols/remedies.ts';

/** AWS's names of what went wrong, and the HTTP status that each comes with. */
const statuses: Readonly<Record<string, number>> = {
  ValidationException: 400,
  UnauthorizedException: 401,
  ExpiredTokenException: 401,
  UnrecognizedClientException: 401,
  ServiceQuotaExceededException: 402,
  AccessDeniedException: 403,
  ResourceNotFoundException: 404,
  ThrottlingException: 429,
  InternalServerException: 500,
  ServiceUnavailableException: 503,
};

/** An error answer: `{__type, message, reason}`, its name perhaps in a header instead. */
export function decodeError(status: number, headers: Headers, text: string): GatewayError {
  const words = wordsOf(tryParseObject(text), headers) ?? errorWords(text);
  return sharpened(upstreamError(status, headers, words), status, words);
}

/** An exception told inside an answer that began with 200: its name stands for the status. */
export function decodeException(body: Json): GatewayError {
  const words = wordsOf(body, new Headers()) ?? {};
  const status = statuses[words.type ?? ''] ?? statusOfWords(words);
  return sharpened(upstreamError(status, new Headers(), words), status, words);
}

function wordsOf(body: Json | undefined, headers: Headers): ErrorWords | undefined {
  if (!body) return undefined;
  const said = readString(body.message) ?? readString(body.Message);
  const type = body.__type ?? body._type ?? body.type ?? headers.get('x-amzn-errortype');
  return compact({
    message: said === undefined ? undefined : plainText(said),
    type: nameOf(readString(type)),
    code: readString(body.reason),
  });
}

/** `com.amazon.aws.codewhisperer#ThrottlingException:http://…` or `throttlingException`, as `ThrottlingException`. */
function nameOf(type: string | undefined): string | undefined {
  const bare = /([A-Za-z]+)(?::.*)?$/.exec(type?.replace(/^.*#/, '') ?? '')?.[1];
  return bare && bare.charAt(0).toUpperCase() + bare.slice(1);
}

/** What only this service's own reasons and sentences tell. */
function sharpened(
  error: GatewayError,
  status: number,
  { code: reason = '', message = '' }: ErrorWords,
): GatewayError {
  if (reason === 'INVALID_MODEL_ID' || /^invalid model\b/i.test(message))
    return refaulted(error, { kind: 'not-found', what: 'model' }).with({ scope: 'model' });
  if (reason === 'CONTENT_LENGTH_EXCEEDS_THRESHOLD' || /\binput is too long\b/i.test(message))
    return refaulted(error, { kind: 'too-large' });
  if (reason === 'INSUFFICIENT_MODEL_CAPACITY') return error.with({ scope: 'model' });
  if (status === 402) return refaulted(error, { kind: 'quota-exhausted' });
  if (status === 423 || (error.fault.kind === 'upstream-forbidden' && error.fault.reason === 'suspended'))
    return refaulted(error, { kind: 'upstream-forbidden', status: 403, reason: 'suspended' }).with({
      retryAfterMs: suspensionMs,
    });
  return error;
}

/** Nobody says when a suspension ends; until a person has cleared it, asking again is in vain. */
const suspensionMs = 60 * 60_000;

/** The service stopped before its answer was over. */
export const cut = (): GatewayError =>
  new GatewayError(
    { kind: 'transport', phase: 'cut' },
    'The upstream closed the stream before its answer was over.',
    { remedy: 'Send the request again.' },
  );

/** The service says something that is no event of this wire. */
export const badData = (what: string): GatewayError =>
  new GatewayError({ kind: 'bad-upstream-data' }, `The upstream's answer is no Kiro event stream: ${what}.`, {
    remedy: 'Send the request again; if it goes on, report it with the request id.',
  });
