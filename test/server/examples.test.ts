import { beforeAll, describe, expect, test } from 'bun:test';
import Ajv2020 from 'ajv/dist/2020';
import { Pool } from '../../src/accounts/pool/pool.ts';
import { createSteward } from '../../src/config/steward.ts';
import { protocols } from '../../src/protocols/index.ts';
import { createRelay } from '../../src/relay/handle.ts';
import { createApp } from '../../src/server/app.ts';
import { createTelemetry } from '../../src/telemetry/create.ts';

const key = 'sk-examples-0123456789abcdef';
const text = `api-keys: [${key}]\ndemo: {enabled: true}\n`;

/** The whole program in this process, over the demo channel. */
function program() {
  const telemetry = createTelemetry({ write: () => undefined, isTerminal: false });
  const steward = createSteward({
    source: { path: undefined, why: 'test' },
    text,
    environment: {},
    log: () => {},
  });
  const close = (record: Parameters<typeof telemetry.close>[0]) => telemetry.close(record);
  return createApp({
    steward,
    relay: createRelay({ pool: new Pool(), now: Date.now, log: () => {}, close }),
    protocols,
    telemetry,
    readiness: () => ({ ready: true, reasons: [] }),
    live: () => [],
    version: '0.0.0',
    startedAt: Date.now(),
  });
}

type Operation = Record<string, any>;
const app = program();
const ask = (path: string, init: RequestInit = {}) =>
  app.handle(
    new Request(`http://localhost${path}`, { ...init, headers: { authorization: `Bearer ${key}` } }),
  );
const document = (await (await ask('/openapi.json')).json()) as {
  paths: Record<string, Record<string, Operation>>;
};

/** Client routes with a JSON example, and where a path names a model, the demo's with the verb of the example. */
const rows = Object.entries(document.paths).flatMap(([path, methods]) => {
  const content = methods.post?.requestBody?.content?.['application/json'];
  if (!content || path.startsWith('/v0/')) return [];
  const example = content.example ?? Object.values<any>(content.examples ?? {})[0]?.value;
  return [{ path, at: path.replace('{model}', 'demo:generateContent'), example, operation: methods.post! }];
});

describe('the documented examples', () => {
  let validator: Ajv2020;
  beforeAll(() => {
    validator = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  });

  test('exist on every client route that takes a body', () => {
    expect(rows.length).toBeGreaterThan(8);
    expect(rows.filter(({ example }) => example === undefined).map(({ path }) => path)).toEqual([]);
  });

  for (const { path, at, example, operation } of rows) {
    test(`${path}: the example is answered by the demo as the document says`, async () => {
      expect(validator.validate(operation.requestBody.content['application/json'].schema, example)).toBe(
        true,
      );
      const response = await ask(at, { method: 'POST', body: JSON.stringify(example) });
      expect(response.status).toBe(200);
      const described = operation.responses['200'].content?.['application/json']?.schema;
      if (!described || !/json/.test(response.headers.get('content-type') ?? ''))
        return void (await response.bytes());
      const body = await response.json();
      validator.validate(described, body);
      expect(validator.errors ?? []).toEqual([]);
    });
  }

  const streams = rows.filter(
    ({ operation, example }) => example?.model && operation.responses['200'].content?.['text/event-stream'],
  );
  for (const { path, at, example } of streams)
    test(`${path}: the example, streamed, ends as its dialect ends`, async () => {
      const response = await ask(at, { method: 'POST', body: JSON.stringify({ ...example, stream: true }) });
      expect(response.headers.get('content-type')).toContain('text/event-stream');
      expect(await response.text()).toMatch(
        /(data: \[DONE\]|event: message_stop|event: response\.completed)[^]*$/,
      );
    });
});
