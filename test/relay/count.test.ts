import { afterEach, describe, expect, test } from 'bun:test';
import type { Json } from '../../src/core/json.ts';
import { wireServer } from '../support/wire-server.ts';
import { post, standing } from './support.ts';

/** Counting tokens in front of providers that fail: the client always has a number, and nobody rests for it. */

const open: { stop(): unknown }[] = [];
afterEach(() => Promise.all(open.splice(0).map((it) => it.stop())));

const keys = ['upstream-key-one-0123456789', 'upstream-key-two-0123456789'];

type Trouble = 401 | 429 | 500 | 'reset' | 'hang' | undefined;

/** A provider that counts, with two keys; `trouble` says what its request number `count` meets. */
function before(trouble: (count: number) => Trouble) {
  const used: number[] = [];
  const provider = wireServer(async ({ headers, left }, answer) => {
    const key = headers.get('x-goog-api-key') ?? '';
    const met = trouble(used.push(keys.indexOf(key) + 1));
    if (met === 'reset') return answer.reset();
    if (met === 'hang') return await left;
    const body = { totalTokens: 7, error: { message: 'no' } };
    answer.whole(met ?? 200, { 'content-type': 'application/json' }, JSON.stringify(body));
  });
  const it = standing(
    [
      'gemini-api-key:',
      ...keys.map(
        (key) => `  - {api-key: ${key}, base-url: "${provider.url}", models: [{name: gemini-sim}]}`,
      ),
      'routing: {strategy: fill-first}',
      'timeouts: {first-byte-seconds: 0.2}',
      '',
    ].join('\n'),
  );
  open.push(it, provider);
  return { it, used };
}

// Of the wires that clients count over, only Google's is counted by whoever serves it, wherever that is.
describe("Google's countTokens", () => {
  const path = '/v1beta/models/gemini-sim:countTokens';
  const body = { contents: [{ parts: [{ text: 'hi' }] }] };
  test.each<[Trouble]>([[401], [429], [500]])(
    'after a %s the next key counts, and the first is asked again at once',
    async (trouble) => {
      const { it, used } = before((count) => (count === 1 ? trouble : undefined));
      const response = await post(it, path, body);
      expect([response.status, ((await response.json()) as Json).totalTokens]).toEqual([200, 7]);
      expect(response.headers.has('x-gateway-estimated')).toBe(false);
      await post(it, path, body);
      expect(used).toEqual([1, 2, 1]);
    },
  );

  test.each<[Trouble]>([['reset'], ['hang']])(
    'where the place answers with a %s the gateway estimates, without waiting for key after key',
    async (trouble) => {
      const { it, used } = before(() => trouble);
      const response = await post(it, path, body);
      expect([response.status, typeof ((await response.json()) as Json).totalTokens]).toEqual([
        200,
        'number',
      ]);
      expect(response.headers.get('x-gateway-estimated')).toBe('tokens');
      expect(used).toEqual([1]);
    },
  );
});
