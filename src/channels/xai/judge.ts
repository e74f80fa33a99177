import type { GatewayError } from '../../core/error.ts';

/** How long a key rests whose free allowance is used up and that nobody told when it is renewed. */
const allowanceMs = 60 * 60 * 1000;

/**
 * Reads what xAI says in a way of its own (spec: xai, errors): a key it does not know is a 400 or a 403, and a used-up
 * free allowance is a 429 that waiting a second does not lift.
 */
export function judge(error: GatewayError): GatewayError {
  const said = `${error.upstream?.type ?? ''} ${error.upstream?.code ?? ''} ${error.message}`;
  if (/bad-credentials|incorrect api key/i.test(said) && error.fault.kind !== 'upstream-unauthorized')
    return error.with({
      fault: { kind: 'upstream-unauthorized' },
      message: "The upstream refused the gateway's credential.",
      remedy: 'The operator should check the key of this provider in config.yaml.',
    });
  if (/free-usage-exhausted/i.test(said))
    return error.with({
      fault: { kind: 'quota-exhausted' },
      retryAfterMs: error.retryAfterMs ?? allowanceMs,
    });
  return error;
}
