import { afterAll, expect, test } from 'bun:test';
import { clearDesks, desk } from './desk.ts';

afterAll(clearDesks);

interface Logs {
  readonly lines: readonly string[];
  readonly 'line-count': number;
  readonly 'latest-timestamp': number;
}

function logged(...events: readonly string[]) {
  const all = desk();
  for (const event of events) all.telemetry.log('info', event);
  const read = async (query = '') => (await (await all.ask(`/logs${query}`)).json()) as Logs;
  return { ...all, read };
}

const eventsOf = ({ lines }: Logs) => lines.map((line) => JSON.parse(line).event);

test('shows the lines of the memory without logging-to-file', async () => {
  const answer = await logged('one', 'two').read();
  expect(eventsOf(answer)).toEqual(['one', 'two']);
  expect(answer['line-count']).toBe(2);
  expect(answer['latest-timestamp']).toBeCloseTo(Date.now() / 1000, -1);
});

test('goes on where a reader stopped, and reading leaves no line', async () => {
  const { read, telemetry } = logged('one', 'two');
  const first = await read();
  expect(eventsOf(await read(`?after=${first['latest-timestamp']}`))).toEqual([]);
  telemetry.log('info', 'three');
  expect(eventsOf(await read(`?after=${first['latest-timestamp']}`))).toEqual(['three']);
});

test.each(['?limit=2', '?lines=2', '?limit=2&lines=1'])('%s gives the newest two', async (query) => {
  expect(eventsOf(await logged('one', 'two', 'three').read(query))).toEqual(['two', 'three']);
});

test.each(['?limit=0', '?limit=-3', '?lines=0', '?limit=x', '?limit=1.5', '?after=x', '?after=-1'])(
  '%s is refused with what is wrong',
  async (query) => {
    const response = await logged().ask(`/logs${query}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: expect.stringMatching(/^invalid (limit|lines|after): must /),
    });
  },
);

test('an empty log has no lines', async () => {
  expect(await logged().read()).toEqual({ lines: [], 'line-count': 0, 'latest-timestamp': 0 });
});

test('DELETE forgets them', async () => {
  const { ask, read } = logged('one');
  const response = await ask('/logs', { method: 'DELETE' });
  expect(await response.json()).toEqual({ success: true, message: 'Logs cleared successfully', removed: 0 });
  expect(JSON.stringify(await read())).not.toContain('"one"');
});
