import { describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import channel from '../../src/channels/claude/index.ts';
import { judge } from '../../src/channels/claude/judge.ts';
import { GatewayError } from '../../src/core/error.ts';
import { opened, sent } from './tools.ts';

const open = (more: object = {}, outside = {}) =>
  opened(channel, 'claude-api-key', [{ 'api-key': 'sk-ant-0123456789', ...more }], outside);
const only = (more: object = {}) => open(more).connections[0]!;

describe('requests', () => {
  test('the first-party host gets x-api-key and nothing else', async () => {
    const { url, headers } = await sent(only(), { query: 'beta=true' });
    expect(url).toBe('https://api.anthropic.com/v1/messages?beta=true');
    expect([headers.get('x-api-key'), headers.get('authorization')]).toEqual(['sk-ant-0123456789', null]);
    expect([headers.get('anthropic-version'), headers.get('content-type')]).toEqual([
      '2023-06-01',
      'application/json',
    ]);
  });

  test.each([
    'https://proxy.example/anthropic',
    'https://proxy.example/anthropic/v1/',
    'https://proxy.example/anthropic/v1/messages',
  ])('another host gets a bearer token and nothing else (%s)', async (base) => {
    const { url, headers } = await sent(only({ 'base-url': base }));
    expect(url).toBe('https://proxy.example/anthropic/v1/messages');
    expect([headers.get('x-api-key'), headers.get('authorization')]).toEqual([
      null,
      'Bearer sk-ant-0123456789',
    ]);
  });

  test('a configured credential header replaces ours', async () => {
    const { headers } = await sent(
      only({ 'base-url': 'https://proxy.example', headers: { 'X-Api-Key': 'other' } }),
    );
    expect([headers.get('x-api-key'), headers.get('authorization')]).toEqual(['other', null]);
  });

  test("the client's version and betas go through, and the body is not touched", async () => {
    const body = '{"model":"m","betas":["x"],"messages":[{"role":"system","content":"s"}]}';
    const headers = new Headers({ 'anthropic-version': '2024-01-01', 'anthropic-beta': 'a,b' });
    const outgoing = await sent(only(), { body, headers, stream: true });
    expect(outgoing.body).toBe(body);
    expect(outgoing.headers.get('anthropic-version')).toBe('2024-01-01');
    expect(outgoing.headers.get('anthropic-beta')).toBe('a,b');
    expect(outgoing.headers.get('accept')).toBe('text/event-stream');
    expect(outgoing.headers.get('accept-encoding')).toBe('identity');
  });

  test('system messages move out of the conversation where the host asks for it', async () => {
    const body = JSON.stringify({
      model: 'm',
      system: 'first',
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'system', content: [{ type: 'text', text: 'second' }] },
        { role: 'system', content: 'third' },
      ],
    });
    const outgoing = await sent(only({ 'rebuild-mid-system-message': true }), { body });
    expect(JSON.parse(outgoing.body as string)).toEqual({
      model: 'm',
      system: ['first', 'second', 'third'].map((text) => ({ type: 'text', text })),
      messages: [{ role: 'user', content: 'hi' }],
    });
  });

  test('only the first-party host is asked to count', async () => {
    expect(only().can!('count-tokens', 'm')).toBe(true);
    expect(only({ 'base-url': 'https://proxy.example' }).can!('count-tokens', 'm')).toBe(false);
    expect(only().can!('/v1/messages/batches', 'm')).toBe(false);
    expect((await sent(only(), { operation: 'count-tokens' })).url).toBe(
      'https://api.anthropic.com/v1/messages/count_tokens',
    );
  });
});

describe('entries', () => {
  test('without models the whole family is offered', () => {
    expect(only().models).toEqual({ declared: [], catalog: 'claude', excluded: [] });
  });

  test('an invalid proxy is refused', () => {
    expect(() => open({ 'proxy-url': 'socks://h:1' })).toThrow('[0].proxy-url: expected');
  });

  test('keys of a disguise are accepted by the schema and say that they do nothing', () => {
    const schema = channel.settings['claude-api-key']!;
    const slice = [
      { 'api-key': 'k', cloak: { mode: 'always' }, 'experimental-cch-signing': true, weight: 2 },
    ];
    expect([...Value.Errors(schema, slice)]).toEqual([]);
    expect(schema.items.properties.cloak.withoutEffect).toContain('never passes one client off as another');
  });
});

describe('a 429', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  const limited = new GatewayError({ kind: 'rate-limited' }, 'This request would exceed your limit.', {
    retryAfterMs: 7_000,
  });
  const judged = (headers: Record<string, string>, error = limited) =>
    judge(
      error,
      new Headers(
        Object.entries(headers).map(
          ([name, value]) => [`anthropic-ratelimit-unified-${name}`, value] as [string, string],
        ),
      ),
      now,
    );
  const seconds = now / 1000;
  const within = (error: GatewayError, ms: number) => {
    expect(error.retryAfterMs!).toBeGreaterThanOrEqual(ms + 500);
    expect(error.retryAfterMs!).toBeLessThan(ms + 2_000);
  };

  test('of shared windows rests the key until the latest reset of those rejected', () => {
    const error = judged({
      '5h-status': 'rejected',
      '5h-reset': String(seconds + 60.5),
      '7d-status': 'Rejected',
      '7d-reset': '2026-01-01T01:00:00Z',
      '7d_oi-status': 'allowed',
      '7d_oi-reset': String(seconds + 999_999),
    });
    expect([error.fault.kind, error.scope, error.status]).toEqual(['quota-exhausted', 'credential', 429]);
    within(error, 3_600_000);
  });

  test('of one shared window ignores the resets of the others', () => {
    within(
      judged({
        '5h-status': 'rejected',
        '5h-reset': String(seconds + 60),
        '7d-status': 'allowed',
        '7d-reset': String(seconds + 9_999),
      }),
      60_000,
    );
  });

  test('of the window that only some models share rests the model', () => {
    const error = judged({
      status: 'rejected',
      '5h-status': 'allowed',
      '7d-status': 'allowed',
      '7d_oi-status': 'rejected',
      '7d_oi-reset': 'Thu, 01 Jan 2026 00:02:00 GMT',
    });
    expect([error.fault.kind, error.scope]).toEqual(['quota-exhausted', 'model']);
    within(error, 120_000);
  });

  test('without window headers is what the protocol read', () => {
    expect(judged({})).toBe(limited);
    expect(judged({ status: 'allowed', '5h-status': 'allowed' })).toBe(limited);
  });

  test('without a readable reset waits as long as retry-after says', () => {
    expect(judged({ '5h-status': 'rejected', '5h-reset': 'soon' }).retryAfterMs).toBe(7_000);
  });

  test('about fast mode is the fault of the request', () => {
    const fast = limited.with({ message: 'Usage credits are required for fast mode.' });
    expect(judged({ '5h-status': 'rejected' }, fast).scope).toBe('request');
  });

  test('is the only status that is judged', () => {
    const other = new GatewayError({ kind: 'overloaded' }, 'Overloaded');
    expect(judged({ '5h-status': 'rejected' }, other)).toBe(other);
  });
});
