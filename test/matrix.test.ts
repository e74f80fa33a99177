import { afterAll, describe, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fold, type ChatEvent, type Reply } from '../src/core/event.ts';
import { tryParseObject, type Json } from '../src/core/json.ts';
import { protocols } from '../src/protocols/index.ts';
import openaiResponses from '../src/protocols/openai-responses/index.ts';
import type { Protocol } from '../src/protocols/protocol.ts';
import { render } from '../src/wire/sse.ts';
import {
  expectFile,
  expectGolden,
  fixtures,
  formatGoldens,
  golden,
  scenariosOf,
  settled,
  type Scenario,
} from './support/fixtures.ts';
import { anthropicFault } from './support/anthropic-checks.ts';
import { openaiFault } from './support/openai-checks.ts';
import { codexFault } from './support/responses-checks.ts';
import { schemaFault, schemasMissing } from './support/schemas.ts';
import {
  decodeBytes,
  decodeRequest,
  echoOf,
  encodeEvents,
  tellingRequest,
  terminals,
} from './support/wires.ts';

/**
 * Every client protocol against every upstream format, request and answer, by composition of the codecs. The golden
 * files are reviewed, not written by hand: `test/fixtures/matrix/<scenario>.<client>.<upstream>.<what>`.
 */

interface Lost {
  readonly client: string;
  readonly upstream: string;
  readonly scenario: string;
  readonly way: 'request' | 'answer' | 'streamed answer';
  readonly what: readonly string[];
}

afterAll(formatGoldens);

/** What an upstream is sent: the wire of a protocol, or a dialect of it that takes less. */
interface Format {
  readonly id: string;
  readonly protocol: Protocol;
  readonly dialect?: string;
}

const codex: Format = { id: 'codex', protocol: openaiResponses, dialect: 'codex' };

const formats: readonly Format[] = [
  ...protocols
    .filter((protocol) => protocol.upstream)
    .map((protocol): Format => ({ id: protocol.id, protocol })),
  codex,
];

/** What the vendors refuse beyond their schemas, in their own words. Signatures are nobody's here, so they pass. */
const vendorChecks: Readonly<Record<string, (body: Json) => string | undefined>> = {
  'openai-chat': (body) => openaiFault(body)?.message,
  'anthropic-messages': (body) => anthropicFault(body, () => true),
  codex: codexFault,
};

const losses: Lost[] = [];
const validates = schemasMissing ? test.skip : test;

for (const client of protocols.filter((protocol) => protocol.client))
  for (const format of formats)
    describe(`${client.id} client, ${format.id} upstream`, () => {
      for (const scenario of scenariosOf(client.id)) if (scenario.request) requests(client, format, scenario);
      // A dialect answers as its protocol does.
      if (format.dialect) return;
      for (const scenario of scenariosOf(format.id)) answers(client, format.protocol, scenario);
    });

test('every golden file belongs to a case', () => {
  const names = protocols.flatMap(({ id }) => scenariosOf(id).map(({ name }) => name));
  const pairs = protocols.flatMap((client) => formats.map((format) => `${client.id}.${format.id}`));
  const cases = new Set(names.flatMap((name) => pairs.map((pair) => `${name}.${pair}`)));
  const orphans = readdirSync(join(fixtures, 'matrix')).filter(
    (file) => !cases.has(file.replace(/\.(request\.json|reply\.json|error\.json|sse)$/, '')),
  );
  expect(orphans).toEqual([]);
});

test('docs/losses.md tells what each pair cannot carry over', () => {
  expectFile(join(import.meta.dir, '../docs/losses.md'), lossesPage());
});

function requests(client: Protocol, format: Format, { name, request }: Scenario): void {
  const { protocol, dialect } = format;
  const encode = () => {
    const chat = decodeRequest(client, request!);
    const dropped: string[] = [];
    const body = protocol.upstream!.encodeRequest(chat, {
      model: 'upstream-model',
      drop: (what) => dropped.push(what),
      ...(dialect === undefined ? {} : { dialect }),
    });
    return { body, dropped };
  };

  test(`${name}: writes the request as agreed`, () => {
    const { body, dropped } = encode();
    note(client.id, format.id, name, 'request', dropped);
    expectGolden(`matrix/${name}.${client.id}.${format.id}.request.json`, golden(body));
  });

  const check = vendorChecks[format.id];
  if (check)
    test(`${name}: writes a request the vendor would serve`, () => {
      const own = client.id === format.id ? check(request!) : undefined;
      expect([undefined, own]).toContain(check(JSON.parse(JSON.stringify(encode().body)) as Json));
    });

  validates(because(`${name}: writes a request the vendor's schema accepts`), () => {
    expect(schemaFault(protocol.id, 'request', JSON.parse(JSON.stringify(encode().body)))).toBeUndefined();
  });
}

