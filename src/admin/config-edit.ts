import { ConfigError } from '../config/fault.ts';
import { rewritten, SharedValue, type Step } from '../config/rewrite.ts';
import type { Steward } from '../config/runtime.ts';
import type { Json } from '../core/json.ts';
import { invalidConfig } from './config.ts';
import { Refusal } from './refusal.ts';

/** How often an edit is repeated on the text that somebody else has written meanwhile. */
const mostTries = 5;

/**
 * Sets one value of the config, or removes it when it is undefined: in the text, with its comments, and in effect.
 * @param value made from the config as it is at that moment.
 * @returns what the answer says of it.
 * @throws Refusal when the config would have faults with it.
 */
export async function editConfig(
  steward: Steward,
  path: readonly Step[],
  value: () => unknown,
): Promise<Json> {
  for (let tries = 0; tries < mostTries; tries++) {
    const { text, etag } = steward.current;
    const applied = await steward
      .apply(edited(text, path, value()), { persist: true, ifMatch: etag })
      .catch((thrown: unknown) => {
        throw thrown instanceof ConfigError ? invalidConfig(thrown) : thrown;
      });
    if (applied.outcome === 'unchanged') return { status: 'ok', persisted: true };
    if (applied.outcome === 'etag-mismatch') continue;
    const { persisted, reason } = applied;
    return { status: 'ok', persisted, ...(reason === undefined ? {} : { reason }) };
  }
  throw new Refusal(
    409,
    'conflict',
    'The configuration keeps changing while it is edited.',
    'Send the same once more.',
  );
}

/** @throws Refusal where the text must be edited by hand. */
function edited(text: string, path: readonly Step[], value: unknown): string {
  try {
    return rewritten(text, path, value);
  } catch (thrown) {
    if (!(thrown instanceof SharedValue)) throw thrown;
    throw new Refusal(
      422,
      'shared value',
      `${path.join('.')} is written once for several places in config.yaml, with an alias.`,
      'Edit the file: GET and PUT /v0/management/config.yaml.',
    );
  }
}
