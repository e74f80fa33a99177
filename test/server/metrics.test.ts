import { afterAll, describe, expect, test } from 'bun:test';
import { beginRecord } from '../../src/telemetry/record.ts';
import { listen } from '../../src/server/listen.ts';
import { key, stand } from './support.ts';

const { app, hall, get } = stand({ keys: [key] });
const server = listen(app, hall.steward.current.config, { host: '127.0.0.1', port: 0 });
afterAll(() => server.stop(true));

const ask = (path: string, headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${server.port}${path}`, { headers });

describe.each(['/v1/metrics/providers', '/metrics'])('%s', (path) => {
  test('is open to a direct caller on this machine', async () => {
    expect((await ask(path)).status).toBe(200);
  });

  test('asks everybody else for a client key', async () => {
    expect((await ask(path, { 'x-forwarded-for': '10.0.0.1' })).status).toBe(401);
    expect((await ask(path, { host: 'evil.example' })).status).toBe(401);
    expect((await ask(path, { via: '1.1 proxy', authorization: `Bearer ${key}` })).status).toBe(200);
  });

  test('asks for a key when the socket is unknown', async () => {
    expect((await stand({ keys: [key] }).get(path)).status).toBe(401);
  });
});

test('the providers are an object keyed by name, with the fields of the reference', async () => {
  const record = beginRecord('req_1', 'POST', '/v1/chat/completions');
  record.provider = 'demo';
  record.status = 200;
  record.attempts.push({
    provider: 'demo',
    credential: 'demo',
    model: 'demo',
    ms: 5,
    outcome: 'answered',
    status: 200,
    code: '',
    atMs: 1,
    upstreamRequestId: '',
  });
  hall.telemetry.close(record);
  const response = await ask('/v1/metrics/providers');
  expect(response.headers.get('content-type')).toStartWith('application/json');
  expect(await response.json()).toMatchObject({
    demo: { request_count: 1, success_count: 1, failure_count: 0, success_rate: 1, credentials_ready: 1 },
  });
});

test('the exposition is text that Prometheus reads', async () => {
  const response = await get('/metrics', { headers: { 'x-api-key': key } });
  expect(response.headers.get('content-type')).toStartWith('text/plain');
  expect(await response.text()).toMatch(/^# HELP /m);
});
