import { describe, expect, test } from 'bun:test';
import { isLocal } from '../../src/server/address.ts';

const from = (address: string) => ({ requestIP: () => ({ address }) });
const request = (headers: Record<string, string> = {}) => new Request('http://localhost/', { headers });

describe('a caller is local', () => {
  test.each(['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1'])('when the socket says %s', (address) => {
    expect(isLocal(request(), from(address))).toBe(true);
  });

  test.each(['localhost:8317', '127.0.0.1', '[::1]:8317', 'LOCALHOST', 'demo.localhost'])(
    'when it asks for %s',
    (host) => {
      expect(isLocal(request({ host }), from('127.0.0.1'))).toBe(true);
    },
  );
});

describe('a caller is not local', () => {
  test.each(['10.0.0.1', '128.0.0.1', '::2', '::ffff:10.0.0.1', '127.evil', ''])(
    'when the socket says %p, whatever its Host header says',
    (address) => {
      expect(isLocal(request({ host: 'localhost' }), from(address))).toBe(false);
    },
  );

  test.each(['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'])('when %s tells of a proxy', (name) => {
    expect(isLocal(request({ [name]: '127.0.0.1' }), from('127.0.0.1'))).toBe(false);
  });

  test('when nobody knows its socket', () => {
    expect(isLocal(request(), null)).toBe(false);
    expect(isLocal(request(), { requestIP: () => null })).toBe(false);
  });

  test('when it is a web page that bent its own name to this machine', () => {
    expect(isLocal(request({ host: 'evil.example' }), from('127.0.0.1'))).toBe(false);
    expect(isLocal(request({ host: '127.0.0.1.evil.example' }), from('127.0.0.1'))).toBe(false);
  });
});
