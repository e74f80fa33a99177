import { afterEach, expect, test } from 'bun:test';
import { compatible, standing, upstream, type Standing, type Upstream } from './support.ts';

/** What is read of an upstream's error answer. */

const open: (Standing | Upstream)[] = [];
afterEach(async () => {
  for (const it of open.splice(0)) await it.stop();
});

function between(respond: () => Response): Standing {
  const provider = upstream(respond);
  const it = standing(
    `openai-compatibility:\n${compatible('sim', provider.url, ['{name: m}'])}timeouts: {gap-seconds: 0.2}\n`,
  );
  open.push(it, provider);
  return it;
}

const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] });

test('an error without an end is left as soon as it has said enough', async () => {
  const left = Promise.withResolvers<void>();
  const it = between(
    () =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(Buffer.from('x'.repeat(64 * 1024))),
          cancel: () => left.resolve(),
        }),
        { status: 400 },
      ),
  );
  const response = await it.post('/v1/chat/completions', body);
  expect(response.status).toBe(400);
  expect((await response.text()).length).toBeLessThan(2_000);
  await left.promise;
});

test('an error that breaks off means what its status and its beginning say', async () => {
  const it = between(
    () =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(Buffer.from('Model m is overloaded. Please retry after 9 seconds. '));
          },
        }),
        { status: 503 },
      ),
  );
  const response = await it.post('/v1/chat/completions', body);
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '9']);
  const { error } = (await response.json()) as { error: { message: string } };
  expect(error.message).toContain('Model m is overloaded.');
});
