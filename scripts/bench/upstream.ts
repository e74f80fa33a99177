import { chunk, lastChunk, messageReader, type Message, Outbox } from './http.ts';
import {
  digits,
  ping,
  pong,
  replyBody,
  slowGapMs,
  streamParts,
  type Wire,
  wireAt,
  type WholeWire,
} from './wire.ts';

/**
 * The bench's upstream, a process of its own: reads every request whole, answers at once in the words of the path's
 * wire, streams one chunk per millisecond or per `slowGapMs`. Prints its port.
 */
interface Connection {
  readonly push: (bytes: Buffer) => void;
  readonly out: Outbox;
  readonly streams: Set<Stream>;
}

interface Stream {
  readonly out: Outbox;
  readonly streams: Set<Stream>;
  readonly chunks: readonly Buffer[];
  readonly gapMs: number;
  next: number;
  dueAt: number;
}

/** One piece of a stream, and where its request's number goes in it. */
interface Part {
  readonly bytes: Buffer;
  readonly numberAt: readonly number[];
}

const zero = '0'.repeat(digits);
/** Written out once, but for the number. */
const written: Readonly<Record<Wire, readonly Part[]>> = {
  chat: partsOf('chat'),
  messages: partsOf('messages'),
  responses: partsOf('responses'),
  gemini: partsOf('gemini'),
  codex: partsOf('codex'),
};
/** Whole replies, complete but for the number. */
const replies: Readonly<Record<WholeWire, Buffer>> = { chat: whole('chat'), messages: whole('messages') };
const live = new Set<Stream>();

const server = Bun.listen<Connection>({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    open(socket) {
      const out = new Outbox(socket);
      const streams = new Set<Stream>();
      socket.data = { out, streams, push: messageReader((message) => answer(message, out, streams)) };
    },
    data: (socket, bytes) => socket.data.push(bytes),
    drain: (socket) => socket.data.out.drain(),
    close(socket) {
      for (const stream of socket.data.streams) live.delete(stream);
    },
  },
});
console.log(server.port);
// No run takes this long; whoever started it was killed.
setTimeout(() => process.exit(1), 30 * 60_000);
setInterval(tick, 1);

function answer({ head, body }: Message, out: Outbox, streams: Set<Stream>): void {
  const path = head.slice(head.indexOf(' ') + 1, head.indexOf(' HTTP/'));
  const wire = wireAt(path);
  const at = body.indexOf(ping) + ping.length;
  const number = body.toString('latin1', at, at + digits);
  const slow = body.includes('-slow"') || path.includes('-slow:');
  if (wire === 'gemini' || body.includes('"stream":true')) return begin(wire, number, slow, out, streams);
  const reply = replies[wire === 'messages' ? wire : 'chat'];
  reply.write(number, reply.indexOf(pong) + pong.length, 'latin1');
  out.write(reply);
}

function partsOf(wire: Wire): readonly Part[] {
  return streamParts(wire, zero).map((text) => {
    const bytes = chunk(text);
    const numberAt: number[] = [];
    for (let at = bytes.indexOf(pong + zero); at >= 0; at = bytes.indexOf(pong + zero, at + 1))
      numberAt.push(at + pong.length);
    return { bytes, numberAt };
  });
}

function numbered({ bytes, numberAt }: Part, number: string): Buffer {
  if (numberAt.length === 0) return bytes;
  const own = Buffer.from(bytes);
  for (const at of numberAt) own.write(number, at, 'latin1');
  return own;
}

function whole(wire: WholeWire): Buffer {
  const body = replyBody(wire, zero);
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
  return Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function begin(wire: Wire, number: string, slow: boolean, out: Outbox, streams: Set<Stream>): void {
  const own = [...written[wire].map((part) => numbered(part, number)), lastChunk];
  const gapMs = slow ? slowGapMs : 1;
  const stream = { out, streams, chunks: own, gapMs, next: 0, dueAt: performance.now() };
  streams.add(stream);
  live.add(stream);
  // x-accel-buffering tells nginx to pass each chunk on at once.
  const line = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-accel-buffering: no\r\n';
  out.write(Buffer.from(`${line}transfer-encoding: chunked\r\n\r\n`));
}

/** Sends the next chunk of every stream that is due. */
function tick(): void {
  const now = performance.now();
  for (const stream of live) {
    if (stream.dueAt > now) continue;
    stream.dueAt += stream.gapMs;
    const bytes = stream.chunks[stream.next++];
    if (bytes !== undefined) stream.out.write(bytes);
    if (stream.next < stream.chunks.length) continue;
    live.delete(stream);
    stream.streams.delete(stream);
  }
}
