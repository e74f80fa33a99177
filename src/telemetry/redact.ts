/**
 * The second line of defence for everything that is told to the outside. The first is that callers log labels, never
 * secrets; this one catches what an upstream or an exception quotes.
 */

/** Names that make whatever follows them a secret. */
const secretNames =
  'api[_-]?key|access[_-]?token|refresh[_-]?token|auth[_-]?token|id[_-]?token|session[_-]?token|client[_-]?secret|' +
  'secret[_-]?key|management[_-]?key|private[_-]?key|code[_-]?verifier|password|passwd|signature';
/** Names that also occur in plain sentences: only as `key=…` or `"key":"…"`. */
const commonNames = 'key|token|secret';

const shapes = new RegExp(
  [
    // Header lines, also as one string of a JSON text.
    String.raw`(?<header>\b(?:proxy-)?authorization(?:\\?["'])?\s*[=:]\s*(?:\\?["'])?(?:[a-z]+\s+)?)[^\s"'\\,]+`,
    String.raw`(?<cookie>\b(?:set-)?cookie(?:\\?["'])?\s*[=:]\s*(?:\\?["'])?)[^"'\\]+`,
    String.raw`\b(?<scheme>bearer)\s+[\w.~+/=-]{6,}`,
    String.raw`\b(?<basic>basic)\s+(?=[\w+/]*[\d=+/])[\w+/=]{8,}`,
    // Vendors' own prefixes: OpenAI and many others, Groq, xAI, Perplexity, Cerebras, NVIDIA, Together, Fireworks,
    // Hugging Face, Replicate, GitHub, Slack, Amazon.
    String.raw`\b[sp]k-[\w-]{8,}`,
    String.raw`\b(?:xai|pplx|csk)-[a-z0-9]{20,}`,
    String.raw`\bnvapi-[\w-]{16,}`,
    String.raw`\b(?:gsk|tgp_v1|fw|hf|r8|gh[opsur]|github_pat)_[\w-]{16,}`,
    String.raw`\bxox[abprs]-[\w-]{10,}`,
    String.raw`\bAKIA[A-Z0-9]{12,}`,
    // Google: API keys, OAuth access tokens, client secrets, refresh tokens.
    String.raw`\bAIza[\w-]{16,}`,
    String.raw`\bya29\.[\w-]{8,}`,
    String.raw`\bGOCSPX-[\w-]{8,}`,
    String.raw`\b1//[\w-]{20,}`,
    // JSON Web Tokens with or without their signature, bcrypt hashes, private keys.
    String.raw`\beyJ[\w-]{6,}\.[\w-]+(?:\.[\w-]*)?`,
    String.raw`\$2[aby]\$\d\d\$[./\w]{20,}`,
    String.raw`-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?`,
    // Name and password in a URL, such as a proxy's.
    String.raw`(?<userinfo>:\/\/)[^\s/@"\\]+@`,
    // A value in quotes ends with them; one without ends where a query, a list or a sentence goes on.
    String.raw`(?<name>(?<![a-z])(?:(?:${secretNames})(?:\\?["'])?\s*[=:]\s*|(?:${commonNames})(?:=|\\?["']\s*:\s*)))` +
      String.raw`(?:(?<quote>\\?["'])[^"'\\]+|[^\s&"'\\,;}\]]+)`,
    String.raw`(?<code>[?&]code=)[^\s&"'\\]+`,
  ].join('|'),
  'gi',
);

/** The same text without anything that looks like a secret; what stood before a value stays, so that it can be read. */
export function redact(text: string): string {
  return text.replace(shapes, hidden);
}

/** What is told instead of a secret, by the groups of its match. */
function hidden(...found: readonly unknown[]): string {
  const groups = found.at(-1) as Readonly<Record<string, string | undefined>>;
  if (groups['userinfo']) return `${groups['userinfo']}[redacted]@`;
  if (groups['scheme'] ?? groups['basic']) return `${groups['scheme'] ?? groups['basic']} [redacted]`;
  const before = groups['header'] ?? groups['cookie'] ?? groups['name'] ?? groups['code'] ?? '';
  return `${before}${groups['quote'] ?? ''}[redacted]`;
}

/**
 * The same text without these very secrets, however they are written in JSON or in a URL, and without the first
 * characters of one where the text was cut. It finds what no shape tells.
 */
export function without(text: string, secrets: Iterable<string>): string {
  let rest = text;
  for (const secret of secrets) {
    for (const written of new Set([secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]))
      rest = rest.replaceAll(written, '[redacted]');
    const cut = beginningAtEnd(rest, secret);
    if (cut > 0) rest = `${rest.slice(0, -cut)}[redacted]`;
  }
  return rest;
}

const shortestBeginning = 6;

/** How many characters at the end of a text are the beginning of a secret; 0 for fewer than tell anything. */
function beginningAtEnd(text: string, secret: string): number {
  for (let length = Math.min(secret.length, text.length); length >= shortestBeginning; length--)
    if (text.endsWith(secret.slice(0, length))) return length;
  return 0;
}

/**
 * Terminal escape sequences, control characters of both sets, line separators and direction marks. A log line made of
 * foreign text must not move a terminal's cursor, forge a second line or read backwards.
 */
const controls =
  // eslint-disable-next-line no-control-regex
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-~]?|[\x00-\x1f\x7f-\x9f\u2028\u2029]+|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

const breaks = /^[\t\n\r\u2028\u2029]+$/;

/** The same text on one line, without control characters and escape sequences. */
export const plain = (text: string): string => text.replace(controls, blank);

const blank = (found: string): string => (breaks.test(found) ? ' ' : '');

const longest = 2_000;

/** A foreign text as it may be told: on one line, without secrets, of bounded length. */
export function clean(text: string): string {
  // Cut before the work, so that a body of megabytes costs nothing; a secret cut in two is still caught by its start.
  const short = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return redact(plain(short));
}

const cleaned = new Map<string, string>();
const cacheLimit = 2_048;

/** `clean` for values that come again and again, such as paths, models and labels. */
export function cleanLabel(text: string): string {
  const known = cleaned.get(text);
  if (known !== undefined) return known;
  const fresh = clean(text);
  if (text.length > 200) return fresh;
  if (cleaned.size >= cacheLimit) cleaned.clear();
  cleaned.set(text, fresh);
  return fresh;
}

/** An id that this program gave a request: there is nothing to clean in it. */
const ownId = /^req_[0-9a-f]{24}$/;

/** `clean` for the id of a request, which its client may have chosen. */
export const cleanId = (id: string): string => (ownId.test(id) ? id : clean(id));

/** A thrown value for the log: its name, message, causes and the first places of its stack, cleaned. */
export function describe(thrown: unknown): string {
  const said: string[] = [];
  for (let error = thrown; error !== undefined && said.length < 5;) {
    said.push(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    error = error instanceof Error ? error.cause : undefined;
  }
  const stack =
    thrown instanceof Error ? (thrown.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)) : [];
  return clean([said.join(', caused by '), ...stack.slice(0, 6).map((line) => line.trim())].join(' | '));
}
