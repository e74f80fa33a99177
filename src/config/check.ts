import { buildRuntime, type BuildOptions } from './build.ts';
import { describe } from './describe.ts';
import { byLine, ConfigError, type ConfigFault, type Notice } from './fault.ts';
import { listenAddress } from './listen.ts';
import { readConfig } from './read.ts';
import type { Runtime } from './runtime.ts';
import { documentSchema, rowsOf } from './schema.ts';

/** What a check of a config file found. */
export interface CheckReport {
  readonly path: string;
  /** Empty when the file can be used. */
  readonly faults: readonly ConfigFault[];
  readonly notices: readonly Notice[];
  /** What the file amounts to; undefined when it has faults. */
  readonly summary: Summary | undefined;
}

export interface Summary {
  readonly listen: string;
  readonly clientKeys: number;
  readonly management: 'off' | 'this machine' | 'every machine';
  readonly providers: readonly { readonly name: string; readonly credentials: number }[];
  readonly models: number;
}

/** Reads a config file and builds all of it, without touching the network or the disk. Never throws for a bad file. */
export async function checkFile(path: string, options: Omit<BuildOptions, 'file'>): Promise<CheckReport> {
  try {
    const { runtime, notices } = buildRuntime(readConfig(path), { ...options, file: path });
    const summary = summaryOf(runtime);
    await runtime.close();
    return { path, faults: [], notices: byLine(notices), summary };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { path, faults: error.faults, notices: error.notices, summary: undefined };
  }
}

function summaryOf({ config, clientKeys, connections, registry }: Runtime): Summary {
  const listen = listenAddress(config);
  const management = config['remote-management'];
  const credentials = new Map<string, number>();
  for (const { provider, accounts } of connections) {
    credentials.set(provider, (credentials.get(provider) ?? 0) + accounts.length);
  }
  return {
    listen: 'refused' in listen ? listen.refused : `${listen.host}, port ${listen.port} (${listen.why})`,
    clientKeys: clientKeys.size,
    management:
      management['secret-key'] === '' ? 'off' : management['allow-remote'] ? 'every machine' : 'this machine',
    providers: [...credentials].map(([name, count]) => ({ name, credentials: count })),
    models: registry.list().length,
  };
}

/** One key of the reference manual. */
export interface KeyReference {
  /** Such as `routing.strategy` or `openai-compatibility[].base-url`. */
  readonly key: string;
  readonly type: string;
  /** As it would stand in the file; '' when there is none. */
  readonly default: string;
  readonly description: string;
  readonly restart: boolean;
  /** Why the key does nothing here; '' when it does something. */
  readonly withoutEffect: string;
}

/** The manual of config.yaml, from the schema itself: every key in the order of the file. */
export function reference(channels?: BuildOptions['channels']): KeyReference[] {
  return [...rowsOf(documentSchema(channels))].map(({ path, schema }) => ({
    key: path,
    type: describe(schema),
    default: schema.default === undefined ? '' : JSON.stringify(schema.default),
    description: schema.description ?? '',
    restart: schema.restart === true,
    withoutEffect: schema.withoutEffect ?? '',
  }));
}

/** The manual as text for a terminal. */
export function explain(channels?: BuildOptions['channels']): string {
  return reference(channels).map(explainKey).join('\n\n');
}

function explainKey(row: KeyReference): string {
  const notes = [
    row.default === '' ? row.type : `${row.type}; default ${row.default}`,
    row.restart ? 'takes effect at the next start' : '',
    row.withoutEffect === '' ? '' : `without effect: ${row.withoutEffect}`,
  ];
  return [row.key, `  ${row.description}`, `  (${notes.filter((note) => note !== '').join('; ')})`].join(
    '\n',
  );
}
