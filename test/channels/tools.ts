import type { Account } from '../../src/accounts/account.ts';
import type { Call, Channel, Connection, Outgoing, Tools } from '../../src/channels/channel.ts';

export interface Opened {
  readonly connections: readonly Connection[];
  /** What was warned of, as `path: message`. */
  readonly warnings: readonly string[];
}

/** What a runtime gives a channel, with everything it would find outside as plain values. */
export function tools(
  outside: {
    environment?: Record<string, string>;
    files?: Record<string, string>;
    now?: number;
    proxy?: Tools['proxy'];
  } = {},
): Tools & { readonly warnings: string[] } {
  const warnings: string[] = [];
  return {
    proxy: outside.proxy ?? 'environment',
    now: () => outside.now ?? 0,
    environment: outside.environment ?? {},
    readFile(path) {
      const text = outside.files?.[path];
      if (text === undefined) throw new Error('ENOENT');
      return text;
    },
    refuse(path, expected) {
      throw new Error(`${path}: expected ${expected}`);
    },
    warn: (path, message) => void warnings.push(`${path}: ${message}`),
    warnings,
  };
}

export function opened(
  channel: Channel,
  key: string,
  slice: unknown,
  outside?: Parameters<typeof tools>[0],
): Opened {
  const given = tools(outside);
  return { connections: channel.open(key, slice as never, given), warnings: given.warnings };
}

/** What a connection sends for a call; everything not given is a plain chat. */
export async function sent(
  connection: Connection,
  call: Partial<Call> & { account?: Account } = {},
): Promise<Outgoing> {
  return connection.prepare({
    account: connection.accounts[0]!,
    model: 'm',
    operation: 'chat',
    stream: false,
    body: '{}',
    headers: new Headers(),
    clientHeaders: new Headers(),
    query: '',
    ...call,
  });
}
