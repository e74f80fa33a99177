import { GatewayError } from '../core/error.ts';
import type { Extra } from '../core/request.ts';
import type { Drop } from './protocol.ts';

/**
 * The field of `extra` in which a protocol keeps how it spelled what the hall says as well, so that it goes back in its
 * own words. Nobody else loses anything with it.
 */
export const spelling = 'spelling';

/**
 * Reports the fields that only other protocols know.
 * @param path where they stand, such as `tools[2]`; empty for the request itself.
 * @param kept fields of others that this protocol says after all.
 */
export function dropForeign(
  extra: Extra | undefined,
  own: string,
  path: string,
  drop: Drop,
  kept: ReadonlySet<string> = none,
): void {
  for (const protocol in extra) {
    if (protocol === own) continue;
    for (const field of Object.keys(extra[protocol]!)) {
      if (field === spelling || kept.has(field)) continue;
      if (path === '' && essential.has(field)) throw unsayable(field);
      drop(path === '' ? field : `${path}.${field}`);
    }
  }
}

/** Fields of a request that names its own past instead of telling it: without them it would be another request. */
const essential: ReadonlySet<string> = new Set(['thread']);

const unsayable = (field: string): GatewayError =>
  new GatewayError(
    { kind: 'invalid-request', field, code: `${field}_unsupported_request`, beyondModel: true },
    `${field} refers to a conversation that only its own vendor keeps, and this model is another vendor's.`,
    { remedy: `Send the whole conversation without ${field}.` },
  );

const none: ReadonlySet<string> = new Set();
