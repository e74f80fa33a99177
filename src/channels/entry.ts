import { type SchemaOptions, type Static, Type } from '@sinclair/typebox';
import { mask, type Proxy } from '../accounts/account.ts';
import { rateLimitSchema } from '../accounts/limits.ts';
import { failureRulesSchema } from '../accounts/rules.ts';
import { GatewayError } from '../core/error.ts';
import { compact } from '../core/json.ts';
import { inputKinds, type Thinking } from '../core/model.ts';
import { efforts } from '../core/request.ts';
import { parseProxy } from '../wire/proxy.ts';
import { userAgent } from '../version.ts';
import type { Call, DeclaredModel, Offer, Tools } from './channel.ts';

/** What the entries of key-based channels have in common: fields of the config, and how they are read. */

export { userAgent };

/** `withoutEffect` is the reason the program gives once for a key that it accepts and does not act upon. */
export const later: SchemaOptions = { withoutEffect: 'this version does not act on it yet' };

const flag = (description: string, options: SchemaOptions = {}) =>
  Type.Optional(Type.Boolean({ description, ...options }));
const text = (description: string, options: SchemaOptions = {}) =>
  Type.Optional(Type.String({ description, ...options }));
const count = (description: string, options: SchemaOptions = {}) =>
  Type.Optional(Type.Integer({ minimum: 0, description, ...options }));

export const field = { flag, text, count };

const thinkingSchema = Type.Object(
  {
    min: count('Smallest budget in tokens.'),
    max: count('Largest budget in tokens.'),
    'zero-allowed': flag('Thinking can be switched off.'),
    'dynamic-allowed': flag('The model can choose for itself how long it thinks.'),
    levels: Type.Optional(
      Type.Array(
        Type.Unsafe<(typeof efforts)[number]>(Type.Union(efforts.map((level) => Type.Literal(level)))),
        {
          description: 'Effort levels, weakest first.',
        },
      ),
    ),
  },
  { description: 'How the thinking of this model is steered.' },
);

const modelSchema = Type.Object({
  name: Type.String({ minLength: 1, description: "The upstream's own name of the model." }),
  alias: text("The name clients use; the upstream's when empty. Several entries with one alias are a pool."),
  'display-name': text('The name shown in model lists.'),
  'force-mapping': flag("Answers name the alias instead of the upstream's model."),
  'max-context-length': count('Context window in tokens; 0 or absent: as the catalogue knows it.'),
  'max-output-tokens': count('Most tokens one answer may have; 0 or absent: as the catalogue knows it.'),
  thinking: Type.Optional(thinkingSchema),
  'input-modalities': Type.Optional(
    Type.Array(
      Type.Unsafe<(typeof inputKinds)[number]>(Type.Union(inputKinds.map((kind) => Type.Literal(kind)))),
      {
        description: 'What the model can be given besides text.',
      },
    ),
  ),
  'output-modalities': Type.Optional(
    Type.Array(Type.String(), { description: 'What the model answers with.', ...later }),
  ),
  image: flag('The model makes images.', later),
  'is-compat': flag('The model speaks the compatible dialect only.', later),
});

export const commonFields = {
  priority: Type.Optional(Type.Integer({ description: 'Higher is used first; 0 is the default.' })),
  prefix: text('Models are also offered as <prefix>/<model>.'),
  models: Type.Optional(
    Type.Array(modelSchema, { description: 'The models to offer; they replace the default list.' }),
  ),
  headers: Type.Optional(
    Type.Record(Type.String(), Type.String(), {
      description: 'Headers set on every request, after all others; $Name copies that header of the client.',
    }),
  ),
  'excluded-models': Type.Optional(
    Type.Array(Type.String(), {
      description: 'Patterns of upstream models that are never offered; * stands for anything.',
    }),
  ),
  'discover-models': flag(
    'The place is asked now and then which models it has, and those are offered besides the others.',
  ),
  'unknown-models': flag('A model name that nobody offers is sent here as it is.'),
  'disable-cooling': flag('This credential never rests after a failure.'),
  'request-retry': count(
    'Extra rounds in which this credential is tried; absent: the request-retry of the whole config.',
  ),
  'request-scoped-errors': Type.Optional(failureRulesSchema),
};

export const keyFields = {
  'api-key': text('The key of the provider.'),
  'proxy-url': text('http, https, socks5, socks5h or direct; empty: the proxy-url of the whole config.'),
  weight: count('Share under weighted-round-robin; 0 takes no part in it.', { maximum: 1_000_000 }),
  'rate-limit': Type.Optional(rateLimitSchema),
};

export type ModelEntry = Static<typeof modelSchema>;

/** The proxy of one entry: its own, else that of the whole config. An invalid one is refused, never bypassed. */
export function proxyOf(setting: string | undefined, path: string, tools: Tools): Proxy {
  if (setting === undefined || setting.trim() === '') return tools.proxy;
  try {
    return parseProxy(setting);
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    return tools.refuse(path, 'http://, https://, socks5:// or socks5h:// with a host, or direct');
  }
}

/** A base URL split where an endpoint's path goes in: some services need a query on every call. */
export interface Base {
  readonly url: string;
  readonly host: string;
  /** Without a trailing slash. */
  readonly root: string;
  /** With its `?`, or empty. */
  readonly query: string;
}

/** @param endpoint a path that people paste along with the base and that is not part of it. */
export function baseOf(setting: string, endpoint: string, path: string, tools: Tools): Base {
  const url = URL.parse(setting.trim());
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === '')
    return tools.refuse(path, 'an address such as https://api.example.com/v1');
  let pathname = url.pathname.replace(/\/+$/, '');
  if (pathname.endsWith(endpoint)) {
    tools.warn(path, `ends in ${endpoint}, which is added to it; it is left out`);
    pathname = pathname.slice(0, -endpoint.length);
  }
  const credentials = url.username === '' ? '' : `${url.username}:${url.password}@`;
  const root = `${url.protocol}//${credentials}${url.host}${pathname}`;
  return { url: `${root}${url.search}`, host: url.host, root, query: url.search };
}

