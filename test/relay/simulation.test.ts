import { expect, test } from 'bun:test';
import { type Option, Pool } from '../../src/accounts/pool/pool.ts';
import { defaultPolicy } from '../../src/accounts/policy.ts';
import type { Walk } from '../../src/accounts/pool/walk.ts';
import { GatewayError } from '../../src/core/error.ts';
import { option } from '../accounts/pool/support.ts';
import { random as seeded } from '../support/random.ts';

/**
 * 100,000 requests over 50 credentials at five places, with faults at random: quotas that close and open again, keys that
 * are refused for a while, single 5xx, places that are down. Only the clock and the upstreams are made up.
 */

const requests = 100_000;
const credentials = 50;
const places = 5;
/** Between two requests. */
const stepMs = 20;

/** What the upstream of a credential answers at a moment; undefined: all is well. */
type Upstream = (nowMs: number) => GatewayError | undefined;

const failures = {
  quota: (untilMs: number, nowMs: number) =>
    new GatewayError({ kind: 'rate-limited' }, 'no', { retryAfterMs: untilMs - nowMs }),
  throttle: () => new GatewayError({ kind: 'rate-limited' }, 'no'),
  refusal: () => new GatewayError({ kind: 'upstream-unauthorized' }, 'no'),
  server: () => new GatewayError({ kind: 'upstream-failed', status: 500 }, 'no'),
  network: () => new GatewayError({ kind: 'transport', phase: 'connect' }, 'no'),
};

/** Spells of trouble, each from a moment to another, drawn from the seed. */
function spells(random: () => number, everyMs: number, lastsMs: number) {
  let from = random() * everyMs * 2;
  let until = from + random() * lastsMs * 2;
  return (nowMs: number): number => {
    while (nowMs >= until) {
      from = until + random() * everyMs * 2;
      until = from + random() * lastsMs * 2;
    }
    return nowMs >= from ? until : 0;
  };
}

function world(seed: number) {
  const source = seeded(seed);
  const random = () => source.below(2 ** 30) / 2 ** 30;
  const down = Array.from({ length: places }, () => spells(random, 400_000, 8_000));
  const upstreams = Array.from({ length: credentials }, (_, index): Upstream => {
    const [quota, throttle, refusal] = [
      spells(random, 300_000, 30_000),
      spells(random, 300_000, 5_000),
      spells(random, 1_000_000, 60_000),
    ];
    return (nowMs) => {
      if (down[index % places]!(nowMs)) return failures.network();
      const closed = quota(nowMs);
      if (closed) return failures.quota(closed, nowMs);
      if (throttle(nowMs)) return failures.throttle();
      if (refusal(nowMs)) return failures.refusal();
      return random() < 0.02 ? failures.server() : undefined;
    };
  });
  return { random, upstreams };
}

/** One request: whoever is available, and then whoever rests on a guess. Returns the upstream calls, and who answered. */
function ask(walk: Walk<Option>, upstream: (index: number) => GatewayError | undefined) {
  let calls = 0;
  for (let taken = walk.next() ?? walk.lastResort(); taken; taken = walk.next() ?? walk.lastResort()) {
    calls++;
    const index = Number(taken.account.id);
    const failure = upstream(index);
    if (failure === undefined) {
      walk.answered(1);
      return { calls, index };
    }
    walk.failed(failure);
  }
  return { calls, index: -1 };
}

function simulate(seed: number, faulty: boolean) {
  const { random, upstreams } = world(seed);
  let nowMs = 0;
  const pool = new Pool({ now: () => nowMs, random });
  const options = upstreams.map((_, index) =>
    option(`${index}`, { provider: `p${index % places}`, host: `${index % places}.example` }),
  );
  const served = options.map(() => 0);
  const open: Walk<Option>[] = [];
  let [calls, failed] = [0, 0];
  for (let request = 0; request < requests; request++, nowMs += stepMs) {
    const walk = pool.walk(options, { policy: defaultPolicy, tokens: 100 });
    const answer = ask(walk, (index) => (faulty ? upstreams[index]!(nowMs) : undefined));
    calls += answer.calls;
    if (answer.index < 0) failed++;
    else served[answer.index]!++;
    open.push(walk);
    if (open.length > 30) open.splice(Math.floor(random() * open.length), 1)[0]!.end();
  }
  for (const walk of open) walk.end();
  const inFlight = options.reduce((sum, { account }) => sum + pool.state(account).inFlight, 0);
  return { calls, failed, served, inFlight };
}

test.each([1, 2, 3])(
  'no client sees a failure that another credential could have served (seed %d)',
  (seed) => {
    const { calls, failed, inFlight } = simulate(seed, true);
    expect(failed).toBe(0);
    expect(calls).toBeGreaterThan(requests * 1.01);
    expect(calls / requests).toBeLessThan(1.2);
    expect(inFlight).toBe(0);
  },
);

test('equal weights have equal shares', () => {
  const { served, calls } = simulate(1, false);
  expect(calls).toBe(requests);
  const fair = requests / credentials;
  expect(Math.max(...served.map((count) => Math.abs(count - fair) / fair))).toBeLessThan(0.05);
});
