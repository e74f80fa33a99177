import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { GatewayError, type Fault } from '../src/core/error.ts';
import { fold, unfold, type ChatEvent, type Reply } from '../src/core/event.ts';
import type { Json } from '../src/core/json.ts';
import { protocols } from '../src/protocols/index.ts';
import type { Protocol } from '../src/protocols/protocol.ts';
import {
  expectGolden,
  formatGoldens,
  golden,
  goldenEvents,
  plain,
  plainError,
  scenariosOf,
  settled,
  type Scenario,
} from './support/fixtures.ts';
import { expectGrammar, terminalOf } from './support/grammar.ts';
import { random } from './support/random.ts';
import {
  bytesOf,
  contentOf,
  decodeBytes,
  decodeRequest,
  echoOf,
  encodeEvents,
  tellingRequest,
  terminals,
} from './support/wires.ts';

/**
 * What every protocol promises, run over every scenario of it. A protocol skips a law only by declaring the loss
 * `law:<name>:<scenario>` (or `law:<name>:*`) with its reason.
 */
const laws = [
  'request-golden',
  'request-round-trip',
  'stream-golden',
  'stream-is-reply',
  'stream-round-trip',
  'reply-round-trip',
  'unfold',
  'error-golden',
  'splits',
  'truncation',
  'garbage',
] as const;
type Law = (typeof laws)[number];

// Cutting a stream at every byte takes its time.
setDefaultTimeout(60_000);
afterAll(formatGoldens);

test('every declared loss of a law names a law that exists and says why', () => {
  for (const protocol of protocols)
    for (const loss of protocol.losses) {
      expect(loss.why.length).toBeGreaterThan(10);
      if (loss.what.startsWith('law:')) expect(laws).toContain(loss.what.split(':')[1] as Law);
    }
});

