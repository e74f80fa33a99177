import { Type } from '@sinclair/typebox';
import { channel } from '../channel.ts';
import { cacheKeyIn, openResponses, responsesEntry, type Vendor } from '../responses.ts';
import { rateLimits } from '../quota.ts';
import { judge } from './judge.ts';

/** Grok by API key, over xAI's Responses API. */

const vendor: Vendor = {
  provider: 'xai',
  url: 'https://api.x.ai/v1',
  catalog: 'xai',
  paths: () => ({
    '/v1/responses/compact': '/responses/compact',
    '/v1/images/generations': '/images/generations',
  }),
  dialect: () => 'xai',
  // The prompt cache is found on the server that the conversation was on.
  sign(headers, call) {
    const conversation = cacheKeyIn(call);
    if (conversation !== undefined) headers.set('x-grok-conv-id', conversation);
  },
  judge,
  quota: rateLimits,
};

export default channel({
  id: 'xai',
  settings: {
    'xai-api-key': Type.Array(
      responsesEntry('Address up to and without /responses; https://api.x.ai/v1 when empty.'),
      { description: 'Keys of the xAI API.' },
    ),
  },
  open: (_, entries, tools) =>
    entries.map((entry, index) => openResponses(vendor, entry, `[${index}]`, tools)),
});
