import { describe, expect, test } from 'bun:test';
import { window } from '../../src/telemetry/window.ts';
import { attempt, collected, refused, served } from './collected.ts';

const live = [{ provider: 'openrouter', ready: 2, cooling: 1, inFlight: 3 }];

describe('numbers per provider', () => {
  test('are counted per attempt', () => {
    const { telemetry } = collected({ now: () => Date.UTC(2026, 0, 1) });
    telemetry.close(served({ attempts: [{ ...refused, provider: 'groq' }, attempt()] }));
    telemetry.close(served());
    const shown = telemetry.providers(live);
    expect(Object.keys(shown)).toEqual(['groq', 'openrouter']);
    expect(shown['groq']).toMatchObject({
      request_count: 1,
      success_count: 0,
      failure_count: 1,
      success_rate: 0,
      total_tokens: 0,
      last_error: { at: '2026-01-01T00:00:00.000Z', code: 'upstream_forbidden', status: 403 },
    });
    expect(shown['openrouter']).toMatchObject({
      request_count: 2,
      success_count: 2,
      failure_count: 0,
      success_rate: 1,
      total_tokens: 30,
      credentials_ready: 2,
      credentials_cooling: 1,
      in_flight: 3,
      last_error: null,
    });
  });

  test('show a configured provider that nobody has asked yet, and no prices that nobody named', () => {
    const { telemetry } = collected();
    const { openrouter } = telemetry.providers(live);
    expect(openrouter).toMatchObject({
      request_count: 0,
      success_rate: 1,
      latency_p50_ms: 0,
      last_error: null,
    });
    expect(openrouter).not.toContainKey('cost_per_1k_input');
  });

  test('show the prices of the config', () => {
    const { telemetry } = collected();
    const [entry] = live;
    const cost = { per1kInput: 0.1, per1kOutput: 0.5 };
    expect(telemetry.providers([{ ...entry!, cost }])['openrouter']).toMatchObject({
      cost_per_1k_input: 0.1,
      cost_per_1k_output: 0.5,
    });
  });

  test('hold the first byte against the serving attempt only, not against the failed ones before it', () => {
    const { telemetry } = collected();
    telemetry.close(served({ attempts: [{ ...refused, ms: 100 }, attempt()], firstByteMs: 130 }));
    expect(telemetry.providers([])['openrouter']).toMatchObject({
      first_byte_p50_ms: 30,
      first_byte_p95_ms: 30,
    });
  });

  test('count a stream that broke after it had begun as a failure of its provider', () => {
    const { telemetry } = collected();
    const error = { code: 'stream_interrupted', scope: 'transport', message: 'cut' } as const;
    telemetry.close(served({ stream: true, error }));
    expect(telemetry.providers([])['openrouter']).toMatchObject({
      success_count: 0,
      failure_count: 1,
      last_error: { code: 'stream_interrupted' },
    });
  });

  test('blame nobody for a client that went away', () => {
    const { telemetry } = collected();
    telemetry.close(served({ status: 499, attempts: [attempt({ outcome: 'cancelled', status: 0 })] }));
    expect(telemetry.providers([])['openrouter']).toMatchObject({
      request_count: 1,
      success_count: 0,
      failure_count: 0,
      success_rate: 1,
    });
  });
});

test('quantiles come from the last measurements only', () => {
  const recent = window(100);
  expect(recent.quantiles(0.5)).toEqual([0]);
  for (let value = 1; value <= 250; value++) recent.add(value);
  expect(recent.quantiles(0, 0.5, 0.95, 1)).toEqual([151, 200, 245, 250]);
});

describe('the exposition', () => {
  test('is Prometheus text with counters, histograms and gauges', async () => {
    const { telemetry } = collected();
    telemetry.close(served({ attempts: [refused, attempt()] }));
    const error = { code: 'stream_interrupted', scope: 'transport', message: 'cut' } as const;
    telemetry.close(served({ stream: true, error }));
    const logins = [{ channel: 'codex', state: 'needs_login', count: 2 }];
    const { contentType, body } = await telemetry.exposition(live, logins);
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    const expected = [
      'gateway_requests_total{protocol="openai-chat",status="2xx"} 2',
      'gateway_upstream_attempts_total{provider="openrouter",outcome="failed",code="upstream_forbidden"} 1',
      'gateway_upstream_attempts_total{provider="openrouter",outcome="answered",code="none"} 1',
      'gateway_upstream_attempts_total{provider="openrouter",outcome="failed",code="stream_interrupted"} 1',
      'gateway_tokens_total{provider="openrouter",kind="cache_read"} 8',
      'gateway_stream_drops_total{provider="openrouter",phase="cut"} 1',
      'gateway_request_duration_seconds_count{provider="openrouter"} 1',
      'gateway_first_byte_seconds_count{provider="openrouter"} 1',
      'gateway_upstream_in_flight{provider="openrouter"} 3',
      'gateway_credentials{provider="openrouter",state="cooling"} 1',
      'gateway_logins{channel="codex",state="needs_login"} 2',
    ];
    for (const line of expected) expect(body.split('\n')).toContain(line);
    expect(body).toMatch(/^process_start_time_seconds \d/m);
    expect(body).toMatch(/^process_resident_memory_bytes \d/m);
  });

  test('has every answer in its histograms, however many come before somebody asks', async () => {
    const { telemetry } = collected();
    for (let count = 0; count < 5_000; count++) telemetry.close(served({ provider: `p${count % 2}` }));
    const lines = (await telemetry.exposition([])).body.split('\n');
    for (const provider of ['p0', 'p1']) {
      expect(lines).toContain(`gateway_request_duration_seconds_count{provider="${provider}"} 2500`);
      expect(lines).toContain(`gateway_first_byte_seconds_bucket{le="0.025",provider="${provider}"} 2500`);
    }
  });

  test('says the same twice when nothing happened in between', async () => {
    const { telemetry } = collected();
    telemetry.close(served());
    const withoutMemory = async () =>
      (await telemetry.exposition(live)).body.replace(/^process_resident.*$/gm, '');
    expect(await withoutMemory()).toBe(await withoutMemory());
  });

  test('has a bounded number of labels, whatever clients and upstreams make up', async () => {
    const { telemetry } = collected();
    for (let count = 0; count < 1_000; count++)
      telemetry.close(
        served({
          protocol: `p${count}`,
          path: `/made-up/${count}`,
          modelAsked: `made-up-${count}`,
          attempts: [attempt({ outcome: 'failed', code: `made_up_${count}`, provider: `provider-${count}` })],
        }),
      );
    const { body } = await telemetry.exposition([]);
    expect(body).not.toContain('/made-up/');
    expect(body).not.toContain('made-up-');
    expect(body.split('\n').length).toBeLessThan(3_000);
    expect(Object.keys(telemetry.providers([])).length).toBeLessThanOrEqual(257);
  });
});
