import { defaultPolicy, type Policy } from '../../accounts/policy.ts';
import { limitsOf } from '../../accounts/limits.ts';
import type { Config } from '../../config/schema.ts';
import { rememberedBy } from '../../core/remember.ts';
import { durationMs } from '../../protocols/waits.ts';

/** What a config says of routing. */
export const policyOf = rememberedBy(read);

function read(config: Config): Policy {
  const { routing } = config;
  const limits = Object.entries(config['provider-limits']).flatMap(([provider, setting]) => {
    const limit = limitsOf(setting);
    return limit ? [[provider, limit] as const] : [];
  });
  return {
    strategy: routing.strategy,
    affinityMs: routing['session-affinity']
      ? (durationMs(routing['session-affinity-ttl']) ?? defaultPolicy.affinityMs)
      : 0,
    reserve: routing['quota-reserve-percent'] / 100,
    cooling: !config['disable-cooling'],
    transientMs: transientMs(config['transient-error-cooldown-seconds']),
    longestMs: routing['max-cooldown-seconds'] * 1000,
    queue: routing['queue-size'],
    retryShare: routing['retry-budget-percent'] / 100,
    switchProject: config['quota-exceeded']?.['switch-project'] ?? defaultPolicy.switchProject,
    providerLimits: new Map(limits),
  };
}

/** The reference's meaning: 0 is the default, a negative number switches it off. */
const transientMs = (seconds: number): number =>
  seconds === 0 ? defaultPolicy.transientMs : Math.max(0, seconds * 1000);
