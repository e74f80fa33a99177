import { describe, expect, test } from 'bun:test';
import { parseProxy, redactProxy } from '../../src/wire/proxy.ts';

describe('a proxy-url', () => {
  test.each([
    ['', 'environment'],
    ['  ', 'environment'],
    ['direct', 'direct'],
    ['None', 'direct'],
    ['http://proxy.example:3128', { url: 'http://proxy.example:3128/' }],
    [' HTTPS://proxy.example ', { url: 'https://proxy.example/' }],
    ['socks5://user:p%40ss@10.0.0.1:1080', { url: 'socks5://user:p%40ss@10.0.0.1:1080' }],
    ['socks5h://[::1]:1080', { url: 'socks5h://[::1]:1080' }],
  ] as const)('"%s" is understood', (text, proxy) => {
    expect(parseProxy(text)).toEqual(proxy);
  });

  test.each([
    ['proxy.example:3128', 'no scheme'],
    ['socks4://user:secret@10.0.0.1:1080', '"socks4"'],
    ['ftp://user:secret@host', '"ftp"'],
    ['http://', 'not a URL'],
    ['http://user:secret@', 'not a URL'],
    ['socks5://', 'no host'],
    ['http://host:99999', 'not a URL'],
    ['http://user:secret@host/path', 'may follow'],
    ['http://host?secret=1', 'may follow'],
  ])('"%s" is refused without repeating its credentials', (text, why) => {
    expect(() => parseProxy(text)).toThrow(why);
    expect(() => parseProxy(text)).not.toThrow('secret');
  });

  test('is shown without its credentials', () => {
    expect(redactProxy('socks5://user:secret@10.0.0.1:1080')).toBe('socks5://10.0.0.1:1080');
    expect(redactProxy('http://secret@ bad')).toBe('the configured proxy');
  });
});
