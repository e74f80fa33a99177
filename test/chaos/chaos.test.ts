import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import {
  type Desk,
  desk,
  type Direction,
  directions,
  exchange,
  keys,
  keysUsed,
  models,
  second,
} from './desk.ts';
import { limits, refusals, type Scenario, troubles } from './scenarios.ts';

/**
 * Everything that goes wrong at a provider, and what comes of it: who is blamed, how many calls were made, what the
 * client saw, and when the key served again. The first of two keys is used for as long as it can be.
 */

const at: Desk = desk(false, 'routing: {strategy: fill-first, session-affinity: false}\n');
afterAll(() => at.stop());
afterEach(() => {
  at.reset();
  // Every rest is over before the next test.
  at.later(24 * 3_600_000);
});

const text = 'count to 9';
const answer = '1 2 3 4 5 6 7 8 9';

/** A client of the same protocol, and one that is translated for. */
const clientsOf = ({ upstream }: Scenario): readonly Direction[] =>
  directions.filter((direction) => direction.upstream === upstream);

describe.each([
  ['limits', limits],
  ['refusals', refusals],
  ['trouble', troubles],
])('%s', (_, scenarios) => {
  const cases = scenarios.flatMap((scenario) =>
    clientsOf(scenario).map(
      (direction) => [scenario.says, direction.client.id, scenario, direction] as const,
    ),
  );

  test.each(cases)('%s, with a client of %s', async (_, __, scenario, direction) => {
    const provider = at.providers[scenario.upstream]!;
    const stream = !scenario.whole;
    const model = models[scenario.upstream]!;
    const lines = at.it.logged().length;
    const { fault } = scenario;
    provider.next.push(typeof fault === 'function' ? fault(at.now()) : fault);
    const seen = await exchange(at, direction, text, stream);
    const line = await at.it.line(lines + 1);

    if (scenario.status === undefined) {
      expect([seen.status, seen.said, seen.error]).toEqual([200, answer, undefined]);
      expect(keysUsed(provider)).toEqual([1, 2]);
      expect(line.failed.map(({ code }: { code: string }) => code)).toEqual([scenario.code]);
    } else {
      expect([seen.status, seen.said]).toEqual([scenario.status, '']);
      expect(seen.error).toBeDefined();
      expect(keysUsed(provider)).toEqual([1]);
    }

    const next = async (name = model) => {
      provider.received.length = 0;
      expect((await exchange(at, direction, text, stream, name)).status).toBe(200);
      return keysUsed(provider);
    };
    if (scenario.blamed === 'request' || scenario.blamed === 'place') {
      // The key is not held to account: as soon as the place is asked again it is the first.
      if (scenario.blamed === 'place') at.later(1_000);
      return expect(await next()).toEqual([1]);
    }
    expect(await next(second(model))).toEqual([scenario.blamed === 'model' ? 1 : 2]);
    const [soonest, latest] = scenario.back!;
    at.later(soonest - 1);
    expect(await next()).toEqual([2]);
    at.later(latest - soonest + 2);
    expect(await next()).toEqual([1]);
  });
});

test('a place where nobody listens is left to the fallback', async () => {
  const gone = desk(true);
  for (const provider of Object.values(gone.providers)) provider.stop();
  for (const direction of directions) {
    const seen = await exchange(gone, direction, text, true);
    expect([seen.status, seen.said]).toEqual([200, answer]);
    expect(seen.headers.get('x-gateway-route')).toBe('spare/spare-sim');
  }
  await gone.stop();
});

test('a slow drip comes whole', async () => {
  for (const direction of directions) {
    at.providers[direction.upstream]!.next.push({ kind: 'drip' });
    const seen = await exchange(at, direction, text, true);
    expect([seen.said, seen.ending]).toEqual([answer, { count: 1, last: 'finish' }]);
  }
});

test('a key that returns from a rest is asked by one request first, so that a crowd does not break it again', async () => {
  const direction = directions[0]!;
  const provider = at.providers['openai-chat']!;
  provider.next.push({ kind: 'status', status: 429, headers: { 'retry-after': '5' } });
  await exchange(at, direction, text, false);
  at.later(5_001);
  provider.received.length = 0;
  // The first one has no answer before all have asked: an answer ends the rest for everybody.
  const others = Promise.withResolvers<void>();
  provider.byKey.set(keys[0], { kind: 'pause', after: 0, until: others.promise });
  const crowd = Array.from({ length: 8 }, () => exchange(at, direction, text, true));
  await provider.arrival(8);
  others.resolve();
  const seen = await Promise.all(crowd);
  for (const { status, said } of seen) expect([status, said]).toEqual([200, answer]);
  expect(keysUsed(provider).filter((key) => key === 1)).toHaveLength(1);
});

test('rules of the operator change what an error means', async () => {
  const rules = [
    '{status: 400, match: ["please retry"], action: continue}',
    '{status: 500, match-regexr: ["(?i)maintenance"], action: stop}',
    '{status: 403, match: [odd], action: stop-and-cooldown}',
    '{status: 422, match: [odd], action: continue-and-cooldown}',
  ];
  const ruled = desk(false, 'routing: {strategy: fill-first, session-affinity: false}\n', rules);
  const provider = ruled.providers['openai-chat']!;
  const direction = directions[0]!;
  const meets = async (status: number, message: string) => {
    ruled.later(2 * 3_600_000);
    provider.received.length = 0;
    provider.next.push({ kind: 'status', status, body: JSON.stringify({ error: { message } }) });
    const seen = await exchange(ruled, direction, text, false);
    const used = keysUsed(provider);
    await exchange(ruled, direction, text, false);
    return { status: seen.status, used, next: keysUsed(provider).at(-1) };
  };
  expect(await meets(400, 'please retry')).toEqual({ status: 200, used: [1, 2], next: 1 });
  expect(await meets(500, 'Maintenance')).toEqual({ status: 502, used: [1], next: 1 });
  expect(await meets(403, 'odd')).toEqual({ status: 403, used: [1], next: 2 });
  expect(await meets(422, 'odd')).toEqual({ status: 200, used: [1, 2], next: 2 });
  await ruled.stop();
});
