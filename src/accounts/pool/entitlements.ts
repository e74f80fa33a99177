import type { GatewayError } from '../../core/error.ts';
import { type Json, readNumber, readObject, readString } from '../../core/json.ts';
import type { Limits, Space } from '../../state/state.ts';
import type { RestStore } from './rest-store.ts';

/** A model that an account's plan or licence does not include, as its provider said when it was asked for it. */
export interface Exclusion {
  /** The upstream's own name. */
  readonly model: string;
  readonly message: string;
  /** Until when others are asked for it first, in milliseconds since 1970. */
  readonly untilMs: number;
}

/**
 * What was learned of plans. It stands between the pool and where rests are kept, because a model that is not included
 * rests like any other, only longer, and is remembered whether or not the operator wants rests remembered.
 */
export interface Entitlements extends RestStore {
  of(accountId: string): readonly Exclusion[];
  /** The account is another one now: somebody has signed in anew. */
  forget(accountId: string): void;
}

/** Whether an error says that a plan leaves one model out. Waiting does not help; another account may. */
export const excludes = ({ fault, scope }: GatewayError): boolean =>
  fault.kind === 'upstream-forbidden' && fault.reason === 'not_entitled' && scope === 'model';

/** The code of such an error, by which a remembered one is known. */
export const exclusionCode = 'upstream_not_entitled';

export const entitlementLimits: Limits = {
  entries: 10_000,
  bytes: 8 * 1024 * 1024,
  entryBytes: 64 * 1024,
  ttlMs: 7 * 86_400_000,
};

const mostModels = 100;

/** @param space one document for each account. @param rests where all other rests are kept. */
export function createEntitlements(space: Space, rests: RestStore, now: () => number): Entitlements {
  const accounts = new Map<string, Map<string, Json>>();
  for (const { account, models } of space.newest(entitlementLimits.entries))
    accounts.set(
      String(account),
      new Map(Object.entries((readObject(models) ?? {}) as Record<string, Json>)),
    );

  const isOver = (kept: Json) => (readNumber(kept['untilMs']) ?? 0) <= now();

  function save(account: string, models: Map<string, Json>): void {
    for (const [model, kept] of models) if (isOver(kept)) models.delete(model);
    for (const model of models.keys()) if (models.size > mostModels) models.delete(model);
    if (models.size > 0) space.put(account, { account, models: Object.fromEntries(models) });
    else forget(account);
  }

  function forget(account: string): void {
    if (accounts.delete(account)) space.delete(account);
  }

  /** @returns whether there was one. */
  function drop(key: string): boolean {
    const [account, model] = parts(key);
    const models = accounts.get(account);
    if (!models?.delete(model)) return false;
    save(account, models);
    return true;
  }

  return {
    get(key) {
      const [account, model] = parts(key);
      return accounts.get(account)?.get(model) ?? rests.get(key);
    },
    put(key, value) {
      if (value['code'] !== exclusionCode || !key.includes('\0')) {
        drop(key);
        return rests.put(key, value);
      }
      const [account, model] = parts(key);
      let models = accounts.get(account);
      if (!models) accounts.set(account, (models = new Map()));
      models.delete(model);
      models.set(model, value);
      save(account, models);
    },
    delete(key) {
      const dropped = drop(key);
      return rests.delete(key) || dropped;
    },
    of: (account) =>
      [...(accounts.get(account) ?? [])].flatMap(([model, kept]) =>
        isOver(kept)
          ? []
          : [{ model, message: readString(kept['message']) ?? '', untilMs: readNumber(kept['untilMs'])! }],
      ),
    forget,
  };
}

/** Account and model of a standing's key. */
function parts(key: string): readonly [string, string] {
  const at = key.indexOf('\0');
  return at < 0 ? [key, ''] : [key.slice(0, at), key.slice(at + 1)];
}
