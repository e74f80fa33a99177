import { type Static, Type } from '@sinclair/typebox';
import { accountId } from '../accounts/account.ts';
import { flagField } from '../accounts/fields.ts';
import type { Login } from '../accounts/login.ts';
import type { GatewayError } from '../core/error.ts';
import openaiResponses from '../protocols/openai-responses/index.ts';
import type { Call, Connection, Operation, Outgoing, Tools } from './channel.ts';
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
  later,
} from './entry.ts';
import { entryAccount } from './entry-account.ts';
import type { LoginTools } from './login.ts';
import { fileHeaders, loginAccount } from './login-account.ts';
import { askTurn, type SocketWay } from './upstream-line.ts';

/** What channels have in common that speak the Responses API, by key or by login. */

/** @param address what is said of `base-url`. */
export const responsesEntry = (address: string) =>
  Type.Object(
    {
      ...keyFields,
      'base-url': field.text(address),
      ...commonFields,
      websockets: field.flag('Talks to the upstream over a WebSocket where the client does.'),
      'alpha-search': field.flag('Offers the alpha search endpoint.', later),
    },
    { description: 'One key.' },
  );

type Entry = Static<ReturnType<typeof responsesEntry>>;

/** How one vendor's host differs from another's. */
export interface Vendor {
  readonly provider: string;
  /** The base URL of an entry without one. */
  readonly url: string;
  /** The family of its models. */
  readonly catalog: string;
  /** Patterns of the family's models that it does not serve. */
  readonly missing?: readonly string[];
  /** The paths under the base URL of what it can do besides chat. */
  paths(base: Base): Readonly<Partial<Record<Operation, string>>>;
  dialect?(base: Base): string | undefined;
  judge(error: GatewayError, headers: Headers, now: number): GatewayError;
  quota: NonNullable<Connection['quota']>;
  /** Sets headers of its own, such as what a request says of the login that pays for it. */
  sign?(headers: Headers, call: Call): void;
}

/** @param path where the entry stands in its slice, such as `[0]`. */
export function openResponses(vendor: Vendor, entry: Entry, path: string, tools: Tools): Connection {
  const { provider, catalog, missing = [] } = vendor;
  const base = baseOf(entry['base-url']?.trim() || vendor.url, '/responses', `${path}.base-url`, tools);
  const rules = headerRules(entry.headers, `${path}.headers`, tools);
  const offer = entryOffer(entry, path, tools);
  const lacking = offer.declared.length > 0 ? [] : missing;
  return {
    id: `${provider}-api-key:${accountId(JSON.stringify(entry))}`,
    provider,
    accounts: [entryAccount({ provider, base, path }, entry, tools)],
    models: { ...offer, catalog, excluded: [...offer.excluded, ...lacking] },
    ...common(vendor, base, rules, tools),
    ...(entry.websockets ? { send: sendTurn } : {}),
  };
}

/** The connection of one login. @param models those that it may use, where nobody has listed them. */
export function openResponsesLogin(
  vendor: Vendor,
  login: Login,
  tools: LoginTools,
  models: readonly string[],
): Connection {
  const { provider, catalog } = vendor;
  const base = baseOf(tools.endpoints.api!, '/responses', 'api', tools);
  const { discovered = models.map((name) => ({ name })), ...naming } = tools.naming;
  return {
    id: `${provider}:${login.id}`,
    provider,
    accounts: [loginAccount(login, provider, tools)],
    models: { ...naming, catalog, discovered, only: discovered.map(({ name }) => name) },
    ...common(vendor, base, fileHeaders(login, tools), tools),
    ...(flagField(login.fields, 'websockets') ? { send: sendTurn } : {}),
  };
}

/** What keys and logins have in common. */
function common(vendor: Vendor, base: Base, rules: HeaderRules, tools: Tools) {
  const paths = vendor.paths(base);
  const dialect = vendor.dialect?.(base);
  return {
    speaks: () => openaiResponses,
    ...(dialect === undefined ? {} : { dialect }),
    prepare(call) {
      const outgoing = prepare(endpoint(base, pathOf(paths, call), call.query), call);
      vendor.sign?.(outgoing.headers, call);
      rules.apply(outgoing.headers, call.clientHeaders);
      return outgoing;
    },
    judge: (error, headers) => vendor.judge(error, headers, tools.now()),
    quota: vendor.quota,
    can: (operation) => operation === 'chat' || paths[operation] !== undefined,
  } satisfies Partial<Connection>;
}

/** The name that a request gives its prompt cache. In JSON text a quoted key cannot stand inside a string. */
export const cacheKeyIn = ({ body }: Call): string | undefined =>
  typeof body === 'string' ? /"prompt_cache_key":\s*"([\x20!#-[\]-~]+)"/.exec(body)?.[1] : undefined;

/** Over the upstream's WebSocket where the client came by one, else by HTTP. */
const sendTurn: NonNullable<Connection['send']> = (outgoing, signal, exchange, from) =>
  from?.line
    ? askTurn(socketWay, { outgoing, accountId: from.account.id, line: from.line, signal, exchange })
    : exchange(outgoing);

const socketWay: SocketWay = {
  session: openaiResponses.upstream!.socket!,
  headers(given) {
    const headers = new Headers(given);
    for (const name of ['content-type', 'accept', 'accept-encoding']) headers.delete(name);
    headers.append('openai-beta', 'responses_websockets=2026-02-06');
    return headers;
  },
};

const pathOf = (paths: Readonly<Partial<Record<Operation, string>>>, { operation }: Call): string =>
  operation === 'models' ? '/models' : (paths[operation] ?? '/responses');

function prepare(url: string, call: Call): Outgoing {
  const { account, body } = call;
  // ChatGPT's backend streams whatever it is asked; the relay puts a whole answer together.
  const headers = jsonHeaders(call, 'application/json, text/event-stream');
  if (account.secret.kind === 'api-key') headers.set('authorization', `Bearer ${account.secret.key}`);
  if (call.operation === 'models') return { method: 'GET', url, headers, proxy: account.proxy };
  return { method: 'POST', url, headers, body, proxy: account.proxy };
}
