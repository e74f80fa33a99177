import { afterAll, describe, expect, test } from 'bun:test';
import { clearDesks, clientKey, desk, managementKey, plainConfig } from './desk.ts';

afterAll(clearDesks);

const withSecret = (secret: string) => plainConfig.replace(managementKey, secret);
const body = async (response: Response) => (await response.json()) as Record<string, unknown>;

describe('while no management key is set', () => {
  const off = () => desk({ config: withSecret('') });

  test.each(['', '/config', '/logs', '/config.yaml', '/no/such/path'])(
    '%p is 404 and says how to set it',
    async (path) => {
      const { ask, file } = off();
      const response = await ask(path);
      expect(response.status).toBe(404);
      expect(await body(response)).toMatchObject({
        error: 'management_disabled',
        setting: 'remote-management.secret-key',
        remedy: expect.stringContaining(file),
        request_id: 'req_test',
      });
    },
  );

  test('a caller elsewhere is not told where the config file is', async () => {
    const { ask, file } = desk({ config: withSecret(''), local: false });
    expect(await (await ask('/config')).text()).not.toContain(file);
  });

  test('a key that consists of spaces is none', async () => {
    expect((await desk({ config: withSecret('  ') }).ask('/config', {}, ' ')).status).toBe(404);
  });

  test('setting one opens the API at once', async () => {
    const { ask, steward } = off();
    await steward.apply(plainConfig);
    expect((await ask('/config')).status).toBe(200);
  });

  test('MANAGEMENT_PASSWORD opens it, but not to remote callers', async () => {
    const { ask, place } = desk({ config: withSecret(''), password: ' from the environment ' });
    expect((await ask('/config', {}, 'from the environment')).status).toBe(200);
    place.local = false;
    expect((await ask('/config', {}, 'from the environment')).status).toBe(403);
  });
});

describe('the key', () => {
  test.each([
    { authorization: `Bearer ${managementKey}` },
    { authorization: `bearer   ${managementKey}  ` },
    { authorization: managementKey },
    { 'x-management-key': ` ${managementKey} ` },
    { authorization: 'Bearer ', 'x-management-key': managementKey },
  ])('is read from %p', async (headers) => {
    expect((await desk().ask('/config', { headers }, '')).status).toBe(200);
  });

  test('is asked for when it is missing', async () => {
    const response = await desk().ask('/config', {}, '');
    expect(response.status).toBe(401);
    expect(await body(response)).toMatchObject({ error: 'missing management key' });
  });

  test.each(['$2a', '$2b', '$2y'])('may be configured as a %s bcrypt hash', async (prefix) => {
    const hash = await Bun.password.hash(managementKey, { algorithm: 'bcrypt', cost: 4 });
    const { ask } = desk({ config: withSecret(prefix + hash.slice(3)) });
    expect((await ask('/config')).status).toBe(200);
    expect((await ask('/config')).status).toBe(200);
    expect((await ask('/config', {}, 'wrong')).status).toBe(401);
    expect((await ask('/config', {}, prefix + hash.slice(3))).status).toBe(401);
  });

  test('a broken bcrypt hash lets nobody in', async () => {
    const { ask } = desk({ config: withSecret('$2b$10$broken') });
    expect((await ask('/config')).status).toBe(401);
    expect((await ask('/config', {}, '$2b$10$broken')).status).toBe(401);
  });

  test('stops working when the config names another one', async () => {
    const { ask, steward } = desk();
    expect((await ask('/config')).status).toBe(200);
    await steward.apply(withSecret('another key'));
    expect((await ask('/config')).status).toBe(401);
    expect((await ask('/config', {}, 'another key')).status).toBe(200);
  });
});

