import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import type { Json } from '../../src/core/json.ts';
import { clientKey } from '../relay/support.ts';
import type { Fault } from '../support/simulator.ts';
import { dial, hangUp, responseOf, type SocketClient, textOf } from '../support/socket-client.ts';
import { type Desk, desk, keysUsed, midway, models, refuses } from './desk.ts';

/**
 * The faults of `faults.test.ts` for a client of the Responses WebSocket, in front of an upstream of each wire. A turn ends
 * once, with an answer where anybody could give one; whatever happens, the connection stays good for the next turn.
 */

const at: Record<'alone' | 'spared', Desk> = { alone: desk(false), spared: desk(true) };
const open: SocketClient[] = [];
afterAll(() => Promise.all([at.alone.stop(), at.spared.stop()]));
afterEach(async () => {
  await Promise.all(open.splice(0).map(hangUp));
  for (const each of Object.values(at)) {
    each.reset();
    // Every rest is over before the next test.
    each.later(2 * 3_600_000);
  }
});

const whole = '1 2 3 4 5 6 7 8 9';

async function connect({ it }: Desk): Promise<SocketClient> {
  const client = await dial(`${it.url}/v1/responses`, clientKey);
  open.push(client);
  return client;
}

const create = (upstream: string): Json => ({
  type: 'response.create',
  model: models[upstream],
  store: false,
  input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'count to 9' }] }],
});

/** What was said before a turn ended, however it ended. */
const deltas = (events: readonly Json[]): string =>
  events.map(({ type, delta }) => (type === 'response.output_text.delta' ? String(delta) : '')).join('');

const ends = new Set(['response.completed', 'response.incomplete', 'response.failed', 'error']);
const endings = (events: readonly Json[]) =>
  events.flatMap(({ type }) => (ends.has(String(type)) ? [type] : []));

const errorOf = (events: readonly Json[]): Json => responseOf(events)?.error ?? events.at(-1)?.error;

for (const upstream of Object.keys(models))
  describe(`Responses WebSocket client, ${upstream} upstream`, () => {
    const provider = ({ providers }: Desk) => providers[upstream]!;

    test.each<[string, Fault]>([
      [
        '1: 429 with Retry-After',
        refuses(429, { error: { message: 'Slow down.' } }, { 'retry-after': '40' }),
      ],
      ['2: 429 without Retry-After', refuses(429, { error: { message: 'Slow down.' } })],
      ['3: a single 500', { kind: 'status', status: 500 }],
      ['4: 503', { kind: 'status', status: 503 }],
      ['5: a reset before the answer', { kind: 'reset', when: 'before-headers' }],
      ['5: a reset after the headers', { kind: 'reset', when: 'after-headers' }],
      ['6: no response', { kind: 'hang', when: 'before-headers' }],
      ['6: no response after the headers', { kind: 'hang', when: 'after-headers' }],
    ])('%s is not seen: another credential answers the turn', async (_, fault) => {
      const client = await connect(at.spared);
      provider(at.spared).next.push(fault);
      const events = await client.turn(create(upstream));
      expect([endings(events), textOf(events)]).toEqual([['response.completed'], whole]);
      expect(provider(at.spared).received.length + at.spared.spare.received.length).toBe(2);
    });

    test('4: 503 everywhere is answered by the fallback', async () => {
      const client = await connect(at.spared);
      provider(at.spared).always = { kind: 'status', status: 503 };
      for (let turn = 0; turn < 2; turn++) expect(textOf(await client.turn(create(upstream)))).toBe(whole);
    });

    test('7: a late first token is waited for', async () => {
      const client = await connect(at.alone);
      const gate = Promise.withResolvers<void>();
      provider(at.alone).next.push({ kind: 'pause', after: 0, until: gate.promise });
      const turn = client.turn(create(upstream));
      await provider(at.alone).arrival(1);
      gate.resolve();
      expect(textOf(await turn)).toBe(whole);
      expect(provider(at.alone).received).toHaveLength(1);
    });

    test.each(midway)(
      '%s ends the turn in exactly one error, and the next turn is served',
      async (_, fault) => {
        const client = await connect(at.spared);
        const gate = Promise.withResolvers<void>();
        provider(at.spared).next.push({ ...fault, until: gate.promise } as Fault);
        const turn = client.turn(create(upstream));
        await client.until(
          ({ type, delta }) => type === 'response.output_text.delta' && /2/.test(String(delta)),
        );
        gate.resolve();
        const events = await turn;
        expect(endings(events)).toHaveLength(1);
        expect(endings(events)[0]).toMatch(/^(response\.failed|error)$/);
        expect(whole.startsWith(deltas(events).trim())).toBe(true);
        expect(deltas(events)).not.toBe('');
        expect(errorOf(events).message).toMatch(/\w{3}.*\.$/);
        expect(provider(at.spared).received.length + at.spared.spare.received.length).toBe(1);
        expect(textOf(await client.turn(create(upstream)))).toBe(whole);
      },
    );

    test('12: a missing end is an error, unless everything was said', async () => {
      const client = await connect(at.alone);
      provider(at.alone).next.push({ kind: 'missing-end' });
      const events = await client.turn(create(upstream));
      // Of the four wires only Chat tells why the model stopped before its last mark.
      const complete = upstream === 'openai-chat';
      expect(endings(events)).toHaveLength(1);
      expect(endings(events)[0]).toMatch(complete ? /^response\.completed$/ : /^(response\.failed|error)$/);
      if (complete) expect(textOf(events)).toBe(whole);
    });

    test('13, 14: a refusal that is one model’s own is answered by the fallback', async () => {
      const client = await connect(at.spared);
      const filtered = {
        error: { message: 'The prompt violates our content policies.', code: 'content_filter' },
      };
      provider(at.spared).next.push(refuses(400, filtered));
      expect(textOf(await client.turn(create(upstream)))).toBe(whole);
    });

    test('16: through a minute in which every other second fails no turn fails', async () => {
      const client = await connect(at.spared);
      for (let second = 0; second < 60; second++) {
        provider(at.spared).always = second % 2 === 0 ? { kind: 'status', status: 503 } : undefined;
        expect([second, textOf(await client.turn(create(upstream)))]).toEqual([second, whole]);
        at.spared.later(1_000);
      }
    });

    test('nobody left: the turn is refused with each candidate, and served once one is back', async () => {
      const client = await connect(at.alone);
      provider(at.alone).always = refuses(429, { error: { message: 'Slow down.' } }, { 'retry-after': '40' });
      await client.turn(create(upstream));
      const events = await client.turn(create(upstream));
      expect(endings(events)).toEqual(['error']);
      expect(errorOf(events).message).toContain('next try in 40 s');
      provider(at.alone).always = undefined;
      at.alone.later(40_000);
      expect(textOf(await client.turn(create(upstream)))).toBe(whole);
      expect(new Set(keysUsed(provider(at.alone)))).toEqual(new Set([1, 2]));
    });
  });
