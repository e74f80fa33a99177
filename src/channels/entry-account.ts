import { type Account, accountId } from '../accounts/account.ts';
import { limitsOf, type RateLimit } from '../accounts/limits.ts';
import { failureRules, type FailureRuleEntry } from '../accounts/rules.ts';
import { compact } from '../core/json.ts';
import type { Tools } from './channel.ts';
import { type Base, labelOf, proxyOf } from './entry.ts';

/** An entry of the config as a credential. */

/** The fields of an entry that say how its credential is used. */
export interface EntryUse {
  readonly priority?: number;
  readonly weight?: number;
  readonly 'proxy-url'?: string;
  readonly 'disable-cooling'?: boolean;
  readonly 'request-retry'?: number;
  readonly 'request-scoped-errors'?: readonly FailureRuleEntry[];
  readonly 'rate-limit'?: RateLimit;
}

/** Whose credential it is, and where it is used. */
export interface EntryPlace {
  readonly provider: string;
  readonly base: Base;
  /** The name under which its id is made, where that is not the provider's. */
  readonly family?: string;
  /** Where the entry stands in its slice, such as `[0]`. */
  readonly path: string;
}

/** The credential of an entry with one key, which is warned of when it is empty. */
export function entryAccount(
  place: EntryPlace,
  entry: EntryUse & { readonly 'api-key'?: string },
  tools: Tools,
): Account {
  const key = entry['api-key']?.trim() || undefined;
  if (key === undefined) tools.warn(`${place.path}.api-key`, 'is empty; requests carry no key');
  return keyAccount(place, key, entry, tools);
}

/** The credential of one key. */
export function keyAccount(place: EntryPlace, key: string | undefined, use: EntryUse, tools: Tools): Account {
  const { provider, base, family = provider, path } = place;
  const rules = failureRules(use['request-scoped-errors'], (at, expected) =>
    tools.refuse(`${path}.request-scoped-errors${at}`, expected),
  );
  return {
    id: accountId(family, base.url, key ?? ''),
    provider,
    label: labelOf(provider, key),
    secret: key === undefined ? { kind: 'none' } : { kind: 'api-key', key },
    priority: use.priority ?? 0,
    weight: use.weight ?? 1,
    proxy: proxyOf(use['proxy-url'], `${path}.proxy-url`, tools),
    host: base.host,
    ...(rules.length > 0 ? { failureRules: rules } : {}),
    ...compact({
      limits: limitsOf(use['rate-limit']),
      neverRests: use['disable-cooling'],
      extraRounds: use['request-retry'],
    }),
  };
}
