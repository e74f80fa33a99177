import { GatewayError } from '../../core/error.ts';
import type { Space } from '../../state/state.ts';
import type { Log } from '../../telemetry/log.ts';
import { clean } from '../../telemetry/redact.ts';
import type { Fetch } from '../../wire/fetch.ts';
import type { Proxy } from '../../wire/proxy.ts';
import { lanes } from './lanes.ts';
import type { LiveLogin, Renewer } from './live-login.ts';
import { type Login, LoginRefused } from '../login.ts';
import { createNet } from './net.ts';
import { loginCommand, type Place, proxyIn, renewalKey } from './roster.ts';
import type { Skew } from './skew.ts';
import type { Net } from '../steps.ts';
import type { Store } from './store.ts';
import { type Lock, takeLock } from './store-lock.ts';

/** What the config says of logins; read anew at each use. */
export interface LoginSettings {
  /** The proxy of logins that name none. */
  readonly proxy: Proxy;
  /** How many are renewed at a time. */
  readonly workers: number;
  endpoints(place: Place): Readonly<Record<string, string>>;
  client(place: Place): Net['client'];
}

export interface RenewalOptions {
  readonly store: Store;
  readonly settings: () => LoginSettings;
  readonly skew: Skew;
  /** Remembers refusals over restarts. */
  readonly memory?: Space;
  readonly log: Log;
  /** A login that failed can be used again. */
  readonly mended?: (login: Login) => void;
  /** A renewal brought another plan. */
  readonly replanned?: (login: Login) => void;
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly fetch?: Fetch;
}

export interface Renewals extends Renewer {
  /** The way to a login's provider. */
  net(login: LiveLogin): Net;
  /** Whether the provider refused this very token before, maybe in another process. */
  recall(login: LiveLogin): void;
  /** Writes what the disk did not take before. */
  save(login: LiveLogin): Promise<void>;
  /** Resolves when nothing is in flight. */
  settled(): Promise<void>;
}

const longestRenewalMs = 60_000;
const backoff = { firstMs: 2_000, longestMs: 300_000, toldMs: 3_600_000 };
/** After so many renewals that changed nothing it is for a person to look at. */
const mostIdle = 3;

/**
 * Renews logins: one renewal per refresh token at a time, in this process and between processes; at most so many in
 * parallel; what comes back is on disk before it is used; a final refusal is final.
 */
