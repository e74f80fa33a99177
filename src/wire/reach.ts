/** One place on the network. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

interface Probe {
  readonly startedAt: number;
  readonly answer: Promise<boolean>;
}

const probes = new Map<string, Probe>();
const probeMs = 3_000;
const freshMs = 30_000;
const probeLimit = 256;

/**
 * Whether a place reacts to a TCP connect at all within three seconds. A refusal is a reaction: a request that hangs
 * while new connections are refused was connected before. Answers are shared for half a minute, because every slow
 * request to one provider asks the same.
 */
export function reacts(place: Place): Promise<boolean> {
  const key = `${place.host} ${place.port}`;
  const known = probes.get(key);
  const now = performance.now();
  if (known && now - known.startedAt < freshMs) return known.answer;
  if (probes.size >= probeLimit) probes.clear();
  const answer = probe(place);
  probes.set(key, { startedAt: now, answer });
  void answer.then((reacted) => {
    if (!reacted) probes.delete(key);
  });
  return answer;
}

async function probe({ host, port }: Place): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(resolve, probeMs, false);
  const connected = Bun.connect({ hostname: host, port, socket: { data() {}, error() {} } }).then(
    (socket) => {
      socket.end();
      return true;
    },
    () => true,
  );
  const reacted = await Promise.race([connected, late]);
  clearTimeout(timer);
  return reacted;
}