for (const protocol of protocols) {
  const { client, upstream } = protocol;
  const scenarios = scenariosOf(protocol.id);

  describe(protocol.id, () => {
    test('has scenarios to keep its promises on', () => {
      expect(scenarios.length).toBeGreaterThan(0);
    });

    for (const scenario of scenarios) describe(scenario.name, () => lawsOf(scenario));

    if (upstream) {
      test('ends a stream that never says anything in one error', () => {
        const events = decodeBytes(protocol, new Uint8Array());
        expectGrammar(events);
        expect(events.map((event) => event.type)).toEqual(['error']);
      });
      test.each(statuses)('reads any error body of status %i without failing itself', (status) => {
        for (const body of errorBodies) errorLaw(protocol, status, body);
      });
    }
    if (client)
      test.each(faults)('says %j in its own shape, with the remedy and the request id', (fault) => {
        const error = new GatewayError(fault, 'It went wrong.', { remedy: 'Do the other thing.' });
        const text = JSON.stringify(client.encodeError(error, 'req-1'));
        for (const word of ['It went wrong. Do the other thing.', error.code, 'req-1'])
          expect(text.toLowerCase()).toContain(word.toLowerCase());
      });
  });

  function lawsOf(scenario: Scenario): void {
    const { name, request, sse, reply, failure } = scenario;
    const law = (id: Law, title: string, run: () => void) => {
      const loss = protocol.losses.find(({ what }) => what === `law:${id}:${name}` || what === `law:${id}:*`);
      if (loss) return test.skip(`${title} (declared loss: ${loss.why})`, run);
      test(title, run);
    };

    if (client && request) {
      law('request-golden', 'reads the request as agreed', () => {
        expectGolden(`${protocol.id}/${name}.chat.json`, golden(decodeRequest(protocol, request)));
      });
      if (upstream)
        law('request-round-trip', 'reads back the request it writes', () => {
          const chat = decodeRequest(protocol, request);
          const drops: string[] = [];
          const body = upstream.encodeRequest(chat, { model: chat.model, drop: (what) => drops.push(what) });
          expect(settled(JSON.stringify(sorted(decodeRequest(protocol, copied(body)))))).toEqual(
            settled(JSON.stringify(sorted(chat))),
          );
          expect(drops).toEqual([]);
        });
    }
    if (upstream && reply) {
      law('unfold', 'spells its reply as a stream and folds it back', () => {
        const whole = upstream.decodeReply(reply);
        const events = [...unfold(whole)];
        expectGrammar(events);
        expect(fold(events)).toEqual(whole);
      });
      if (client)
        law('reply-round-trip', 'reads back the reply it writes', () => {
          const whole = upstream.decodeReply(reply);
          const echo = echoOf(tellingRequest(protocol, request), whole.model);
          expectReply(upstream.decodeReply(copied(client.encodeReply(whole, echo))), whole);
        });
    }
    if (upstream && failure)
      law('error-golden', 'reads the refusal as agreed', () => {
        const error = upstream.decodeError(failure.status, failure.headers, failure.text);
        expectGolden(`${protocol.id}/${name}.error.json`, golden(plainError(error)));
      });
    if (upstream && sse) streamLaws(law, scenario, sse);
  }

  function streamLaws(
    law: (id: Law, title: string, run: () => void) => void,
    { name, request, reply }: Scenario,
    sse: Uint8Array,
  ): void {
    law('stream-golden', 'reads the stream as agreed, inside the grammar', () => {
      const events = decodeBytes(protocol, sse);
      expectGrammar(events);
      expectGolden(`${protocol.id}/${name}.events.jsonl`, goldenEvents(events));
    });
    if (reply)
      law('stream-is-reply', 'folds the stream to the reply that comes whole', () => {
        expectReply(fold(decodeBytes(protocol, sse)), upstream!.decodeReply(reply));
      });
    if (client)
      law('stream-round-trip', 'reads back the stream it writes', () => {
        const events = decodeBytes(protocol, sse);
        const first = events[0];
        const echo = echoOf(tellingRequest(protocol, request), first?.type === 'start' ? first.model : 'm');
        const again = decodeBytes(protocol, bytesOf(encodeEvents(protocol, events, echo)));
        expectGrammar(again);
        const [wanted, got] = [terminalOf(events), terminalOf(again)];
        expect(got.type).toBe(wanted.type);
        if (wanted.type === 'finish') expectReply(fold(again), fold(events));
      });
    law('splits', 'gives the same events however the bytes are cut', () => {
      const wanted = plainly(decodeBytes(protocol, sse));
      const dice = random(sse.length);
      for (let round = 0; round < 150; round++) {
        const cut = dice.below(sse.length + 1);
        expect(plainly(decodeBytes(protocol, sse.subarray(0, cut), sse.subarray(cut)))).toEqual(wanted);
      }
      const single = Array.from(sse, (byte) => Uint8Array.of(byte));
      expect(plainly(decodeBytes(protocol, ...single))).toEqual(wanted);
    });
    law(
      'truncation',
      'ends a stream cut at any byte in exactly one terminal event, and never in a false finish',
      () => {
        const whole = decodeBytes(protocol, sse);
        const wanted = terminalOf(whole).type === 'finish' ? contentOf(fold(whole)) : undefined;
        let before = '';
        for (let cut = 0; cut < sse.length; cut++) {
          const events = decodeBytes(protocol, sse.subarray(0, cut));
          const said = JSON.stringify(plainly(events));
          if (said === before) continue;
          before = said;
          expectGrammar(events, `cut at byte ${cut}`);
          if (terminalOf(events).type === 'finish') expect(contentOf(fold(events))).toEqual(wanted);
          for (const speaker of protocols.filter((candidate) => candidate.client))
            expectOneTerminal(speaker, events, cut);
        }
      },
    );
    law('garbage', 'ends a stream with garbage in it in exactly one error', () => {
      const text = new TextDecoder().decode(sse);
      const gap = text.indexOf('\n\n', text.length / 3) + 2 || text.length;
      for (const garbage of ['{"broken', '<html>502 Bad Gateway</html>', '{"a":1}}']) {
        const spoiled = `${text.slice(0, gap)}data: ${garbage}\n\n${text.slice(gap)}`;
        const events = decodeBytes(protocol, new TextEncoder().encode(spoiled));
        expectGrammar(events, garbage);
        expect(terminalOf(events).type).toBe('error');
      }
    });
  }
}