export function createRenewals(options: RenewalOptions): Renewals {
  const { store, settings, skew, memory, log, now, random } = options;
  const flights = new Map<string, Promise<void>>();
  const queue = lanes(() => settings().workers);

  /** Joins the work of that name that is in flight, or begins it. Nobody's leaving ends it. */
  function once(key: string, work: () => Promise<void>): Promise<void> {
    let flight = flights.get(key);
    if (!flight) {
      flight = work().finally(() => flights.delete(key));
      flight.catch(() => {});
      flights.set(key, flight);
    }
    return flight;
  }

  function net({ channel, place, fields }: LiveLogin): Net {
    const { proxy, endpoints, client } = settings();
    return createNet({
      endpoints: endpoints(place),
      client: client(place),
      proxy: proxyIn(fields) ?? proxy,
      now: () => skew.now(channel),
      clock: now,
      onDate: (...heard) => skew.heard(channel, ...heard),
      signal: AbortSignal.timeout(longestRenewalMs),
      ...(options.fetch ? { fetch: options.fetch } : {}),
    });
  }

  function renew(login: LiveLogin, force = false): Promise<void> {
    const key = renewalKey(login.fields) ?? login.id;
    if (!flights.has(key) && !force && now() < login.notBefore) return Promise.reject(login.notNow());
    return once(key, async () => {
      login.renewing = true;
      const leave = await queue.enter();
      try {
        await renewAlone(login, key);
      } catch (thrown) {
        throw failed(login, thrown);
      } finally {
        login.renewing = false;
        leave();
      }
    });
  }

  async function renewAlone(login: LiveLogin, key: string): Promise<void> {
    const lock = await patiently(() => takeLock(store.folder, key));
    try {
      if (!(await isStillDue(login))) return;
      await exchange(login);
    } finally {
      await lock.release();
    }
  }

  /** False when another process has renewed it, or its owner has replaced it, since we read it. */
  async function isStillDue(login: LiveLogin): Promise<boolean> {
    const { unsaved } = login;
    const found = await store.patch(login.file, () => undefined);
    if (found.kind === 'gone') login.retire();
    login.refuseBlocked();
    if (found.kind !== 'unchanged' || unsaved || found.login.version === login.version) return true;
    const same = renewalKey(found.login.fields) === renewalKey(login.fields);
    login.adopt(found.login, true);
    return same;
  }

  async function exchange(login: LiveLogin): Promise<void> {
    const { fields: before, expiresAt: endedAt, place } = login;
    if (!place.steps.renew) throw new LoginRefused('its token cannot be renewed');
    const changes = await place.steps.renew(before, net(login));
    login.renewedAt = skew.now(login.channel);
    await keep(login, before, changes);
    memory?.delete(login.id);
    if (place.steps.plan?.(before) !== place.steps.plan?.(login.fields)) options.replanned?.(login);
    const { expiresAt = Infinity } = login;
    const moved = expiresAt > (endedAt ?? 0) || expiresAt > skew.now(login.channel) + place.steps.leadMs;
    if (moved && !login.isExpired()) {
      if (login.failures > 0) options.mended?.(login);
      login.failures = login.idle = login.notBefore = 0;
      login.lastFailure = undefined;
      return log('info', 'login-renewed', { login: login.identity.label, channel: login.channel });
    }
    login.idle++;
    const idle = 'a renewal does not move the expiry';
    throw login.idle < mostIdle ? new Error(idle) : new LoginRefused(`${idle}, however often it is repeated`);
  }

  /** Writes before use. What somebody else changed in the file meanwhile stays, and their tokens win over ours. */
  async function keep(
    login: LiveLogin,
    before: LiveLogin['fields'],
    changes: LiveLogin['fields'],
  ): Promise<void> {
    const patched = await store.patch(login.file, (current) =>
      renewalKey(current) === renewalKey(before) || login.unsaved ? { ...current, ...changes } : undefined,
    );
    if (patched.kind === 'gone') return login.retire();
    if (patched.kind !== 'refused') return login.adopt(patched.login);
    login.hold({ ...before, ...changes });
    log('error', 'login-not-written', {
      login: login.identity.label,
      file: login.file,
      reason: patched.reason,
      remedy:
        'Make the auth folder writable: the old refresh token in the file is used up, and the new one is in memory only.',
    });
  }

  /** What a failure costs the login, and what is said of it. */
  function failed(login: LiveLogin, thrown: unknown): GatewayError {
    const who = { login: login.identity.label, channel: login.channel, file: login.file };
    if (thrown instanceof LoginRefused) {
      login.refusal = clean(thrown.message);
      memory?.put(login.id, { token: refusalKey(login), reason: login.refusal });
      log('warn', 'login-needs-person', {
        ...who,
        reason: login.refusal,
        command: loginCommand(login.place),
      });
      return blocked(login);
    }
    if (login.state.kind !== 'ready' && login.state.kind !== 'renewing') return blocked(login);
    const words =
      thrown instanceof GatewayError ? thrown.advice : String((thrown as Error)?.message ?? thrown);
    const told = thrown instanceof GatewayError ? (thrown.retryAfterMs ?? 0) : 0;
    const guess = Math.min(backoff.longestMs, backoff.firstMs * 2 ** login.failures++);
    const waitMs = Math.max(guess * (0.75 + 0.5 * random()), Math.min(told, backoff.toldMs));
    login.notBefore = now() + waitMs;
    login.lastFailure = clean(words);
    log('warn', 'login-not-renewed', {
      ...who,
      reason: login.lastFailure,
      next_try_seconds: Math.ceil(waitMs / 1000),
    });
    return login.notNow();
  }

  function openSession(login: LiveLogin): Promise<void> {
    if (!flights.has(`session ${login.id}`) && now() < login.notBefore) return Promise.reject(login.notNow());
    return once(`session ${login.id}`, async () => {
      try {
        await sessionFor(login);
      } catch (thrown) {
        throw thrown instanceof GatewayError && thrown.fault.kind === 'unavailable'
          ? thrown
          : failed(login, thrown);
      }
    });
  }

  async function sessionFor(login: LiveLogin): Promise<void> {
    const { session } = login.place.steps;
    if (!session) return;
    try {
      login.openedSession(await session(login.fields, net(login)));
    } catch (thrown) {
      const stale = thrown instanceof GatewayError && thrown.fault.kind === 'upstream-unauthorized';
      if (!stale || !login.place.steps.renew) throw thrown;
      await renew(login, true);
      login.openedSession(await session(login.fields, net(login)));
    }
    if (login.failures > 0) options.mended?.(login);
    login.failures = 0;
    login.lastFailure = undefined;
  }

  return {
    renew,
    openSession,
    net,
    now: ({ channel }) => skew.now(channel),
    clock: now,
    recall(login) {
      const known = memory?.get(login.id);
      if (known && known['token'] === refusalKey(login)) login.refusal = String(known['reason']);
    },
    async save(login) {
      const { unsaved } = login;
      if (!unsaved) return;
      const patched = await store.patch(login.file, (current) => ({ ...current, ...unsaved }));
      if (patched.kind === 'written' || patched.kind === 'unchanged') login.adopt(patched.login);
    },
    async settled() {
      await Promise.allSettled(flights.values());
    },
  };
}

/** What was refused: the token, or the whole file where there is none. */
const refusalKey = (login: LiveLogin): string => renewalKey(login.fields) ?? login.version;

function blocked(login: LiveLogin): GatewayError {
  try {
    login.refuseBlocked();
  } catch (thrown) {
    return thrown as GatewayError;
  }
  return new GatewayError({ kind: 'internal' }, 'A login failed for no reason that is known.');
}

/** Waits for another process to be done. */
async function patiently(take: () => Promise<Lock | undefined>): Promise<Lock> {
  for (const deadline = Date.now() + longestRenewalMs; ;) {
    const lock = await take();
    if (lock) return lock;
    if (Date.now() > deadline) throw new Error('another process has been renewing it for a minute');
    await Bun.sleep(100);
  }
}
