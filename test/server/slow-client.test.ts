import { afterAll, expect, test } from 'bun:test';
import { listen } from '../../src/server/listen.ts';
import { stand } from './support.ts';

/** `limits.client-seconds`, over raw sockets. Bun's timer for connections moves in steps of four seconds. */

const answered = Promise.withResolvers<void>();
const { app, hall, exchanges } = stand({
  clientSeconds: 1,
  bodyMb: 4,
  decodedMb: 4,
  relay: async () => {
    await answered.promise;
    return new Response('late');
  },
});
const server = listen(app, hall.steward.current.config, { host: '127.0.0.1', port: 0 });
afterAll(() => server.stop(true));

/** What a client hears that says only this, once its connection is closed. */
function heard(said: string, opened: (socket: Bun.Socket) => void = () => {}): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  void Bun.connect({
    hostname: '127.0.0.1',
    port: server.port!,
    socket: {
      open(socket) {
        socket.write(said);
        opened(socket);
      },
      data: (_, bytes) => void (text += bytes.toString()),
      close: () => resolve(text),
    },
  });
  return promise;
}

const head = (length: number, more = '') =>
  `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${length}\r\n${more}\r\n`;
const withoutEnd = { timeout: 30_000 };

test.concurrent(
  'a client that never finishes its headers is closed',
  async () => {
    expect(await heard('POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n')).not.toContain('200');
  },
  withoutEnd,
);

test.concurrent(
  'a client that never finishes its body is closed, short or long or in chunks',
  async () => {
    await Promise.all([
      heard(`${head(100)}{"mo`),
      heard(`${head(3_000_000)}{"mo`),
      heard(
        `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{"mo\r\n`,
      ),
      heard(
        `POST /v1/images/edits HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 100\r\n\r\n--b\r\n`,
      ),
    ]);
    expect(exchanges.filter(({ route }) => route.kind === 'chat').length).toBeLessThanOrEqual(1);
  },
  withoutEnd,
);

test.concurrent(
  'a connection that asks nothing more is closed',
  async () => {
    expect(await heard('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')).toContain('200 OK');
  },
  withoutEnd,
);

test.concurrent(
  'a client that waits for its answer is not, however long that takes',
  async () => {
    // The others were closed by the same timer in the meantime.
    const patient = heard(`${head(2, 'connection: close\r\n')}{}`);
    await heard(`${head(100)}{"mo`);
    await heard(`${head(100)}{"mo`);
    answered.resolve();
    expect(await patient).toEndWith('late');
  },
  withoutEnd,
);
