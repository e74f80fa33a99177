import { omit, tryParseObject } from '../../core/json.ts';
import { channel } from '../channel.ts';
import type { Call } from '../channel.ts';
import { type Fitted, openCodeAssist, type Product, reportLeftOut } from '../code-assist.ts';
import { logins, tokenIn } from './login.ts';

/** Gemini models by a Google account, through Code Assist as Google's Gemini CLI uses it. */

const product: Product = {
  id: 'gemini-cli',
  catalog: 'gemini',
  // It hands what it gets to Vertex AI.
  dialect: 'vertex',
  bases: ({ api }) => [api!],
  tokenOf: tokenIn,
  fit,
};

/** Fields that only the Gemini API knows; Code Assist refuses a request for them. */
const unknown = new Set(['serviceTier', 'service_tier', 'store', 'model']);

/** Clients rarely send one of them, so a body is not read before its text names one. */
function fit(body: string, call: Call): Fitted {
  if (![...unknown].some((name) => body.includes(`"${name}"`))) return { body };
  const request = tryParseObject(body);
  const foreign = request && Object.keys(request).some((name) => unknown.has(name));
  if (foreign) reportLeftOut(request, unknown, call);
  return { body: foreign ? JSON.stringify(omit(request, unknown)) : body };
}

export default channel({
  id: product.id,
  settings: {},
  open: () => [],
  logins: { ...logins, open: (login, tools) => openCodeAssist(product, login, tools) },
});
