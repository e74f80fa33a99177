import type { Runtime } from '../config/runtime.ts';
import type { AdminDoor, AdminHall, Caller } from './hall.ts';
import { keys } from './keys.ts';
import { Refusal } from './refusal.ts';
import { throttle } from './throttle.ts';

/** Lets a management request in. @throws Refusal */
export type Gate = (request: Request, server: Caller | null) => Promise<void>;

/**
 * The one gate of `/v0/management`. In this order: is management on at all, is the caller a web page of others, may it
 * call from where it is, and does it hold the key.
 */
export function createGate(hall: AdminHall, door: Pick<AdminDoor, 'isLocal'>): Gate {
  const now = hall.now ?? Date.now;
  const checked = keys();
  const slowed = throttle(now);

  return async (request, server) => {
    const runtime = hall.steward.current;
    const local = door.isLocal(request, server);
    const address = server?.requestIP(request)?.address ?? 'unknown';
    const secrets = secretsOf(hall, runtime);
    if (secrets.length === 0) throw disabled(local ? hall.steward.source.path : undefined);
    refuseForeignPage(request.headers);
    if (!local && !runtime.config['remote-management']['allow-remote']) throw remoteDisabled(runtime);
    const presented = presentedKey(request.headers);
    if (presented === '') throw missingKey();
    const isClientKey = runtime.clientKeys.has(Bun.SHA256.hash(presented, 'hex'));
    if (await isRight(secrets, presented, isClientKey ? undefined : address)) return slowed.clear(address);
    throw isClientKey ? clientKey() : wrongKey(address);
  };

  /**
   * A key that was checked before costs nothing and is never held back; others may have to wait during a throttle.
   * Without an address nobody waits.
   */
  async function isRight(secrets: readonly string[], presented: string, address?: string): Promise<boolean> {
    const known = checked.known(secrets, presented);
    if (known !== undefined) return known;
    if (address !== undefined && !slowed.admits(address)) throw throttled(slowed.waitMs(address));
    return checked.check(secrets, presented);
  }

  function wrongKey(address: string): Refusal {
    const waitMs = slowed.waitMs(address);
    const failures = slowed.failed(address);
    hall.telemetry.log('warn', 'management-key-refused', { address, failures });
    if (waitMs > 0) return throttled(slowed.waitMs(address));
    return new Refusal(
      401,
      'invalid management key',
      'The management key is wrong.',
      'Send the value of remote-management.secret-key from config.yaml (the key itself, not its $2… hash) as `Authorization: Bearer <key>` or `X-Management-Key`.',
    );
  }
}

/** The same gate for pages that stand elsewhere: undefined for a request that is let in, else why it is not. */
export const guardBy =
  (gate: Gate) =>
  async (request: Request, server: Caller | null): Promise<Omit<Refusal, 'more'> | undefined> => {
    try {
      await gate(request, server);
      return undefined;
    } catch (thrown) {
      if (thrown instanceof Refusal) return thrown;
      throw thrown;
    }
  };

function secretsOf(hall: AdminHall, runtime: Runtime): readonly string[] {
  const secrets = [runtime.config['remote-management']['secret-key'], hall.password ?? ''];
  return secrets.map((secret) => secret.trim()).filter((secret) => secret !== '');
}

/**
 * The key of `Authorization`, with or without `Bearer`, or else of `X-Management-Key`; '' when there is none. A browser
 * sends it as the password of `Basic`.
 */
function presentedKey(headers: Headers): string {
  const authorization = (headers.get('authorization') ?? '').trim();
  const basic = /^basic\s+(\S+)$/i.exec(authorization)?.[1];
  if (basic !== undefined) return passwordIn(basic);
  const key = /^bearer(\s|$)/i.test(authorization) ? authorization.slice(6).trim() : authorization;
  return key === '' ? (headers.get('x-management-key') ?? '').trim() : key;
}

const passwordIn = (basic: string): string =>
  Buffer.from(basic, 'base64')
    .toString()
    .replace(/^[^:]*:?/, '')
    .trim();

function disabled(path = 'config.yaml'): Refusal {
  return new Refusal(
    404,
    'management_disabled',
    'The management API is off, because remote-management.secret-key is empty.',
    `Set remote-management.secret-key in ${path} to a strong key of your own, such as the output of \`openssl rand -hex 24\`; it takes effect at once, without a restart.`,
    { fields: { setting: 'remote-management.secret-key', value: '' } },
  );
}

/** A browser names the page that asks. Only our own pages may, whatever key they hold; nothing here answers CORS. */
function refuseForeignPage(headers: Headers): void {
  const origin = headers.get('origin');
  if (origin === null || hostOf(origin) === headers.get('host')?.toLowerCase()) return;
  throw new Refusal(
    403,
    'foreign_origin',
    `A web page of another site (${origin.slice(0, 200)}) may not call the management API.`,
    'Open the page from the gateway itself. Behind a reverse proxy, let it pass the Host header on: `proxy_set_header Host $http_host;`.',
  );
}

const hostOf = (origin: string) => /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]?.toLowerCase();

function remoteDisabled({ config }: Runtime): Refusal {
  const { port } = config;
  return new Refusal(
    403,
    'remote management disabled',
    'Management is for direct callers on this machine: remote-management.allow-remote is false, and this request came from elsewhere or through a proxy.',
    `Set remote-management.allow-remote: true in config.yaml, or keep it and tunnel with \`ssh -N -L ${port}:127.0.0.1:${port} USER@HOST\`, then call http://127.0.0.1:${port}/v0/management.`,
    { fields: { setting: 'remote-management.allow-remote', value: false } },
  );
}

function missingKey(): Refusal {
  return new Refusal(
    401,
    'missing management key',
    'No management key was sent.',
    'Send the value of remote-management.secret-key as `Authorization: Bearer <key>` or `X-Management-Key`.',
    { headers: { 'www-authenticate': 'Bearer' } },
  );
}

function clientKey(): Refusal {
  return new Refusal(
    403,
    'this is a client key',
    'This is a client key, one of `api-keys`. It opens /v1 and the other model routes, not the management API.',
    'Send the management key, the value of remote-management.secret-key; the two must differ.',
  );
}

function throttled(waitMs: number): Refusal {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  return new Refusal(
    429,
    'too many wrong keys',
    'Too many wrong management keys came from this address.',
    `Wait ${seconds} s before another guess. The right key is let in at once.`,
    { headers: { 'retry-after': String(seconds) } },
  );
}
