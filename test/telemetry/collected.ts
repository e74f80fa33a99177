import { createTelemetry } from '../../src/telemetry/create.ts';
import type { AttemptRecord, RequestRecord } from '../../src/telemetry/record.ts';
import { beginRecord } from '../../src/telemetry/record.ts';

/** A telemetry whose standard output is a list of the texts written to it. */
export function collected(options: { readonly isTerminal?: boolean; readonly now?: () => number } = {}) {
  const writes: string[] = [];
  const telemetry = createTelemetry({
    isTerminal: false,
    colour: true,
    ...options,
    write: (text) => void writes.push(text),
  });
  return {
    telemetry,
    writes,
    /** Every line written so far. */
    async lines(): Promise<string[]> {
      await telemetry.drained();
      return writes.join('').split('\n').slice(0, -1);
    },
  };
}

/** A record of a served chat request, with changes. */
export function served(changes: Partial<RequestRecord> = {}): RequestRecord {
  return Object.assign(
    beginRecord('req_1', 'POST', '/v1/chat/completions'),
    {
      client: 'sk-g...a91c',
      protocol: 'openai-chat',
      modelAsked: 'gpt',
      modelUsed: 'openai/gpt',
      provider: 'openrouter',
      credential: 'openrouter sk-o...9f3c',
      status: 200,
      firstByteMs: 20,
      usage: { input: 10, output: 5, cacheRead: 4, cacheWrite: 2, reasoning: 1 },
      attempts: [attempt()],
    },
    changes,
  );
}

export const attempt = (changes: Partial<AttemptRecord> = {}): AttemptRecord => ({
  provider: 'openrouter',
  credential: 'openrouter sk-o...9f3c',
  model: 'openai/gpt',
  ms: 20,
  outcome: 'answered',
  status: 200,
  code: '',
  atMs: 1,
  upstreamRequestId: '',
  ...changes,
});

export const refused = attempt({ outcome: 'failed', status: 403, code: 'upstream_forbidden', ms: 12 });
