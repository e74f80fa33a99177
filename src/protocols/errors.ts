import { type Fault, GatewayError, type Scope } from '../core/error.ts';
import { compact, type Json, readArray, readObject, readObjects, readString } from '../core/json.ts';
import { clean } from '../telemetry/redact.ts';

/** What vendors' error bodies have in common, whatever their shape. Each field is absent when the body does not say it. */
export interface ErrorWords {
  /** One readable line, without markup and secrets, of at most 500 characters. */
  readonly message?: string;
  /** Such as `rate_limit_error`. */
  readonly type?: string;
  /** Such as `context_length_exceeded`; a numeric code as text. */
  readonly code?: string;
  /** The field of the request it is about. */
  readonly param?: string;
}

// ------------------------------------------------------------------------------------------------ reading the words

/**
 * Reads any error body: `{error: {…}}`, `{error: "…"}`, `{message}`, `{detail}` (FastAPI), an array around one of
 * these (Google), plain text, an HTML page. Never throws.
 */
export function errorWords(text: string): ErrorWords {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return spoken(plainText(text));
  }
  return readErrorWords(body);
}

/** `errorWords` of a body that is parsed already, such as an error inside a stream. */
export function readErrorWords(body: unknown): ErrorWords {
  const first = readArray(body)?.[0] ?? body;
  if (typeof first === 'string') return spoken(plainText(first));
  const outer = readObject(first);
  if (!outer) return {};
  const error = outer['error'] ?? readArray(outer['errors'])?.[0];
  if (typeof error === 'string') return { ...wordsOf(outer), ...spoken(plainText(error)) };
  return wordsOf(readObject(error) ?? outer);
}

function wordsOf(error: Json): ErrorWords {
  const metadata = readObject(error['metadata']);
  const said = [error['message'], error['detail'], error['msg'], error['title']];
  const message = said.map(detailText).find((text) => text !== undefined && text !== '');
  // OpenRouter's message may be no more than "Provider returned error"; the provider's own words are in metadata.raw
  // (capture 4ad959f80af95887), and a moderation verdict names the flagged input.
  const raw = rawMessage(metadata?.['raw']);
  const flagged = readString(metadata?.['flagged_input']) === undefined ? undefined : 'content_filter';
  return compact({
    message: message && raw ? plainText(`${message}: ${raw}`) : (raw ?? message),
    type: word(error['type']) ?? word(error['status']),
    code: flagged ?? word(error['code']),
    param: word(error['param']),
  });
}

/** FastAPI's `detail` is a text or a list of `{loc, msg}`. */
function detailText(value: unknown): string | undefined {
  if (typeof value === 'string') return plainText(value);
  const items = readObjects(value).map(({ loc, msg }) => [(readArray(loc) ?? []).join('.'), msg]);
  const said = items.map(([where, msg]) => (where ? `${where}: ${String(msg)}` : String(msg)));
  return said.length > 0 ? plainText(said.join('; ')) : readString(readObject(value)?.['message']);
}

function rawMessage(raw: unknown): string | undefined {
  const text = readString(raw);
  if (text === undefined) return undefined;
  return errorWords(text).message;
}

/** A short machine word; numbers become text, anything long or structured is left out. */
function word(value: unknown): string | undefined {
  const text = typeof value === 'number' ? String(value) : readString(value);
  return text !== undefined && text !== '' && text.length <= 100 ? clean(text) : undefined;
}

const spoken = (message: string): ErrorWords => (message === '' ? {} : { message });

const messageLimit = 500;

