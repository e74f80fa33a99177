import { type Fault, GatewayError } from '../../core/error.ts';
import { type Json, readBoolean, readNumber, readObject, readString } from '../../core/json.ts';
import type { Limits, Space } from '../../state/state.ts';
import { exclusionCode } from './entitlements.ts';
import type { Rest } from './rests.ts';
import type { Standing } from './standing.ts';

/** Where rests outlive the process: documents by the key of what rests. A space of the state store is one. */
export interface RestStore {
  get(key: string): Json | undefined;
  put(key: string, value: Json): void;
  delete(key: string): boolean;
}

export const restLimits: Limits = {
  entries: 20_000,
  bytes: 16 * 1024 * 1024,
  entryBytes: 16 * 1024,
  ttlMs: 7 * 86_400_000,
};

/** A space of the state store, for as long as the operator wants rests kept. */
export const restStore = (space: Space, isWanted: () => boolean): RestStore => ({
  get: (key) => (isWanted() ? space.get(key) : undefined),
  put: (key, value) => {
    if (isWanted()) space.put(key, value);
  },
  delete: (key) => isWanted() && space.delete(key),
});

/** Writes down how a credential or a model of it rests now. Trouble of providers and hosts is found out anew. */
export function remember(store: RestStore | undefined, standing: Standing, nowMs: number): void {
  if (store === undefined || !isKept(standing)) return;
  const { key, rest, failures } = standing;
  if (rest === undefined || rest.untilMs <= nowMs) {
    store.delete(key);
    return;
  }
  const { untilMs, told, error } = rest;
  const { status, code, message, upstream } = error;
  store.put(key, { untilMs, told, failures, status, code, message, upstream });
}

/** The rest that was written down, if it is not over. The error is told again in its words, but not what it was made of. */
export function recall(store: RestStore | undefined, standing: Standing, nowMs: number): Rest | undefined {
  const kept = store && isKept(standing) ? store.get(standing.key) : undefined;
  const untilMs = readNumber(kept?.untilMs) ?? 0;
  if (kept === undefined || untilMs <= nowMs) return undefined;
  const told = readBoolean(kept.told) ?? false;
  standing.failures = readNumber(kept.failures) ?? 1;
  const upstream = readObject(kept.upstream);
  const error = new GatewayError(
    faultOf(kept),
    readString(kept.message) ?? 'It failed before the last start.',
    { upstream: { status: readNumber(upstream?.status) ?? 0, ...requestId(upstream) } },
  );
  return { since: 0, untilMs, told, aloneMs: told ? Infinity : nowMs, probing: false, error };
}

function faultOf({ code, status }: Json): Fault {
  if (code === exclusionCode) return { kind: 'upstream-forbidden', status: 403, reason: 'not_entitled' };
  return { kind: status === 429 ? 'rate-limited' : 'unavailable' };
}

const isKept = ({ sphere }: Standing): boolean => sphere === 'credential' || sphere === 'model';

function requestId(upstream: Json | undefined): { readonly requestId?: string } {
  const id = readString(upstream?.requestId);
  return id === undefined ? {} : { requestId: id };
}
