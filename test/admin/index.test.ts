import { afterAll, expect, test } from 'bun:test';
import { clearDesks, desk, managementKey } from './desk.ts';

afterAll(clearDesks);

test('every answer says which program it is, an error too', async () => {
  const { ask } = desk();
  for (const response of [await ask('/config'), await ask('/nothing'), await ask('/config', {}, '')]) {
    expect(response.headers.get('x-cpa-version')).toBe('1.2.3');
    expect(response.headers.get('x-cpa-commit')).toBe('abc');
    expect(response.headers.get('x-cpa-build-date')).toBe('2026-01-01T00:00:00Z');
    expect(response.headers.get('x-cpa-support-plugin')).toBe('false');
    expect(response.headers.get('cache-control')).toBe('no-store');
  }
});

test.each(['', '/', '/nothing', '/config/deeper'])(
  'an unknown path %p lists the routes to whoever holds the key',
  async (path) => {
    const { ask } = desk();
    const response = await ask(path);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      error: 'not_found',
      routes: expect.arrayContaining([
        'GET /v0/management/config',
        'GET /v0/management/config.yaml',
        'PUT /v0/management/config.yaml',
        'GET /v0/management/logs',
        'DELETE /v0/management/logs',
        'GET /v0/management/traces/:id',
      ]),
    });
    expect((await ask(path, {}, '')).status).toBe(401);
  },
);

test('a wrong method names the right ones', async () => {
  const response = await desk().ask('/config.yaml', { method: 'POST', body: '{}' });
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('GET, PUT');
});

test('every request leaves one line with its id, and never the key', async () => {
  const { ask, lines } = desk();
  await ask('/config', { headers: { 'x-request-id': 'mine' } });
  const [line = '', ...more] = await lines();
  expect(more).toEqual([]);
  expect(JSON.parse(line)).toMatchObject({
    id: 'mine',
    client: 'management',
    method: 'GET',
    path: '/v0/management/config',
    status: 200,
  });
  expect(line).not.toContain(managementKey);
});

test('a fault of ours is a 500 that tells nothing but where to look', async () => {
  const broken = desk();
  const { telemetry } = broken;
  const { ask } = desk({
    telemetry: {
      ...telemetry,
      lines: () => {
        throw new Error('inner words');
      },
    },
  });
  const response = await ask('/logs');
  const text = await response.text();
  expect(response.status).toBe(500);
  expect(text).toContain('req_test');
  expect(text).not.toContain('inner words');
  expect((await broken.lines()).join('\n')).toContain('inner words');
});

test('every route is described with its schemas', () => {
  const { app } = desk();
  const shown = app.routes.filter(({ method }) => method !== 'ALL');
  expect(shown.length).toBeGreaterThanOrEqual(7);
  for (const { hooks } of shown) {
    expect(hooks.detail).toMatchObject({ summary: expect.any(String), description: expect.any(String) });
    expect(hooks.detail.responses[200].content).toBeObject();
    expect(Object.keys(hooks.detail.responses)).toEqual(
      expect.arrayContaining(['200', '401', '403', '404', '429']),
    );
  }
});
