import { describe, expect, test } from 'bun:test';
import { createState } from '../../src/state/state.ts';
import { beginRecord, type RequestRecord } from '../../src/telemetry/record.ts';
import { createTraces, traceLimits } from '../../src/telemetry/traces.ts';

const shelfOf = () => createState().space('traces', traceLimits);

const closed = (id: string, more: Partial<RequestRecord> = {}) =>
  Object.assign(beginRecord(id, 'POST', '/v1/chat/completions'), {
    protocol: 'openai-chat',
    modelAsked: 'm',
    status: 200,
    totalMs: 12.34,
    closedAt: 1_000_000,
    ...more,
  });

const attempt = (more: object = {}) => ({
  provider: 'p',
  credential: 'p sk-a...bcde',
  model: 'm',
  atMs: 2,
  ms: 5,
  outcome: 'failed' as const,
  status: 429,
  code: 'rate_limit_exceeded',
  upstreamRequestId: 'up-1',
  ...more,
});

describe('traces', () => {
  test('tell what happened to a request by its id', () => {
    const traces = createTraces(shelfOf());
    traces.add(
      closed('req_1', {
        provider: 'q',
        modelUsed: 'm2',
        bytesIn: 120,
        bytesOut: 4_500,
        attempts: [attempt(), attempt({ outcome: 'answered', status: 200, code: '', atMs: 8 })],
      }),
    );
    expect(traces.find('req_1')).toMatchObject({
      id: 'req_1',
      route: 'q/m2',
      status: 200,
      bytes_in: 120,
      bytes_out: 4_500,
      selected_ms: 8,
      total_ms: 12.3,
      attempts: [
        { status: 429, code: 'rate_limit_exceeded', upstream_request_id: 'up-1', at_ms: 2, ms: 5 },
        { outcome: 'answered' },
      ],
    });
    expect(traces.find('req_2')).toBeUndefined();
  });

  test('outlive the process that wrote them', () => {
    const shelf = shelfOf();
    const before = createTraces(shelf);
    before.add(closed('one'));
    before.add(closed('two'));
    before.flush();
    const after = createTraces(shelf);
    after.add(closed('three'));
    expect(after.find('one')).toMatchObject({ id: 'one' });
    expect(after.newest(2).map(({ id }) => id)).toEqual(['three', 'two']);
    expect(after.newest(9).map(({ id }) => id)).toEqual(['three', 'two', 'one']);
  });

  test('tell of the newest request where a client uses an id twice, before and after they are written', () => {
    const traces = createTraces(shelfOf());
    for (const id of ['a', 'b', 'c']) traces.add(closed(id));
    traces.add(closed('b', { status: 500 }));
    const told = () => traces.newest(2).map(({ id, status }) => [id, status]);
    expect(told()).toEqual([
      ['b', 500],
      ['c', 200],
    ]);
    expect(traces.find('b')).toMatchObject({ status: 500 });
    traces.flush();
    expect(told()).toEqual([
      ['b', 500],
      ['c', 200],
    ]);
    expect(traces.find('b')).toMatchObject({ status: 500 });
  });

  test('keep failures first on disk when more happens than can be written', () => {
    const shelf = shelfOf();
    const traces = createTraces(shelf);
    for (let index = 0; index < 300; index++) traces.add(closed(`fine-${index}`));
    traces.add(closed('failed', { status: 502 }));
    traces.flush();
    expect(shelf.get('failed')).toBeDefined();
    expect(shelf.newest(1_000)).toHaveLength(100);
  });

  test('hold no secret that a foreign text quotes', () => {
    const traces = createTraces(shelfOf());
    const error = { code: 'x', scope: 'request' as const, message: 'bad key sk-proj-abcdefgh12345678' };
    traces.add(closed('r', { error, dropped: new Set(['authorization: Bearer abcdefgh12345']) }));
    expect(JSON.stringify(traces.find('r'))).not.toMatch(/abcdefgh/);
  });
});
