import type { Socket } from 'bun';
import { messageReader, type Message, Outbox, statusOf } from './http.ts';
import { type ClientWire, digits, fault, ping } from './wire.ts';

/** What one run asks of the load generator; a JSON line on its standard input. */
export interface Job {
  readonly port: number;
  readonly wire: ClientWire;
  readonly path: string;
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

/** How long answers may take that are still awaited when the time for new requests is over. */
const patienceMs = 20_000;

/** What the connections of one job have in common. */
interface Run {
  readonly job: Job;
  /** When the last request may begin, on the clock of `performance.now()`. */
  readonly deadline: number;
  readonly open: Set<Client>;
  readonly latencies: number[];
  requests: number;
  faults: number;
  fault: string | undefined;
}

/** A closed loop: each connection sends its next request when its answer is complete. */
export async function runJob(job: Job): Promise<Outcome> {
  const started = performance.now();
  const deadline = started + job.seconds * 1000;
  const latencies: number[] = [];
  const run: Run = { job, deadline, latencies, open: new Set(), requests: 0, faults: 0, fault: undefined };
  const giveUp = () => {
    for (const client of run.open) client.end('no answer came in time');
  };
  const watchdog = setTimeout(giveUp, job.seconds * 1000 + patienceMs);
  await Promise.all(Array.from({ length: job.connections }, () => connect(run)));
  clearTimeout(watchdog);
  latencies.sort((left, right) => left - right);
  return {
    answers: latencies.length,
    faults: run.faults,
    ...(run.fault !== undefined && { fault: run.fault }),
    elapsedMs: performance.now() - started,
    p50Ms: latencies[Math.floor(latencies.length * 0.5)] ?? 0,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
  };
}

/** Opens one connection and settles when it is over. */
async function connect(run: Run): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const opening = Bun.connect<Client>({
    hostname: '127.0.0.1',
    port: run.job.port,
    socket: {
      open(socket) {
        socket.data = new Client(run, socket, resolve);
        socket.data.send();
      },
      data: (socket, bytes) => socket.data.take(bytes),
      drain: (socket) => socket.data.drain(),
      close: (socket) => socket.data.end('the connection was closed'),
      error: (socket, error) => socket.data.end(String(error)),
    },
  });
  await opening.then(
    () => promise,
    (error: unknown) => note(run, String(error)),
  );
}

function note(run: Run, fault: string): void {
  run.faults += 1;
  run.fault ??= fault.slice(0, 300);
}

/** One connection, with one request at a time. */
class Client {
  private readonly request: { readonly bytes: Buffer; readonly at: number };
  private readonly out: Outbox;
  private readonly push: (bytes: Buffer) => void;
  private number = '';
  private sent = 0;
  private sentAt = 0;

  constructor(
    private readonly run: Run,
    private readonly socket: Socket<Client>,
    private readonly over: () => void,
  ) {
    this.request = requestOf(run.job);
    this.out = new Outbox(socket);
    this.push = messageReader((message) => this.receive(message));
    run.open.add(this);
  }

  send(): void {
    const { run, request } = this;
    if (this.sent === run.job.requestsEach || performance.now() >= run.deadline) return this.end();
    this.sent += 1;
    this.number = String(++run.requests).padStart(digits, '0');
    request.bytes.write(this.number, request.at, 'latin1');
    this.sentAt = performance.now();
    this.out.write(request.bytes);
  }

  take(bytes: Buffer): void {
    try {
      this.push(bytes);
    } catch (error) {
      this.end(String(error));
    }
  }

  drain(): void {
    this.out.drain();
  }

  /** Ends it, with what went wrong. */
  end(what?: string): void {
    if (!this.run.open.delete(this)) return;
    if (what !== undefined) note(this.run, what);
    this.socket.end();
    this.over();
  }

  private receive({ head, body }: Message): void {
    const { run, number } = this;
    const status = statusOf(head);
    const what =
      status === 200 ? fault(run.job.wire, run.job.stream, number, body) : `status ${status}: ${body}`;
    if (what === undefined) run.latencies.push(performance.now() - this.sentAt);
    else note(run, what);
    this.send();
  }
}

/** The request as bytes, and where its number goes. */
function requestOf({ path, headers, body, port }: Job): { bytes: Buffer; at: number } {
  const lines = Object.entries({ host: `127.0.0.1:${port}`, 'content-type': 'application/json', ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const length = Buffer.byteLength(body);
  const bytes = Buffer.from(`POST ${path} HTTP/1.1\r\n${head}content-length: ${length}\r\n\r\n${body}`);
  return { bytes, at: bytes.indexOf(ping) + ping.length };
}

/** The load generator, a process of its own: runs one job after the other and verifies every answer. */
if (import.meta.main) {
  for await (const line of console) console.log(JSON.stringify(await runJob(JSON.parse(line))));
}
