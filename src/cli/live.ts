import type { Account } from '../accounts/account.ts';
import type { Pool } from '../accounts/pool/pool.ts';
import type { QuotaWindow } from '../accounts/quota.ts';
import { quotaView } from '../accounts/logins/view.ts';
import type { Runtime } from '../config/runtime.ts';
import type { Readiness } from '../server/hall.ts';
import type { LiveProvider } from '../telemetry/telemetry.ts';

/** What is known of each provider's credentials now: by the pool of those that rest, by the logins of themselves. */
export function liveProviders({ connections }: Runtime, pool: Pool): readonly LiveProvider[] {
  const providers = new Map<string, Sum>();
  for (const { provider, accounts } of connections) {
    const sum = providers.get(provider) ?? { ready: 0, cooling: 0, inFlight: 0, needsLogin: 0, quota: [] };
    providers.set(provider, sum);
    for (const account of accounts) count(sum, account, pool);
  }
  return [...providers].map(([provider, sum]) => ({ provider, ...sum }));
}

interface Sum {
  ready: number;
  cooling: number;
  inFlight: number;
  needsLogin: number;
  readonly quota: NonNullable<LiveProvider['quota']>[number][];
}

function count(sum: Sum, account: Account, pool: Pool): void {
  const { inFlight, cooling, quota } = pool.state(account);
  const login = account.secret.kind === 'login' ? account.secret.login : undefined;
  sum.inFlight += inFlight;
  if (login?.state.kind === 'needs-login') sum.needsLogin++;
  else if (cooling) sum.cooling++;
  else sum.ready++;
  for (const window of newestOf([...(login?.quota ?? []), ...quota]))
    sum.quota.push({ credential: account.label, ...quotaView(window) });
}

/** Endpoint and headers may tell of one window; the newer word counts. */
function newestOf(windows: readonly QuotaWindow[]): Iterable<QuotaWindow> {
  const newest = new Map<string, QuotaWindow>();
  for (const window of windows) {
    const key = `${window.name} ${window.model ?? ''}`;
    const known = newest.get(key);
    if (!known || known.seenAt <= window.seenAt) newest.set(key, window);
  }
  return newest.values();
}

/** Whether anybody can serve, and why not. */
export function readiness(live: readonly LiveProvider[]): Readiness {
  if (live.length === 0)
    return {
      ready: false,
      reasons: [
        'No provider is configured; add one to the config file, sign in with `cliproxyapi++ auth login`, or set `demo: {enabled: true}`.',
      ],
    };
  if (live.some(({ ready }) => ready > 0)) return { ready: true, reasons: [] };
  return { ready: false, reasons: live.flatMap(reasonsOf) };
}

function reasonsOf({ provider, cooling, needsLogin = 0 }: LiveProvider): readonly string[] {
  const reasons: string[] = [];
  if (cooling > 0) reasons.push(`All ${cooling} credentials of ${provider} rest after failures.`);
  if (needsLogin > 0)
    reasons.push(
      `${needsLogin} logins of ${provider} need a person; \`cliproxyapi++ auth list\` says what to run.`,
    );
  return reasons;
}
