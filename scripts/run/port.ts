/** A loopback port that nothing listens on right now. */
export function freePort(): number {
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

/**
 * Asks again every few milliseconds until the answer is yes; a refused connection is a no.
 * @param gone settles when there is no use in asking any longer
 */
export async function until(
  ask: () => Promise<boolean>,
  gone: Promise<unknown>,
  { everyMs = 10, withinMs = 15_000 } = {},
): Promise<void> {
  let ended = false;
  void gone.then(() => (ended = true));
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    if (await ask().catch(() => false)) return;
    if (ended) throw new Error('it ended before it was ready');
    await Bun.sleep(everyMs);
  }
  throw new Error(`it was not ready within ${withinMs / 1000} s`);
}
