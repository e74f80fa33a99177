import type { Socket } from 'bun';
import { messageReader, type Message, Outbox, statusOf } from './http.ts';
import { digits, fault, paths, ping, type Wire } from './wire.ts';

/** What one run asks of the load generator; a JSON line on its standard input. */
export interface Job {
  readonly port: number;
  readonly wire: Wire;
  readonly stream: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Connections, each with one request at a time. */
  readonly connections: number;
  /** No request begins later than this. */
  readonly seconds: number;
  /** How many each connection sends at most. */
  readonly requestsEach?: number;
}

/** What came of it; a JSON line on standard output. Times in milliseconds. */
export interface Outcome {
  readonly answers: number;
  readonly faults: number;
  /** The first fault, in words. */
  readonly fault?: string;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The load generator, a process of its own: runs one job after the other and verifies every answer. */
if (import.meta.main) {
  for await (const line of console) console.log(JSON.stringify(await runJob(JSON.parse(line))));
}

/** A closed loop: each connection sends its next request when its answer is complete. */
export async function runJob(job: Job): Promise<Outcome> {
  const latencies: number[] = [];
  let faults = 0;
  let firstFault: string | undefined;
  let number = 0;
  const started = performance.now();
  const deadline = started + job.seconds * 1000;

  const failed = (what: string) => {
    faults += 1;
    firstFault ??= what;
  };

  /** One connection until the job is over or it breaks. */
  const connection = () =>
    new Promise<void>((resolve) => {
      const { bytes, at } = requestOf(job);
      let own = '';
      let sentAt = 0;
      let sent = 0;
      let over = false;
      let out: Outbox | undefined;

      const end = (socket: Socket, what?: string) => {
        if (over) return;
        over = true;
        if (what !== undefined) failed(what);
        socket.end();
        resolve();
      };
      const send = (socket: Socket) => {
        if (sent === (job.requestsEach ?? Infinity) || performance.now() >= deadline) return end(socket);
        own = String(++number).padStart(digits, '0');
        bytes.write(own, at, 'latin1');
        sent += 1;
        sentAt = performance.now();
        out?.write(bytes);
      };
      const receive = (socket: Socket, { head, body }: Message) => {
        const status = statusOf(head);
        const what = status === 200 ? fault(job.wire, job.stream, own, body) : `status ${status}: ${body}`;
        if (what === undefined) latencies.push(performance.now() - sentAt);
        if (what !== undefined) failed(what.slice(0, 300));
        send(socket);
      };
      let push: (bytes: Buffer) => void;
      Bun.connect({
        hostname: '127.0.0.1',
        port: job.port,
        socket: {
          open(socket) {
            out = new Outbox(socket);
            push = messageReader((message) => receive(socket, message));
            send(socket);
          },
          data(socket, received) {
            try {
              push(received);
            } catch (error) {
              end(socket, String(error));
            }
          },
          drain: () => out?.drain(),
          close: (socket) => end(socket, 'the connection was closed'),
          error: (socket, error) => end(socket, String(error)),
        },
      }).catch((error: unknown) => {
        failed(String(error));
        resolve();
      });
    });

  await Promise.all(Array.from({ length: job.connections }, connection));
  latencies.sort((left, right) => left - right);
  return {
    answers: latencies.length,
    faults,
    ...(firstFault !== undefined && { fault: firstFault }),
    elapsedMs: performance.now() - started,
    p50Ms: latencies[Math.floor(latencies.length * 0.5)] ?? 0,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
  };
}

/** The request as bytes, and where its number goes. */
function requestOf({ wire, headers, body, port }: Job): { bytes: Buffer; at: number } {
  const lines = Object.entries({ host: `127.0.0.1:${port}`, 'content-type': 'application/json', ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const length = Buffer.byteLength(body);
  const bytes = Buffer.from(
    `POST ${paths[wire]} HTTP/1.1\r\n${head}content-length: ${length}\r\n\r\n${body}`,
  );
  return { bytes, at: bytes.indexOf(ping) + ping.length };
}