/** A stream of events that ends in a finish or an error ends in one of the same sort for the client, and says nothing after it. */
function expectOneTerminal(speaker: Protocol, events: readonly ChatEvent[], cut: number): void {
  const sent = encodeEvents(speaker, events, echoOf(tellingRequest(speaker, undefined), 'm'));
  expect({ cut, client: speaker.id, ...terminals(speaker, sent) }).toEqual({
    cut,
    client: speaker.id,
    count: 1,
    last: terminalOf(events).type,
  });
  expectUnended(speaker, events, cut);
}

/** The same without the terminal event: a client must hear of an end that nobody announced. */
function expectUnended(speaker: Protocol, events: readonly ChatEvent[], cut: number): void {
  const sent = encodeEvents(speaker, events.slice(0, -1), echoOf(tellingRequest(speaker, undefined), 'm'));
  expect({ cut, client: speaker.id, ...terminals(speaker, sent) }).toEqual({
    cut,
    client: speaker.id,
    count: 1,
    last: 'error',
  });
}

const statuses = [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529];

const errorBodies = [
  '',
  '<html><body>502 Bad Gateway</body></html>',
  '{',
  'null',
  '[]',
  '"text"',
  '{"error":"text"}',
  '{"error":null}',
  '{"error":{"message":"m","type":"t","code":1}}',
  '{"message":"m"}',
  '[{"error":{"code":429,"message":"m"}}]',
  '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
  '\u0000\u001b[31mred',
];

function errorLaw(protocol: Protocol, status: number, body: string): void {
  const error = protocol.upstream!.decodeError(status, new Headers({ 'retry-after': '7' }), body);
  expect(error).toBeInstanceOf(GatewayError);
  expect(error.message.length).toBeGreaterThan(0);
  expect(error.message).not.toMatch(/[\u0000-\u0008\u001b]/);
  if (status === 401) expect(error.fault.kind).toBe('upstream-unauthorized');
  if (status === 402 || status === 403) expect(error.scope).not.toBe('transport');
  if (status === 429) expect(['rate-limited', 'quota-exhausted']).toContain(error.fault.kind);
  if (status === 429) expect(error.retryAfterMs).toBe(7_000);
  if (status >= 500) expect(error.scope).not.toBe('request');
}

const faults: readonly Fault[] = [
  { kind: 'invalid-request', field: 'messages[0].content', code: 'bad_content' },
  { kind: 'unauthorized' },
  { kind: 'forbidden' },
  { kind: 'not-found', what: 'model' },
  { kind: 'method-not-allowed', allow: ['POST'] },
  { kind: 'too-large' },
  { kind: 'content-filtered' },
  { kind: 'rate-limited' },
  { kind: 'quota-exhausted' },
  { kind: 'upstream-unauthorized' },
  { kind: 'upstream-forbidden', status: 403 },
  { kind: 'overloaded' },
  { kind: 'upstream-failed', status: 500 },
  { kind: 'transport', phase: 'cut' },
  { kind: 'bad-upstream-data' },
  { kind: 'unavailable' },
  { kind: 'internal' },
];

/** Made-up ids aside, two replies are the same. */
function expectReply(got: Reply, wanted: Reply): void {
  expect(JSON.parse(settled(JSON.stringify(got)))).toEqual(JSON.parse(settled(JSON.stringify(wanted))));
}

const plainly = (events: readonly ChatEvent[]): unknown =>
  JSON.parse(settled(JSON.stringify(events.map(plain))));

/** As it would arrive: undefined values are gone and nothing is shared. */
const copied = (body: Json): Json => JSON.parse(JSON.stringify(body)) as Json;

/** The same value with object keys in order, for the order of fields is no promise. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, child]) => child !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, child]) => [key, sorted(child)]),
  );
}
