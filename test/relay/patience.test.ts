import { afterEach, describe, expect, test } from 'bun:test';
import { compatible, post, standing, upstream, type Standing, type Upstream } from './support.ts';

/** `nonstream-keepalive-interval`: a client that waits for a whole answer is kept waiting with blank lines. */

const open: (Standing | Upstream)[] = [];
afterEach(async () => {
  for (const it of open.splice(0)) await it.stop();
});

const reply = {
  id: 'c-1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
};

/** The program in front of an upstream that answers when `release` is called. */
function waiting(answer: () => Response, more = 'nonstream-keepalive-interval: 1\n') {
  const gate = Promise.withResolvers<void>();
  const provider = upstream(async () => {
    await gate.promise;
    return answer();
  });
  const it = standing(`openai-compatibility:\n${compatible('sim', provider.url, ['{name: m}'])}${more}`);
  open.push(it, provider);
  return { it, release: gate.resolve };
}

const question = { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] };
const routes = [
  ['/v1/chat/completions', question],
  ['/v1/messages', question],
  ['/v1/responses', { model: 'm', input: 'Hi' }],
  ['/v1/completions', { model: 'm', prompt: 'Hi' }],
  ['/v1beta/models/m:generateContent', { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] }],
] as const;

describe('a whole answer that is long in coming', () => {
  test.each(routes)('%s begins with a blank line, and is the answer all the same', async (path, body) => {
    const { it, release } = waiting(() => Response.json(reply));
    const response = await post(it, path, body);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toStartWith('application/json');
    release();
    const text = await response.text();
    expect(text).toStartWith('\n');
    expect(JSON.stringify(JSON.parse(text))).toContain('Hi');
    expect(await it.line(1)).toMatchObject({ status: 200, tokens: { input: 3, output: 1 } });
  });

  test('that fails after all is 200 with the error as its body, and a failure in the log', async () => {
    const { it, release } = waiting(() =>
      Response.json({ error: { message: 'no such thing', type: 'invalid_request_error' } }, { status: 400 }),
    );
    const response = await post(it, '/v1/chat/completions', question);
    expect(response.status).toBe(200);
    release();
    const { error } = JSON.parse(await response.text());
    expect(error.message).toContain('no such thing');
    expect(error.request_id).toBe(response.headers.get('x-request-id'));
    expect(await it.line(1)).toMatchObject({
      level: 'warn',
      status: 200,
      error: { code: 'invalid_request' },
      failed: [{ status_code: 400 }],
    });
  });

  test('is given up when the client leaves', async () => {
    const { it } = waiting(() => Response.json(reply));
    const leaving = new AbortController();
    const response = await post(it, '/v1/chat/completions', question, { signal: leaving.signal });
    await response.body!.getReader().read();
    leaving.abort();
    expect(await it.line(1)).toMatchObject({ status: 499 });
  });
});

test('an answer in time keeps its status and has no blank line', async () => {
  const { it, release } = waiting(() => Response.json({ error: { message: 'no' } }, { status: 400 }));
  release();
  const response = await post(it, '/v1/chat/completions', question);
  expect(response.status).toBe(400);
  expect(await response.text()).toStartWith('{');
});
