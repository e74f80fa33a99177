import { channel } from '../channel.ts';
import { openCodeAssist, type Product } from '../code-assist.ts';
import { logins, tokenIn } from './login.ts';

/** Gemini models by a Google account, through Code Assist as Google's Gemini CLI uses it. */

const product: Product = {
  id: 'gemini-cli',
  catalog: 'gemini',
  // It hands what it gets to Vertex AI.
  dialect: 'vertex',
  bases: ({ api }) => [api!],
  tokenOf: tokenIn,
};

export default channel({
  id: product.id,
  settings: {},
  open: () => [],
  logins: { ...logins, open: (login, tools) => openCodeAssist(product, login, tools) },
});
