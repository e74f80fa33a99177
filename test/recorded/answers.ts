import { expect, setDefaultTimeout, test } from 'bun:test';
import { fold, type Reply } from '../../src/core/event.ts';
import { parseObject, tryParseObject } from '../../src/core/json.ts';
import { run } from '../../src/core/machine.ts';
import { protocols } from '../../src/protocols/index.ts';
import type { Echo, Protocol } from '../../src/protocols/protocol.ts';
import { directLane, type Lane, translatedLane } from '../../src/relay/lane.ts';
import { frames } from '../../src/wire/sse.ts';
import { expectGrammar } from '../support/grammar.ts';
import { random } from '../support/random.ts';
import { schemaFault } from '../support/schemas.ts';
import { decodeBytes, echoOf, tellingRequest } from '../support/wires.ts';
import { absent, exchanges, folders, type Recorded } from './exchanges.ts';
import { expected } from './expected.ts';
import { type Given, hear, type Heard } from './heard.ts';
import { clientSlips, laneSlips, type Slips, vendorSlips } from './slips.ts';

// Compiling the vendors' schemas takes its time.
setDefaultTimeout(60_000);

/** What differs from what must be, by its name; nothing when all is well. */
type Faults = Readonly<Record<string, unknown>>;

/** Every good answer that was recorded of a protocol, replayed as the upstream of a client of each protocol. */
export function answersOf(upstream: Protocol): void {
  const good = exchanges(folders[upstream.id]!).filter(({ status }) => status === 200);
  const streams = good.filter(({ stream }) => stream);
  const wholes = good.filter(({ stream }) => !stream);

  const replayed = (
    title: string,
    answers: readonly Recorded[],
    slips: Slips,
    faultsOf: (it: Recorded) => Promise<Faults>,
  ) =>
    test.skipIf(absent !== '')(`${title}${absent}`, async () => {
      expect(answers.length).toBeGreaterThan(20);
      await expectOnly(slips, answers, faultsOf);
    });

  replayed('the vendor’s library hears each stream as decoding it says', streams, vendorSlips, (it) =>
    heardFaults(upstream, it, () => decodedStream(upstream, it)),
  );
  replayed('the vendor’s library hears each whole answer as decoding it says', wholes, vendorSlips, (it) =>
    heardFaults(upstream, it, () => decodedWhole(upstream, it)),
  );
  replayed('the direct lane passes each stream as it is', streams, laneSlips, async (it) => {
    const lane = directLane(upstream.upstream!.decodeStream(), dialectOf(upstream, it));
    return differences(await heard(upstream, streamOf(through(lane, it.bytes))), await heard(upstream, it));
  });
  for (const client of protocols.filter((protocol) => protocol.client)) {
    const slips = clientSlips[client.id] ?? {};
    replayed(`a client of ${client.id} hears each stream as it was said`, streams, slips, (it) =>
      streamFaults(upstream, client, it),
    );
    replayed(`a client of ${client.id} hears each whole answer as it was said`, wholes, slips, (it) =>
      wholeFaults(upstream, client, it),
    );
  }
}

/** Every answer is without fault but for the declared ones, and each of those is still there. */
async function expectOnly(
  slips: Slips,
  answers: readonly Recorded[],
  faultsOf: (it: Recorded) => Promise<Faults>,
): Promise<void> {
  const found = await Promise.all(answers.map(async (it) => [it.name, await faultsOf(it)] as const));
  const declared = answers.flatMap(({ name }) =>
    Object.keys(slips[name] ?? {}).map((what) => `${name} ${what}`),
  );
  const undeclared = found.flatMap(([name, faults]) =>
    Object.entries(faults).map(([what, fault]) => [`${name} ${what}`, fault] as const),
  );
  expect(Object.fromEntries(undeclared.filter(([key]) => !declared.includes(key)))).toEqual({});
  expect(declared.filter((key) => !undeclared.some(([found]) => found === key))).toEqual([]);
}

async function streamFaults(upstream: Protocol, client: Protocol, it: Recorded): Promise<Faults> {
  const bytes = through(translatedLane(upstream.upstream!.decodeStream(), dialectOf(client, it)), it.bytes);
  const events = run(frames(), [bytes]).flatMap(({ data }) => tryParseObject(data) ?? []);
  return {
    ...schemaFaults(client, 'event', events),
    ...(await heardFaults(client, streamOf(bytes), () => decodedStream(upstream, it))),
  };
}

async function wholeFaults(upstream: Protocol, client: Protocol, it: Recorded): Promise<Faults> {
  const reply = decodedWhole(upstream, it);
  const text = JSON.stringify(client.client!.encodeReply(reply, echo(client, it)));
  const given = { stream: false, bytes: new TextEncoder().encode(text) };
  return {
    ...schemaFaults(client, 'reply', [JSON.parse(text)]),
    ...(await heardFaults(client, given, () => reply)),
  };
}

function schemaFaults({ id }: Protocol, what: 'event' | 'reply', values: readonly unknown[]): Faults {
  for (const value of values) {
    const schema = schemaFault(id, what, value);
    if (schema) return { schema: { schema, value } };
  }
  return {};
}

/** How what the protocol's own library hears differs from what it must hear. */
const heardFaults = async (protocol: Protocol, given: Given, reply: () => Reply): Promise<Faults> =>
  differences(await heard(protocol, given), expected(protocol.id, reply()));

const heard = ({ id }: Protocol, given: Given): Promise<Heard | Error> =>
  hear(id, given).catch((thrown: Error) => thrown);

function differences(got: Heard | Error, wanted: Heard | Error): Faults {
  if (got instanceof Error || wanted instanceof Error) {
    const thrown = got instanceof Error ? got.message : 'nothing';
    return wanted instanceof Error && thrown === wanted.message ? {} : { thrown };
  }
  const differ = (Object.keys(wanted) as (keyof Heard)[]).filter(
    (key) => !Bun.deepEquals(got[key], wanted[key]),
  );
  return Object.fromEntries(differ.map((key) => [key, { heard: got[key], wanted: wanted[key] }]));
}

const streamOf = (bytes: Uint8Array): Given => ({ stream: true, bytes });

function decodedStream(upstream: Protocol, { name, bytes }: Recorded): Reply {
  const events = decodeBytes(upstream, bytes);
  expectGrammar(events, name);
  return fold(events);
}

const decodedWhole = (upstream: Protocol, { bytes }: Recorded): Reply =>
  upstream.upstream!.decodeReply(parseObject(new TextDecoder().decode(bytes)));

const echo = (client: Protocol, { name }: Recorded): Echo =>
  echoOf(tellingRequest(client, undefined), `model-of-${name}`);

const dialectOf = (client: Protocol, it: Recorded) => ({
  encodeStream: () => client.client!.encodeStream(echo(client, it)),
  closing: client.client!.closing,
});

/** A recording through a lane, cut at odd places. */
function through(lane: Lane, bytes: Uint8Array): Uint8Array {
  const dice = random(bytes.length);
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = 1 + dice.below(400);
    out.push(...lane.push(bytes.subarray(at, at + length)));
    at += length;
  }
  out.push(...lane.end());
  return new Uint8Array(Buffer.concat(out));
}