/** The URL of an endpoint under a base; `query` is without `?`. */
export function endpoint(base: Base, path: string, query: string): string {
  if (query === '') return `${base.root}${path}${base.query}`;
  return `${base.root}${path}${base.query === '' ? '?' : `${base.query}&`}${query}`;
}

/** A prefix without slashes around it; one that has a slash inside is dropped. */
export function prefixOf(setting: string | undefined, path: string, tools: Tools): string | undefined {
  const prefix = (setting ?? '').trim().replace(/^\/+|\/+$/g, '');
  if (prefix === '') return undefined;
  if (!prefix.includes('/')) return prefix;
  tools.warn(path, 'has a slash inside, so it is not used');
  return undefined;
}

export function patternsOf(settings: readonly string[] | undefined): readonly string[] {
  const patterns = (settings ?? []).map((pattern) => pattern.trim().toLowerCase());
  return [...new Set(patterns)].filter((pattern) => pattern !== '');
}

export function declared(entries: readonly ModelEntry[] | undefined): readonly DeclaredModel[] {
  return (entries ?? []).map((entry) =>
    compact({
      name: entry.name.trim(),
      alias: entry.alias?.trim() || undefined,
      displayName: entry['display-name']?.trim() || undefined,
      forceMapping: entry['force-mapping'] || undefined,
      contextWindow: entry['max-context-length'] || undefined,
      maxOutputTokens: entry['max-output-tokens'] || undefined,
      thinking: entry.thinking ? thinkingOf(entry.thinking) : undefined,
      inputs: entry['input-modalities'],
    }),
  );
}

const thinkingOf = (setting: Static<typeof thinkingSchema>): Thinking =>
  compact({
    min: setting.min,
    max: setting.max,
    levels: setting.levels?.length ? setting.levels : undefined,
    zeroAllowed: setting['zero-allowed'],
    dynamicAllowed: setting['dynamic-allowed'],
  });

/** The fields of an entry that say which models it offers. */
interface EntryNaming {
  readonly models?: readonly ModelEntry[];
  readonly prefix?: string;
  readonly 'excluded-models'?: readonly string[];
  readonly 'discover-models'?: boolean;
  readonly 'unknown-models'?: boolean;
}

/** Which models an entry offers, besides those that the channel knows. */
export function entryOffer(
  entry: EntryNaming,
  path: string,
  tools: Tools,
): Pick<Offer, 'declared' | 'excluded' | 'prefix' | 'live' | 'open'> {
  const prefix = prefixOf(entry.prefix, `${path}.prefix`, tools);
  return {
    declared: declared(entry.models),
    excluded: patternsOf(entry['excluded-models']),
    ...(prefix === undefined ? {} : { prefix }),
    ...(entry['discover-models'] ? { live: true } : {}),
    ...(entry['unknown-models'] ? { open: true } : {}),
  };
}

/**
 * The client's headers with what the gateway says of every request in JSON; the sign-in is left to the channel.
 * @param whole what an answer may be that is not streamed.
 */
export function jsonHeaders({ headers, stream }: Call, whole = 'application/json'): Headers {
  headers.set('content-type', 'application/json');
  headers.set('accept', stream ? 'text/event-stream' : whole);
  if (stream) headers.set('accept-encoding', 'identity');
  headers.set('user-agent', userAgent);
  return headers;
}

/** One configured header: a fixed value, or the client's header of the name `copied`. */
type HeaderRule =
  { readonly name: string; readonly value: string } | { readonly name: string; readonly copied: string };

export interface HeaderRules {
  has(name: string): boolean;
  /** Sets them on a request that is ready otherwise. A header that the client did not send is left out. */
  apply(headers: Headers, clientHeaders: Headers): void;
}

/** Client headers that carry the client's key to this gateway; no upstream may ever see them. */
const clientCredentials = new Set([
  'authorization',
  'x-api-key',
  'x-goog-api-key',
  'cookie',
  'proxy-authorization',
]);

export function headerRules(
  settings: Readonly<Record<string, string>> | undefined,
  path: string,
  tools: Tools,
): HeaderRules {
  const rules: HeaderRule[] = [];
  for (const [key, setting] of Object.entries(settings ?? {})) {
    const [name, value] = [key.trim().toLowerCase(), setting.trim()];
    if (name === '' || value === '') continue;
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name))
      tools.refuse(`${path}.${key}`, 'a header name such as x-title');
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      tools.refuse(`${path}.${key}`, 'a value on one line, of characters that a header can have');
    const copied = /^\$([A-Za-z0-9-]+)$/.exec(value)?.[1]?.toLowerCase();
    if (copied !== undefined && clientCredentials.has(copied))
      tools.refuse(`${path}.${key}`, "a header of the client that is not the client's own key");
    rules.push(copied === undefined ? { name, value } : { name, copied });
  }
  const names = new Set(rules.map(({ name }) => name));
  return {
    has: (name) => names.has(name),
    apply(headers, clientHeaders) {
      for (const rule of rules) {
        const value = 'value' in rule ? rule.value : clientHeaders.get(rule.copied);
        if (value !== null) headers.set(rule.name, value);
      }
    },
  };
}

/** The name of a credential in logs and metrics. */
export const labelOf = (provider: string, key: string | undefined) =>
  key === undefined ? `${provider} without a key` : `${provider} ${mask(key)}`;
