import { GatewayError } from '../../core/error.ts';
import { type Json, noFields, readObject, readString, tryParseObject, unread } from '../../core/json.ts';
import type { CacheMark, Extra, Foreign } from '../../core/request.ts';
import { dropForeign } from '../foreign.ts';
import type { Drop } from '../protocol.ts';

/** This protocol's id, and whose thinking signatures its wire carries bare. */
export const id = 'anthropic-messages';
export const issuer = 'anthropic';

/** The refusal of a client's request that names the field at fault. */
export const invalid = (field: string, what: string): GatewayError =>
  new GatewayError({ kind: 'invalid-request', field }, `${field} ${what}.`, {
    remedy: 'See POST /v1/messages in /api/ for the shape of a request.',
  });

// ------------------------------------------------------------------------------------------------- tool arguments

/** Under this key travel arguments that are no JSON object, because this wire can say objects only. */
const rawKey = '_raw_arguments';

/** The arguments of a call as an object. What cannot be parsed is kept word for word under `_raw_arguments`. */
export function inputOf(args: string): Json {
  if (args.trim() === '') return {};
  return tryParseObject(args) ?? { [rawKey]: args };
}

/** The arguments of a call as JSON text, keys in the order of the wire; undoes `inputOf`. */
export function argsOf(input: unknown): string {
  const object = readObject(input);
  const raw = object && Object.keys(object).length === 1 ? readString(object[rawKey]) : undefined;
  return raw ?? JSON.stringify(input ?? {});
}

// ------------------------------------------------------------------------------------- cache marks and other fields

/** `cache_control: {type: "ephemeral", ttl?}` as a mark. */
export function decodeCache(wire: unknown): CacheMark | undefined {
  const control = readObject(wire);
  if (!control) return undefined;
  const { ttl } = control;
  return ttl === '5m' || ttl === '1h' ? { ttl } : {};
}

export const encodeCache = (cache: CacheMark | undefined): Json =>
  cache ? { cache_control: { type: 'ephemeral', ...cache } } : {};

/** The fields of an object that nobody here reads, kept for their own wire; null means absent on it. */
export function decodeExtra(object: Json, known: ReadonlySet<string>): Extra | undefined {
  const rest = unread(object, known);
  return rest && { [id]: rest };
}

/** The fields that belong to this wire. Those of other wires are reported under `path`, such as `tools[2]`. */
export function encodeExtra(extra: Extra | undefined, path: string, drop: Drop): Json {
  dropForeign(extra, id, path, drop);
  return extra?.[id] ?? noFields;
}

/** A thing that this wire wrote itself. */
export const ownForeign = (foreign: Foreign | undefined): Json | undefined =>
  foreign?.protocol === id ? readObject(foreign.value) : undefined;
