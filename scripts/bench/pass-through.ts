/** The yardstick: the least that a gateway on Bun can do. Usage: bun pass-through.ts UPSTREAM_PORT. Prints its port. */
const upstream = `http://127.0.0.1:${process.argv[2]}`;

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    const path = request.url.slice(request.url.indexOf('/', 'http://'.length));
    const body = await request.arrayBuffer();
    const answer = await fetch(upstream + path, { method: request.method, headers: request.headers, body });
    return new Response(answer.body, { status: answer.status, headers: answer.headers });
  },
});
console.log(server.port);
// No run takes this long; whoever started it was killed.
setTimeout(() => process.exit(1), 30 * 60_000);
