import type { AnyElysia } from 'elysia';
import type { Listen } from '../config/listen.ts';
import type { Config } from '../config/schema.ts';
import { portHolder } from './port-holder.ts';

/** The program cannot listen. The message is made to be printed whole. */
export class ListenError extends Error {
  override readonly name = 'ListenError';

  constructor(
    message: string,
    /** 69 unavailable, 77 not permitted, 78 wrong configuration (sysexits.h). */
    readonly exitCode: 69 | 77 | 78,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/** What `config/listen.ts` decides. */
type Address = Pick<Listen, 'host' | 'port' | 'fallback'>;

/** Refusals that another address would not change. */
const decided = new Set<unknown>(['EADDRINUSE', 'EACCES']);

/**
 * Starts the app on an address, with TLS when the config says so.
 * @throws ListenError
 */
export function listen(app: AnyElysia, config: Config, address: Address): Bun.Server<unknown> {
  const { host, port, fallback } = address;
  try {
    app.listen({
      hostname: host,
      port,
      // Until a request is whole; what is relayed has no limit from there on (see clients.ts).
      idleTimeout: config.limits['client-seconds'],
      // Elysia's default lets two programs share our port.
      reusePort: false,
      development: false,
      // Our own limits refuse a body that is too large, and say why.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      ...(config.tls.enable ? { tls: { certFile: config.tls.cert, keyFile: config.tls.key } } : {}),
    });
  } catch (thrown) {
    // A machine without IPv6 cannot bind `::`, and says so in several ways.
    if (fallback !== undefined && !decided.has(codeOf(thrown)))
      return listen(app, config, { host: fallback, port });
    throw explained(thrown, config, address);
  }
  if (!app.server) throw new ListenError('The server did not start.', 69);
  return app.server;
}

function explained(thrown: unknown, config: Config, { host, port }: Address): ListenError {
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  switch (codeOf(thrown)) {
    case 'EADDRINUSE':
      return new ListenError(
        `Cannot listen on ${place}: the port is taken${holder(port)}. Stop it, or set another \`port\` in the config file.`,
        69,
        thrown,
      );
    case 'EACCES':
      return new ListenError(
        `Cannot listen on ${place}: this user may not open that port. Set a \`port\` above 1023 in the config file.`,
        77,
        thrown,
      );
    case 'EADDRNOTAVAIL':
      return new ListenError(
        `Cannot listen on ${place}: no interface of this machine has that address. Correct \`host\` in the config file.`,
        69,
        thrown,
      );
  }
  if (config.tls.enable)
    return new ListenError(
      `Cannot listen on ${place} with TLS: ${why}. Check \`tls.cert\` (${config.tls.cert}) and \`tls.key\` (${config.tls.key}).`,
      78,
      thrown,
    );
  return new ListenError(`Cannot listen on ${place}: ${why}.`, 69, thrown);
}

const codeOf = (thrown: unknown): unknown =>
  thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;

function holder(port: number): string {
  const found = portHolder(port);
  if (!found) return '';
  if (!found.process) return ` by a process of another user (uid ${found.user})`;
  return ` by ${found.process.name} (pid ${found.process.pid})`;
}
