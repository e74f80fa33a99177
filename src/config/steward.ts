import { GatewayError } from '../core/error.ts';
import type { Fields, Log } from '../telemetry/log.ts';
import { type Built, buildRuntime, type BuildOptions } from './build.ts';
import { ConfigError, faultWithout, type Notice } from './fault.ts';
import { listenAddress } from './listen.ts';
import { permissionNotice, readConfig } from './read.ts';
import type { Applied, ApplyOptions, Runtime, Source, Steward } from './runtime.ts';
import { type Config, documentSchema, keysForRestart } from './schema.ts';
import { writeAtomic } from '../state/write.ts';

export interface StewardOptions extends Omit<BuildOptions, 'file'> {
  readonly source: Source;
  /** The text to start with: the file's, or that of a first run. */
  readonly text: string;
  readonly log: Log;
}

/** The steward with what the composition of the program needs of it. */
export interface LiveSteward extends Steward {
  /** What there is to say about the current config. */
  readonly notices: readonly Notice[];
  /**
   * Calls back after every swap, with the new runtime and the one it replaces.
   * @returns a function that ends it.
   */
  onSwap(callback: (current: Runtime, previous: Runtime) => void): () => void;
  /** Builds the same config anew, because something else that a runtime is made of has changed, such as the logins. */
  refresh(): Promise<void>;
  /** Retires the current runtime; nothing is applied after it. */
  close(): Promise<void>;
}

/**
 * Builds the first runtime and keeps it current. Changes are applied one after another, each built whole before the
 * swap; the runtime that is replaced is closed after it.
 * @throws ConfigError when the first text cannot be used.
 */
export function createSteward(options: StewardOptions): LiveSteward {
  const { source, log } = options;
  const build = (text: string): Built =>
    buildRuntime(text, { ...options, file: source.path ?? 'config.yaml' });
  const callbacks = new Set<(current: Runtime, previous: Runtime) => void>();
  const told = new Set<string>();
  const first = build(options.text);
  const started = first.runtime.config;
  let current = first;
  let queue: Promise<unknown> = Promise.resolve();
  let closed = false;
  const lax = source.path === undefined ? undefined : permissionNotice(source.path);
  tell(lax ? [lax, ...first.notices] : first.notices, told, log);

  /** Runs after everything that was asked before, failed or not. */
  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = queue.then(step);
    queue = turn.catch(() => {});
    return turn;
  }

  async function apply(text: string, { ifMatch, dryRun, persist }: ApplyOptions = {}): Promise<Applied> {
    const { etag } = current.runtime;
    if (closed) throw stopping();
    if (ifMatch !== undefined && ifMatch !== etag) return { outcome: 'etag-mismatch', etag };
    if (text === current.runtime.text) return unchanged(persist === true && dryRun !== true);
    const next = build(text);
    refuseOpening(started, next.runtime.config, source);
    const needsRestart = restartsFor(started, next.runtime.config, options);
    const result = { outcome: 'swapped', etag: next.runtime.etag, needsRestart } as const;
    if (dryRun) {
      await next.runtime.close();
      return { ...result, persisted: false, reason: 'this was a dry run; nothing was changed' };
    }
    const kept = await keep(text, persist === true);
    adopt(next, needsRestart);
    return { ...result, ...kept };
  }

  /** The text is in effect already; it may still be missing in the file, after a write that failed. */
  async function unchanged(persist: boolean): Promise<Applied> {
    const { text, etag } = current.runtime;
    if (!persist || holds(source.path, text)) return { outcome: 'unchanged', etag };
    const needsRestart = restartsFor(started, current.runtime.config, options);
    return { outcome: 'swapped', etag, needsRestart, ...(await keep(text, true)) };
  }

  /** Whether the file holds the text, after writing it when asked to. */
  async function keep(text: string, persist: boolean): Promise<Kept> {
    if (!persist && holds(source.path, text)) return { persisted: true };
    if (!persist) return { persisted: false, reason: 'it was not asked to be written' };
    if (source.path === undefined)
      return { persisted: false, reason: 'the program runs without a config file' };
    const written = await writeAtomic(source.path, text);
    if (written.persisted) return { persisted: true };
    log('warn', 'config-not-persisted', { reason: written.reason });
    return { persisted: false, reason: written.reason };
  }

  function adopt(next: Built, needsRestart: readonly string[]): void {
    log('info', 'config-applied', { etag: next.runtime.etag, connections: next.runtime.connections.length });
    if (needsRestart.length > 0) log('warn', 'config-needs-restart', { keys: needsRestart });
    swap(next);
  }

  function swap(next: Built): void {
    const previous = current.runtime;
    current = next;
    tell(next.notices, told, log);
    for (const callback of callbacks) callback(next.runtime, previous);
    void previous.close();
  }

  /** The config is the one that was checked; what cannot be built now is told, and the old runtime stays. */
  async function refresh(): Promise<void> {
    if (closed) return;
    try {
      swap(build(current.runtime.text));
    } catch (error) {
      log('error', 'refresh-failed', { reason: error instanceof Error ? error.message : String(error) });
    }
  }

  return {
    get current() {
      return current.runtime;
    },
    get notices() {
      return current.notices;
    },
    source,
    apply: (text, settings) => inTurn(() => apply(text, settings)),
    reload: () =>
      inTurn(async () => {
        if (source.path === undefined) return { outcome: 'unchanged', etag: current.runtime.etag };
        return apply(wholeText(source.path)).catch((error: unknown) => {
          if (error instanceof ConfigError) tell(error.notices, told, log);
          throw error;
        });
      }),
    refresh: () => inTurn(refresh),
    onSwap(callback) {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    },
    close: () =>
      inTurn(async () => {
        closed = true;
        await current.runtime.close();
      }),
  };
}

