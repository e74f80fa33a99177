import { afterAll, beforeAll, expect, test } from 'bun:test';
import { run } from '../../src/core/machine.ts';
import { protocols } from '../../src/protocols/index.ts';
import { frames, type Frame } from '../../src/wire/sse.ts';
import { cleanUp, clientKey } from '../support/binary.ts';
import { terminals } from '../support/wires.ts';
import { behind, directions, gateway, type Direction, type Gateway } from './gateway.ts';

let it: Gateway;
beforeAll(async () => {
  it = await gateway();
});
afterAll(() => it?.stop());
afterAll(cleanUp);

const count = 320;

test(`${count} streams run at the same time, though Bun's own limit is 256`, async () => {
  const gate = Promise.withResolvers<void>();
  it.openai.always = it.anthropic.always = { kind: 'pause', after: 2, until: gate.promise };
  const streams = Array.from({ length: count }, (_, index) => {
    const direction = directions[index % directions.length]!;
    return rawStream(it, direction).then((sent) => ({ direction, sent }));
  });
  // Every upstream request is open before any of them may end.
  await Promise.all([it.openai.arrival(count / 2), it.anthropic.arrival(count / 2)]);
  gate.resolve();
  for (const { direction, sent } of await Promise.all(streams)) {
    const protocol = protocols.find(({ id }) => id === direction.client)!;
    expect(terminals(protocol, sent)).toEqual({ count: 1, last: 'finish' });
  }
});

test('half of the clients leave, and every upstream connection they had goes with them', async () => {
  it.openai.reset();
  it.anthropic.reset();
  it.openai.always = it.anthropic.always = { kind: 'hang', when: 'mid-body', after: 1 };
  const leaving = new AbortController();
  const streams = Array.from({ length: 100 }, (_, index) =>
    rawStream(it, directions[index % 4]!, leaving.signal),
  );
  await Promise.all([it.openai.arrival(50), it.anthropic.arrival(50)]);
  leaving.abort();
  await Promise.allSettled(streams);
  const received = directions.slice(1, 3).flatMap((direction) => behind(it, direction).received);
  await Promise.all(received.map((request) => request.left));
  expect(received.every((request) => request.abandoned)).toBe(true);
  const metrics = (await (await fetch(`${it.program.url}/v1/metrics/providers`)).json()) as Record<
    string,
    { in_flight: number }
  >;
  expect(Object.values(metrics).map((provider) => provider.in_flight)).toEqual(
    Object.keys(metrics).map(() => 0),
  );
});

/** A stream over a socket of its own: this process' fetch has the very limit that is tested. */
function rawStream(
  { program }: Gateway,
  { client, model }: Direction,
  signal?: AbortSignal,
): Promise<Frame[]> {
  const path = client === 'openai-chat' ? '/v1/chat/completions' : '/v1/messages';
  const body = JSON.stringify({
    model,
    max_tokens: 99,
    stream: true,
    messages: [{ role: 'user', content: 'count to 9' }],
  });
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${program.port}`,
    `Authorization: Bearer ${clientKey}`,
    'Content-Type: application/json',
    'Connection: close',
    `Content-Length: ${body.length}`,
  ];
  const chunks: Buffer[] = [];
  return new Promise((resolve, reject) => {
    void Bun.connect({
      hostname: '127.0.0.1',
      port: program.port,
      socket: {
        open(socket) {
          socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
          signal?.addEventListener('abort', () => {
            socket.terminate();
            reject(new Error('left'));
          });
        },
        data: (_, bytes) => void chunks.push(Buffer.from(bytes)),
        close: () =>
          resolve(
            run(frames(), [Buffer.from(unchunked(Buffer.concat(chunks).toString('latin1')), 'latin1')]),
          ),
        error: (_, error) => reject(error),
        connectError: (_, error) => reject(error),
      },
    });
  });
}

/** The body of a chunked answer, as latin1 text. */
function unchunked(text: string): string {
  let at = text.indexOf('\r\n\r\n') + 4;
  let body = '';
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    const size = parseInt(text.slice(at, lineEnd), 16);
    if (lineEnd < 0 || !(size > 0)) return body;
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