/** Any text as one readable line: markup, control characters and secrets removed, cut at 500 characters. */
export function plainText(text: string): string {
  const bare = /<(?:!doctype|html|head|body|title|h1|p|div|center|pre)\b/i.test(text)
    ? withoutMarkup(text)
    : text;
  const line = clean(bare).replace(/\s+/g, ' ').trim();
  if (line.length <= messageLimit) return line;
  // A cut must not leave half of a surrogate pair.
  return `${line.slice(0, messageLimit - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

function withoutMarkup(html: string): string {
  return html
    .slice(0, 50_000)
    .replace(/<!--[^]*?-->/g, ' ')
    .replace(/<(script|style|svg)\b[^]*?(?:<\/\1\s*>|$)/gi, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&(lt|gt|quot|#39|nbsp|amp);/g, (_, name: string) => entities[name] ?? ' ')
    .replace(/\s+/g, ' ');
}

const entities: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  quot: '"',
  '#39': "'",
  nbsp: ' ',
  amp: '&',
};

// ------------------------------------------------------------------------------------------------ when to come back

/**
 * How long an upstream asks to be left alone, in milliseconds from `now`, by `retry-after-ms`, `retry-after` (seconds or an
 * HTTP date), or else the `x-ratelimit-reset-*` headers of OpenAI, Groq and OpenRouter. Undefined when it does not say.
 */
export function retryAfterMs(headers: Headers, now = Date.now()): number | undefined {
  const exact = numberOf(headers.get('retry-after-ms'));
  if (exact !== undefined) return exact;
  const told = headers.get('retry-after');
  if (told !== null) {
    const seconds = numberOf(told);
    if (seconds !== undefined) return Math.round(seconds * 1000);
    // Date.parse takes '-3' for a year.
    const date = /[a-z]/i.test(told) ? Date.parse(told) : NaN;
    if (!Number.isNaN(date)) return Math.max(0, date - now);
  }
  return resetMs(headers, now);
}

/** The longest wait among the limits that are used up; when none says that it is, the shortest of all. */
function resetMs(headers: Headers, now: number): number | undefined {
  const all: number[] = [];
  const usedUp: number[] = [];
  headers.forEach((value, name) => {
    const match = /^x-ratelimit-reset(?:-(.+))?$/.exec(name);
    const wait = match ? waitOf(value, now) : undefined;
    if (!match || wait === undefined) return;
    all.push(wait);
    const left = headers.get(match[1] ? `x-ratelimit-remaining-${match[1]}` : 'x-ratelimit-remaining');
    if (left !== null && Number(left) === 0) usedUp.push(wait);
  });
  if (usedUp.length > 0) return Math.max(...usedUp);
  return all.length > 0 ? Math.min(...all) : undefined;
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `1ms`, `7.66s`, `6m0s`; a bare number is seconds from now, or a moment in seconds or milliseconds when it is that large. */
function waitOf(text: string, now: number): number | undefined {
  const bare = numberOf(text);
  if (bare !== undefined) {
    if (bare > 1e11) return Math.max(0, bare - now);
    return bare > 1e9 ? Math.max(0, bare * 1000 - now) : Math.round(bare * 1000);
  }
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/.test(text)) return undefined;
  const pieces = text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g);
  return Math.round([...pieces].reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0));
}

/** A number of zero or more, as the header spells it. */
function numberOf(text: string | null): number | undefined {
  return text !== null && /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : undefined;
}

// ---------------------------------------------------------------------------------------------- what they amount to

/** Who is at fault when an upstream answers this status with these words. */
export function faultOfStatus(status: number, words: ErrorWords): Fault {
  const { type = '', code = '', message = '' } = words;
  const said = (table: ReadonlySet<string>) => table.has(code.toLowerCase()) || table.has(type.toLowerCase());
  if (status === 401) return { kind: 'upstream-unauthorized' };
  if (status === 429) return { kind: said(quotaWords) ? 'quota-exhausted' : 'rate-limited' };
  if (said(filterWords) && status < 500) return { kind: 'content-filtered' };
  if (status === 402 || status === 403) return { kind: 'upstream-forbidden', status };
  if (status === 503 || status === 529 || (status >= 500 && said(overloadWords)))
    return { kind: 'overloaded' };
  if (status < 400 || status >= 500 || status === 405 || status === 408)
    return { kind: 'upstream-failed', status };
  if (said(keyWords)) return { kind: 'upstream-unauthorized' };
  if (said(modelWords) || modelMessage.test(message)) return { kind: 'not-found', what: 'model' };
  if (status === 404) return notFound(words);
  if (status === 413 || said(lengthWords) || lengthMessage.test(message)) return { kind: 'too-large' };
  const own = /^\d*$/.test(code) || code === type || code.endsWith('_error') ? undefined : code;
  return compact({ kind: 'invalid-request' as const, field: words.param, code: own });
}

/** A 404 that names no type and no code comes from a web server, not from the API: the address is wrong. */
function notFound({ type, code, message }: ErrorWords): Fault {
  if (type === undefined && code === undefined) return { kind: 'upstream-failed', status: 404 };
  return { kind: 'not-found', what: /\bmodel\b/i.test(message ?? '') ? 'model' : 'item' };
}

const quotaWords = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'usage_limit_reached',
  'quota_exceeded',
  'exceeded_current_quota_error',
]);
const filterWords = new Set([
  'content_filter',
  'content_policy_violation',
  'responsibleaipolicyviolation',
  'prohibited_content',
]);
const overloadWords = new Set(['overloaded_error', 'overloaded', 'server_overloaded', 'unavailable']);
const keyWords = new Set(['invalid_api_key', 'api_key_invalid', 'authentication_error']);
const modelWords = new Set(['model_not_found', 'invalid_model', 'model_not_supported']);
const lengthWords = new Set(['context_length_exceeded', 'request_too_large', 'string_above_max_length']);

/** OpenRouter (capture 499b9a9d99f24631) and DeepSeek say in words only that they do not know a model. */
const modelMessage =
  /not a valid model|unknown model|invalid model\b|model not exist|\bmodel\b[^.]{0,120}\b(?:does not exist|not found|is not supported)/i;

/** DeepSeek (capture 350c9203d57402db), Anthropic and most self-hosted servers say it in words only. */
const lengthMessage =
  /maximum context length|context (?:length|window)[^.]{0,40}exceed|exceeds? [^.]{0,40}context|prompt is too long/i;

/** The status that an error without one, such as an error event of a stream, amounts to. */
export function statusOfWords({ type = '', code = '' }: ErrorWords): number {
  const numeric = Number(code);
  if (Number.isInteger(numeric) && numeric >= 400 && numeric < 600) return numeric;
  for (const said of [code.toLowerCase(), type.toLowerCase()]) {
    const status = statuses.find(([pattern]) => pattern.test(said))?.[1];
    if (status !== undefined) return status;
  }
  return 500;
}

const statuses: readonly (readonly [RegExp, number])[] = [
  [/rate_?limit|quota|usage_limit|too_many_requests|resource_exhausted|throttl/, 429],
  [/overloaded|unavailable/, 503],
  [/timeout|deadline_exceeded/, 504],
  [/invalid_api_key|authentication|unauthenticated|unauthorized/, 401],
  [/billing|payment/, 402],
  [/permission|forbidden/, 403],
  [/not_found/, 404],
  [
    /content_filter|content_policy|invalid_request|invalid_argument|context_length|bad_request|invalid_prompt/,
    400,
  ],
];

/** The whole reading: an upstream's refusal as the error that the relay acts on and the client reads. */
export function upstreamError(status: number, headers: Headers, words: ErrorWords): GatewayError {
  const fault = faultOfStatus(status, words);
  const later = status === 429 || status === 408 || status >= 500 ? retryAfterMs(headers) : undefined;
  const scope: Scope | undefined = fault.kind === 'not-found' && fault.what === 'model' ? 'model' : undefined;
  return new GatewayError(
    fault,
    messageOf(fault, status, words),
    compact({
      remedy: remedies[fault.kind]?.(fault, words) ?? 'Try again in a moment.',
      scope,
      retryAfterMs: later,
      upstream: compact({
        status,
        type: words.type,
        code: fault.kind === 'too-large' && status !== 413 ? 'context_length_exceeded' : words.code,
        param: words.param,
        requestId: headers.get('x-request-id') ?? headers.get('request-id') ?? undefined,
      }),
    }),
  );
}

function messageOf(fault: Fault, status: number, { message }: ErrorWords): string {
  // A refused key may be quoted in full ("Incorrect API key provided: test-key", capture 1eab5e1487ab373f).
  if (fault.kind === 'upstream-unauthorized')
    return `The upstream refused the gateway's credential (${status}).`;
  if (message === undefined) return `The upstream reported an error (${status}) without saying why.`;
  const ended = /[.!?…]$/.test(message) ? message : `${message}.`;
  if (fault.kind === 'invalid-request' || fault.kind === 'too-large' || fault.kind === 'not-found')
    return ended;
  return `The upstream reported an error (${status}): ${ended}`;
}