const stopping = () =>
  new GatewayError({ kind: 'unavailable' }, 'The gateway is stopping; its configuration stays as it is.', {
    remedy: 'Repeat the edit when it runs again.',
  });

/** The text of the file. An editor that is about to write may have emptied it, and nobody means an empty config. */
function wholeText(path: string): string {
  const text = readConfig(path);
  if (text.trim() !== '') return text;
  throw new ConfigError([
    faultWithout(path, '', 'the file is empty', 'a config, or the program stopped first'),
  ]);
}

type Kept = Pick<Extract<Applied, { outcome: 'swapped' }>, 'persisted' | 'reason'>;

function holds(path: string | undefined, text: string): boolean {
  try {
    return path !== undefined && readConfig(path) === text;
  } catch {
    return false;
  }
}

/** A server that listens beyond this machine stays there until it restarts, so it must not lose its last client key. */
function refuseOpening(started: Config, next: Config, source: Source): void {
  const listen = listenAddress(started);
  const open = 'refused' in listen || listen.loopback || next['api-keys'].length > 0;
  if (open) return;
  throw new ConfigError([
    faultWithout(
      source.path ?? 'config.yaml',
      'api-keys',
      'is empty while the gateway listens beyond this machine',
      'at least one key, or a restart, after which only this machine is served',
    ),
  ]);
}

/** The keys that changed since the start and take effect at the next one. */
function restartsFor(started: Config, next: Config, options: StewardOptions): string[] {
  const changed = keysForRestart(documentSchema(options.channels)).filter(
    (path) => !Bun.deepEquals(valueAt(started, path), valueAt(next, path)),
  );
  const [before, after] = [listenAddress(started), listenAddress(next)];
  const moved = 'host' in before && 'host' in after && before.host !== after.host;
  return moved && !changed.includes('host') ? ['host', ...changed] : changed;
}

const valueAt = (config: Config, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], config);

/** Logs what was not said before: every warning on its line, keys without effect together by reason. */
function tell(notices: readonly Notice[], told: Set<string>, log: Log): void {
  const silent = new Map<string, string[]>();
  for (const notice of notices) {
    const sentence = `${notice.path}: ${notice.message}`;
    if (told.has(sentence)) continue;
    told.add(sentence);
    if (notice.kind === 'warning') log('warn', 'config', noticeFields(notice));
    else silent.set(notice.message, [...(silent.get(notice.message) ?? []), notice.path]);
  }
  for (const [reason, keys] of silent) log('warn', 'config-without-effect', { keys, reason });
}

/** The path apart from the words: a redactor takes "secret-key: …" for a secret. */
function noticeFields({ file, line, path, message }: Notice): Fields {
  return { where: line > 0 ? `${file}:${line}` : file, ...(path === '' ? {} : { path }), notice: message };
}
