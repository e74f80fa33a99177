import { GatewayError } from '../../core/error.ts';
import type { Errand } from '../errand.ts';
import type { Attempt } from './plan.ts';

/** Sends a request to one upstream and waits for what counts as an answer. */
export type Send<A> = (errand: Errand, attempt: Attempt) => Promise<A>;

/**
 * Does one attempt. A login is made ready first, and when the upstream refuses what was sent, it is renewed and tried
 * once more, as long as the request can still be sent from its beginning.
 */
export function signedIn<A>(errand: Errand, attempt: Attempt, send: Send<A>): Promise<A> {
  const { secret } = attempt.account;
  return secret.kind === 'login' ? renewing(errand, attempt, secret.login, send) : send(errand, attempt);
}

type Login = Extract<Attempt['account']['secret'], { kind: 'login' }>['login'];

async function renewing<A>(errand: Errand, attempt: Attempt, login: Login, send: Send<A>): Promise<A> {
  const { exchange, upload } = errand;
  await login.ready(exchange.signal);
  const { fields, session } = login;
  try {
    return await send(errand, attempt);
  } catch (thrown) {
    const refused = thrown instanceof GatewayError && thrown.fault.kind === 'upstream-unauthorized';
    if (!refused || upload?.spent || exchange.signal.aborted) throw thrown;
    if (await login.refused(fields, session)) return send(errand, attempt);
    // A login that only a person can mend says so, and which command to run.
    await login.ready(exchange.signal);
    throw thrown;
  }
}
