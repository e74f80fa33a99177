import { afterAll, describe, expect, test } from 'bun:test';
import { brotliCompressSync, deflateSync } from 'node:zlib';
import { listen } from '../../src/server/listen.ts';
import { stand } from './support.ts';

const mebibyte = 1024 * 1024;
const text = JSON.stringify({ model: 'demo', text: 'Grüße, 世界 🎈'.repeat(200) });

const { app, hall, exchanges, logged } = stand({ bodyMb: 1, decodedMb: 2 });
const server = listen(app, hall.steward.current.config, { host: '127.0.0.1', port: 0 });
afterAll(() => server.stop(true));

const url = `http://127.0.0.1:${server.port}/v1/chat/completions`;
const send = (body: Bun.BodyInit, encoding?: string) =>
  fetch(url, { method: 'POST', body, headers: encoding ? { 'content-encoding': encoding } : {} });
/** Without a content-length, so that it travels in chunks. */
const chunked = (bytes: Uint8Array<ArrayBuffer>) => new Response(bytes).body!;
const bytesOf = (content: string) => new TextEncoder().encode(content);
const message = async (response: Response) => ((await response.json()) as any).error.message as string;

describe('a body', () => {
  test.each([
    ['plain', bytesOf(text), undefined],
    ['gzip', Bun.gzipSync(text), 'gzip'],
    ['x-gzip', Bun.gzipSync(text), 'x-gzip'],
    ['deflate', Uint8Array.from(deflateSync(text)), 'deflate'],
    ['br', Uint8Array.from(brotliCompressSync(text)), 'br'],
    ['zstd', Uint8Array.from(Bun.zstdCompressSync(text)), 'zstd'],
    ['identity', bytesOf(text), 'identity'],
    [
      'a list of encodings',
      Uint8Array.from(Bun.zstdCompressSync(Bun.gzipSync(text))),
      'identity, GZIP ,zstd',
    ],
  ] as const)('arrives as it was written: %s, whole and in chunks', async (_, bytes, encoding) => {
    const before = exchanges.length;
    expect((await send(bytes, encoding)).status).toBe(200);
    expect((await send(chunked(bytes), encoding)).status).toBe(200);
    expect(exchanges.slice(before).map(({ body }) => body)).toEqual([text, text]);
  });

  test('of exactly the limit is read', async () => {
    expect((await send('x'.repeat(mebibyte))).status).toBe(200);
    expect((await send(chunked(bytesOf('x'.repeat(mebibyte))))).status).toBe(200);
  });

  test('over the limit gets 413 that names it, whole and in chunks', async () => {
    const long = 'x'.repeat(mebibyte + 1);
    for (const body of [long, chunked(bytesOf(long))]) {
      const response = await send(body);
      expect(response.status).toBe(413);
      expect(await message(response)).toMatch(/limit of 1 MiB.*`limits\.body-mb`/);
    }
  });

  test.each([
    ['gzip', Bun.gzipSync(new Uint8Array(20 * mebibyte))],
    ['zstd', Uint8Array.from(Bun.zstdCompressSync(new Uint8Array(100 * mebibyte)))],
    ['gzip, gzip', Bun.gzipSync(Bun.gzipSync(new Uint8Array(20 * mebibyte)))],
  ])('that is a bomb (%s) gets 413 that names the decoded limit', async (encoding, bomb) => {
    expect(bomb.length).toBeLessThan(mebibyte);
    const response = await send(bomb, encoding);
    expect(response.status).toBe(413);
    expect(await message(response)).toMatch(/decompressed.*limit of 2 MiB.*`limits\.decoded-body-mb`/);
  });

  test.each(['compress', 'gzip, rot13', 'gzip, gzip, gzip, gzip'])(
    'in an unknown encoding (%s) gets 415 that names the known ones',
    async (encoding) => {
      const response = await send(text, encoding);
      expect(response.status).toBe(415);
      const body = (await response.json()) as any;
      expect(body.error.code).toBe('unsupported_content_encoding');
      expect(body.error.message).toContain('gzip, deflate, br or zstd');
    },
  );

  test.each(['gzip', 'br', 'zstd', 'deflate'])(
    'that is not the %s it claims to be gets 400',
    async (encoding) => {
      const response = await send(text, encoding);
      expect(response.status).toBe(400);
      expect(await message(response)).toContain(`not valid ${encoding}`);
    },
  );

  test('that ends in the middle of its encoding gets 400', async () => {
    expect((await send(Bun.gzipSync(text).subarray(0, 40), 'gzip')).status).toBe(400);
  });

  test('that nobody may send is not read', async () => {
    const closed = stand({ keys: ['sk-some-key-0123456789'] });
    let pulled = 0;
    const body = new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 });
    expect((await closed.post('/v1/chat/completions', body)).status).toBe(401);
    expect(pulled).toBe(0);
  });

  test('that the client breaks off is closed as cancelled', async () => {
    const before = logged().length;
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"model"`;
    await Bun.connect({
      hostname: '127.0.0.1',
      port: server.port!,
      socket: { open: (socket) => void socket.end(head), data: () => undefined },
    });
    await until(() => logged().length > before);
    expect(logged().at(-1)).toMatchObject({ status: 499, error: { code: 'client_closed_request' } });
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(5);
}
