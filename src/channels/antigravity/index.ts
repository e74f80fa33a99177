import { textField } from '../../accounts/fields.ts';
import { channel } from '../channel.ts';
import { openCodeAssist, type Product } from '../code-assist.ts';
import { endpoints, logins } from './login.ts';
import { fit } from './request.ts';

/** Gemini, Claude and open models by a Google account, through Code Assist as Google's Antigravity uses it. */

const product: Product = {
  id: 'antigravity',
  catalog: 'antigravity',
  bases: ({ api, second }) => {
    // Whoever sends requests elsewhere does not want the rest of them at Google.
    const moved = api !== endpoints.api && second === endpoints.second;
    return moved ? [api!] : [api!, second!];
  },
  tokenOf: (fields) => textField(fields, 'access_token'),
  fit,
};

export default channel({
  id: product.id,
  settings: {},
  open: () => [],
  logins: { ...logins, open: (login, tools) => openCodeAssist(product, login, tools) },
});
