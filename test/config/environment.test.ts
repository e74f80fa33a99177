import { describe, expect, test } from 'bun:test';
import { parse, refused } from './support.ts';

const file = `host: localhost
port: 1000
debug: false
api-keys: [from-file]
auth-dir: /from/file
routing: {strategy: fill-first}
remote-management: {secret-key: from-file, allow-remote: false}
`;

describe('variables over the file', () => {
  test('set their keys, whatever the file says', () => {
    const { config, notices } = parse(file, {
      environment: {
        CLIPROXY_HOST: '0.0.0.0',
        CLIPROXY_PORT: ' 9000 ',
        CLIPROXY_SECRET_KEY: 'management',
        CLIPROXY_ALLOW_REMOTE: '1',
        CLIPROXY_DEBUG: 'TRUE',
        CLIPROXY_ROUTING_STRATEGY: 'rr',
        CLIPROXY_API_KEYS: 'one, two,,',
        CLIPROXY_AUTH_DIR: '/from/environment',
      },
    });
    expect(config).toMatchObject({
      host: '0.0.0.0',
      port: 9000,
      debug: true,
      'api-keys': ['one', 'two'],
      'auth-dir': '/from/environment',
      routing: { strategy: 'round-robin' },
      'remote-management': { 'secret-key': 'management', 'allow-remote': true },
    });
    expect(notices).toEqual([]);
  });

  test('count as unset when empty', () => {
    const { config } = parse(file, { environment: { CLIPROXY_PORT: '', CLIPROXY_API_KEYS: ' ' } });
    expect(config.port).toBe(1000);
    expect(config['api-keys']).toEqual(['from-file']);
  });

  test('may not hold a sample key either, and the fault names the variable, not the file', () => {
    const { faults } = refused(() => parse(file, { environment: { CLIPROXY_API_KEYS: 'a,your-api-key-1' } }));
    expect(faults).toMatchObject([
      {
        file: 'environment',
        line: 0,
        path: 'CLIPROXY_API_KEYS',
        message: 'this is a sample key that everybody knows',
      },
    ]);
  });
});

describe('MANAGEMENT_PASSWORD', () => {
  const environment = { MANAGEMENT_PASSWORD: ' secret ' };

  test('switches management on and says that it stays on this machine', () => {
    const { config, notices } = parse('port: 1\n', { environment });
    expect(config['remote-management']).toMatchObject({ 'secret-key': 'secret', 'allow-remote': false });
    expect(notices.map(({ path, message }) => `${path}: ${message}`)).toEqual([
      'remote-management.allow-remote: MANAGEMENT_PASSWORD opens the management API to this machine only; set allow-remote: true for others',
    ]);
  });

  test('leaves a key of the file alone', () => {
    expect(parse(file, { environment }).config['remote-management']['secret-key']).toBe('from-file');
  });
});
