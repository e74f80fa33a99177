import { describe, expect, test } from 'bun:test';
import { attempt, collected, refused, served } from './collected.ts';

describe('the line of a request', () => {
  test('tells everything about a served request in one JSON line', async () => {
    const { telemetry, lines } = collected({ now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) });
    telemetry.close(served({ stream: true, direct: true, dropped: new Set(['seed', 'tools[0].strict']) }));
    const [line = '', ...more] = await lines();
    expect(more).toEqual([]);
    const { total_ms, ...told } = JSON.parse(line);
    expect(total_ms).toBeNumber();
    expect(told).toEqual({
      time: '2026-01-02T03:04:05.006Z',
      level: 'info',
      event: 'request',
      id: 'req_1',
      client: 'sk-g...a91c',
      protocol: 'openai-chat',
      method: 'POST',
      path: '/v1/chat/completions',
      model: 'gpt',
      model_used: 'openai/gpt',
      provider: 'openrouter',
      credential: 'openrouter sk-o...9f3c',
      attempts: 1,
      status: 200,
      stream: true,
      direct: true,
      first_byte_ms: 20,
      tokens: { input: 10, output: 5, cache_read: 4, cache_write: 2, reasoning: 1 },
      dropped: ['seed', 'tools[0].strict'],
    });
  });

  test('names refusals of an upstream so that a search for status_code":403 finds them', async () => {
    const { telemetry, lines } = collected();
    telemetry.close(served({ attempts: [refused, attempt()] }));
    telemetry.close(served({ status: 403, attempts: [], provider: '' }));
    const [failed = '', ownRefusal = ''] = await lines();
    expect(failed).toContain('"status_code":403');
    expect(JSON.parse(failed)).toMatchObject({
      attempts: 2,
      failed: [{ code: 'upstream_forbidden', ms: 12 }],
    });
    expect(ownRefusal).not.toContain('status_code');
  });

  test('names code and scope of what the client saw fail', async () => {
    const { telemetry, lines } = collected();
    const error = {
      code: 'upstream_timeout',
      scope: 'transport',
      message: 'The upstream fell silent.',
    } as const;
    telemetry.close(served({ stream: true, error }));
    expect(JSON.parse((await lines())[0] ?? '')).toMatchObject({ level: 'warn', error });
  });

  test('has the level that its status asks for', async () => {
    const { telemetry, lines } = collected();
    for (const status of [200, 404, 499, 502]) telemetry.close(served({ status }));
    expect((await lines()).map((line) => JSON.parse(line).level)).toEqual(['info', 'warn', 'info', 'error']);
  });

  test('reads as words on a terminal', async () => {
    const { telemetry, lines } = collected({ isTerminal: true });
    telemetry.close(served({ stream: true }));
    const [line = ''] = await lines();
    expect(line).toContain('\x1b[32m200\x1b[0m');
    expect(Bun.stripANSI(line)).toMatch(
      /^\d\d:\d\d:\d\d INFO {2}POST \/v1\/chat\/completions 200 \d\.\d\ds \(first 0\.02s\) gpt > openai\/gpt via openrouter sk-o\.\.\.9f3c 10\+5 tokens stream id=req_1 client=sk-g\.\.\.a91c$/,
    );
  });
});

describe('other events', () => {
  test('come as one line with their fields, whose names never replace time, level and event', async () => {
    const { telemetry, lines } = collected();
    telemetry.log('warn', 'config-reloaded', {
      path: '/etc/config.yaml',
      level: 'x',
      list: ['a', 'b'],
      none: undefined,
    });
    expect(JSON.parse((await lines())[0] ?? '')).toEqual({
      time: expect.any(String),
      level: 'warn',
      event: 'config-reloaded',
      path: '/etc/config.yaml',
      list: ['a', 'b'],
    });
  });

  test('of level debug are told only when the config asks for them', async () => {
    const { telemetry, lines } = collected();
    telemetry.log('debug', 'one');
    telemetry.configure({ debug: true, folder: undefined, maxTotalBytes: 0 });
    telemetry.log('debug', 'two');
    expect((await lines()).map((line) => JSON.parse(line).event)).toEqual(['two']);
  });
});

describe('writing', () => {
  test('collects lines and writes them together', async () => {
    const { telemetry, writes } = collected();
    for (let count = 0; count < 100; count++) telemetry.log('info', 'tick', { count });
    expect(writes).toEqual([]);
    await telemetry.drained();
    expect(writes.length).toBe(1);
    expect(writes[0]?.split('\n').length).toBe(101);
  });

  test('does not wait when 64 KiB have come together', () => {
    const { telemetry, writes } = collected();
    for (let count = 0; count < 50; count++) telemetry.log('info', 'tick', { text: 'x'.repeat(1_900) });
    expect(writes.length).toBe(1);
  });

  test('hands over what is left when it is flushed', () => {
    const { telemetry, writes } = collected();
    telemetry.log('info', 'stopped');
    telemetry.flush();
    expect(writes.join('')).toContain('"event":"stopped"');
  });
});

describe('the newest lines', () => {
  test('are kept in memory and continue exactly where a reader stopped', () => {
    const { telemetry } = collected({ now: () => 1_000_000 });
    for (const name of ['one', 'two']) telemetry.log('info', name);
    const first = telemetry.lines({});
    telemetry.log('info', 'three');
    const second = telemetry.lines({ after: first.latest });
    expect(first.lines.length).toBe(2);
    expect(second.lines.map((line) => JSON.parse(line).event)).toEqual(['three']);
    expect(telemetry.lines({ after: second.latest })).toEqual({ lines: [], latest: second.latest });
  });

  test('are forgotten when they are cleared', async () => {
    const { telemetry } = collected();
    telemetry.log('info', 'one');
    expect(await telemetry.clear()).toBe(0);
    expect(telemetry.lines({})).toEqual({ lines: [], latest: 0 });
  });
});
