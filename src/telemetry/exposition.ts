import type { Metrics, Observe } from './metrics.ts';
import type { LiveProvider, LoginCount } from './telemetry.ts';

/** The Prometheus text of `/metrics`. Counters are read from `Metrics` when somebody asks; only histograms fill up here. */
export interface Exposition {
  readonly observe: Observe;
  text(
    metrics: Metrics,
    live: readonly LiveProvider[],
    logins: readonly LoginCount[],
    lostLines: number,
  ): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** Seconds. A token may come after milliseconds from a cache, or a thinking model's answer after minutes. */
const buckets = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320];

/** What is observed of a provider until the next scrape; it is given to its histogram when there is so much. */
const mostWaiting = 2_048;

/** Loads its library at first need, because every start would feel it. */
export function exposition(): Exposition {
  const durations: Waiting = new Map();
  const firstBytes: Waiting = new Map();
  let filling: Promise<Registers> | undefined;

  const registers = (): Promise<Registers> => (filling ??= import('prom-client').then(createRegisters));

  async function fill(): Promise<Registers> {
    const made = await registers();
    give(durations, made.duration);
    give(firstBytes, made.firstByte);
    return made;
  }

  function keep(waiting: Waiting, provider: string, ms: number): void {
    const observed = waiting.get(provider);
    if (!observed) waiting.set(provider, [ms]);
    else if (observed.push(ms) === mostWaiting) void fill();
  }

  return {
    observe: {
      duration: (provider, ms) => keep(durations, provider, ms),
      firstByte: (provider, ms) => keep(firstBytes, provider, ms),
    },
    text: async (...what) => (await fill()).text(...what),
  };
}

/** Milliseconds by provider. */
type Waiting = Map<string, number[]>;

type Registers = ReturnType<typeof createRegisters>;

function give(waiting: Waiting, histogram: Registers['duration']): void {
  for (const [provider, observed] of waiting) {
    const child = histogram.labels(provider);
    for (const ms of observed) child.observe(ms / 1000);
    observed.length = 0;
  }
}

function createRegisters({ Counter, Gauge, Histogram, Registry }: typeof import('prom-client')) {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string, ...labelNames: string[]) =>
    new Counter({ name: `gateway_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers });
  const histogram = (name: string, help: string) =>
    new Histogram({ name: `gateway_${name}`, help, labelNames: ['provider'], buckets, registers });

  const requests = counter(
    'requests_total',
    'Client requests by protocol and status class.',
    'protocol',
    'status',
  );
  const attempts = counter(
    'upstream_attempts_total',
    'Calls to upstreams by provider, outcome and error code.',
    'provider',
    'outcome',
    'code',
  );
  const tokens = counter(
    'tokens_total',
    'Tokens by provider and kind; input counts cached tokens, output counts reasoning.',
    'provider',
    'kind',
  );
  const drops = counter(
    'stream_drops_total',
    'Streams that broke after they had begun, by provider and phase.',
    'provider',
    'phase',
  );
  const lost = counter(
    'log_lines_lost_total',
    'Log lines given up because the output took none for too long.',
  );
  const duration = histogram(
    'request_duration_seconds',
    'Time from the serving attempt to the end of its answer.',
  );
  const firstByte = histogram('first_byte_seconds', 'Time from the serving attempt to its first content.');
  const inFlight = gauge('gateway_upstream_in_flight', 'Calls to upstreams that are open now.', 'provider');
  const credentials = gauge(
    'gateway_credentials',
    'Credentials by provider and state: ready or cooling.',
    'provider',
    'state',
  );
  const logins = gauge(
    'gateway_logins',
    'Logins by channel and state: ready, renewing, needs_login, disabled or invalid.',
    'channel',
    'state',
  );
  const memory = gauge('process_resident_memory_bytes', 'Resident memory in bytes.');
  gauge('process_start_time_seconds', 'Start of the process in seconds since 1970.').set(
    Math.round(performance.timeOrigin) / 1000,
  );

  function readCounters(metrics: Metrics, lostLines: number): void {
    for (const each of [requests, attempts, tokens, drops, lost]) each.reset();
    lost.inc(lostLines);
    for (const [protocol, counts] of metrics.requests)
      for (const [status, count] of counts) requests.inc({ protocol, status }, count);
    for (const [provider, tally] of metrics.tallies) {
      for (const [outcome, counts] of tally.attempts)
        for (const [code, count] of counts) attempts.inc({ provider, outcome, code }, count);
      for (const [kind, count] of Object.entries(tally.tokens)) tokens.inc({ provider, kind }, count);
      for (const [phase, count] of tally.drops) drops.inc({ provider, phase }, count);
    }
  }

  function readLive(metrics: Metrics, live: readonly LiveProvider[]): void {
    inFlight.reset();
    credentials.reset();
    for (const { provider: name, ready, cooling, inFlight: open } of live) {
      const provider = metrics.label(name);
      inFlight.set({ provider }, open);
      credentials.set({ provider, state: 'ready' }, ready);
      credentials.set({ provider, state: 'cooling' }, cooling);
    }
    memory.set(process.memoryUsage.rss());
  }

  function readLogins(metrics: Metrics, counts: readonly LoginCount[]): void {
    logins.reset();
    for (const { channel, state, count } of counts)
      logins.inc({ channel: metrics.label(channel), state }, count);
  }

  return {
    duration,
    firstByte,
    async text(
      metrics: Metrics,
      live: readonly LiveProvider[],
      counts: readonly LoginCount[],
      lostLines: number,
    ) {
      readCounters(metrics, lostLines);
      readLive(metrics, live);
      readLogins(metrics, counts);
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}
