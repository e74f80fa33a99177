import { afterAll, describe, expect, test } from 'bun:test';
import { beginRecord } from '../../src/telemetry/record.ts';
import { desk, clearDesks } from './desk.ts';

afterAll(clearDesks);

const closed = (id: string) =>
  Object.assign(beginRecord(id, 'POST', '/v1/messages'), { status: 200, totalMs: 1, closedAt: 1_000 });

describe('traces', () => {
  test('are listed newest first, and told by their request id', async () => {
    const { ask, traces } = desk();
    for (const id of ['one', 'two', 'odd/id']) traces.add(closed(id));
    const list: any = await (await ask('/traces?limit=2')).json();
    expect(list.traces.map(({ id }: { id: string }) => id)).toEqual(['odd/id', 'two']);
    expect(await (await ask('/traces/one')).json()).toMatchObject({ id: 'one', path: '/v1/messages' });
    expect(await (await ask('/traces/odd%2Fid')).json()).toMatchObject({ id: 'odd/id' });
  });

  test('an unknown id is 404 and says where ids come from', async () => {
    const response = await desk().ask('/traces/nope');
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: 'trace_not_found' });
  });

  test.each(['0', 'many', '-1'])('refuses the limit %s', async (limit) => {
    expect((await desk().ask(`/traces?limit=${limit}`)).status).toBe(400);
  });
});
