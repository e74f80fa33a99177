import { type Static, Type } from '@sinclair/typebox';
import { type Account, accountId } from '../../accounts/account.ts';
import { compact, readString, tryParseObject } from '../../core/json.ts';
import openaiChat from '../../protocols/openai-chat/index.ts';
import {
  type Call,
  channel,
  type Connection,
  type Offer,
  type Operation,
  type Outgoing,
  type Tools,
} from '../channel.ts';
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
  proxyOf,
} from '../entry.ts';
import { keyAccount } from '../entry-account.ts';
import { rateLimits } from '../quota.ts';
import { type Vendor, vendors } from './presets.ts';

/** Services that speak OpenAI's Chat Completions: any of them by its base URL, and thirteen by a key of their own. */

const tokenFile = field.text(
  'File that holds the key when api-key is empty: JSON with access_token or api_key, else the key itself. ~ is the home folder.',
);

const keyEntry = Type.Object(
  { ...keyFields, 'token-file': tokenFile },
  { description: 'One key of the service.' },
);

const compatibleEntry = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      description: 'What the service is called in logs, metrics and model lists.',
    }),
    disabled: field.flag('Leaves the service out.'),
    'base-url': Type.String({
      minLength: 1,
      description: 'Its address, such as https://api.example.com/v1.',
    }),
    ...keyFields,
    'token-file': tokenFile,
    'proxy-url': field.text(
      'The proxy of every key that names none of its own; empty: that of the whole config.',
    ),
    'api-keys': Type.Optional(
      Type.Array(Type.String(), { description: 'Its keys as the reference once listed them.' }),
    ),
    'api-key-entries': Type.Optional(
      Type.Array(keyEntry, {
        description: 'Its keys, used in rotation; none at all: requests carry no key.',
      }),
    ),
    ...commonFields,
    'models-endpoint': field.text(
      'Where the service lists its models, for discover-models; /models when empty. A path behind base-url, or an address at the same host.',
    ),
    responses: field.flag('The service offers the Responses API as well.', later),
    'support-prompt-cache-key': field.flag('The service accepts prompt_cache_key.', later),
  },
  { description: 'One service that speaks Chat Completions.' },
);

const vendorEntry = Type.Object(
  {
    ...keyFields,
    'token-file': tokenFile,
    'base-url': field.text("Its address; the vendor's own when empty."),
    disabled: field.flag('Leaves the entry out.'),
    ...commonFields,
  },
  { description: 'One key of the service.' },
);

const compatibleEntries = Type.Array(compatibleEntry, {
  description: 'Services that speak Chat Completions, by base URL.',
});
const vendorEntries = (name: string, { baseUrl, keyVariables, docs }: Vendor) =>
  Type.Array(vendorEntry, {
    description: `Keys of ${name} (${baseUrl}); an entry without one uses ${keyVariables[0]}. See ${docs}.`,
  });

type Settings = typeof compatibleEntries | ReturnType<typeof vendorEntries>;
type Entry = Static<typeof compatibleEntry> | Static<typeof vendorEntry>;
type KeyEntry = Static<typeof keyEntry>;

export default channel<Settings>({
  id: 'openai-compatibility',
  settings: {
    'openai-compatibility': compatibleEntries,
    ...Object.fromEntries(
      Object.entries(vendors).map(([name, vendor]) => [name, vendorEntries(name, vendor)]),
    ),
  },
  open(key, slice, tools) {
    const entries: readonly Entry[] = slice;
    return entries.flatMap((entry, index) =>
      entry.disabled ? [] : [open(key, entry, `[${index}]`, vendors[key], tools)],
    );
  },
  ambient(configured, tools) {
    return Object.entries(vendors).flatMap(([name, vendor]) =>
      vendor.ambient && !configured.has(name) && environmentKey(vendor, tools) !== undefined
        ? [open(name, {}, '', vendor, tools)]
        : [],
    );
  },
});

/** What a connection knows of its service. */
interface Service {
  readonly base: Base;
  readonly headers: HeaderRules;
  readonly modelsUrl: string;
}

function open(key: string, entry: Entry, path: string, vendor: Vendor | undefined, tools: Tools): Connection {
  const provider = 'name' in entry ? entry.name.trim() : key;
  const base = baseOf(
    entry['base-url']?.trim() || vendor?.baseUrl || '',
    '/chat/completions',
    `${path}.base-url`,
    tools,
  );
  const service: Service = {
    base,
    headers: headerRules(entry.headers, `${path}.headers`, tools),
    modelsUrl: modelsUrl(base, entry, path, tools),
  };
  const accounts = accountsOf(provider, base, entry, path, vendor, tools);
  const models = modelsOf(entryOffer(entry, path, tools), path, vendor, tools);
  return {
    id: `${key}:${provider}:${accountId(JSON.stringify(entry))}`,
    provider,
    accounts,
    models,
    ...(vendor?.dialect === undefined ? {} : { dialect: vendor.dialect }),
    speaks: () => openaiChat,
    prepare: (call) => prepare(service, call),
    quota: rateLimits,
    can: (operation) => operation === 'chat' || endpoints.has(operation),
  };
}

/** What it offers: its own list, else the vendor's usual models; one with neither is told, unless it finds out itself. */
function modelsOf(offer: Offer, path: string, vendor: Vendor | undefined, tools: Tools): Offer {
  if (offer.declared.length > 0) return offer;
  if (!vendor?.models && !offer.live && !offer.open)
    tools.warn(
      `${path}.models`,
      'lists no models, so nothing is served from here; `discover-models: true` asks the service for its list',
    );
  return { ...offer, declared: (vendor?.models ?? []).map((name) => ({ name })) };
}

