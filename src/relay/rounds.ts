import { ruling } from '../accounts/rules.ts';
import type { Walk } from '../accounts/walk.ts';
import { asGatewayError, GatewayError } from '../core/error.ts';
import type { AttemptRecord, SkipRecord } from '../telemetry/record.ts';
import { responseHeaders } from '../wire/fetch.ts';
import type { Answer } from './attempt.ts';
import type { Errand } from './errand.ts';
import { exhausted } from './exhausted.ts';
import { fallbacksOf, previewTwin } from './fallbacks.ts';
import { type Attempt, type Plan, plan } from './plan.ts';
import { policyOf } from './policy.ts';
import { signedIn } from './renewal.ts';
import { conversationOf } from './session.ts';

/** Sends a request to one upstream and waits for what counts as an answer. */
export type Send<A extends Pick<Answer, 'headers'>> = (errand: Errand, attempt: Attempt) => Promise<A>;

/** One model that may answer: the one that was asked for, or a fallback. */
interface Leg {
  readonly plan: Plan;
  readonly walk: Walk<Attempt>;
  /** Credentials tried in this round. */
  tried: number;
  /** Who was not available when its turn came is in the record. */
  told: boolean;
}

/** A request's way to an answer. */
interface Journey {
  readonly errand: Errand;
  readonly legs: Leg[];
  /** Fallbacks that have not become legs yet. */
  readonly ahead: string[];
  /** What the asked model failed with last; its word counts more than that of a fallback. */
  failure: GatewayError | undefined;
  fallbackFailure: GatewayError | undefined;
}

/**
 * Walks the options until one answers: credentials of the model, then those of its fallbacks, and as many rounds of it as
 * the config allows. What fails before its first content is the next one's turn; what is the request's own fault ends the
 * walk, because it would fail everywhere.
 */
export async function tryEach<A extends Pick<Answer, 'headers'>>(errand: Errand, send: Send<A>): Promise<A> {
  const { config } = errand;
  const journey: Journey = {
    errand,
    legs: [legOf(errand, errand.plan)],
    ahead: errand.plan.restricted ? [] : [...fallbacksOf(config, errand.plan.name)],
    failure: undefined,
    fallbackFailure: undefined,
  };
  try {
    for (let round = 1; ; round++) {
      const answer = await oneRound(journey, send);
      if (answer !== undefined) return answer;
      if (!(await anotherRound(journey, round)))
        throw errand.exchange.signal.aborted ? gone(errand) : failureOf(journey);
    }
  } finally {
    errand.deadline?.met();
  }
}

function legOf(errand: Errand, plan: Plan): Leg {
  const { exchange, body, tools, config } = errand;
  const conversation = conversationOf(exchange.headers, body);
  const scope = `${exchange.tenant ?? ''}\0${plan.name}\0`;
  const walk = tools.pool.walk(plan.options, {
    policy: policyOf(config),
    tokens: Math.ceil(exchange.body.length / 4),
    ...(conversation && {
      conversation: scope + conversation.id,
      alias: conversation.alias && scope + conversation.alias,
      follows: conversation.follows,
    }),
    pinned: exchange.line?.accountId,
  });
  return { plan, walk, tried: 0, told: false };
}

