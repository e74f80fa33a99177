import type { Config } from '../config/schema.ts';
import type { Timeouts } from '../wire/watch.ts';

const known = new WeakMap<Config, Timeouts>();

/** How long each phase of an exchange may take by a config; read once. */
export function timeoutsOf(config: Config): Timeouts {
  let timeouts = known.get(config);
  if (timeouts === undefined) known.set(config, (timeouts = read(config)));
  return timeouts;
}

const read = ({ timeouts }: Config): Timeouts => ({
  connectMs: timeouts['connect-seconds'] * 1000,
  firstByteMs: timeouts['first-byte-seconds'] * 1000,
  gapMs: timeouts['gap-seconds'] * 1000,
});
