import { type Static, Type } from '@sinclair/typebox';
import { type Account, accountId } from '../accounts/account.ts';
import type { QuotaWindow } from '../accounts/quota.ts';
import { textField } from '../accounts/fields.ts';
import type { Login } from '../accounts/login.ts';
import { GatewayError } from '../core/error.ts';
import { type Json, tryParseObject } from '../core/json.ts';
import gemini from '../protocols/gemini/index.ts';
import type { Body, Call, Connection, Offer, Operation, Outgoing, Tools } from './channel.ts';
import {
  type Base,
  baseOf,
  commonFields,
  endpoint,
  entryOffer,
  field,
  type HeaderRules,
  headerRules,
  jsonHeaders,
  keyFields,
} from './entry.ts';
import { entryAccount } from './entry-account.ts';
import type { LoginTools } from './login.ts';
import { fileHeaders, loginAccount } from './login-account.ts';
import { rateLimits } from './quota.ts';

/** What Google's two places have in common: the Gemini API and Vertex AI, by key or by login. */

/** One key, wherever it is for. */
export const googleEntry = (defaultUrl: string) =>
  Type.Object(
    {
      ...keyFields,
      'base-url': field.text(`Address of the API; ${defaultUrl} when empty.`),
      ...commonFields,
    },
    { description: 'One key.' },
  );

type Entry = Static<ReturnType<typeof googleEntry>>;

/** How one of the places is addressed. */
export interface Place {
  /** The key of config.yaml. */
  readonly setting: string;
  readonly provider: string;
  readonly defaultUrl: string;
  /** The path that people paste along with the base, and that `pathOf` adds. */
  readonly pasted: string;
  /** The variant of the protocol, where it has one. */
  readonly dialect?: string;
  /** The base with its version: the root that the path of a model stands under. */
  versioned(root: string): string;
  /** The path of a model under it, without the verb. */
  pathOf(model: string): string;
  can(operation: Operation, model: string): boolean;
  /** Whether it wants the body of an operation otherwise. */
  fits(operation: Operation): boolean;
  /** Such a body as it wants it; the same one when it is fine. */
  fitBody(body: Json, call: Call): Json;
  judge?(error: GatewayError, now: number): GatewayError;
  /** What the body of a refusal says of quotas. */
  quota?(body: string, now: number): readonly QuotaWindow[];
}

/** The connection of one entry. */
export function openGoogle(place: Place, entry: Entry, path: string, tools: Tools): Connection {
  const base = baseOf(entry['base-url']?.trim() || place.defaultUrl, place.pasted, `${path}.base-url`, tools);
  const versioned = { ...base, root: place.versioned(base.root) };
  const headers = headerRules(entry.headers, `${path}.headers`, tools);
  return {
    id: `${place.setting}:${accountId(JSON.stringify(entry))}`,
    accounts: [entryAccount({ provider: place.provider, base, path }, entry, tools)],
    models: { ...entryOffer(entry, path, tools), catalog: 'gemini' },
    ...common(place, versioned, headers, tools),
  };
}

/**
 * The connection of one login.
 * @param root the address with the version, the project and whatever else the path of a model stands under.
 */
export function openGoogleLogin(
  place: Place,
  root: string,
  login: Login,
  tools: LoginTools,
  models: Partial<Offer>,
): Connection {
  const base = baseOf(root, place.pasted, 'api', tools);
  const headers = fileHeaders(login, tools);
  return {
    id: `${place.provider}:${login.id}`,
    accounts: [loginAccount(login, place.provider, tools)],
    models: { ...models, ...tools.naming, catalog: 'gemini' },
    ...common(place, base, headers, tools),
  };
}

/** What no two connections of a place do otherwise. */
function common(place: Place, base: Base, headers: HeaderRules, tools: Tools) {
  return {
    provider: place.provider,
    ...(place.dialect === undefined ? {} : { dialect: place.dialect }),
    speaks: () => gemini,
    prepare: (call) => prepare(place, base, headers, call),
    can: (operation, model) => place.can(operation, model),
    judge: (error) => place.judge?.(error, tools.now()) ?? error,
    quota: (headers, now, body = '') => place.quota?.(body, now) ?? rateLimits(headers, now),
  } satisfies Partial<Connection>;
}

function prepare(place: Place, base: Base, rules: HeaderRules, call: Call): Outgoing {
  const { account } = call;
  const headers = jsonHeaders(call);
  if (!rules.has('authorization') && !rules.has('x-goog-api-key')) sign(headers, account);
  rules.apply(headers, call.clientHeaders);
  if (call.operation === 'models')
    return { method: 'GET', url: endpoint(base, '/models', 'pageSize=1000'), headers, proxy: account.proxy };
  return {
    method: 'POST',
    url: endpoint(base, `${place.pathOf(call.model)}:${verbOf(call)}`, queryOf(call)),
    headers,
    body: fitted(place, call),
    proxy: account.proxy,
  };
}

function sign(headers: Headers, { secret }: Account): void {
  if (secret.kind === 'api-key') headers.set('x-goog-api-key', secret.key);
  const token = secret.kind === 'login' && textField(secret.login.session ?? {}, 'access_token');
  if (token) headers.set('authorization', `Bearer ${token}`);
}

/** The verb after a model's name. Raw operations bring theirs: `/v1beta/models:embedContent`. */
function verbOf({ operation, stream }: Call): string {
  if (operation === 'count-tokens') return 'countTokens';
  if (operation !== 'chat') return operation.slice(operation.lastIndexOf(':') + 1);
  return stream ? 'streamGenerateContent' : 'generateContent';
}

/** Streams are always server-sent events, however the client wants them framed. */
function queryOf({ query, stream }: Call): string {
  if (!stream) return query;
  const parameters = new URLSearchParams(query);
  parameters.delete('$alt');
  parameters.set('alt', 'sse');
  return parameters.toString();
}

/** The body as the place wants it. Text that is not to be changed stays as its client wrote it. */
function fitted(place: Place, call: Call): Body {
  const body =
    place.fits(call.operation) && typeof call.body === 'string' ? tryParseObject(call.body) : undefined;
  if (!body) return call.body;
  const changed = place.fitBody(body, call);
  return changed === body ? call.body : JSON.stringify(changed);
}

/** A name that a path takes as it is. */
const plainName = /^\w[\w.-]*$/;

/**
 * A model's name as a part of a path; its slashes are part of it.
 * @throws GatewayError `not-found` for one that leads out of its place: names that nobody offers may come from clients.
 */
export function pathName(model: string): string {
  if (plainName.test(model)) return model;
  const parts = model.split('/');
  if (parts.some((part) => part === '.' || part === '..'))
    throw new GatewayError(
      { kind: 'not-found', what: 'model' },
      `No model is called "${model.slice(0, 200)}".`,
    );
  return parts.map(encodeURIComponent).join('/');
}
