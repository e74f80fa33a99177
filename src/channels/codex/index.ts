import { Type } from '@sinclair/typebox';
import { channel } from '../channel.ts';
import { openResponses, responsesEntry, type Vendor } from '../responses.ts';
import { judge } from './judge.ts';
import { quota } from './quota.ts';

/** OpenAI's Responses API by API key, at OpenAI or at any other host that speaks it. */

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
});
