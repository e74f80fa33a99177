import { GatewayError } from '../core/error.ts';
import type { Errand } from './errand.ts';
import type { Attempt } from './plan.ts';

/**
 * Does one attempt. A login is made ready first, and when the upstream refuses what was sent, it is renewed and tried
 * once more, as long as the request can still be sent from its beginning.
 */
export function signedIn<T>(errand: Errand, attempt: Attempt, work: () => Promise<T>): Promise<T> {
  const { secret } = attempt.account;
  return secret.kind === 'login' ? renewing(errand, secret.login, work) : work();
}

type Login = Extract<Attempt['account']['secret'], { kind: 'login' }>['login'];

async function renewing<T>({ exchange, upload }: Errand, login: Login, work: () => Promise<T>): Promise<T> {
  await login.ready(exchange.signal);
  const { fields, session } = login;
  try {
    return await work();
  } catch (thrown) {
    const refused = thrown instanceof GatewayError && thrown.fault.kind === 'upstream-unauthorized';
    if (!refused || upload?.spent || exchange.signal.aborted) throw thrown;
    if (await login.refused(fields, session)) return work();
    // A login that only a person can mend says so, and which command to run.
    await login.ready(exchange.signal);
    throw thrown;
  }
}
