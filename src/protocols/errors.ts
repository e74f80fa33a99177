import { type Fault, GatewayError } from '../core/error.ts';
import { compact, type Json, readArray, readObject, readObjects, readString } from '../core/json.ts';
import { clean } from '../telemetry/redact.ts';
import { faultOfStatus } from './faults.ts';
import { remedyOf } from './remedies.ts';
import { fieldWaitMs, limitWaitMs, retryAfterMs, spokenWaitMs } from './waits.ts';

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
  /** How long its fields ask to be left alone. */
  readonly retryAfterMs?: number;
  /** It is a page for people: of a web server, or one that asks for a browser. */
  readonly page?: 'html' | 'challenge';
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
    return compact({ ...spoken(plainText(text)), page: pageOf(text) });
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
  return { ...waiting(outer), ...wordsOf(readObject(error) ?? outer) };
}

/** Some put the time beside the error instead of into it. */
const waiting = (outer: Json): ErrorWords => compact({ retryAfterMs: fieldWaitMs(outer) });

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
    retryAfterMs: fieldWaitMs(error),
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

/** Cloudflare's and Vercel's checks for a browser, in the words of their pages. */
const challenge =
  /challenge-platform|cf[-_]chl|cf-browser-verification|just a moment\.\.\.|enable javascript and cookies|attention required! \| cloudflare|vercel security checkpoint|verify you are (?:a )?human/i;

function pageOf(text: string): ErrorWords['page'] {
  const head = text.slice(0, 20_000);
  if (!/<(?:!doctype html|html|head|body|title)\b/i.test(head)) return undefined;
  return challenge.test(head) ? 'challenge' : 'html';
}

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
    .replace(/<!--[^]*?(?:-->|$)/g, ' ')
    .replace(/<(script|style|svg)\b[^]*?(?:<\/\1\s*>|$)/gi, ' ')
    .replace(/<[^<>]*>?/g, ' ')
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

// ---------------------------------------------------------------------------------------------- what they amount to

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
export function upstreamError(status: number, headers: Headers, given: ErrorWords): GatewayError {
  const challenged = headers.get('cf-mitigated') === 'challenge';
  const words: ErrorWords = challenged ? { ...given, page: 'challenge' } : given;
  const fault = faultOfStatus(status, words);
  const code = fault.kind === 'too-large' && status !== 413 ? 'context_length_exceeded' : words.code;
  return new GatewayError(
    fault,
    messageOf(fault, status, words),
    compact({
      remedy: remedyOf(fault, words.param),
      scope: fault.kind === 'not-found' && fault.what === 'model' ? ('model' as const) : undefined,
      retryAfterMs: waitMs(status, fault, headers, words),
      upstream: compact({
        status,
        type: words.type,
        code,
        param: words.param,
        requestId: headers.get('x-request-id') ?? headers.get('request-id') ?? undefined,
      }),
    }),
  );
}

/**
 * When to come back, of failures that pass by themselves. A field of the body knows best which limit it was; a sentence is
 * the last resort.
 */
function waitMs(status: number, { kind }: Fault, headers: Headers, words: ErrorWords): number | undefined {
  const limited = status === 429 || kind === 'quota-exhausted';
  if (!limited && status !== 408 && status < 500) return undefined;
  const told = words.retryAfterMs ?? (limited ? limitWaitMs(headers) : retryAfterMs(headers));
  return told ?? spokenWaitMs(words.message ?? '');
}

function messageOf(fault: Fault, status: number, { message, page }: ErrorWords): string {
  // A refused key may be quoted in full ("Incorrect API key provided: test-key", capture 1eab5e1487ab373f).
  if (fault.kind === 'upstream-unauthorized')
    return `The upstream refused the gateway's credential (${status}).`;
  if (page === 'challenge')
    return `The upstream answered with a page that is meant for a browser (${status}).`;
  if (message === undefined) return `The upstream reported an error (${status}) without saying why.`;
  const ended = /[.!?…]$/.test(message) ? message : `${message}.`;
  if (fault.kind === 'invalid-request' || fault.kind === 'too-large' || fault.kind === 'not-found')
    return ended;
  return `The upstream reported an error (${status}): ${ended}`;
}
