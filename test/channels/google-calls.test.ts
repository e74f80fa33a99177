import { expect, test } from 'bun:test';
import { mapCalls, withCallIds } from '../../src/channels/google-calls.ts';
import type { Json } from '../../src/core/json.ts';

const request = (...parts: Json[]): Json => ({ contents: [{ role: 'user', parts }, 'odd'], tools: [] });

test('a request without calls stays the very same object', () => {
  for (const plain of [
    request({ text: 'a' }),
    {},
    { contents: 'Hi' },
    request({ functionCall: { name: 'f' } }),
  ])
    expect(mapCalls(plain, (call) => call)).toBe(plain);
});

test('calls and results are changed in either spelling, and nothing else', () => {
  const given = request(
    { text: 'a' },
    { function_call: { id: '1' } },
    { functionResponse: { id: '2' }, x: 1 },
  );
  expect(mapCalls(given, ({ id }, kind) => ({ kind, id }))).toEqual(
    request(
      { text: 'a' },
      { function_call: { kind: 'functionCall', id: '1' } },
      { functionResponse: { kind: 'functionResponse', id: '2' }, x: 1 },
    ),
  );
});

test('calls without an id get one, and their results the same, by name and in order', () => {
  const call = (name: string, id?: string) => ({ functionCall: { name, ...(id ? { id } : {}) } });
  const result = (name: string, id?: string) => ({ functionResponse: { name, ...(id ? { id } : {}) } });
  const given = request(
    call('a'),
    call('b', 'mine'),
    call('a'),
    result('a'),
    result('b', 'mine'),
    result('a'),
  );
  expect(withCallIds(given)).toEqual(
    request(
      call('a', 'call_0'),
      call('b', 'mine'),
      call('a', 'call_1'),
      result('a', 'call_0'),
      result('b', 'mine'),
      result('a', 'call_1'),
    ),
  );
});
