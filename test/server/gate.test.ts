import { describe, expect, test } from 'bun:test';
import { mask } from '../../src/server/gate.ts';
import { key, stand } from './support.ts';

const body = '{"model":"demo"}';
const other = 'sk-other-0123456789abcdef';

describe('client keys', () => {
  const { app: _, ...gate } = stand({ keys: [key, other] });
  const ask = (headers: Record<string, string>, path = '/v1/chat/completions') =>
    gate.post(path, body, { headers });
  const advice = async (headers: Record<string, string>, path?: string) => {
    const response = await ask(headers, path);
    expect(response.status).toBe(401);
    return ((await response.json()) as any).error.message as string;
  };

  test.each([
    ['Authorization: Bearer', { authorization: `Bearer ${key}` }],
    ['the scheme in any case', { authorization: `bEaReR   ${key}  ` }],
    ['a bare key in Authorization', { authorization: key }],
    ['x-api-key', { 'x-api-key': ` ${key} ` }],
    ['x-goog-api-key', { 'x-goog-api-key': key }],
    ['a second configured key', { 'x-api-key': other }],
    ['one good key among wrong ones', { authorization: 'Bearer wrong', 'x-api-key': key }],
  ] as [string, Record<string, string>][])('are accepted as %s', async (_, headers) => {
    expect((await ask(headers)).status).toBe(200);
  });

  test.each([
    ['another case', { authorization: `Bearer ${key.toUpperCase()}` }],
    ['a part of a key', { 'x-api-key': key.slice(0, -1) }],
    ['Basic', { authorization: `Basic ${btoa(`x:${key}`)}` }],
    ['an empty value', { authorization: 'Bearer ' }],
    ['a cookie', { cookie: `key=${key}` }],
  ] as [string, Record<string, string>][])('are refused as %s', async (_, headers) => {
    expect((await ask(headers)).status).toBe(401);
  });

  test('are read from the query on Gemini routes only', async () => {
    expect((await ask({}, `/v1beta/models/demo:generateContent?key=${key}`)).status).toBe(200);
    expect(await advice({}, `/v1/chat/completions?key=${key}`)).toContain('/v1beta routes only');
  });

  test('reach the log as a label and the relay not at all', async () => {
    const { post, exchanges, logged } = stand({ keys: [key] });
    const headers = { authorization: `Bearer ${key}`, 'x-api-key': 'mine', 'openai-beta': 'x' };
    await post(`/v1beta/models/demo:generateContent?key=${key}&alt=sse`, body, { headers });
    const [exchange] = exchanges;
    expect([...exchange!.headers.values()].join()).not.toContain(key);
    expect(exchange!.headers.get('x-api-key')).toBe('mine');
    expect(exchange!.headers.get('openai-beta')).toBe('x');
    expect(exchange!.query.toString()).toBe('alt=sse');
    expect(logged()[0]).toMatchObject({ client: 'label-wxyz', status: 200 });
    expect(JSON.stringify(logged())).not.toContain(key);
  });

  test('that are missing are told how to be sent', async () => {
    const message = await advice({});
    expect(message).toContain('No client key was sent.');
    expect(message).toContain('`Authorization: Bearer <key>`');
  });

  test('that are unknown are told what was received, masked, and where', async () => {
    const message = await advice({ 'x-api-key': 'sk-wrong-0123456789abcdef' });
    expect(message).toContain('received sk-w...cdef in x-api-key');
    expect(message).toContain('without a restart');
    expect(message).not.toContain('0123456789');
  });

  test.each([
    ['<your-client-key>', 'placeholder'],
    ['your-api-key-1', 'placeholder'],
    ['"sk-quoted-0123456789"', 'quote or a space'],
    ['Bearer sk-twice-0123456789', 'quote or a space'],
  ])('such as %s get advice of their own', async (value, words) => {
    expect(await advice({ authorization: `Bearer ${value}` })).toContain(words);
  });

  test('are refused in the dialect of the route, with a challenge, a code and the request id', async () => {
    const response = await ask({ 'x-request-id': 'mine-1' }, '/v1/messages');
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await response.json()).toMatchObject({
      type: 'error',
      error: { type: 'authentication_error', code: 'invalid_api_key' },
      request_id: 'mine-1',
    });
  });

  test('that are refused close the record once', async () => {
    const { post, logged } = stand({ keys: [key] });
    await post('/v1/chat/completions', body);
    expect(logged()).toHaveLength(1);
    expect(logged()[0]).toMatchObject({ status: 401, error: { code: 'invalid_api_key', scope: 'request' } });
  });
});

describe('without client keys', () => {
  const { post } = stand({ origins: ['https://app.example.com'] });
  const status = async (headers: Record<string, string>) =>
    (await post('/v1/chat/completions', body, { headers })).status;

  test('every program of this machine is served', async () => {
    expect(await status({})).toBe(200);
    expect(await status({ host: '127.0.0.1:8317' })).toBe(200);
    expect(await status({ origin: 'http://localhost:3000' })).toBe(200);
  });

  test('a page of somebody else is refused unless it is on the list', async () => {
    expect(await status({ origin: 'https://evil.example' })).toBe(403);
    expect(await status({ origin: 'http://localhost.evil.example' })).toBe(403);
    expect(await status({ origin: 'null' })).toBe(403);
    expect(await status({ origin: 'https://app.example.com' })).toBe(200);
  });

  test('a foreign name that was bent to this machine is refused', async () => {
    expect(await status({ host: 'evil.example:8317' })).toBe(403);
  });
});

test('a mask shows the ends of a long value and little of a short one', () => {
  expect(mask('sk-0123456789abcdef')).toBe('sk-0...cdef');
  expect(mask('secret')).toBe('se... (6 characters)');
  expect(mask('\u0007\u009b evil-terminal-text')).not.toMatch(/[^\x20-\x7e]/);
});
