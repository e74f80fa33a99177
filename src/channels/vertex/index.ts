import { Type } from '@sinclair/typebox';
import { type Json, omit, readObject } from '../../core/json.ts';
import { type Call, channel } from '../channel.ts';
import { mapCalls } from '../google-calls.ts';
import { googleEntry, openGoogle, openGoogleLogin, pathName, type Place } from '../google.ts';
import { logins, rootOf } from './login.ts';

/**
 * Vertex AI by API key (express mode), at Google, at a project's own address, or at any other host that speaks it; and
 * by service account.
 */

const place: Place = {
  setting: 'vertex-api-key',
  provider: 'vertex',
  dialect: 'vertex',
  defaultUrl: 'https://aiplatform.googleapis.com',
  pasted: '/publishers/google/models',
  versioned: (root) => (/\/v1(?:beta1)?(?:\/projects\/.+)?$/.test(root) ? root : `${root}/v1`),
  pathOf: (model) => `/publishers/google/models/${pathName(model)}`,
  can: (operation) => operation === 'chat' || operation === 'count-tokens' || methods.test(operation),
  fits: (operation) => operation === 'chat' || operation === 'count-tokens',
  fitBody,
  // Vertex counts for each model of a project and region.
  judge: (error) => (error.status === 429 ? error.with({ scope: 'model' }) : error),
};

/** What its models do besides chatting: embeddings by either method, and the pictures of Imagen. */
const methods = /:(?:embedContent|predict)$/;

export default channel({
  id: 'vertex',
  settings: {
    'vertex-api-key': Type.Array(googleEntry(place.defaultUrl), {
      description: 'API keys of Vertex AI, or of hosts that speak it.',
    }),
  },
  open: (_, entries, tools) => entries.map((entry, index) => openGoogle(place, entry, `[${index}]`, tools)),
  logins: {
    ...logins,
    open: (login, tools) =>
      openGoogleLogin(place, rootOf(tools.endpoints.api!, login.fields), login, tools, {
        discovered: imagen,
      }),
  },
});

/** Models that draw and do not chat. */
const imagen = [
  'imagen-4.0-generate-001',
  'imagen-4.0-ultra-generate-001',
  'imagen-4.0-fast-generate-001',
  'imagen-3.0-generate-002',
  'imagen-3.0-fast-generate-001',
].map((name) => ({ name }));

/** Vertex counts a whole request as it is, without the wrapping of the Gemini API, and knows no ids of calls. */
function fitBody(body: Json, { operation }: Call): Json {
  const wrapped = readObject(body.generateContentRequest ?? body.generate_content_request);
  const request = wrapped && operation === 'count-tokens' ? omit(wrapped, new Set(['model'])) : body;
  return mapCalls(request, (call) => ('id' in call ? omit(call, new Set(['id'])) : call));
}
