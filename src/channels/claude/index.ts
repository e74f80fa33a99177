import { type Static, Type } from '@sinclair/typebox';
import { type Account, accountId } from '../../accounts/account.ts';
import { readArray, readObjects, tryParseObject } from '../../core/json.ts';
import anthropicMessages from '../../protocols/anthropic-messages/index.ts';
import { type Body, type Call, channel, type Connection, type Outgoing, type Tools } from '../channel.ts';
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
} from '../entry.ts';
import { entryAccount } from '../entry-account.ts';
import { judge } from './judge.ts';
import { quota } from './quota.ts';

/** Claude by API key, at Anthropic or at any other host that speaks the Messages API. */

const neverDisguised = {
  withoutEffect: 'this gateway says who it is and never passes one client off as another',
};

const entrySchema = Type.Object(
  {
    ...keyFields,
    'base-url': field.text('Address of the API; https://api.anthropic.com when empty.'),
    ...commonFields,
    'rebuild-mid-system-message': field.flag(
      'Moves system messages from the middle of a conversation to its system prompt, for hosts that refuse them.',
    ),
    cloak: Type.Optional(
      Type.Object(
        {},
        { additionalProperties: true, description: 'Disguise as another client.', ...neverDisguised },
      ),
    ),
    'experimental-cch-signing': field.flag('Signs bodies as another client does.', neverDisguised),
    'fingerprint-profile': field.text('Looks of another client.', neverDisguised),
    'is-compat': field.flag('The host speaks a compatible dialect only.', later),
  },
  { description: 'One key.' },
);

type Entry = Static<typeof entrySchema>;

const firstPartyUrl = 'https://api.anthropic.com';
const firstPartyHost = 'api.anthropic.com';

export default channel({
  id: 'claude',
  settings: {
    'claude-api-key': Type.Array(entrySchema, {
      description: 'Keys of the Anthropic API, or of hosts that speak it.',
    }),
  },
  open: (_, entries, tools) => entries.map((entry, index) => open(entry, `[${index}]`, tools)),
});

/** What a connection knows of its host. */
interface Host {
  readonly base: Base;
  readonly headers: HeaderRules;
  readonly firstParty: boolean;
  readonly rebuild: boolean;
}

function open(entry: Entry, path: string, tools: Tools): Connection {
  const base = baseOf(entry['base-url']?.trim() || firstPartyUrl, '/v1/messages', `${path}.base-url`, tools);
  const host: Host = {
    base: { ...base, root: base.root.replace(/\/v1$/, '') },
    headers: headerRules(entry.headers, `${path}.headers`, tools),
    firstParty: base.host === firstPartyHost,
    rebuild: entry['rebuild-mid-system-message'] ?? false,
  };
  const account = entryAccount({ provider: 'claude', base, path }, entry, tools);
  return {
    id: `claude-api-key:${accountId(JSON.stringify(entry))}`,
    provider: 'claude',
    accounts: [account],
    models: { ...entryOffer(entry, path, tools), catalog: 'claude' },
    speaks: () => anthropicMessages,
    prepare: (call) => prepare(host, call),
    judge: (error, headers) => judge(error, headers, tools.now()),
    quota,
    can: (operation) => operation === 'chat' || (operation === 'count-tokens' && host.firstParty),
  };
}

// --------------------------------------------------------------------------------------------------------- requests

function prepare(host: Host, call: Call): Outgoing {
  const { account, operation } = call;
  const headers = jsonHeaders(call);
  if (!headers.has('anthropic-version')) headers.set('anthropic-version', '2023-06-01');
  signIn(headers, host, account);
  host.headers.apply(headers, call.clientHeaders);
  if (operation === 'models')
    return {
      method: 'GET',
      url: endpoint(host.base, '/v1/models', 'limit=1000'),
      headers,
      proxy: account.proxy,
    };
  const path = operation === 'count-tokens' ? '/v1/messages/count_tokens' : '/v1/messages';
  return {
    method: 'POST',
    url: endpoint(host.base, path, call.query),
    headers,
    body: host.rebuild ? rebuilt(call.body) : call.body,
    proxy: account.proxy,
  };
}

/** Anthropic reads x-api-key; compatible hosts read a bearer token. Sending both is refused by some, so it is one. */
function signIn(headers: Headers, host: Host, { secret }: Account): void {
  if (secret.kind !== 'api-key' || host.headers.has('authorization') || host.headers.has('x-api-key')) return;
  if (host.firstParty) headers.set('x-api-key', secret.key);
  else headers.set('authorization', `Bearer ${secret.key}`);
}

/** The same request with the system messages of its conversation appended to its system prompt. */
function rebuilt(body: Body): Body {
  const request = typeof body === 'string' ? tryParseObject(body) : undefined;
  if (!request) return body;
  const messages = readObjects(request.messages);
  const moved = messages.filter((message) => message.role === 'system');
  if (moved.length === 0) return body;
  return JSON.stringify({
    ...request,
    system: [request.system, ...moved.map((message) => message.content)].flatMap(blocksOf),
    messages: messages.filter((message) => message.role !== 'system'),
  });
}

function blocksOf(content: unknown): readonly unknown[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  return readArray(content) ?? [];
}
