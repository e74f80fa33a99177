import { readFileSync } from 'node:fs';
import { mask } from '../accounts/account.ts';
import type { Login } from '../accounts/login.ts';
import type { Connection, Tools } from '../channels/channel.ts';
import { channels as everyChannel } from '../channels/index.ts';
import type { DeclaredModel } from '../core/model.ts';
import { createRegistry } from '../models/registry.ts';
import { parseProxy } from '../wire/proxy.ts';
import { ConfigError, type ConfigFault, type Notice } from './fault.ts';
import { openLogins } from './logins.ts';
import { type Checked, type Origin, parseConfig } from './parse.ts';
import { payloadRules } from './payload.ts';
import type { Runtime } from './runtime.ts';

/** What a runtime is built with besides its text. */
export interface BuildOptions extends Origin {
  /** The logins to open besides what the config itself holds. */
  readonly logins?: () => readonly Login[];
  /** What a connection's place listed of itself when it was asked. */
  readonly discovered?: (connectionId: string) => readonly DeclaredModel[] | undefined;
  readonly now?: () => number;
}

/** A runtime with what there is to say about its config. */
export interface Built {
  readonly runtime: Runtime;
  readonly notices: readonly Notice[];
}

/**
 * Builds everything that one config asks for. No connection is made: a runtime that is thrown away costs nothing.
 * @throws ConfigError with every fault, those that channels find included.
 */
export function buildRuntime(text: string, options: BuildOptions): Built {
  const checked = parseConfig(text, options);
  const notices = [...checked.notices];
  const connections = openChannels(checked, options, notices).map((connection) =>
    withDiscovered(connection, options),
  );
  const { config } = checked;
  const runtime: Runtime = {
    config,
    text,
    etag: etagOf(text),
    connections,
    registry: createRegistry(connections, config),
    clientKeys: new Map(config['api-keys'].map((key) => [sha256(key), mask(key)])),
    payload: payloadRules(config.payload, () => {}),
    async close() {
      await Promise.allSettled(connections.map((connection) => connection.close?.()));
    },
  };
  return { runtime, notices };
}

function withDiscovered(connection: Connection, { discovered: found }: BuildOptions): Connection {
  const { models } = connection;
  const discovered = models.live ? found?.(connection.id) : undefined;
  return discovered ? { ...connection, models: { ...models, discovered } } : connection;
}

const sha256 = (text: string) => new Bun.CryptoHasher('sha256').update(text).digest('hex');

/** Identifies a text. */
export const etagOf = (text: string): string => sha256(text).slice(0, 32);

/** What `tools.refuse` throws; it never leaves this file. */
class Refusal extends Error {
  constructor(readonly fault: ConfigFault) {
    super(fault.message);
  }
}

function openChannels(checked: Checked, options: BuildOptions, notices: Notice[]): readonly Connection[] {
  const slices = checked.config as unknown as Readonly<Record<string, unknown>>;
  const configured = new Set(Object.keys(slices).filter((key) => slices[key] !== undefined));
  const faults: ConfigFault[] = [];
  const connections = new Map<string, Connection>();
  const collect = (key: string, open: (tools: Tools) => readonly Connection[]) => {
    try {
      for (const connection of open(toolsFor(key, checked, options, notices))) {
        if (connections.has(connection.id))
          notices.push(checked.noticeAt(key, 'an entry is listed twice; it is used once'));
        else connections.set(connection.id, connection);
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      faults.push(error.fault);
    }
  };
  const channels = options.channels ?? everyChannel;
  for (const channel of channels) {
    for (const key of Object.keys(channel.settings)) {
      if (configured.has(key)) collect(key, (tools) => channel.open(key, slices[key] as never, tools));
    }
    collect('', (tools) => channel.ambient?.(configured, tools) ?? []);
  }
  const logins = options.logins?.() ?? [];
  collect('', (tools) => openLogins(channels, logins, checked.config, tools));
  if (faults.length > 0)
    throw new ConfigError(
      faults.toSorted((a, b) => a.line - b.line || a.column - b.column),
      notices,
    );
  return [...connections.values()];
}

function toolsFor(key: string, checked: Checked, options: BuildOptions, notices: Notice[]): Tools {
  const below = (path: string) =>
    `${key}${path.startsWith('[') ? '' : '.'}${path}`.replace(/^\.+|\.+$|(?<=\.)\.+/g, '');
  return {
    proxy: parseProxy(checked.config['proxy-url']),
    now: options.now ?? Date.now,
    environment: options.environment,
    readFile: (path) => readFileSync(path, 'utf8'),
    refuse(path, expected) {
      throw new Refusal(checked.faultAt(below(path), 'cannot be used', expected));
    },
    warn: (path, message) => notices.push(checked.noticeAt(below(path), message)),
  };
}
