import { createNet } from '../../src/accounts/logins/net.ts';
import type { Net } from '../../src/channels/login.ts';

/** A way to loopback for steps that are tried on their own. */
export const testNet = (
  endpoints: Readonly<Record<string, string>>,
  client: Net['client'] = { id: 'test-client' },
  now: () => number = Date.now,
): Net =>
  createNet({
    endpoints,
    client,
    now,
    clock: now,
    proxy: 'direct',
    signal: new AbortController().signal,
  });
