import type { Walk } from '../../accounts/pool/walk.ts';
import { asGatewayError, type GatewayError } from '../../core/error.ts';
import type { SkipRecord } from '../../telemetry/record.ts';
import type { Errand } from '../errand.ts';
import { exhausted } from './exhausted.ts';
import { fallbacksOf, previewTwin, switchesPreview } from './fallbacks.ts';
import { type Attempt, type Plan, plan } from './plan.ts';
import { policyOf } from './policy.ts';
import { conversationOf } from '../session.ts';

/** One model that may answer: the one that was asked for, or a fallback. */
export interface Leg {
  readonly plan: Plan;
  readonly walk: Walk<Attempt>;
  /** Credentials tried in this round. */
  tried: number;
  /** Who was not available when its turn came is in the record. */
  told: boolean;
}

/** A request's way to an answer. */
export interface Journey {
  readonly errand: Errand;
  /** The model that was asked for comes first. */
  readonly legs: Leg[];
  /** The leg whose turn it is, as its index. */
  at: number;
  /** Nobody is available any more: now those are asked who have to be waited for, or rest on a guess. */
  urgent: boolean;
  /** Fallbacks that have not become legs yet; undefined as long as nobody needed one. */
  ahead: string[] | undefined;
  /** What the asked model failed with last; its word counts more than that of a fallback. */
  failure: GatewayError | undefined;
  fallbackFailure: GatewayError | undefined;
}

/** Begins with the model that was asked for. */
export function journeyOf(errand: Errand): Journey {
  return {
    errand,
    legs: [legOf(errand, errand.plan)],
    at: 0,
    urgent: false,
    ahead: undefined,
    failure: undefined,
    fallbackFailure: undefined,
  };
}

/** The models that may still take over, in order. */
export function aheadOf(journey: Journey): string[] {
  const { errand, legs } = journey;
  const [{ plan: asked }] = legs as [Leg];
  return (journey.ahead ??= asked.restricted ? [] : [...fallbacksOf(errand.config, asked.name)]);
}

function legOf(errand: Errand, plan: Plan): Leg {
  const { exchange, body, tools, config } = errand;
  const conversation = conversationOf(exchange.headers, body, `${exchange.tenant ?? ''}\0${plan.name}`);
  const walk = tools.pool.walk(plan.options, {
    policy: policyOf(config),
    tokens: errand.inputEstimate,
    conversation: conversation?.id,
    alias: conversation?.alias,
    follows: conversation?.follows ?? false,
    pinned: exchange.line?.accountId,
  });
  return { plan, walk, tried: 0, told: false };
}

/** The next model to ask; one that nobody offers is left out. */
export function addFallback(journey: Journey): void {
  const { errand, legs, failure } = journey;
  const { runtime } = errand.exchange;
  const [{ plan: asked }] = legs as [Leg];
  const ahead = aheadOf(journey);
  if (legs.length === 1 && switchesPreview(runtime.config) && !asked.restricted) {
    const why = failure ?? exhausted(errand, [asked]);
    const twin = why.status === 429 ? previewTwin(runtime, asked.name) : undefined;
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
export const unasked = (model: string, why: string): SkipRecord => ({
  provider: '',
  credential: '',
  model,
  why,
  untilMs: 0,
});
