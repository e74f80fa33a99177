import type { Fault } from '../core/error.ts';
import { compact } from '../core/json.ts';
import type { ErrorWords } from './errors.ts';
import { reasonOf, reasonOf403 } from './forbidden.ts';

/** Who is at fault when an upstream answers this status with these words. */
export function faultOfStatus(status: number, words: ErrorWords): Fault {
  if (words.page === 'challenge') return { kind: 'upstream-forbidden', status: 403, reason: 'challenge' };
  if (status === 401) return unauthorized(words);
  if (status >= 400 && says(words, quotaWords)) return { kind: 'quota-exhausted' };
  if (status === 429) return { kind: 'rate-limited' };
  if (status < 500 && filtered(words)) return { kind: 'content-filtered' };
  if (status >= 400 && status !== 404 && tooLong(words)) return { kind: 'too-large' };
  if (status === 402) return { kind: 'upstream-forbidden', status, reason: 'billing' };
  if (status === 403) return forbidden(words);
  if (status === 451) return { kind: 'upstream-forbidden', status: 403, reason: 'region' };
  if (status === 503 || status === 529 || (status >= 500 && says(words, overloadWords)))
    return { kind: 'overloaded' };
  if (status < 400 || status >= 500 || serverStatuses.has(status)) return { kind: 'upstream-failed', status };
  return refused(status, words);
}

/** What is left of 4xx: the key, the account, the model, the length, or else the request itself. */
function refused(status: number, words: ErrorWords): Fault {
  const { code = '', type, message = '', param } = words;
  if (says(words, keyWords) || keyMessage.test(message)) return { kind: 'upstream-unauthorized' };
  if (namesModel(words)) return { kind: 'not-found', what: 'model' };
  const reason = reasonOf(words);
  if (reason) return { kind: 'upstream-forbidden', status: reason === 'billing' ? 402 : 403, reason };
  if (status === 404) return notFound(words);
  if (status === 413) return { kind: 'too-large' };
  // A page of a web server: the address is wrong, or something stands in between.
  if (words.page) return { kind: 'upstream-failed', status };
  const own = /^\d*$/.test(code) || code === type || code.endsWith('_error') ? undefined : code;
  const beyondModel = beyond.test(message) ? (true as const) : undefined;
  return compact({ kind: 'invalid-request' as const, field: param, code: own, beyondModel });
}

const says = ({ code = '', type = '' }: ErrorWords, table: ReadonlySet<string>): boolean =>
  table.has(code.toLowerCase()) || table.has(type.toLowerCase());

/** OpenAI answers a deactivated account with 401 as well; no new key mends that. */
function unauthorized(words: ErrorWords): Fault {
  const reason = reasonOf(words);
  return reason === 'suspended'
    ? { kind: 'upstream-forbidden', status: 403, reason }
    : { kind: 'upstream-unauthorized' };
}

/** Some services answer a key that they do not know, or a token that is over, with 403. */
function forbidden(words: ErrorWords): Fault {
  const message = words.message ?? '';
  if (says(words, keyWords) || keyMessage.test(message) || tokenMessage.test(message))
    return { kind: 'upstream-unauthorized' };
  return compact({ kind: 'upstream-forbidden' as const, status: 403 as const, reason: reasonOf403(words) });
}

/** A 404 that names no type and no code comes from a web server, not from the API: the address is wrong. */
function notFound({ type, code, message }: ErrorWords): Fault {
  if (type === undefined && code === undefined) return { kind: 'upstream-failed', status: 404 };
  return { kind: 'not-found', what: /\bmodel\b/i.test(message ?? '') ? 'model' : 'item' };
}

/** Statuses of 4xx that are the server's own trouble. */
const serverStatuses = new Set([405, 407, 408, 421, 425, 499]);

const quotaWords = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'usage_limit_reached',
  'quota_exceeded',
  'exceeded_current_quota_error',
  'monthly_request_count',
]);
const overloadWords = new Set(['overloaded_error', 'overloaded', 'server_overloaded', 'unavailable']);

const keyWords = new Set(['invalid_api_key', 'api_key_invalid', 'authentication_error']);
const keyMessage =
  /(?:invalid|incorrect|expired|unknown) api[ _-]?key|api[ _-]?key (?:is |was |has )?(?:not valid|invalid|expired|revoked)|bad[ _-]credentials/i;
const tokenMessage =
  /(?:invalid|expired|malformed) (?:access |bearer |auth(?:entication|orization)? |security )?token|token\b[^.]{0,40}\b(?:is|was|has) (?:invalid|expired|revoked)/i;

const filterWords = new Set([
  'content_filter',
  'content_policy_violation',
  'image_content_policy_violation',
  'responsibleaipolicyviolation',
  'moderation_blocked',
  'prohibited_content',
]);

/** Anthropic, Azure and xAI say it in words only. */
const filterMessage =
  /content filtering policy|content management policy|violates? (?:our |the )?(?:usage|content|acceptable use) (?:guidelines|polic)|rejected (?:by|as a result of) our safety system/i;

const filtered = (words: ErrorWords): boolean =>
  says(words, filterWords) || filterMessage.test(words.message ?? '');

const modelWords = new Set([
  'model_not_found',
  'invalid_model',
  'model_not_supported',
  'model_decommissioned',
  'deploymentnotfound',
]);

/** OpenRouter (capture 499b9a9d99f24631) and DeepSeek say in words only that they do not know a model. */
const modelMessage =
  /not a valid model|unknown model|invalid model\b|model not exist|model identifier is invalid|\bmodel\b[^.]{0,120}\b(?:does not exist|not found|is not supported|(?:has been|is) (?:decommissioned|deprecated|retired)|reached the end of its life)/i;

/** A sentence about another field may name the model as well. */
const namesModel = (words: ErrorWords): boolean =>
  says(words, modelWords) ||
  ((words.param === undefined || words.param === 'model') && modelMessage.test(words.message ?? ''));

const lengthWords = new Set([
  'context_length_exceeded',
  'request_too_large',
  'string_above_max_length',
  'exceed_context_size_error',
]);

/** DeepSeek (capture 350c9203d57402db), Anthropic and most self-hosted servers say it in words only. */
const lengthMessage =
  /maximum context length|context (?:length|window|size)[^.]{0,40}exceed|exceeds? [^.]{0,40}context|prompt is too long|input is too long/i;

const tooLong = (words: ErrorWords): boolean =>
  says(words, lengthWords) || lengthMessage.test(words.message ?? '');

/** What a model cannot do and another may: prefilled answers, pictures, tools. */
const beyond =
  /prefill|must end with a user|(?:does not|doesn't|cannot) (?:support|accept|process)|not supported (?:by|with|for|on) (?:this|the|your) model|no endpoints found that support|unknown variant `(?:image_url|input_audio|file)`/i;