const remedies: Readonly<Partial<Record<Fault['kind'], (fault: Fault, words: ErrorWords) => string>>> = {
  'invalid-request': (_, { param }) => `Correct ${param ?? 'the request'} and send it again.`,
  'not-found': (fault) =>
    fault.kind === 'not-found' && fault.what === 'model'
      ? 'GET /v1/models lists the models that can be used here.'
      : 'Check the ids that the request names.',
  'too-large': () => 'Shorten the conversation, or use a model with a larger context window.',
  'content-filtered': () => 'The provider refuses this content; rephrase it or use another model.',
  'rate-limited': () => 'Wait and try again, or add another credential for this provider.',
  'quota-exhausted': () => 'Wait until the quota resets, raise it with the provider, or use another model.',
  'upstream-unauthorized': () =>
    'The operator should check the key of this provider in config.yaml, or sign in to it again.',
  'upstream-forbidden': (fault) =>
    fault.kind === 'upstream-forbidden' && fault.status === 402
      ? "The operator should top up this provider's balance, or use another credential."
      : 'The operator should check what this credential may use: its plan, its region, its models.',
  'upstream-failed': (fault) =>
    fault.kind === 'upstream-failed' && fault.status < 500 && fault.status !== 408
      ? 'The operator should check the base-url of this provider in config.yaml.'
      : "Try again; if it goes on, look at the provider's status page.",
};
