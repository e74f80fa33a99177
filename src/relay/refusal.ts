import { secretsOf } from '../accounts/logins/secrets.ts';
import type { GatewayError } from '../core/error.ts';
import { without } from '../telemetry/redact.ts';
import type { Answered } from '../wire/fetch.ts';
import type { Errand } from './errand.ts';
import type { Attempt } from './routing/plan.ts';
import { hearQuota } from './routing/quota.ts';

/** Whether an upstream has answered; then what it says of the credential's quota is kept. See `refusal` otherwise. */
export function accepts(errand: Errand, attempt: Attempt, { ok, headers }: Answered): boolean {
  if (ok) hearQuota(errand, attempt, headers);
  return ok;
}

/**
 * An upstream's error answer as an error: read by its protocol, sharpened by its channel. What it says of quotas is kept,
 * what it repeats of the credential is not.
 */
export async function refusal(errand: Errand, attempt: Attempt, response: Answered): Promise<GatewayError> {
  const { status, headers } = response;
  const body = without(await beginningOf(response), secretsOf(attempt.account.secret));
  hearQuota(errand, attempt, headers, body);
  const error = attempt.protocol.upstream!.decodeError(status, headers, body);
  return judged(error.with({ body }), attempt, headers);
}

/** An error sharpened with what only its channel knows, and without what it repeats of the credential. */
export function judged(
  error: GatewayError,
  { connection, account }: Attempt,
  headers: Headers,
): GatewayError {
  const message = without(error.message, secretsOf(account.secret));
  const told = message === error.message ? error : error.with({ message });
  return connection.judge?.(told, headers) ?? told;
}

/** An error of Google's with all its details is a few KiB; whoever sends more is not listened to. */
const mostCharacters = 256 * 1024;

/** The beginning of a body, as far as it came. */
async function beginningOf({ body }: Answered): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const bytes of body ?? []) {
      text += decoder.decode(bytes, { stream: true });
      if (text.length >= mostCharacters) break;
    }
  } catch {
    // A body that breaks off has said enough: the status stands.
  }
  return text.slice(0, mostCharacters);
}