/** Everybody who is available, the asked model first; then those who wait for a limit or rest on a guess only. */
async function oneRound<A extends Pick<Answer, 'headers'>>(
  journey: Journey,
  send: Send<A>,
): Promise<A | undefined> {
  const { legs } = journey;
  for (let index = 0; index < legs.length; index++) {
    const answer = await along(journey, legs[index]!, send, false);
    if (answer !== undefined) return answer;
    if (index === legs.length - 1) addFallback(journey);
  }
  for (const leg of legs) {
    const answer = await along(journey, leg, send, true);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

/** The next model to ask; one that nobody offers is left out. */
function addFallback(journey: Journey): void {
  const { errand, legs, ahead, failure } = journey;
  const { runtime } = errand.exchange;
  if (legs.length === 1 && failure && !errand.plan.restricted) {
    const twin = previewTwin(runtime, legs[0]!.plan.name, failure);
    if (twin !== undefined) ahead.unshift(twin);
  }
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    try {
      const next = plan(runtime, name);
      legs.push(legOf(errand, errand.narrow?.(next) ?? next));
      return;
    } catch (thrown) {
      const { code } = asGatewayError(thrown);
      errand.exchange.record.skipped.push(unasked(name, `fallback: ${code}`));
    }
  }
}

/** A model that was not asked, whoever could have served it. */
const unasked = (model: string, why: string): SkipRecord => ({
  provider: '',
  credential: '',
  model,
  why,
  untilMs: 0,
});

/**
 * The credentials of one model, one after the other. The first model's word on the request counts; a fallback that
 * refuses it, as one that takes no prefill does, leaves it to the next.
 * @param urgent nobody is available any more: wait for a place, or try those that rest on a guess.
 */
async function along<A extends Pick<Answer, 'headers'>>(
  journey: Journey,
  leg: Leg,
  send: Send<A>,
  urgent: boolean,
): Promise<A | undefined> {
  const { errand, legs, ahead } = journey;
  const { exchange, config } = errand;
  const isFirst = leg === legs[0];
  const limit = config['max-retry-credentials'] || Infinity;
  while (leg.tried < limit && !errand.upload?.spent) {
    if (exchange.signal.aborted) throw gone(errand);
    const { walk } = leg;
    const attempt =
      walk.next() ?? (urgent ? (walk.lastResort() ?? (await walk.queued(exchange.signal))) : undefined);
    if (!leg.told) noteSkipped(errand, leg);
    if (attempt === undefined) return undefined;
    leg.tried++;
    errand.plan = leg.plan;
    try {
      return await tryOne(errand, walk, attempt, send);
    } catch (thrown) {
      const error = asGatewayError(thrown);
      if (exchange.signal.aborted) throw error;
      const { stop, cools, error: judged } = ruling(attempt.account, error);
      walk.failed(judged, cools);
      if (isFirst) journey.failure = error;
      else journey.fallbackFailure = error;
      if (!stop) continue;
      if (isFirst && !(error.otherModelMay && ahead.length + legs.length > 1)) throw error;
      leg.tried = Infinity;
    }
  }
  return undefined;
}

/** One attempt with its bookkeeping: what it took, and how it ended. */
async function tryOne<A extends Pick<Answer, 'headers'>>(
  errand: Errand,
  walk: Walk<Attempt>,
  attempt: Attempt,
  send: Send<A>,
): Promise<A> {
  const { config, exchange } = errand;
  const { record } = exchange;
  const startedAt = performance.now();
  try {
    const answer = await signedIn(errand, attempt, () => send(errand, attempt));
    const ms = performance.now() - startedAt;
    record.attempts.push(noted(attempt, ms, 'answered', undefined, answer.headers));
    walk.answered(ms);
    errand.endings.push(() => (errand.broken ? walk.failed(errand.broken) : walk.end(tokensOf(errand))));
    if (config['passthrough-headers']) errand.passed = responseHeaders(answer.headers);
    record.provider = attempt.connection.provider;
    record.credential = attempt.account.label;
    record.modelUsed = attempt.model;
    record.affinity = walk.affinity;
    return answer;
  } catch (thrown) {
    const ms = performance.now() - startedAt;
    const left = exchange.signal.aborted;
    const error = asGatewayError(thrown);
    record.attempts.push(noted(attempt, ms, left ? 'cancelled' : 'failed', left ? undefined : error));
    if (left) walk.end();
    throw left ? gone(errand) : error;
  }
}

function noted(
  { connection, account, model }: Attempt,
  ms: number,
  outcome: AttemptRecord['outcome'],
  error?: GatewayError,
  headers?: Headers,
): AttemptRecord {
  return {
    provider: connection.provider,
    credential: account.label,
    model,
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
const gone = ({ exchange }: Errand): GatewayError =>
  exchange.signal.reason instanceof GatewayError
    ? exchange.signal.reason
    : new GatewayError({ kind: 'cancelled' }, 'The client closed the connection.');

/** Candidates that are told of in a record; the pool can explain all of them. */
const mostNoted = 8;

function noteSkipped({ exchange, tools, config }: Errand, leg: Leg): void {
  const { skipped } = exchange.record;
  const { options } = leg.plan;
  leg.told = true;
  for (const { option, block } of tools.pool.hindrances(options, policyOf(config), mostNoted))
    skipped.push({
      provider: option.connection.provider,
      credential: option.account.label,
      model: option.model,
      why: block.standing.rest?.error.code ?? block.what ?? block.why,
      untilMs: Number.isFinite(block.untilMs) ? block.untilMs : 0,
    });
}

// ---------------------------------------------------------------------------------------------------------- another round

/** Failures that may be over in a moment; the others need somebody to do something. */
const passing: ReadonlySet<GatewayError['fault']['kind']> = new Set([
  'rate-limited',
  'quota-exhausted',
  'upstream-forbidden',
  'overloaded',
  'upstream-failed',
  'transport',
  'bad-upstream-data',
  'unavailable',
]);

/** Whether to go round again, after the wait that it takes. @param round how many there have been. */
async function anotherRound(journey: Journey, round: number): Promise<boolean> {
  const { errand, legs, failure } = journey;
  const { config, exchange, upload } = errand;
  if (upload?.spent || exchange.signal.aborted) return false;
  if (failure && !passing.has(failure.fault.kind)) return false;
  const bootstrap = errand.hint.stream ? config.streaming['bootstrap-retries'] : 0;
  const may = ({ account }: Attempt) => round <= (account.extraRounds ?? config['request-retry']) + bootstrap;
  if (!legs.some(({ plan }) => plan.options.some(may))) return false;
  const waitMs = waitFor(errand, legs);
  if (waitMs === undefined) return false;
  if (waitMs > 0) await pause(waitMs + Math.random() * Math.min(waitMs, jitterMs), exchange.signal);
  for (const leg of legs) {
    leg.walk.again(may);
    leg.tried = 0;
  }
  return !exchange.signal.aborted;
}

const jitterMs = 2_000;

/**
 * How long to wait for somebody who may serve. Whoever rests on a guess is waited for where the time allows it, and is
 * asked at once otherwise.
 */
function waitFor({ tools, config }: Errand, legs: readonly Leg[]): number | undefined {
  const policy = policyOf(config);
  const nowMs = tools.now();
  const longestMs = config['max-retry-interval'] * 1000;
  let soonestMs = Infinity;
  let atOnce = false;
  for (const { plan } of legs) {
    const away = tools.pool.hindrances(plan.options, policy);
    if (away.length < plan.options.length) return 0;
    for (const { block } of away) {
      soonestMs = Math.min(soonestMs, block.untilMs - nowMs);
      atOnce ||= (block.standing.rest?.aloneMs ?? Infinity) <= nowMs;
    }
  }
  if (soonestMs <= longestMs) return Math.max(0, soonestMs);
  return atOnce ? 0 : undefined;
}

/** Resolves after a while, or when the client has gone. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}

function failureOf({ errand, legs, failure, fallbackFailure }: Journey): GatewayError {
  for (const { plan, walk } of legs)
    if (walk.ranOutOfRetries)
      errand.exchange.record.skipped.push(unasked(plan.name, 'the retry budget of the provider is spent'));
  const last = failure ?? (fallbackFailure?.scope === 'request' ? undefined : fallbackFailure);
  return exhausted(
    errand,
    legs.map(({ plan }) => plan),
    last,
  );
}
