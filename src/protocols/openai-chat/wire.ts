import { GatewayError } from '../../core/error.ts';
import {
  type Json,
  noFields,
  readArray,
  readBoolean,
  readNumber,
  readObject,
  readString,
  unread,
} from '../../core/json.ts';
import type { CacheMark, Extra } from '../../core/request.ts';
import { dropForeign as dropOthers } from '../foreign.ts';
import type { Drop } from '../protocol.ts';

/** The protocol's id, under which its own unknown fields and foreign parts are kept. */
export const protocolId = 'openai-chat';

/** Whose seals this wire would carry natively. */
export const issuer = 'openai';

// ------------------------------------------------------------------------------------------------- reading a request

/** The refusal of a request: what is wrong with the value at a path such as `messages[2].content`. */
export function invalid(field: string, message: string, remedy?: string): GatewayError {
  return new GatewayError({ kind: 'invalid-request', field }, `${field}: ${message}.`, {
    remedy: remedy ?? `Correct ${field} and send the request again.`,
  });
}

/**
 * Reads one optional field: absent and null are the same, any other type is the client's mistake. `path` is where the
 * object stands, such as `messages[2]`.
 */
function optional<T>(read: (value: unknown) => T | undefined, expected: string) {
  return (object: Json, key: string, path = ''): T | undefined => {
    const value = object[key];
    if (value === undefined || value === null) return undefined;
    const found = read(value);
    if (found === undefined)
      throw invalid(path ? `${path}.${key}` : key, `must be ${expected}, but is ${typeName(value)}`);
    return found;
  };
}

export const optionalNumber = optional(readNumber, 'a number');
export const optionalString = optional(readString, 'a string');
export const optionalBoolean = optional(readBoolean, 'true or false');
export const optionalArray = optional(readArray, 'an array');
export const optionalObject = optional(readObject, 'an object');

/** What a value is, in a client's words. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/** The fields of an object nobody has read, as this protocol's extra; undefined when there are none. Null says nothing. */
export function extraOf(object: Json, known: ReadonlySet<string>): Extra | undefined {
  const rest = unread(object, known);
  return rest && { [protocolId]: rest };
}

/** The fields that only this protocol knows. */
export const ownExtra = (extra: Extra | undefined): Json => extra?.[protocolId] ?? noFields;

/** Reports the fields that only other protocols know. */
export const dropForeign = (extra: Extra | undefined, path: string, drop: Drop): void =>
  dropOthers(extra, protocolId, path, drop);

/** Whether a cache marker stands here, and for how long. The field is an extension that Claude's hosts understand. */
export function cacheMark(object: Json): CacheMark | undefined {
  const mark = readObject(object['cache_control']);
  if (!mark) return undefined;
  const ttl = mark['ttl'];
  return ttl === '5m' || ttl === '1h' ? { ttl } : {};
}

/** The marker as this wire's extension writes it. */
export const encodeCacheMark = ({ ttl }: CacheMark): Json => ({
  cache_control: { type: 'ephemeral', ...(ttl ? { ttl } : {}) },
});

// ------------------------------------------------------------------------------------------- what a model's name tells

const nameOf = (model: string): string => model.slice(model.lastIndexOf('/') + 1).toLowerCase();

/** OpenAI's reasoning models, which refuse `max_tokens` and want `max_completion_tokens`. */
export const isReasoningFamily = (model: string): boolean =>
  /^(?:o\d|gpt-(?:[5-9]|\d\d))/.test(nameOf(model));

/** OpenAI's own models, whose servers refuse fields they do not know. Its open-weight `gpt-oss` runs elsewhere. */
export const isOpenAi = (model: string): boolean =>
  /^(?:gpt-(?!oss)|chatgpt-|o\d|codex-)/.test(nameOf(model));

/** Models that understand `cache_control`: Claude behind OpenRouter and other compatible servers. */
export const takesCacheMarks = (model: string): boolean => /claude|anthropic/i.test(model);

/** Models whose tool calls must come back with the signature that they were given (Gemini's OpenAI-compatible server). */
export const takesCallSeals = (model: string): boolean => /gemini/i.test(model);

/**
 * Stands in the own extra of a request whose client declared `functions`, so that it is answered in that form. A symbol,
 * because it is no field of the wire: nobody writes it back, nobody reports it.
 */
export const legacyMark: unique symbol = Symbol('functions');

// ------------------------------------------------------------------------------------------------- writing an answer

/**
 * The id of an answer: that of the upstream, unless it shows another wire's spelling, or the one made up for it. The
 * many servers of this wire spell theirs as they like.
 * @param prefix what OpenAI's ids of this sort begin with.
 */
export function answerId(given: string, madeUp: string, prefix: string): string {
  if (given !== '' && !/^(msg|resp)_/.test(given)) return given;
  return `${prefix}${given || madeUp}`;
}
