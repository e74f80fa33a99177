import { numberField, textField } from '../accounts/fields.ts';
import type { Kept } from '../accounts/logins/keeper.ts';
import { viewOf } from '../accounts/logins/view.ts';
import type { Account } from '../accounts/account.ts';
import { compact, readBoolean, readObject, readString, tryParseObject, type Json } from '../core/json.ts';
import type { AdminHall } from './hall.ts';

/** One item of `GET /auth-files`: the reference's fields, and our own states beside them. It holds no secret. */
export function authFile(kept: Kept, hall: AdminHall): Json {
  const { entry, login, name } = kept;
  const accounts = accountsOf(kept, hall);
  const [account] = accounts;
  const view = viewOf(
    kept,
    accounts.flatMap(({ id }) => hall.entitlements?.of(id) ?? []),
  );
  const file = entry.file;
  const fields = login?.fields ?? file?.fields ?? {};
  const tallied = hall.tally?.of(account?.label ?? '');
  const cooling = view.state === 'ready' && accounts.some((each) => hall.pool.state(each).cooling);
  const state = cooling ? 'cooling' : view.state;
  const { expires_at, last_error, quota, remedy, duplicate_of, workspace, plan, not_entitled } = view;
  return compact({
    id: name,
    auth_index: login?.id ?? name,
    name,
    type: textField(fields, 'type')?.toLowerCase(),
    provider: account?.provider ?? view.channel,
    label: view.label,
    status: statuses[state],
    status_message: view.reason ?? '',
    disabled: view.state === 'disabled',
    unavailable: state !== 'ready' && state !== 'renewing',
    runtime_only: false,
    source: 'file',
    size: file?.size,
    success: tallied?.success ?? 0,
    failed: tallied?.failed ?? 0,
    recent_requests: (tallied?.recent ?? []).map(({ from, to, success, failed }) => ({
      time: `${clock(from)}-${clock(to)}`,
      success,
      failed,
    })),
    email: textField(fields, 'email'),
    project_id: textField(fields, 'project_id'),
    account_type: 'oauth',
    account: view.label,
    created_at: isoOf(file?.createdAt),
    modtime: isoOf(file?.modifiedAt),
    updated_at: isoOf(file?.modifiedAt),
    last_refresh: view.last_refresh,
    next_retry_after: login && login.notBefore > Date.now() ? isoOf(login.notBefore) : undefined,
    path: file?.path,
    id_token: claimsOf(readString(fields['id_token'])),
    priority: numberField(fields, 'priority'),
    weight: numberField(fields, 'weight'),
    note: view.note,
    websockets: readBoolean(fields['websockets']),
    state,
    ...compact({ remedy, expires_at, last_error, quota, duplicate_of, workspace, plan, not_entitled }),
  });
}

/** The words of the reference for our states. */
const statuses = {
  ready: 'active',
  cooling: 'error',
  renewing: 'refreshing',
  needs_login: 'error',
  disabled: 'disabled',
  invalid: 'error',
} as const;

/** The accounts that a login stands for: several, where it acts in several projects. */
function accountsOf({ login }: Kept, { steward }: AdminHall): readonly Account[] {
  if (!login) return [];
  const accounts = steward.current.connections.flatMap((connection) => connection.accounts);
  return accounts.filter(({ secret }) => secret.kind === 'login' && secret.login.id === login.id);
}

/** What the reference shows of an id token: whose it is and which plan. The token itself is never shown. */
function claimsOf(token: string | undefined): Json | undefined {
  const payload = token?.split('.')[1];
  if (payload === undefined) return undefined;
  const claims = tryParseObject(Buffer.from(payload, 'base64url').toString());
  const own = readObject(claims?.['https://api.openai.com/auth']);
  if (!own) return undefined;
  return compact({
    chatgpt_account_id: own['chatgpt_account_id'],
    plan_type: own['chatgpt_plan_type'],
    chatgpt_subscription_active_start: own['chatgpt_subscription_active_start'],
    chatgpt_subscription_active_until: own['chatgpt_subscription_active_until'],
  });
}

const isoOf = (instant: number | undefined) =>
  instant === undefined ? undefined : new Date(instant).toISOString();

const clock = (instant: number) => new Date(instant).toTimeString().slice(0, 5);
