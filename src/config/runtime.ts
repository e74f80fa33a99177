import type { Connection } from '../channels/channel.ts';
import type { Registry } from '../models/resolve.ts';
import type { PayloadRule } from './payload.ts';
import type { Config } from './schema.ts';

/** Everything built from one config. Immutable: a reload builds the next one and swaps the reference. */
export interface Runtime {
  readonly config: Config;
  /** The config file's text as it stands on disk; '' when the program runs without a file. */
  readonly text: string;
  /** Identifies `text`; the `ETag` of `/v0/management/config.yaml`. */
  readonly etag: string;
  readonly connections: readonly Connection[];
  readonly registry: Registry;
  /** Sha-256 of each client key, in hex, to the label that logs use for it. */
  readonly clientKeys: ReadonlyMap<string, string>;
  /** The rules that edit request bodies, in the order they are applied in. */
  readonly payload: readonly PayloadRule[];
  /** Retires it: closes what its connections hold. Requests in flight keep it until they end. */
  close(): Promise<void>;
}

/** Owns the current runtime. File edits, signals and management edits all come through `apply`. */
export interface Steward {
  readonly current: Runtime;
  /** The config file, when there is one, and whether it can be written. */
  readonly source: Source;
  /**
   * Parses, checks and builds the whole of it, then swaps; any fault leaves `current` as it was.
   * @throws ConfigError with every fault found.
   */
  apply(text: string, options?: ApplyOptions): Promise<Applied>;
  /** Reads the file again and applies it; what a signal or the watcher calls. */
  reload(): Promise<Applied>;
}

export interface Source {
  readonly path: string | undefined;
  /** Why this one: `--config`, `env CONFIG`, `found in …`, `written at first run`. */
  readonly why: string;
}

export interface ApplyOptions {
  /** Refuse unless the current etag is this one. */
  readonly ifMatch?: string;
  /** Check and build, then throw the result away. */
  readonly dryRun?: boolean;
  /** Write the text to the config file as well, atomically. */
  readonly persist?: boolean;
}

export type Applied =
  | { readonly outcome: 'unchanged'; readonly etag: string }
  | {
      readonly outcome: 'swapped';
      readonly etag: string;
      /** Whether the file now holds it; false with the reason when it could not be written. */
      readonly persisted: boolean;
      readonly reason?: string;
      /** Changed settings that take effect only at the next start, such as `port`. */
      readonly needsRestart: readonly string[];
    }
  | { readonly outcome: 'etag-mismatch'; readonly etag: string };
