import { Type } from '@sinclair/typebox';
import { type Json, omit } from '../../core/json.ts';
import { type Call, channel } from '../channel.ts';
import { googleEntry, openGoogle, pathName, type Place } from '../google.ts';
import { judge } from './judge.ts';
import { quota } from './quota.ts';

/** The Gemini API by API key, at Google or at any other host that speaks it. */

const place: Place = {
  setting: 'gemini-api-key',
  provider: 'gemini',
  defaultUrl: 'https://generativelanguage.googleapis.com',
  pasted: '/models',
  versioned: (root) => (/\/v1(?:beta|alpha)?$/.test(root) ? root : `${root}/v1beta`),
  pathOf: (model) =>
    /^(?:models|tunedModels)\//.test(model) ? `/${pathName(model)}` : `/models/${pathName(model)}`,
  can: (operation) => operation === 'chat' || operation === 'count-tokens' || methods.test(operation),
  fits: (operation) => operation === 'count-tokens',
  fitBody,
  judge,
  quota,
};

/** What its models do besides chatting: embeddings, and the pictures of Imagen. */
const methods = /:(?:embedContent|batchEmbedContents|predict)$/;

export default channel({
  id: 'gemini',
  settings: {
    'gemini-api-key': Type.Array(googleEntry(place.defaultUrl), {
      description: 'Keys of the Gemini API (Google AI Studio), or of hosts that speak it.',
    }),
  },
  open: (_, entries, tools) => entries.map((entry, index) => openGoogle(place, entry, `[${index}]`, tools)),
});

const bare = new Set(['contents', 'generateContentRequest', 'generate_content_request']);

/** CountTokens takes bare contents; whatever else counts (tools, system instruction) goes into a request of its own. */
function fitBody(body: Json, { model }: Call): Json {
  if (Object.keys(body).every((key) => bare.has(key))) return body;
  const name = model.includes('/') ? model : `models/${model}`;
  return { generateContentRequest: { ...omit(body, new Set(['stream'])), model: name } };
}