/** Where the service lists its models. The key goes there, so it must be the same host. */
function modelsUrl(base: Base, entry: Entry, path: string, tools: Tools): string {
  const setting = ('models-endpoint' in entry ? entry['models-endpoint']?.trim() : undefined) || '/models';
  if (setting.startsWith('/')) return endpoint(base, setting, '');
  const url = URL.parse(setting);
  if (url?.host === base.host && /^https?:$/.test(url.protocol)) return url.href;
  return tools.refuse(`${path}.models-endpoint`, `a path such as /models, or an address at ${base.host}`);
}

// ------------------------------------------------------------------------------------------------------------- keys

function accountsOf(
  provider: string,
  base: Base,
  entry: Entry,
  path: string,
  vendor: Vendor | undefined,
  tools: Tools,
): readonly Account[] {
  const shared = { ...tools, proxy: proxyOf(entry['proxy-url'], `${path}.proxy-url`, tools) };
  const accounts = new Map<string, Account>();
  for (const [setting, where] of keysOf(entry, path, vendor)) {
    const key = keyOf(setting, where, vendor, tools);
    const use = compact({
      ...entry,
      ...setting,
      weight: setting.weight ?? 1,
      'proxy-url': setting['proxy-url'],
    });
    const account = keyAccount(
      { provider, base, family: 'openai-compatibility', path: where },
      key,
      use,
      shared,
    );
    if (accounts.has(account.id))
      tools.warn(`${where}.api-key`, 'is the key of an entry above; it is used once');
    else accounts.set(account.id, account);
  }
  return [...accounts.values()];
}

/** The keys of an entry, each with its place: its own, then those that it lists. Without any it stands for none. */
function keysOf(entry: Entry, path: string, vendor: Vendor | undefined): readonly [KeyEntry, string][] {
  if (vendor) return [[entry, path]];
  const { 'api-keys': bare = [], 'api-key-entries': listed = [] } = entry as Static<typeof compatibleEntry>;
  const keys: readonly [KeyEntry, string][] = [
    ...(entry['api-key'] || entry['token-file'] ? [[entry, path] as [KeyEntry, string]] : []),
    ...listed.map((key, index): [KeyEntry, string] => [key, `${path}.api-key-entries[${index}]`]),
    ...bare.map((key, index): [KeyEntry, string] => [{ 'api-key': key }, `${path}.api-keys[${index}]`]),
  ];
  return keys.length > 0 ? keys : [[{}, path]];
}

function keyOf(entry: KeyEntry, path: string, vendor: Vendor | undefined, tools: Tools): string | undefined {
  const key = entry['api-key']?.trim();
  if (key) return key;
  const file = entry['token-file']?.trim();
  if (file) return keyInFile(file, `${path}.token-file`, tools);
  if (!vendor) return undefined;
  const found = environmentKey(vendor, tools);
  if (found === undefined)
    tools.warn(`${path}.api-key`, `is empty, and so is ${vendor.keyVariables[0]}; requests carry no key`);
  return found;
}

function environmentKey(vendor: Vendor, tools: Tools): string | undefined {
  const values = vendor.keyVariables.map((name) => tools.environment[name]?.trim());
  return values.find((value) => value);
}

function keyInFile(file: string, path: string, tools: Tools): string {
  const home = tools.environment.HOME ?? tools.environment.USERPROFILE ?? '~';
  let text: string;
  try {
    text = tools.readFile(file.replace(/^~(?=[/\\]|$)/, () => home)).trim();
  } catch {
    return tools.refuse(path, 'a file that can be read');
  }
  const json = tryParseObject(text);
  const key = json ? (readString(json.access_token) ?? readString(json.api_key)) : text;
  return (
    key?.trim() ||
    tools.refuse(path, 'a file with a key: JSON with access_token or api_key, or the key itself')
  );
}

// --------------------------------------------------------------------------------------------------------- requests

function prepare({ base, headers: rules, modelsUrl }: Service, call: Call): Outgoing {
  const { account, operation } = call;
  const headers = jsonHeaders(call);
  if (operation !== 'chat') describeRaw(headers, call);
  if (account.secret.kind === 'api-key') headers.set('authorization', `Bearer ${account.secret.key}`);
  rules.apply(headers, call.clientHeaders);
  if (operation === 'models') return { method: 'GET', url: modelsUrl, headers, proxy: account.proxy };
  const path = operation === 'chat' ? '/chat/completions' : operation.replace(/^\/v1(?=\/)/, '');
  return {
    method: 'POST',
    url: endpoint(base, path, call.query),
    headers,
    body: call.body,
    proxy: account.proxy,
  };
}

/**
 * OpenAI's endpoints that are no chat. Which of them a service has, only the service knows: those that it lacks it
 * answers with a 404.
 */
const endpoints: ReadonlySet<Operation> = new Set<Operation>([
  '/v1/embeddings',
  '/v1/images/generations',
  '/v1/images/edits',
  '/v1/audio/speech',
  '/v1/audio/transcriptions',
  '/v1/audio/translations',
  '/v1/moderations',
  '/v1/rerank',
]);

/** Raw endpoints answer in sound and other things as well, and a form is described by its own content type only. */
function describeRaw(headers: Headers, { clientHeaders }: Call): void {
  headers.set('accept', clientHeaders.get('accept') ?? '*/*');
  const type = clientHeaders.get('content-type') ?? '';
  if (/^\s*multipart\//i.test(type)) headers.set('content-type', type);
}
