import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listen, ListenError } from '../../src/server/listen.ts';
import { portHolder } from '../../src/server/port-holder.ts';
import { type Setup, stand } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'listen-'));
afterAll(() => rmSync(folder, { recursive: true }));

const start = (setup: Setup, address: Parameters<typeof listen>[2]) => {
  const { app, hall } = stand(setup);
  return listen(app, hall.steward.current.config, address);
};

function refusal(setup: Setup, address: Parameters<typeof listen>[2]): ListenError {
  try {
    void start(setup, address).stop(true);
  } catch (error) {
    if (error instanceof ListenError) return error;
    throw error;
  }
  throw new Error('It listens.');
}

const taken = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } });
afterAll(() => taken.stop(true));

describe('a port that is taken', () => {
  test('is refused with exit code 69 and what to do', () => {
    const error = refusal({}, { host: '127.0.0.1', port: taken.port });
    expect(error.exitCode).toBe(69);
    expect(error.message).toContain(`Cannot listen on 127.0.0.1:${taken.port}: the port is taken`);
    expect(error.message).toContain('set another `port`');
  });

  test.if(process.platform === 'linux')('names the process that holds it', () => {
    expect(refusal({}, { host: '127.0.0.1', port: taken.port }).message).toContain(`(pid ${process.pid})`);
    expect(portHolder(taken.port)?.process?.pid).toBe(process.pid);
    expect(portHolder(taken.port)?.user).toBe(process.getuid!());
  });

  test('is not shared with another program of ours', () => {
    const first = start({}, { host: '127.0.0.1', port: 0 });
    expect(refusal({}, { host: '127.0.0.1', port: first.port! }).exitCode).toBe(69);
    void first.stop(true);
  });
});

test('a port that nobody holds has no holder', () => {
  const server = start({}, { host: '127.0.0.1', port: 0 });
  const { port } = server;
  void server.stop(true);
  expect(portHolder(port!)).toBeUndefined();
});

test('a machine without the first address is served on the second', () => {
  const server = start({}, { host: '203.0.113.1', fallback: '127.0.0.1', port: 0 });
  expect(server.hostname).toBe('127.0.0.1');
  void server.stop(true);
});

test('an address that this machine does not have is refused by name', () => {
  const error = refusal({}, { host: '203.0.113.1', port: 0 });
  expect(error.exitCode).toBe(69);
  expect(error.message).toContain('203.0.113.1');
});

describe('TLS', () => {
  test('is served with the configured certificate', async () => {
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const words = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost', '-days', '2'];
    const made = Bun.spawnSync(['openssl', ...words, '-keyout', key, '-out', cert]);
    expect(made.exitCode).toBe(0);
    const server = start({ tls: { cert, key } }, { host: '127.0.0.1', port: 0 });
    const base = `https://127.0.0.1:${server.port}`;
    for (const path of ['/healthz', '/v1/models/demo']) {
      const response = await fetch(base + path, { tls: { rejectUnauthorized: false } });
      expect(response.status).toBe(200);
    }
    await server.stop(true);
  });

  test('that cannot work is refused as a fault of the configuration, naming the files', () => {
    const nowhere = join(folder, 'nowhere.pem');
    const error = refusal({ tls: { cert: nowhere, key: nowhere } }, { host: '127.0.0.1', port: 0 });
    expect(error.exitCode).toBe(78);
    expect(error.message).toContain(nowhere);
  });
});
