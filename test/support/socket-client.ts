import { readString, type Json } from '../../src/core/json.ts';

/** What ends a turn. */
const terminal = new Set(['response.completed', 'response.incomplete', 'response.failed', 'error']);

/** A client of the Responses WebSocket. */
export interface SocketClient {
  readonly socket: WebSocket;
  /** Every event so far. */
  readonly events: readonly Json[];
  send(message: string | Uint8Array<ArrayBuffer> | Json): void;
  /** Sends a message, and gives the events of its turn once it has ended. */
  turn(message: string | Uint8Array<ArrayBuffer> | Json): Promise<readonly Json[]>;
  /** The next event for which this holds, which may have come already since `from`. */
  until(holds: (event: Json) => boolean, from?: number): Promise<Json>;
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

/** Connects. @throws when the server does not upgrade. */
export async function dial(
  url: string,
  key: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<SocketClient> {
  const options = { headers: { authorization: `Bearer ${key}`, ...headers } };
  const socket = new WebSocket(url.replace(/^http/, 'ws'), options as unknown as string[]);
  const events: Json[] = [];
  const looking = new Set<() => void>();
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  const opened = Promise.withResolvers<void>();
  socket.addEventListener('open', () => opened.resolve());
  socket.addEventListener('message', ({ data }) => {
    events.push(JSON.parse(String(data)));
    for (const look of looking) look();
  });
  socket.addEventListener('close', ({ code, reason }) => {
    closed.resolve({ code, reason });
    opened.reject(new Error(`closed with ${code} before it was open`));
    for (const look of looking) look();
  });
  await opened.promise;

  const until: SocketClient['until'] = (holds, from = 0) =>
    new Promise((resolve, reject) => {
      let at = from;
      const look = () => {
        for (; at < events.length; at++) {
          if (!holds(events[at]!)) continue;
          looking.delete(look);
          return resolve(events[at]!);
        }
        if (socket.readyState !== WebSocket.CLOSED) return;
        looking.delete(look);
        reject(new Error('The socket closed before that came.'));
      };
      looking.add(look);
      look();
    });
  const send: SocketClient['send'] = (message) =>
    socket.send(
      typeof message === 'string' || message instanceof Uint8Array ? message : JSON.stringify(message),
    );
  return {
    socket,
    events,
    send,
    async turn(message) {
      const from = events.length;
      send(message);
      const last = await until(({ type }) => terminal.has(String(type)), from);
      return events.slice(from, events.indexOf(last) + 1);
    },
    until,
    closed: closed.promise,
  };
}

/** The response in the last event of a turn. */
export const responseOf = (events: readonly Json[]): any => events.at(-1)?.response;

/** The words of a response. */
export const textOf = (events: readonly Json[]): string =>
  (responseOf(events)?.output ?? [])
    .flatMap((item: any) => item.content ?? [])
    .map((part: any) => readString(part.text) ?? '')
    .join('');

/** Sends only what came before to a socket that is closing, and waits for it. */
export async function hangUp({ socket, closed }: SocketClient): Promise<void> {
  socket.close();
  await closed;
}
