import { expect, test } from 'bun:test';
import { GatewayError } from '../../src/core/error.ts';
import { describe } from '../../src/telemetry/redact.ts';
import { attempt, collected, served } from './collected.ts';

const core = 'CANARYcanary0123456789abcdefgh';
const canaries = [
  `sk-${core}`,
  `Bearer ${core}`,
  `AIza${core}`,
  `eyJhbGciOiJIUzI1NiJ9.${core}.${core}`,
  `x-api-key: ${core}`,
  `{"access_token":"${core}"}`,
  `https://user:${core}@proxy.example/`,
  `/path?key=${core}&token=${core}`,
  `sk-\x1b[1m${core}`,
];

test.each(canaries)('nothing of %p reaches lines, metrics or the exposition', async (canary) => {
  for (const isTerminal of [false, true]) {
    const { telemetry, lines } = collected({ isTerminal });
    telemetry.close(
      served({
        id: canary,
        method: canary,
        path: canary,
        client: canary,
        protocol: canary,
        modelAsked: canary,
        modelUsed: canary,
        provider: canary,
        credential: canary,
        dropped: new Set([canary]),
        stream: true,
        error: { code: canary, scope: 'provider', message: canary },
        attempts: ['failed', 'cancelled', 'answered'].map((outcome) =>
          attempt({
            provider: canary,
            credential: canary,
            model: canary,
            outcome: outcome as 'failed',
            code: canary,
            upstreamRequestId: canary,
          }),
        ),
      }),
    );
    telemetry.log('error', canary, { text: canary, list: [canary] });
    const cause = new Error(canary);
    telemetry.log('error', 'thrown', {
      why: describe(new GatewayError({ kind: 'internal' }, canary, { cause, remedy: canary })),
    });
    const live = [{ provider: canary, ready: 1, cooling: 0, inFlight: 0 }];
    const told = [
      await lines(),
      telemetry.lines({}),
      telemetry.providers(live),
      (await telemetry.exposition(live)).body,
    ];
    expect(JSON.stringify(told)).not.toContain(core.slice(0, 12));
  }
});

test('foreign text can neither forge a line nor move the cursor', async () => {
  const forged = 'x\n{"time":"2026-01-01T00:00:00.000Z","level":"info","event":"forged"}\r\x1b[2Ay';
  for (const isTerminal of [false, true]) {
    const { telemetry, lines } = collected({ isTerminal });
    telemetry.close(served({ id: forged, path: forged, modelAsked: forged, credential: forged }));
    const [line = '', ...more] = await lines();
    expect(more).toEqual([]);
    expect(Bun.stripANSI(line)).not.toMatch(/[\x00-\x1f]/);
    expect(line).not.toContain('\x1b[2A');
  }
});
