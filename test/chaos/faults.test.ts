import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import type { Fault } from '../support/simulator.ts';
import {
  ask,
  type Desk,
  desk,
  type Direction,
  directions,
  exchange,
  keys,
  keysUsed,
  midway,
  named,
  refuses,
  see,
} from './desk.ts';

/**
 * The sixteen faults by which gateways are measured: each of them in each client's protocol, through both lanes, with two
 * credentials and one fallback. A client sees an answer where anybody could give one, and else exactly one error in its
 * own dialect; never a part of an answer that passes for the whole.
 */

const at: Record<'alone' | 'spared', Desk> = { alone: desk(false), spared: desk(true) };
afterAll(() => Promise.all([at.alone.stop(), at.spared.stop()]));
afterEach(() => {
  for (const each of Object.values(at)) {
    each.reset();
    // Every rest is over before the next test.
    each.later(2 * 3_600_000);
  }
});

const behind = ({ providers }: Desk, { upstream }: Direction) => providers[upstream]!;
const text = 'count to 9';
const whole = '1 2 3 4 5 6 7 8 9';

/** The first request finds the fault, whichever key it comes with. */
async function meets(fault: Fault, direction: Direction, stream: boolean, it = at.alone) {
  const provider = behind(it, direction);
  provider.next.push(fault);
  const seen = await exchange(it, direction, text, stream);
  return { seen, provider, used: keysUsed(provider) };
}

const unhinted = {
  'openai-chat': { error: { message: 'Rate limit reached.', type: 'tokens', code: 'rate_limit_exceeded' } },
  'openai-responses': {
    error: { message: 'Rate limit reached.', type: 'tokens', code: 'rate_limit_exceeded' },
  },
  'anthropic-messages': { type: 'error', error: { type: 'rate_limit_error', message: 'Too many.' } },
  gemini: { error: { code: 429, message: 'Resource exhausted.', status: 'RESOURCE_EXHAUSTED' } },
} as Record<string, unknown>;

const tooLong = {
  'openai-chat': {
    error: { message: 'Too long.', type: 'invalid_request_error', code: 'context_length_exceeded' },
  },
  'openai-responses': {
    error: { message: 'Too long.', type: 'invalid_request_error', code: 'context_length_exceeded' },
  },
  'anthropic-messages': {
    type: 'error',
    error: { type: 'invalid_request_error', message: 'prompt is too long: 210000 tokens > 200000 maximum' },
  },
  gemini: {
    error: {
      code: 400,
      message: 'The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).',
      status: 'INVALID_ARGUMENT',
    },
  },
} as Record<string, unknown>;

const filtered = {
  'openai-chat': { error: { message: 'Filtered.', code: 'content_filter', type: null } },
  'openai-responses': {
    error: { message: 'Filtered.', code: 'content_policy_violation', type: 'invalid_request_error' },
  },
  'anthropic-messages': {
    type: 'error',
    error: { type: 'invalid_request_error', message: 'Output blocked by content filtering policy' },
  },
  gemini: {
    error: { code: 400, message: 'The prompt violates our content policies.', status: 'PROHIBITED_CONTENT' },
  },
} as Record<string, unknown>;

/** What an error inside a stream has in each client's protocol. */
const dialect: Readonly<Record<string, readonly string[]>> = {
  'openai-chat': ['message', 'type', 'code'],
  'openai-responses': ['code', 'message'],
  'anthropic-messages': ['type', 'message'],
  gemini: ['code', 'message', 'status'],
};

