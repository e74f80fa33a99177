import type { GatewayError } from '../../core/error.ts';
import { refaulted } from '../../protocols/remedies.ts';

/** How long a key rests whose free allowance is used up and that nobody told when it is renewed. */
const allowanceMs = 60 * 60 * 1000;

/** xAI's free allowance is a 429 that waiting a second does not lift (spec: xai, errors). */
export function judge(error: GatewayError): GatewayError {
  const said = `${error.upstream?.type ?? ''} ${error.upstream?.code ?? ''} ${error.message}`;
  if (!/free-usage-exhausted/i.test(said)) return error;
  const exhausted = refaulted(error, { kind: 'quota-exhausted' });
  return exhausted.with({ retryAfterMs: error.retryAfterMs ?? allowanceMs });
}
