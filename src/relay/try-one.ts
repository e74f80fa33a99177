import type { Walk } from '../accounts/pool/walk.ts';
import { asGatewayError, GatewayError } from '../core/error.ts';
import type { AttemptRecord } from '../telemetry/record.ts';
import { responseHeaders } from '../wire/fetch.ts';
import type { Answer } from './attempt.ts';
import type { Errand } from './errand.ts';
import type { Attempt } from './plan.ts';
import { signedIn } from './renewal.ts';

/** Sends a request to one upstream and waits for what counts as an answer. */
export type Send<A extends Pick<Answer, 'headers'>> = (errand: Errand, attempt: Attempt) => Promise<A>;

/** One attempt with its bookkeeping: what it took, and how it ended. */
export async function tryOne<A extends Pick<Answer, 'headers'>>(
  errand: Errand,
  walk: Walk<Attempt>,
  attempt: Attempt,
  send: Send<A>,
): Promise<A> {
  const { config, exchange } = errand;
  const { record } = exchange;
  const startedAt = performance.now();
  const atMs = startedAt - record.startedAt;
  const note = (outcome: AttemptRecord['outcome'], error?: GatewayError, headers?: Headers) =>
    record.attempts.push(
      noted(attempt, { atMs, ms: performance.now() - startedAt, outcome }, error, headers),
    );
  try {
    const answer = await signedIn(errand, attempt, () => send(errand, attempt));
    note('answered', undefined, answer.headers);
    walk.answered(performance.now() - startedAt);
    errand.endings.push(() => (errand.broken ? walk.failed(errand.broken) : walk.end(tokensOf(errand))));
    if (config['passthrough-headers']) errand.passed = responseHeaders(answer.headers);
    record.provider = attempt.connection.provider;
    record.credential = attempt.account.label;
    record.modelUsed = attempt.model;
    record.affinity = walk.affinity;
    return answer;
  } catch (thrown) {
    const left = exchange.signal.aborted;
    const error = asGatewayError(thrown);
    note(left ? 'cancelled' : 'failed', left ? undefined : error);
    if (left) walk.end();
    throw left ? gone(errand) : error;
  }
}

function noted(
  { connection, account, model }: Attempt,
  { atMs, ms, outcome }: Pick<AttemptRecord, 'atMs' | 'ms' | 'outcome'>,
  error?: GatewayError,
  headers?: Headers,
): AttemptRecord {
  return {
    provider: connection.provider,
    credential: account.label,
    model,
    atMs: Math.round(atMs),
    ms: Math.round(ms),
    outcome,
    status: error?.upstream?.status ?? (outcome === 'answered' ? 200 : 0),
    code: error?.code ?? '',
    upstreamRequestId: error?.upstream?.requestId ?? requestIdOf(headers),
  };
}

/** Vendors name their own request id in one of these. */
const requestIdOf = (headers: Headers | undefined) =>
  headers?.get('x-request-id') ?? headers?.get('request-id') ?? '';

/** What a request took of its credential's allowance; undefined when nobody knows. */
function tokensOf({ exchange }: Errand): number | undefined {
  const { usage } = exchange.record;
  return usage && usage.input + usage.output;
}

/** The request ends without anybody's fault but the clock's or the client's. */
export const gone = ({ exchange }: Errand): GatewayError =>
  exchange.signal.reason instanceof GatewayError
    ? exchange.signal.reason
    : new GatewayError({ kind: 'cancelled' }, 'The client closed the connection.');
