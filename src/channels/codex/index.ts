import { Type } from '@sinclair/typebox';
import { channel } from '../channel.ts';
import { cacheKeyIn, openResponses, openResponsesLogin, responsesEntry, type Vendor } from '../responses.ts';
import { holderOf } from './identity.ts';
import { judge } from './judge.ts';
import { credentials, logins } from './login.ts';
import { modelsOf } from './plans.ts';
import { quota } from './quota.ts';

/** OpenAI's Responses API by API key, at OpenAI or at any other host that speaks it; and ChatGPT's backend by login. */

const vendor: Vendor = {
  provider: 'codex',
  url: 'https://api.openai.com/v1',
  catalog: 'openai',
  // These are given away instead of served.
  missing: ['gpt-oss-*'],
  paths: ({ host }) => ({
    '/v1/responses/compact': '/responses/compact',
    ...(host === 'api.openai.com' ? { 'count-tokens': '/responses/input_tokens' } : {}),
  }),
  dialect: ({ root }) => (root.endsWith('/backend-api/codex') ? 'codex' : undefined),
  judge,
  quota,
};

/** ChatGPT's own backend, by login. */
const chatgpt: Vendor = {
  ...vendor,
  paths: () => ({ '/v1/responses/compact': '/responses/compact' }),
  dialect: () => 'codex',
  sign(headers, call) {
    const { secret } = call.account;
    const said = secret.kind === 'login' ? credentials(secret.login.fields) : {};
    for (const name in said) headers.set(name, said[name]!);
    // The backend finds its prompt cache by the session.
    const named = headers.has('session-id') || headers.has('session_id');
    const session = named ? undefined : cacheKeyIn(call);
    if (session !== undefined) headers.set('session_id', session);
  },
};

const address =
  'Address up to and without /responses; https://api.openai.com/v1 when empty. One that ends in /backend-api/codex is ' +
  "spoken to as ChatGPT's own backend.";

export default channel({
  id: 'codex',
  settings: {
    'codex-api-key': Type.Array(responsesEntry(address), {
      description: "Keys of OpenAI's Responses API, or of hosts that speak it.",
    }),
  },
  open: (_, entries, tools) =>
    entries.map((entry, index) => openResponses(vendor, entry, `[${index}]`, tools)),
  logins: {
    ...logins,
    open: (login, tools) => openResponsesLogin(chatgpt, login, tools, modelsOf(holderOf(login.fields).plan)),
  },
});