function answers(client: Protocol, upstream: Protocol, scenario: Scenario): void {
  const { name, sse, reply, failure } = scenario;
  const path = `matrix/${name}.${client.id}.${upstream.id}`;
  const request = tellingRequest(client, client === upstream ? scenario.request : undefined);

  if (sse) {
    const encode = () => {
      const events = decodeBytes(upstream, sse);
      const dropped: string[] = [];
      const sent = encodeEvents(
        client,
        events,
        echoOf(request, 'shown-model', (what) => dropped.push(what)),
      );
      return { events, sent, dropped };
    };

    test(`${name}: streams the answer as agreed`, () => {
      const { events, sent, dropped } = encode();
      note(client.id, upstream.id, name, 'streamed answer', dropped);
      expectGolden(`${path}.sse`, settled(sent.map(render).join('')));
      expect(terminals(client, sent)).toEqual({ count: 1, last: events.at(-1)!.type });
    });

    validates(because(`${name}: streams events the vendor's schema accepts`), () => {
      for (const frame of encode().sent) {
        const event = tryParseObject(frame.data);
        if (event && !event.error) expect(schemaFault(client.id, 'event', event)).toBeUndefined();
      }
    });
  }

  if (failure)
    test(`${name}: tells the refusal as agreed`, () => {
      const error = upstream.upstream!.decodeError(failure.status, failure.headers, failure.text);
      expectGolden(`${path}.error.json`, golden(client.client!.encodeError(error, 'request-id')));
    });

  const whole = (): Reply | undefined => {
    if (reply) return upstream.upstream!.decodeReply(reply);
    const events: readonly ChatEvent[] = sse ? decodeBytes(upstream, sse) : [];
    return events.at(-1)?.type === 'finish' ? fold(events) : undefined;
  };
  if (!reply && !sse) return;

  test(`${name}: gives the whole answer as agreed`, () => {
    const said = whole();
    if (!said) return;
    const dropped: string[] = [];
    const body = client.client!.encodeReply(
      said,
      echoOf(request, 'shown-model', (what) => dropped.push(what)),
    );
    note(client.id, upstream.id, name, 'answer', dropped);
    expectGolden(`${path}.reply.json`, golden(body));
  });

  validates(because(`${name}: gives an answer the vendor's schema accepts`), () => {
    const said = whole();
    if (!said) return;
    const body: unknown = JSON.parse(
      JSON.stringify(client.client!.encodeReply(said, echoOf(request, 'shown-model'))),
    );
    expect(schemaFault(client.id, 'reply', body)).toBeUndefined();
  });
}

const because = (title: string): string => (schemasMissing ? `${title} (skipped: ${schemasMissing})` : title);

function note(
  client: string,
  upstream: string,
  scenario: string,
  way: Lost['way'],
  what: readonly string[],
): void {
  if (what.length === 0) return;
  losses.push({ client, upstream, scenario, way, what: [...new Set(what)].sort() });
}

/** The page the losses make: by pair, then by scenario, in the words of whoever spoke. */
function lossesPage(): string {
  const pairs = Map.groupBy(losses, ({ client, upstream }) => `${client} client, ${upstream} upstream`);
  const sections = [...pairs].map(([pair, rows]) => {
    const lines = rows
      .map(
        ({ scenario, way, what }) =>
          `| ${scenario} | ${way} | ${what.map((path) => `\`${path}\``).join(', ')} |`,
      )
      .sort();
    return [
      `## ${pair}`,
      '',
      '| case | way | not carried over |',
      '| --- | --- | --- |',
      ...new Set(lines),
      '',
    ].join('\n');
  });
  const declared = protocols.flatMap((protocol) =>
    protocol.losses.map(({ what, why }) => `| ${protocol.id} | \`${what}\` | ${why} |`),
  );
  return [
    '# What translation cannot carry over',
    '',
    'Written by `UPDATE=1 bun test test/matrix.test.ts` from the test cases under `test/fixtures`; not edited by hand.',
    'Everything named here is reported at run time too: in the header `x-gateway-dropped` and in the log.',
    '',
    ...sections,
    '## Declared by each protocol',
    '',
    '| protocol | what | why |',
    '| --- | --- | --- |',
    ...declared,
    '',
  ].join('\n');
}
