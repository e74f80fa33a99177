import { heapStats } from 'bun:jsc';
import { afterAll, describe, expect, test } from 'bun:test';
import { compatible, standing, type Standing, upstream, type Upstream } from './support.ts';

const open: (Standing | Upstream)[] = [];
afterAll(() => Promise.all(open.map((one) => one.stop())));

const streams = 8;
/** The strings of parsed JSON are copies of its text, so a request that is held takes twice as much as its history. */
const history = Array.from({ length: 65 }, (_, turn) => ({
  role: turn % 2 === 0 ? 'user' : 'assistant',
  content: `${turn} ${'word '.repeat(3_200)}`,
}));
const size = JSON.stringify(history).length;

/** The program before an upstream that says one word, and the rest when it is told to. */
function between() {
  const go = Promise.withResolvers<void>();
  const words = async function* () {
    yield chunk({ role: 'assistant', content: 'One' });
    await go.promise;
    yield chunk({ content: ' two' });
    yield chunk({}, 'stop');
    yield 'data: [DONE]\n\n';
  };
  const up = upstream(async (request) => {
    await request.text();
    return new Response(words as never, { headers: { 'content-type': 'text/event-stream' } });
  });
  const it = standing(`openai-compatibility:\n${compatible('one', up.url, ['name: m'])}`);
  open.push(up, it);
  return { it, finish: go.resolve };
}

const chunk = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;

function heapBytes(): number {
  Bun.gc(true);
  Bun.gc(true);
  const { heapSize } = heapStats();
  return heapSize;
}

/** Asks with a history of its own, and returns what reads the answer to its end, once it has begun. */
async function begun(it: Standing, path: string, asked: object): Promise<() => Promise<string>> {
  const response = await it.post(path, JSON.stringify({ model: 'm', stream: true, ...asked }), {
    headers: { 'anthropic-version': '2023-06-01' },
  });
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = decoder.decode((await reader.read()).value);
  return async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text;
      text += decoder.decode(value);
    }
  };
}

describe('a stream that has begun', () => {
  test.each([
    ['as it came', '/v1/chat/completions', { messages: history }, /\[DONE\]/],
    ['translated', '/v1/messages', { messages: history, max_tokens: 9 }, /message_stop/],
    [
      'with what its answer repeats',
      '/v1/responses',
      { input: history, instructions: 'Be brief.', store: false },
      /response\.completed.*Be brief\./,
    ],
  ])('holds nothing of a long history: %s', async (_, path, asked, end) => {
    const { it, finish } = between();
    // What the first answer costs once, such as compiled code, is not a cost of each.
    const first = await begun(it, path, asked);
    const before = heapBytes();
    const answers: (() => Promise<string>)[] = [];
    for (let count = 0; count < streams; count++) answers.push(await begun(it, path, asked));
    const grown = (heapBytes() - before) / streams;
    expect(grown).toBeLessThan(size / 2);
    finish();
    await first();
    for (const read of answers) {
      const text = await read();
      expect(text).toContain(' two');
      expect(text).toMatch(end);
    }
  });
});
