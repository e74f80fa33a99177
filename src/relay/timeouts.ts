import type { Config } from '../config/schema.ts';
import { rememberedBy } from '../core/remember.ts';
import type { Timeouts } from '../wire/watch.ts';

/** How long each phase of an exchange may take by a config. */
export const timeoutsOf = rememberedBy(({ timeouts }: Config): Timeouts => ({
  connectMs: timeouts['connect-seconds'] * 1000,
  firstByteMs: timeouts['first-byte-seconds'] * 1000,
  gapMs: timeouts['gap-seconds'] * 1000,
}));
