import { type Account, accountId } from '../accounts/account.ts';
import { fieldOf, flagField, numberField } from '../accounts/fields.ts';
import { limitsIn } from '../accounts/limits.ts';
import type { Login } from '../accounts/login.ts';
import { proxyIn } from '../accounts/logins/roster.ts';
import { compact, readObject } from '../core/json.ts';
import { type HeaderRules, headerRules } from './entry.ts';
import type { Tools } from './channel.ts';

/**
 * A login as an account of a connection, with the priority, weight, proxy and limits that its file asks for.
 * @param workspace where one login stands for several accounts, such as a project; the account is another one then.
 */
export function loginAccount(login: Login, provider: string, tools: Tools, workspace?: string): Account {
  const { fields, identity } = login;
  const place = workspace ?? identity.workspace;
  return {
    id: workspace === undefined ? login.id : accountId(login.id, workspace),
    provider,
    label: [provider, identity.label, ...(workspace === undefined ? [] : [`(${workspace})`])].join(' '),
    secret: { kind: 'login', login },
    priority: Math.trunc(numberField(fields, 'priority') ?? 0),
    weight: Math.max(0, Math.trunc(numberField(fields, 'weight') ?? 1)),
    proxy: proxyIn(fields) ?? tools.proxy,
    ...(place === undefined ? {} : { workspace: place }),
    ...compact({
      limits: limitsIn(fieldOf(fields, 'rate_limit')),
      neverRests: flagField(fields, 'disable_cooling') || undefined,
      extraRounds: numberField(fields, 'request_retry'),
    }),
  };
}

/** The `headers` of a login file, set on each of its requests. */
export function fileHeaders({ fields }: Login, tools: Tools): HeaderRules {
  const all = Object.entries(readObject(fieldOf(fields, 'headers')) ?? {});
  const texts = all.flatMap(([name, value]) => (typeof value === 'string' ? [[name, value] as const] : []));
  return headerRules(Object.fromEntries(texts), 'headers', tools);
}
