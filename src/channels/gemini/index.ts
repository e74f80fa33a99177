import { Type } from '@sinclair/typebox';
import { type Json, omit, readObjects } from '../../core/json.ts';
import { type Call, channel, type Operation } from '../channel.ts';
import { googleEntry, openGoogle, pathName, type Place } from '../google.ts';
import { judge } from './judge.ts';

/** The Gemini API by API key, at Google or at any other host that speaks it. */

const place: Place = {
  setting: 'gemini-api-key',
  provider: 'gemini',
  defaultUrl: 'https://generativelanguage.googleapis.com',
  pasted: '/models',
  versioned: (root) => (/\/v1(?:beta|alpha)?$/.test(root) ? root : `${root}/v1beta`),
  pathOf: (model) =>
    /^(?:models|tunedModels)\//.test(model) ? `/${pathName(model)}` : `/models/${pathName(model)}`,
  can: (operation) => operation === 'chat' || operation === 'count-tokens' || embeds(operation),
  fitBody,
  judge,
};

const embeds = (operation: Operation): boolean => /:(?:embedContent|batchEmbedContents)$/.test(operation);

export default channel({
  id: 'gemini',
  settings: {
    'gemini-api-key': Type.Array(googleEntry(place.defaultUrl), {
      description: 'Keys of the Gemini API (Google AI Studio), or of hosts that speak it.',
    }),
  },
  open: (_, entries, tools) => entries.map((entry, index) => openGoogle(place, entry, `[${index}]`, tools)),
});

function fitBody(body: Json, { operation, model }: Call): Json {
  if (operation === 'count-tokens') return countable(body, model);
  return embeds(operation) ? embeddable(body, model) : body;
}

const bare = new Set(['contents', 'generateContentRequest', 'generate_content_request']);

/** CountTokens takes bare contents; whatever else counts (tools, system instruction) goes into a request of its own. */
function countable(body: Json, model: string): Json {
  if (Object.keys(body).every((key) => bare.has(key))) return body;
  return { generateContentRequest: { ...omit(body, new Set(['stream'])), model: qualified(model) } };
}

/** Embedding requests repeat the model's name, which must be that of the path. */
function embeddable(body: Json, model: string): Json {
  const name = qualified(model);
  const renamed = (request: Json): Json =>
    request.model === undefined || request.model === name ? request : { ...request, model: name };
  if (!Array.isArray(body.requests)) return renamed(body);
  return renamed({ ...body, requests: readObjects(body.requests).map(renamed) });
}

const qualified = (model: string): string => (model.includes('/') ? model : `models/${model}`);
