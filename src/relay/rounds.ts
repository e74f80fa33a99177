import { ruling } from '../accounts/rules.ts';
import { asGatewayError, type GatewayError } from '../core/error.ts';
import { anotherRound } from './another-round.ts';
import type { Answer } from './attempt.ts';
import type { Errand } from './errand.ts';
import { exhausted } from './exhausted.ts';
import { addFallback, type Journey, journeyOf, type Leg, unasked } from './journey.ts';
import { policyOf } from './policy.ts';
import { gone, type Send, tryOne } from './try-one.ts';

/**
 * Walks the options until one answers: credentials of the model, then those of its fallbacks, and as many rounds of it as
 * the config allows. What fails before its first content is the next one's turn; what is the request's own fault ends the
 * walk, because it would fail everywhere.
 */
export async function tryEach<A extends Pick<Answer, 'headers'>>(errand: Errand, send: Send<A>): Promise<A> {
  const journey = journeyOf(errand);
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
