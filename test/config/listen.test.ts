import { describe, expect, test } from 'bun:test';
import { isLoopback, listenAddress } from '../../src/config/listen.ts';

const at = (host: string, keys: string[] = []) => listenAddress({ host, port: 8317, 'api-keys': keys });

describe('where to listen', () => {
  test('an empty host is this machine only, as long as there is no client key', () => {
    expect(at('')).toEqual({
      host: '127.0.0.1',
      port: 8317,
      loopback: true,
      why: 'there is no client key, so only this machine is served; add one under api-keys to serve others',
    });
  });

  test('an empty host is every interface once there is a client key', () => {
    expect(at('', ['sk-a'])).toMatchObject({ host: '::', fallback: '0.0.0.0', loopback: false });
  });

  test('a named host is obeyed', () => {
    expect(at('localhost')).toMatchObject({ host: 'localhost', loopback: true });
    expect(at('10.0.0.1', ['sk-a'])).toMatchObject({ host: '10.0.0.1', loopback: false });
    expect(at('[::1]')).toMatchObject({ host: '::1', loopback: true });
  });

  test.each(['0.0.0.0', '::', '[::]', '192.168.1.2', 'gateway.example', '128.0.0.1'])(
    'without a client key %s is refused: nobody is let in unasked',
    (host) => {
      expect(at(host)).toHaveProperty('refused');
    },
  );

  test.each(['127.0.0.1:80', 'http://localhost', 'local host'])('%s is no host', (host) => {
    expect(at(host, ['sk-a'])).toMatchObject({ refused: 'holds more than a host' });
  });

  test.each([
    ['127.3.2.1', true],
    ['::1', true],
    ['LOCALHOST', true],
    ['a.localhost', true],
    ['::ffff:127.0.0.1', true],
    ['127.evil.example', false],
    ['localhost.evil.example', false],
    ['', false],
  ])('loopback(%j) is %p', (host, loopback) => {
    expect(isLoopback(host)).toBe(loopback);
  });
});
