import type { Login } from '../../accounts/login.ts';
import type { QuotaWindow } from '../../accounts/quota.ts';
import type { Net } from '../../accounts/steps.ts';
import {
  compact,
  type Json,
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import type { DeclaredModel } from '../../core/model.ts';
import { errorWords, upstreamError } from '../../protocols/errors.ts';
import { declared, endpointsOf } from './models.ts';
import { apiToken, askGithub, session } from './session.ts';
import { editorHeaders } from './wire.ts';

/** What the service tells of an account besides answers: its models, and what is left of its plan. */

/** Which endpoints each model has. */
type Endpoints = ReadonlyMap<string, readonly string[]>;

/** What the service listed last, by login: a login outlives its connections. */
const listed = new WeakMap<Login, Endpoints>();

/** The endpoints as of now. A connection keeps what it was opened with, so that it never changes its mind in a request. */
export const listedEndpoints = (login: Login): Endpoints | undefined => listed.get(login);

/** The models that the account is offered. */
export async function models(login: Login, net: Net): Promise<readonly DeclaredModel[]> {
  const { token, base } = apiToken(login.session ?? (await session(login.fields, net)).values);
  const response = await net.fetch(`${base}/models`, {
    headers: { ...editorHeaders, authorization: `Bearer ${token}` },
  });
  const text = await response.text();
  if (!response.ok) throw upstreamError(response.status, response.headers, errorWords(text));
  const rows = readObjects(tryParseObject(text)?.data);
  listed.set(
    login,
    new Map(rows.flatMap((row) => (endpointsOf(row) ? [[String(row.id), endpointsOf(row)!] as const] : []))),
  );
  return rows.map(declared).filter((model) => model !== undefined);
}

/** What is left of the plan's requests; what the plan does not limit is left out. */
export async function quota({ fields }: Login, net: Net): Promise<readonly QuotaWindow[]> {
  const user = await askGithub('copilot_internal/user', fields, net);
  const said = [user.quota_reset_date_utc, user.quota_reset_date, user.limited_user_reset_date].map(
    readString,
  );
  const instant = Date.parse(said.find((text) => text !== undefined) ?? '');
  const reset = Number.isNaN(instant) ? undefined : instant;
  return Object.entries(snapshotsOf(user)).flatMap(([name, row]) => {
    const window = windowOf(name, readObject(row) ?? {}, reset, net.now());
    return window ? [window] : [];
  });
}

/** Free plans may be told in an older shape, as two tables of numbers. */
function snapshotsOf(user: Json): Json {
  const snapshots = readObject(user.quota_snapshots);
  if (snapshots) return snapshots;
  const limits = readObject(user.monthly_quotas) ?? {};
  const left = Object.entries(readObject(user.limited_user_quotas) ?? {});
  return Object.fromEntries(
    left.map(([name, remaining]) => [name, { remaining, entitlement: limits[name] }]),
  );
}

function windowOf(
  name: string,
  row: Json,
  resetsAt: number | undefined,
  seenAt: number,
): QuotaWindow | undefined {
  const limit = readNumber(row.entitlement);
  const share = readNumber(row.percent_remaining);
  if (row.unlimited === true || (limit === undefined && share === undefined)) return undefined;
  return compact({
    name,
    limit,
    remaining: readNumber(row.quota_remaining) ?? readNumber(row.remaining),
    remainingShare: share === undefined ? undefined : share / 100,
    resetsAt,
    source: 'copilot_internal/user',
    seenAt,
  });
}
