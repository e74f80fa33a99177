import { textField } from '../../accounts/fields.ts';
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
import { apiRegion, profileOf } from './account.ts';
import { badData, decodeError } from './errors.ts';
import { declared } from './models.ts';

/** Every address that the channel uses; `{region}` is an AWS region. */
export const endpoints = {
  api: 'https://q.{region}.amazonaws.com',
  fallback: 'https://codewhisperer.{region}.amazonaws.com',
  oidc: 'https://oidc.{region}.amazonaws.com',
  social: 'https://prod.us-east-1.auth.desktop.kiro.dev',
  start: 'https://view.awsapps.com/start',
} as const;

export const inRegion = (endpoint: string | undefined, region: string): string =>
  (endpoint ?? '').replace('{region}', region).replace(/\/+$/, '');

/** One place that generates answers. The second one wants the operation's name in a header. */
interface Place {
  readonly base: string;
  readonly target?: string;
}

/**
 * Where an account's requests go, in order. Whoever replaces the first address means all requests, so the second one is
 * then used only where it was replaced as well.
 */
export function placesOf(fields: Json, addresses: Readonly<Record<string, string>>): readonly Place[] {
  const region = apiRegion(fields);
  const first: Place = { base: inRegion(addresses.api, region) };
  const second: Place = {
    base: inRegion(addresses.fallback, region),
    target: 'AmazonCodeWhispererStreamingService.GenerateAssistantResponse',
  };
  if (addresses.api !== endpoints.api && addresses.fallback === endpoints.fallback) return [first];
  const preferred = textField(fields, 'preferred_endpoint')?.toLowerCase();
  return preferred === 'codewhisperer' || preferred === 'ide' ? [second, first] : [first, second];
}

// ------------------------------------------------------------------------------------------------ what can be asked

/** Asks one of the service's questions. @throws GatewayError what the service refuses it with. */
async function ask(
  path: string,
  query: Readonly<Record<string, string>>,
  fields: Json,
  net: Net,
): Promise<Json> {
  const profileArn = profileOf(fields);
  const parameters = new URLSearchParams({
    origin: 'AI_EDITOR',
    ...query,
    ...(profileArn === undefined ? {} : { profileArn }),
  });
  const base = inRegion(net.endpoints.api, apiRegion(fields));
  const response = await net.fetch(`${base}/${path}?${parameters}`, {
    headers: { authorization: `Bearer ${textField(fields, 'access_token') ?? ''}` },
  });
  const text = await response.text();
  if (!response.ok) throw decodeError(response.status, response.headers, text);
  const answer = tryParseObject(text);
  if (!answer) throw badData(`${path} holds no JSON object`);
  return answer;
}

const usageLimits = (fields: Json, net: Net): Promise<Json> =>
  ask('getUsageLimits', { resourceType: 'AGENTIC_REQUEST', isEmailRequired: 'true' }, fields, net);

/** Adds whose account it is, which tokens do not say. A sign-in does not fail for want of it. */
export async function named(fields: Json, net: Net): Promise<Json> {
  const told = await usageLimits(fields, net).catch(() => undefined);
  const user = readObject(told?.userInfo);
  return compact({
    ...fields,
    email: readString(user?.email) || undefined,
    user_id: readString(user?.userId) || undefined,
  });
}

/** What is left of a plan's credits, and of a free trial while it runs. */
export async function quota(login: Login, net: Net): Promise<readonly QuotaWindow[]> {
  const told = await usageLimits(login.fields, net);
  const seenAt = net.now();
  return readObjects(told.usageBreakdownList).flatMap((row) => {
    const name = (readString(row.resourceType) ?? 'credit').toLowerCase();
    const trial = readObject(row.freeTrialInfo);
    const reset = readNumber(row.nextDateReset) ?? readNumber(told.nextDateReset);
    const windows = [windowOf(name, row, reset, seenAt)];
    if (trial && trial.freeTrialStatus !== 'EXPIRED')
      windows.push(windowOf(`${name} free trial`, trial, readNumber(trial.freeTrialExpiry), seenAt));
    return windows;
  });
}

function windowOf(name: string, row: Json, reset: number | undefined, seenAt: number): QuotaWindow {
  const limit = readNumber(row.usageLimitWithPrecision) ?? readNumber(row.usageLimit);
  const used = readNumber(row.currentUsageWithPrecision) ?? readNumber(row.currentUsage);
  return compact({
    name,
    limit,
    remaining: limit === undefined || used === undefined ? undefined : Math.max(0, limit - used),
    resetsAt: reset === undefined ? undefined : Math.round(reset * 1000),
    source: 'getUsageLimits',
    seenAt,
  });
}

/** Pages of a list that are read at most. */
const longestList = 10;

/** The models that the account is offered. */
export async function models(login: Login, net: Net): Promise<readonly DeclaredModel[]> {
  const found: DeclaredModel[] = [];
  let nextToken: string | undefined;
  for (let page = 0; page < longestList; page++) {
    const query = nextToken === undefined ? {} : { nextToken };
    const answer = await ask('ListAvailableModels', { maxResults: '50', ...query }, login.fields, net);
    found.push(...readObjects(answer.models).flatMap(declared));
    nextToken = readString(answer.nextToken);
    if (!nextToken) break;
  }
  return found;
}