for (const direction of directions)
  describe(named(direction), () => {
    const { client, upstream } = direction;

    test('1: 429 with Retry-After goes to the other key, and the first is asked again when the time is over', async () => {
      const fault = refuses(429, unhinted[upstream], { 'retry-after': '40' });
      const { seen, provider, used } = await meets(fault, direction, true);
      expect([seen.status, seen.said, seen.ending]).toEqual([200, whole, { count: 1, last: 'finish' }]);
      const [limited, other] = used;
      expect(used).toEqual([limited!, 3 - limited!]);
      at.alone.later(39_000);
      for (let count = 0; count < 3; count++) await exchange(at.alone, direction, text, false);
      expect(keysUsed(provider).slice(2)).toEqual([other!, other!, other!]);
      at.alone.later(2_000);
      for (let count = 0; count < 2; count++) await exchange(at.alone, direction, text, false);
      expect(keysUsed(provider).slice(5).toSorted()).toEqual([1, 2]);
    });

    test('2: 429 without Retry-After goes to the other key, and the first rests no longer than a second', async () => {
      const { seen, provider, used } = await meets(refuses(429, unhinted[upstream]), direction, false);
      expect([seen.status, seen.said]).toEqual([200, whole]);
      expect(used.toSorted()).toEqual([1, 2]);
      at.alone.later(1_001);
      for (let count = 0; count < 2; count++) await exchange(at.alone, direction, text, false);
      expect(keysUsed(provider).slice(2).toSorted()).toEqual([1, 2]);
    });

    test('3: a single 500 is not seen', async () => {
      const fault: Fault = { kind: 'status', status: 500 };
      const { seen, provider } = await meets(fault, direction, true, at.spared);
      expect([seen.status, seen.ending]).toEqual([200, { count: 1, last: 'finish' }]);
      expect(seen.said).toBe(whole);
      expect(provider.received.length + at.spared.spare.received.length).toBe(2);
    });

    test.each<[string, Fault]>([
      ['4: 503', { kind: 'status', status: 503 }],
      ['5: a reset before the answer', { kind: 'reset', when: 'before-headers' }],
      ['5: a reset after the headers', { kind: 'reset', when: 'after-headers' }],
      ['6: no response', { kind: 'hang', when: 'before-headers' }],
      ['6: no response after the headers', { kind: 'hang', when: 'after-headers' }],
    ])('%s everywhere is answered by the fallback, whole or streamed', async (_, fault) => {
      const provider = behind(at.spared, direction);
      provider.always = fault;
      for (const stream of [true, false]) {
        const seen = await exchange(at.spared, direction, text, stream);
        expect([seen.status, seen.said, seen.error]).toEqual([200, whole, undefined]);
        expect(seen.headers.get('x-gateway-route')).toBe('spare/spare-sim');
      }
      // Trouble of the place is not tried out key by key, and not again at once.
      expect(provider.received.length).toBeLessThanOrEqual(2);
    });

    test('7: a late first token is waited for', async () => {
      const provider = behind(at.alone, direction);
      const gate = Promise.withResolvers<void>();
      provider.next.push({ kind: 'pause', after: 0, until: gate.promise });
      const asked = ask(at.alone, direction, text, true);
      await provider.arrival(1);
      gate.resolve();
      const seen = await see(client, await asked);
      expect([seen.said, seen.ending]).toEqual([whole, { count: 1, last: 'finish' }]);
      expect(provider.received).toHaveLength(1);
    });

    test.each(midway)(
      '%s ends in exactly one error of its own dialect, and nobody else is asked',
      async (_, fault) => {
        const gate = Promise.withResolvers<void>();
        const provider = behind(at.spared, direction);
        provider.next.push({ ...fault, until: gate.promise } as Fault);
        const response = await ask(at.spared, direction, text, true);
        const seen = await see(client, response, (sofar) => /2/.test(sofar) && gate.resolve());
        expect(seen.ending).toEqual({ count: 1, last: 'error' });
        expect(seen.said.length).toBeGreaterThan(0);
        expect(whole.startsWith(seen.said.trim())).toBe(true);
        expect(Object.keys(seen.error!)).toEqual(expect.arrayContaining([...dialect[client.id]!]));
        expect(seen.error!.message).toMatch(/\w{3}.*\.$/);
        // Nothing that a client cannot read is passed on.
        expect(seen.text).not.toContain('"broken"');
        expect(provider.received.length + at.spared.spare.received.length).toBe(1);
      },
    );

    test.each<[string, Fault]>([
      ['8: cut', { kind: 'cut', after: 2, clean: true }],
      ['8: reset', { kind: 'reset', when: 'mid-body' }],
      ['10: stalled', { kind: 'hang', when: 'mid-body' }],
    ])('%s, a whole answer is asked for again', async (_, fault) => {
      const { seen } = await meets(fault, direction, false, at.spared);
      expect([seen.status, seen.said]).toEqual([200, whole]);
    });

    test('12: a missing end is an error, unless everything was said', async () => {
      const { seen } = await meets({ kind: 'missing-end' }, direction, true);
      expect(seen.ending.count).toBe(1);
      // Of the four wires only Chat tells why the model stopped before its last mark.
      expect(seen.ending.last).toBe(upstream === 'openai-chat' ? 'finish' : 'error');
      if (seen.ending.last === 'finish') expect(seen.said).toBe(whole);
    });

    test.each<[string, Record<string, unknown>]>([
      ['13: a context that is too small', tooLong],
      ['14: a content that is refused', filtered],
    ])('%s is one model’s own: the fallback answers, and no key rests', async (_, bodies) => {
      const { seen, provider } = await meets(refuses(400, bodies[upstream]), direction, true, at.spared);
      expect([seen.status, seen.said]).toEqual([200, whole]);
      expect(seen.headers.get('x-gateway-route')).toBe('spare/spare-sim');
      expect(provider.received).toHaveLength(1);
      for (let count = 0; count < 2; count++) await exchange(at.spared, direction, text, false);
      expect(keysUsed(provider).slice(1).toSorted()).toEqual([1, 2]);
    });

    test.each<[string, Record<string, unknown>, number]>([
      ['13: a context that is too small', tooLong, 413],
      ['14: a content that is refused', filtered, 400],
    ])('%s without a fallback is told, and nobody else is asked', async (_, bodies, status) => {
      const { seen, provider } = await meets(refuses(400, bodies[upstream]), direction, false);
      expect(seen.status).toBe(status);
      expect(seen.error).toBeDefined();
      expect(provider.received).toHaveLength(1);
    });

    test('15: a fallback that refuses a prefill leaves the word to the first model', async () => {
      const provider = behind(at.spared, direction);
      provider.always = { kind: 'status', status: 503 };
      at.spared.spare.always = refuses(400, {
        error: {
          message: 'This model does not support assistant message prefill.',
          type: 'invalid_request_error',
        },
      });
      const seen = await exchange(at.spared, direction, text, true);
      expect(seen.status).toBe(503);
      expect(Number(seen.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(at.spared.spare.received).toHaveLength(1);
    });

    test.each<[string, (second: number) => boolean, number]>([
      ['a minute in which every other second fails', (second) => second % 2 === 0, 2],
      ['a minute without the provider', () => true, 1.3],
    ])('16: through %s no client sees a failure', async (_, fails, callsEach) => {
      const provider = behind(at.spared, direction);
      for (let second = 0; second < 60; second++) {
        provider.always = fails(second) ? { kind: 'status', status: 503 } : undefined;
        const seen = await exchange(at.spared, direction, text, false);
        expect([second, seen.status, seen.said]).toEqual([second, 200, whole]);
        at.spared.later(1_000);
      }
      expect(provider.received.length + at.spared.spare.received.length).toBeLessThan(60 * callsEach);
      // It has its clients back as soon as its rest is over.
      provider.always = undefined;
      at.spared.later(60_000);
      provider.received.length = 0;
      await exchange(at.spared, direction, text, false);
      expect(provider.received).toHaveLength(1);
    });

    test('accounting: one line for each request, with the attempts that failed and the tokens of the one that answered', async () => {
      const before = at.alone.it.logged().length;
      const { seen } = await meets(refuses(429, unhinted[upstream]), direction, false);
      expect(seen.status).toBe(200);
      const line = await at.alone.it.line(before + 1);
      expect(at.alone.it.logged().length).toBe(before + 1);
      expect(line).toMatchObject({
        attempts: 2,
        failed: [{ status_code: 429, code: 'rate_limit_exceeded' }],
        status: 200,
        tokens: { output: 9 },
      });
      expect(JSON.stringify(line)).not.toContain(keys[0]);
    });
  });
