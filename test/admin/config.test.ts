import { afterAll, describe, expect, test } from 'bun:test';
import { clearDesks, clientKey, desk, managementKey, plainConfig } from './desk.ts';

afterAll(clearDesks);

const body = async (response: Response) => (await response.json()) as Record<string, unknown>;
const put = (text: string, headers: Record<string, string> = {}) => ({ method: 'PUT', body: text, headers });

describe('GET /config', () => {
  test('shows the configuration in effect without a single secret', async () => {
    const response = await desk().ask('/config');
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ port: 8317, 'remote-management': { 'allow-remote': false } });
    expect(text).not.toContain(managementKey);
    expect(text).not.toContain(clientKey);
  });
});

describe('GET /config.yaml', () => {
  test('is the file itself, comments included, which nobody may keep', async () => {
    const { ask, steward } = desk();
    const response = await ask('/config.yaml');
    expect(await response.text()).toBe(plainConfig);
    expect(response.headers.get('content-type')).toBe('application/yaml; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('etag')).toBe(`"${steward.current.etag}"`);
  });
});

describe('PUT /config.yaml', () => {
  const changed = plainConfig.replace('kept comment', 'new comment');

  test('takes the text into use', async () => {
    const { ask, steward, onDisk } = desk();
    const response = await ask('/config.yaml', put(changed));
    expect(response.status).toBe(200);
    expect(await body(response)).toEqual({
      ok: true,
      changed: ['config'],
      etag: steward.current.etag,
      persisted: true,
      'needs-restart': [],
    });
    expect(response.headers.get('etag')).toBe(`"${steward.current.etag}"`);
    expect(await (await ask('/config.yaml')).text()).toBe(changed);
    expect(onDisk()).toBe(changed);
  });

  test('says that nothing changed', async () => {
    expect(await body(await desk().ask('/config.yaml', put(plainConfig)))).toMatchObject({
      ok: true,
      changed: [],
    });
  });

  test('says when it could not be saved and why', async () => {
    const { ask, steward } = desk({ writable: false });
    expect(await body(await ask('/config.yaml', put(changed)))).toMatchObject({
      persisted: false,
      reason: expect.any(String),
    });
    expect(steward.current.text).toBe(changed);
  });

  test('names what waits for a restart', async () => {
    const text = plainConfig.replace('port: 8317', 'port: 9000');
    expect(await body(await desk().ask('/config.yaml', put(text)))).toMatchObject({
      'needs-restart': ['port'],
    });
  });

  test('names every fault and changes nothing', async () => {
    const { ask, steward } = desk();
    const response = await ask('/config.yaml', put('# two faults\nport: many\ndebug: perhaps\nprot: 1\n'));
    expect(response.status).toBe(422);
    expect(await body(response)).toMatchObject({
      error: 'invalid_config',
      faults: [
        {
          path: 'port',
          line: 2,
          column: 7,
          message: expect.any(String),
          expected: expect.stringContaining('number'),
        },
        { path: 'debug', line: 3 },
      ],
      warnings: [{ path: 'prot', line: 4, message: expect.stringContaining('port') }],
    });
    expect(steward.current.text).toBe(plainConfig);
  });

  test.each(['"ETAG"', 'ETAG', 'W/"ETAG"', '"other", "ETAG"', '*'])(
    'goes through with If-Match: %s',
    async (header) => {
      const { ask, steward } = desk();
      const ifMatch = header.replace('ETAG', steward.current.etag);
      expect((await ask('/config.yaml', put(changed, { 'if-match': ifMatch }))).status).toBe(200);
    },
  );

  test('is refused when somebody else was faster', async () => {
    const { ask, steward } = desk();
    const response = await ask('/config.yaml', put(changed, { 'if-match': '"other"' }));
    expect(response.status).toBe(412);
    expect(await body(response)).toMatchObject({ error: 'etag_mismatch', etag: steward.current.etag });
    expect(steward.current.text).toBe(plainConfig);
  });

  test('refuses an empty, a compressed, a broken and an endless body', async () => {
    const { ask } = desk();
    const statusOf = async (init: RequestInit) => (await ask('/config.yaml', init)).status;
    expect(await statusOf(put(' \n'))).toBe(400);
    expect(await statusOf(put('x', { 'content-encoding': 'gzip' }))).toBe(415);
    expect(await statusOf({ method: 'PUT', body: new Uint8Array([0xff, 0xfe, 0x41]) })).toBe(400);
    expect(await statusOf(put('x'.repeat(1024 * 1024 + 1)))).toBe(413);
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)),
    });
    expect(await statusOf({ method: 'PUT', body: endless })).toBe(413);
  });

  test('is never read before the key has been checked', async () => {
    const { ask, steward } = desk();
    expect((await ask('/config.yaml', put(changed), 'wrong')).status).toBe(401);
    expect(steward.current.text).toBe(plainConfig);
  });
});