describe('where a request comes from', () => {
  test('callers elsewhere are told which switch keeps them out, and how to tunnel', async () => {
    const { ask } = desk({ local: false });
    const response = await ask('/config');
    expect(response.status).toBe(403);
    expect(await body(response)).toMatchObject({
      error: 'remote management disabled',
      setting: 'remote-management.allow-remote',
      value: false,
      remedy: expect.stringContaining('ssh -N -L 8317:127.0.0.1:8317'),
    });
  });

  test('allow-remote lets them in with the key', async () => {
    const { ask } = desk({
      local: false,
      config: plainConfig.replace('allow-remote: false', 'allow-remote: true'),
    });
    expect((await ask('/config')).status).toBe(200);
    expect((await ask('/config', {}, 'wrong')).status).toBe(401);
  });

  test.each(['https://evil.example', 'null', 'http://localhost:9999', 'http://localhost.evil.example'])(
    'a page of %s is refused, also with the key',
    async (origin) => {
      const response = await desk().ask('/config', { headers: { origin, host: 'localhost' } });
      expect(response.status).toBe(403);
      expect(await body(response)).toMatchObject({ error: 'foreign_origin' });
    },
  );

  test('a page of the gateway itself is let in', async () => {
    const headers = { origin: 'http://localhost:8317', host: 'localhost:8317' };
    expect((await desk().ask('/config', { headers })).status).toBe(200);
  });

  test('no answer has a CORS header, a preflight neither', async () => {
    const { ask } = desk();
    const answers = [
      await ask('/config', { headers: { origin: 'http://localhost', host: 'localhost' } }),
      await ask(
        '/config',
        { method: 'OPTIONS', headers: { origin: 'https://evil.example', host: 'localhost' } },
        '',
      ),
    ];
    for (const { headers } of answers)
      expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});

describe('wrong keys', () => {
  const clocked = () => {
    const clock = { ms: 1_000_000 };
    const all = desk({ now: () => clock.ms });
    return { ...all, clock, guess: (key: string) => all.ask('/config', {}, key) };
  };

  test('a client key is told apart and never counts', async () => {
    const { guess } = clocked();
    for (let count = 0; count < 10; count++) {
      const response = await guess(clientKey);
      expect(response.status).toBe(403);
      expect((await body(response))['error']).toBe('this is a client key');
    }
    expect((await guess('wrong')).status).toBe(401);
  });

  test('a client key is told apart during a throttle, too', async () => {
    const { guess } = clocked();
    for (let count = 0; count < 6; count++) await guess(`wrong ${count}`);
    expect((await guess(clientKey)).status).toBe(403);
  });

  test('a missing key never counts', async () => {
    const { ask, guess } = clocked();
    for (let count = 0; count < 10; count++) await ask('/config', {}, '');
    expect((await guess('wrong')).status).toBe(401);
  });

  test('slow an address down from the sixth on, for longer each time, up to five minutes', async () => {
    const { guess, clock } = clocked();
    for (let count = 0; count < 5; count++) expect((await guess(`wrong ${count}`)).status).toBe(401);
    const waits: number[] = [];
    for (let count = 0; count < 10; count++) {
      clock.ms += 1_000;
      const response = await guess(`still wrong ${count}`);
      expect(response.status).toBe(429);
      waits.push(Number(response.headers.get('retry-after')));
    }
    expect(waits).toEqual([4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
  });

  test('the right key is let in during a throttle and ends it', async () => {
    const { guess, clock } = clocked();
    for (let count = 0; count < 7; count++) {
      clock.ms += 1_000;
      await guess(`wrong ${count}`);
    }
    expect((await guess('wrong again')).status).toBe(429);
    clock.ms += 300;
    expect((await guess(managementKey)).status).toBe(200);
    expect((await guess('wrong once more')).status).toBe(401);
  });

  test('a key that was right before is let in whatever others guess', async () => {
    const { guess } = clocked();
    expect((await guess(managementKey)).status).toBe(200);
    for (let count = 0; count < 50; count++) await guess(`wrong ${count}`);
    expect((await guess(managementKey)).status).toBe(200);
  });

  test('are checked only a few times a second during a throttle', async () => {
    const { guess, clock } = clocked();
    for (let count = 0; count < 6; count++) await guess(`wrong ${count}`);
    expect((await guess(managementKey)).status).toBe(429);
    clock.ms += 250;
    expect((await guess(managementKey)).status).toBe(200);
  });

  test('are welcome again after the wait', async () => {
    const { guess, clock } = clocked();
    for (let count = 0; count < 5; count++) await guess(`wrong ${count}`);
    clock.ms += 2_001;
    expect((await guess('wrong')).status).toBe(401);
  });

  test('are logged with their address and without the key', async () => {
    const { guess, lines } = clocked();
    await guess('a wrong key that nobody must see');
    const told = (await lines()).join('\n');
    expect(told).toContain('"event":"management-key-refused"');
    expect(told).not.toContain('nobody must see');
  });
});
