import { loginId } from '../../src/accounts/logins/roster.ts';
import type { Login } from '../../src/accounts/login.ts';
import type { Steps } from '../../src/accounts/steps.ts';
import type { Json } from '../../src/core/json.ts';

/** A login that is ready and stays as it is, for channels that are tried without a keeper. */
export function testLogin(steps: Steps, fields: Json, session?: Json): Login {
  const identity = steps.identify(fields);
  const channel = steps.types[0];
  return {
    id: loginId(channel, identity),
    channel,
    file: steps.fileName(fields),
    identity,
    fields,
    session,
    state: { kind: 'ready' },
    quota: [],
    models: undefined,
    ready: () => undefined,
    refused: () => Promise.resolve(false),
  };
}
