import { type Option, Pool } from '../../src/accounts/pool/pool.ts';
import { defaultPolicy, strategies, type Strategy } from '../../src/accounts/policy.ts';
import { GatewayError } from '../../src/core/error.ts';
import { conversationOf } from '../../src/relay/session.ts';
import type { Aim } from './report.ts';

/**
 * What it costs to choose a credential: with ten of them and with ten thousand, one in ten resting. The aim is about all
 * that a request does to find its credential. That hides what the pick alone costs more, which is said as well: it does
 * the same steps, but ten thousand credentials do not fit the processor's nearest memory. `bun scripts/bench/selection.ts`
 * runs it alone.
 */

const few = 10;
const many = 10_000;
const tolerance = 0.1;
const rounds = 200;
const requestsPerRound = 2_000;

/**
 * What every request does to find its credential: name its conversation, take a place, be answered, give it back.
 * @param bare without a conversation.
 */
function requestOf(count: number, strategy: Strategy, bare: boolean): () => void {
  let nowMs = 1;
  const pool = new Pool({ now: () => nowMs });
  const policy = { ...defaultPolicy, strategy };
  const options = Array.from({ length: count }, (_, index) => credential(index));
  const failure = new GatewayError({ kind: 'rate-limited' }, 'no', { retryAfterMs: 3_600_000 });
  for (let left = count / 10; left > 0; left--) {
    const walk = pool.walk(options, { policy, tokens: 1 });
    walk.next();
    walk.failed(failure);
    walk.end();
  }
  return () => {
    nowMs += 0.01;
    const walk = pool.walk(options, { policy, tokens: 1, ...(bare ? {} : named()) });
    walk.next();
    walk.answered(1);
    walk.end();
  };
}

function named() {
  const { id, follows } = conversationOf(headers, body, 'bench')!;
  return { conversation: id, follows };
}

const headers = new Headers({ 'user-agent': 'bench', accept: '*/*', 'content-type': 'application/json' });
const body = {
  model: 'm',
  messages: [
    { role: 'system', content: 'You are a helpful assistant.' },
    { role: 'user', content: 'Tell me about bees.' },
  ],
};

const credential = (index: number): Option => ({
  account: {
    id: `${index}`,
    provider: 'p',
    label: `${index}`,
    secret: { kind: 'none' },
    priority: 0,
    weight: 1 + (index % 3),
    proxy: 'direct',
  },
  model: 'm',
});

/** Nanoseconds per request; the best of the rounds, which disturbs least what else the machine does. */
function measure(strategy: Strategy, bare: boolean): { readonly few: number; readonly many: number } {
  const [small, large] = [requestOf(few, strategy, bare), requestOf(many, strategy, bare)];
  const best = { few: Infinity, many: Infinity };
  for (let round = 0; round < rounds; round++) {
    best.few = Math.min(best.few, timed(small));
    best.many = Math.min(best.many, timed(large));
  }
  return best;
}

function timed(work: () => void): number {
  const from = Bun.nanoseconds();
  for (let count = 0; count < requestsPerRound; count++) work();
  return (Bun.nanoseconds() - from) / requestsPerRound;
}

/** How selection with many credentials stands to selection with few, for each strategy. */
export function measureSelection(): readonly Aim[] {
  return strategies.map((strategy) => {
    const ns = measure(strategy, false);
    const bare = measure(strategy, true);
    const more = ns.many / ns.few - 1;
    return {
      what: `selection: ${strategy}`,
      aim: `${many} credentials within ${tolerance * 100} % of ${few}`,
      is:
        `${(more * 100).toFixed(0)} % more (${ns.many.toFixed(0)} ns); ` +
        `the pick alone ${bare.few.toFixed(0)} and ${bare.many.toFixed(0)} ns`,
      met: more <= tolerance,
    };
  });
}

/** The aims as lines for a person. */
export const renderSelection = (aims: readonly Aim[]): string =>
  aims.map(({ what, aim, is, met }) => `${what}: ${is}; ${aim}: ${met ? 'met' : 'MISSED'}`).join('\n');

if (import.meta.main) console.log(renderSelection(measureSelection()));
