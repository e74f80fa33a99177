import { describe, expect, test } from 'bun:test';
import { clean, cleanId, describe as tell, plain, redact, without } from '../../src/telemetry/redact.ts';

describe('redact', () => {
  const secrets: readonly (readonly [text: string, told: string])[] = [
    ['Incorrect API key provided: sk-proj-abc123DEF456ghi.', 'Incorrect API key provided: [redacted].'],
    ['sk-ant-api03-AAAA_BBBB-CCCC', '[redacted]'],
    ['Authorization: Bearer abcdef123456', 'Authorization: Bearer [redacted]'],
    ['{"authorization":"Basic dXNlcjpwYXNz"}', '{"authorization":"Basic [redacted]"}'],
    ['sent bearer abcdef123456 to it', 'sent bearer [redacted] to it'],
    ['x-api-key: AAAABBBB', 'x-api-key: [redacted]'],
    ['Cookie: session=1; other=2', 'Cookie: [redacted]'],
    ['{"api_key":"zzzz","token":"qqqq"}', '{"api_key":"[redacted]","token":"[redacted]"}'],
    [String.raw`{\"api_key\":\"zzzz\"}`, String.raw`{\"api_key\":\"[redacted]\"}`],
    ['{"password":"a,b;c} d","x":1}', '{"password":"[redacted]","x":1}'],
    ["key='a b'", "key='[redacted]'"],
    ['https://name:word@proxy:80/x', 'https://[redacted]@proxy:80/x'],
    ['socks5://token@host:1', 'socks5://[redacted]@host:1'],
    ['GET /v1beta/models?key=abc&alt=sse', 'GET /v1beta/models?key=[redacted]&alt=sse'],
    ['/callback?code=abc&state=x', '/callback?code=[redacted]&state=x'],
    ['apiKey=abc access_token=def', 'apiKey=[redacted] access_token=[redacted]'],
    ['AIzaSyA1234567890abcdefghijk', '[redacted]'],
    ['ya29.a0AfH6SMBx', '[redacted]'],
    ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln', '[redacted]'],
    ['gsk_abcdefghijklmnop1234', '[redacted]'],
    ['ghu_abcdefghijklmnop1234', '[redacted]'],
    ['xai-abcdefghijklmnopqrstuvwxyz', '[redacted]'],
    ['AKIAIOSFODNN7EXAMPLE', '[redacted]'],
    ['$2b$10$8TTfRQ5F0iN1vWFKVuBmkubJAyPQzcci3c0ymx3BCkZPkh7nc7Xgm', '[redacted]'],
    ['-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----', '[redacted]'],
  ];
  test.each(secrets)('removes the secret of %p', (text, told) => {
    expect(redact(text)).toBe(told);
  });

  const harmless = [
    'Unknown key: api-keys. Did you mean key: x?',
    'Basic authentication is required.',
    'max_tokens: 5, token count 7',
    'xai-grok-4-fast-reasoning',
    'openrouter sk-o...9f3c',
    'monkey=banana',
    'req_011CSHoEeqs5C35K2UUqR7Fy',
    'https://api.openai.com/v1/chat/completions',
  ];
  test.each(harmless)('leaves %p alone', (text) => {
    expect(redact(text)).toBe(text);
  });
});

test('plain puts a text on one line and takes escape sequences and direction marks out', () => {
  expect(plain('a\x1b[31mred\x1b[0m\r\nb\x1b]0;title\x07c\x9b2Jd\u202ee\x00f\x1bcg\u2028h')).toBe(
    'ared bcdefg h',
  );
  expect(plain('kept \x1b]after an unfinished sequence')).toBe('kept after an unfinished sequence');
});

test('clean finds a secret that control characters cut in two', () => {
  expect(clean('sk-\x1b[0mabcdef\x00ghijkl')).toBe('[redacted]');
});

test('clean bounds the length', () => {
  expect(clean('x'.repeat(1_000_000)).length).toBeLessThan(2_100);
});

test('cleanId tells our own ids as they are and cleans those that clients made up', () => {
  for (const id of ['req_789d365464db000000000001', 'trace-7', 'req_789d365464db000000000001.2'])
    expect(cleanId(id)).toBe(id);
  for (const id of ['sk-abcdefgh12345678', 'req_1.sk-abcdefgh12345678'])
    expect(cleanId(id)).not.toContain('abcdefgh');
});

test('describe tells an exception with its causes and without its secrets', () => {
  const told = tell(new Error('refused sk-abcdefghijklm', { cause: new TypeError('no route') }));
  expect(told).toStartWith('Error: refused [redacted], caused by TypeError: no route | at ');
  expect(tell('just text')).toBe('just text');
});

describe('secrets that are known', () => {
  const secret = 'Zq7/opaque+secret"9fK2';

  test.each([
    ['as they are', `You sent ${secret} twice: ${secret}.`],
    ['in JSON', JSON.stringify({ token: secret })],
    ['in a URL', `https://x/?t=${encodeURIComponent(secret)}`],
    ['cut off', `The beginning was ${secret.slice(0, 12)}`],
  ])('are taken out of a text, %s', (_, text) => {
    const told = without(text, [secret]);
    expect(told).not.toContain(secret.slice(0, 6));
    expect(told).not.toContain('opaque');
    expect(told).toContain('[redacted]');
  });

  test('leave a text without them as it was', () => {
    const text = 'Nothing of it stands here, Zq7/ neither.';
    expect(without(text, [secret])).toBe(text);
  });
});
