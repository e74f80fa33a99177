import { ruling } from '../../accounts/rules.ts';
import { asGatewayError, type GatewayError } from '../../core/error.ts';
import { anotherRound } from './another-round.ts';
import type { Answer } from '../attempt.ts';
import type { Errand } from '../errand.ts';
import { exhausted } from './exhausted.ts';
import { addFallback, aheadOf, type Journey, journeyOf, type Leg, unasked } from './journey.ts';
import { answered, failed, gone } from './outcome.ts';
import type { Attempt } from './plan.ts';
import { policyOf } from './policy.ts';
import { type Send, signedIn } from './renewal.ts';

/**
 * Walks the options until one answers: credentials of the model, then those of its fallbacks, and as many rounds of it as
 * the config allows. What fails before its first content is the next one's turn; what is the request's own fault ends the
 * walk, because it would fail everywhere.
 */
export async function tryEach<A extends Pick<Answer, 'headers'>>(errand: Errand, send: Send<A>): Promise<A> {
  const journey = journeyOf(errand);
  try {
    for (let round = 1; ; round++) {
      for (;;) {
        const attempt = available(journey) ?? (await awaited(journey));
        if (attempt === undefined) break;
        const { walk } = journey.legs[journey.at]!;
        const startedAt = performance.now();
        try {
          const answer = await signedIn(errand, attempt, send);
          answered(errand, walk, attempt, startedAt, answer.headers);
          return answer;
        } catch (thrown) {
          const error = asGatewayError(thrown);
          failed(errand, walk, attempt, startedAt, error);
          weigh(journey, attempt, error);
        }
      }
      if (!(await anotherRound(journey, round)))
        throw errand.exchange.signal.aborted ? gone(errand) : failureOf(journey);
    }
  } finally {
    errand.deadline?.met();
  }
}

/** The next who is available, the asked model first; undefined when there is nobody left. */
function available(journey: Journey): Attempt | undefined {
  const { legs } = journey;
  while (!journey.urgent) {
    const leg = legs[journey.at]!;
    const attempt = mayAsk(journey, leg) ? taken(journey, leg, leg.walk.next()) : undefined;
    if (attempt !== undefined) return attempt;
    if (journey.at === legs.length - 1) addFallback(journey);
    if (++journey.at < legs.length) continue;
    journey.urgent = true;
    journey.at = 0;
  }
  return undefined;
}

/** Then those who wait for a limit, or rest on a guess only. */
async function awaited(journey: Journey): Promise<Attempt | undefined> {
  const { errand, legs } = journey;
  for (; journey.at < legs.length; journey.at++) {
    const leg = legs[journey.at]!;
    if (!mayAsk(journey, leg)) continue;
    const { walk } = leg;
    const attempt = walk.next() ?? walk.lastResort() ?? (await walk.queued(errand.exchange.signal));
    if (taken(journey, leg, attempt) !== undefined) return attempt;
  }
  return undefined;
}

/** Whether a leg has attempts left. @throws GatewayError when the client has gone. */
function mayAsk({ errand }: Journey, leg: Leg): boolean {
  const { config, exchange, upload } = errand;
  if (leg.tried >= (config['max-retry-credentials'] || Infinity) || upload?.spent) return false;
  if (exchange.signal.aborted) throw gone(errand);
  return true;
}

/** Notes that an attempt is made, where there is one. */
function taken({ errand }: Journey, leg: Leg, attempt: Attempt | undefined): Attempt | undefined {
  if (!leg.told) noteSkipped(errand, leg);
  if (attempt === undefined) return undefined;
  leg.tried++;
  errand.plan = leg.plan;
  return attempt;
}

/**
 * What a failure means for the rest of the way. The first model's word on the request counts; a fallback that refuses it,
 * as one that takes no prefill does, leaves it to the next.
 * @throws GatewayError the failure itself when it ends the way.
 */
function weigh(journey: Journey, { account }: Attempt, error: GatewayError): void {
  const { legs, at } = journey;
  const leg = legs[at]!;
  const { stop, cools, error: judged } = ruling(account, error);
  leg.walk.failed(judged, cools);
  if (at === 0) journey.failure = error;
  else journey.fallbackFailure = error;
  if (!stop) return;
  const others = legs.length > 1 || aheadOf(journey).length > 0;
  if (at === 0 && !(error.otherModelMay && others)) throw error;
  leg.tried = Infinity;
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
