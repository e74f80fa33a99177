import type { Json } from '../../core/json.ts';
import type { Space } from '../../state/state.ts';
import type { Log } from '../../telemetry/log.ts';
import { describe } from '../../telemetry/redact.ts';
import type { Fetch } from '../../wire/fetch.ts';
import { lanes } from './lanes.ts';
import { LiveLogin } from './live-login.ts';
import type { Login } from '../login.ts';
import { createRenewals, type LoginSettings } from './renewals.ts';
import { nameOf, type Place, type RosterEntry, rosterOf } from './roster.ts';
import { save, type Saved, type SaveOptions } from './save.ts';
import { createSkew } from './skew.ts';
import { type Found, type Patched, type Store, tidy } from './store.ts';
import { type StoreWatch, watchStore } from './store-watch.ts';

/** One file of the auth folder with the login that it is, where it is one. */
export interface Kept {
  /** The path of the file below the folder. */
  readonly name: string;
  readonly entry: RosterEntry;
  readonly login: LiveLogin | undefined;
}

/** Keeps the logins of the auth folder alive for as long as the program runs. */
export interface Keeper {
  readonly store: Store;
  /** The channels that people sign in to. */
  readonly places: readonly Place[];
  /** The logins that a runtime opens: all that are neither disabled nor invalid. */
  readonly logins: readonly Login[];
  /** Every file, sorted by name. */
  readonly files: readonly Kept[];
  /** What the folder held when it was read last. */
  readonly found: Found;
  find(name: string): Kept | undefined;
  /** Reads the folder again and takes over what changed. */
  load(): Promise<void>;
  /** Renews what is due; the keeper's own clock calls it. @returns when the next is due, by our clock. */
  renewDue(): Promise<number>;
  /**
   * Asks about the logins that were used since they were asked about last; the keeper's own clock calls it. What was told
   * grows old, also where nothing is ever renewed, and nobody wants to know of idle ones.
   */
  askUsed(): Promise<void>;
  /** Begins to watch the folder and its own clock, and clears away what killed writes left there. */
  start(): void;
  /** Renews one login now. @throws GatewayError with what to do. */
  renew(login: LiveLogin): Promise<void>;
  /**
   * Asks the provider what is left, and once an hour for its models; failures leave what was known.
   * @param demanded somebody wants to know now: nothing that is older than a minute will do.
   */
  ask(login: LiveLogin, demanded?: boolean): Promise<void>;
  /** Adds a login, or updates the one of the same account. */
  save(place: Place, fields: Json, options?: SaveOptions): Promise<Saved>;
  patch(name: string, change: (fields: Json) => Json | undefined): Promise<Patched>;
  remove(name: string): Promise<boolean>;
  /** Milliseconds that a channel's provider is ahead of our clock. */
  skewOf(channel: string): number;
  /** Asks a provider of each of these for its clock; one that does not answer is left out. */
  measureSkew(logins: Iterable<LiveLogin>): Promise<ReadonlyMap<string, number>>;
  /** Lets renewals in flight end, and begins none. */
  close(): Promise<void>;
}

export interface KeeperOptions {
  readonly store: Store;
  readonly places: readonly Place[];
  readonly settings: () => LoginSettings;
  readonly log: Log;
  /** Remembers refusals over restarts. */
  readonly memory?: Space;
  /** A runtime with other logins, or with other settings or models of them, is wanted. Renewals do not call it. */
  readonly changed?: () => void;
  /** A login that failed can be used again: it was renewed after all, or somebody else has written its file. */
  readonly mended?: (login: Login) => void;
  /** The provider has said anew what is left of a login's quota. */
  readonly counted?: (login: Login) => void;
  readonly now?: () => number;
  readonly random?: () => number;
  readonly fetch?: Fetch;
}

const longestSleepMs = 60_000;
const shortestSleepMs = 250;
/** A provider that hangs does not keep the program from ending; one that has answered is heard out. */
const longestEndMs = 15_000;
const askMs = { quota: 60_000, models: 3_600_000 };
/** A login that is in use is asked about after so long without anybody's wish. */
const askUsedMs = 900_000;

export function createKeeper(options: KeeperOptions): Keeper {
  const { store, places, log, changed = () => {}, now = Date.now, random = Math.random } = options;
  const skew = createSkew(now);
  const renewals = createRenewals({ ...options, replanned, skew, now, random });
  const asking = lanes(() => options.settings().workers);
  const byId = new Map<string, LiveLogin>();
  const told = new Set<string>();
  let files: readonly Kept[] = [];
  let usable: readonly Login[] = [];
  let found: Found = { logins: [], broken: [], folders: [], lax: [] };
  let loading = Promise.resolve();
  let timer: Timer | undefined;
  let running = false;
  let watch: StoreWatch | undefined;

  /** Other models may be had, and what was refused before may not be refused now. */
  function replanned(login: Login): void {
    options.mended?.(login);
    changed();
  }

  function load(): Promise<void> {
    loading = loading
      .catch(() => {})
      .then(async () => {
        const known = new Map([...byId].map(([id, login]) => [id, login.version]));
        take(await store.read(), known);
      });
    return loading;
  }

  /** @param known the versions before the reading began. */
  function take(read: Found, known: ReadonlyMap<string, string>): void {
    found = read;
    watch?.follow(read.folders);
    const before = usable;
    const versions = new Map([...byId.values()].map((login) => [login.id, login.fields]));
    const entries = rosterOf(read, places);
    const present = new Set<string>();
    files = entries.map((entry) => {
      const login = entry.kind === 'invalid' ? undefined : enter(entry, known);
      if (login) present.add(login.id);
      else tell(entry);
      return { name: nameOf(entry), entry, login };
    });
    for (const [id, login] of byId) {
      if (present.has(id)) continue;
      login.retire();
      byId.delete(id);
    }
    usable = [...byId.values()].filter((login) => !login.disabled);
    const same = usable.length === before.length && usable.every((login, index) => login === before[index]);
    const replaced = usable.filter((login) => (versions.get(login.id) ?? login.fields) !== login.fields);
    for (const login of replaced) options.mended?.(login);
    if (!same || replaced.length > 0) changed();
    schedule();
  }

  /** What a renewal wrote while the folder was read is newer than what was read. */
  function enter(
    entry: Exclude<RosterEntry, { kind: 'invalid' }>,
    known: ReadonlyMap<string, string>,
  ): LiveLogin {
    let login = byId.get(entry.id);
    if (login && known.get(entry.id) !== login.version) return login;
    if (login) login.enter(entry);
    else byId.set(entry.id, (login = new LiveLogin(entry, renewals, random())));
    if (login.refusal === undefined) renewals.recall(login);
    return login;
  }

  function tell(entry: RosterEntry): void {
    if (entry.kind !== 'invalid') return;
    const { name, reason, remedy } = entry;
    const sentence = `${name} ${reason}`;
    if (told.has(sentence)) return;
    told.add(sentence);
    log('warn', 'login-not-used', { file: name, reason, remedy });
  }

  /** When a login is due by our own clock. */
  const dueOf = (login: LiveLogin) => Math.max(login.notBefore, login.dueAt - skew.of(login.channel));

  async function renewDue(): Promise<number> {
    const due = [...byId.values()].filter((login) => dueOf(login) <= now());
    await Promise.allSettled(
      due.map(async (login) => {
        await renewals.renew(login);
        await ask(login);
      }),
    );
    await Promise.all([...byId.values()].map((login) => renewals.save(login)));
    return Math.min(...[...byId.values()].map(dueOf));
  }

  /** A clock that is set back, or a machine that slept, costs a minute at most. */
  function schedule(): void {
    if (!running) return;
    clearTimeout(timer);
    const next = Math.min(...[...byId.values()].map(dueOf));
    const sleepMs = Math.min(longestSleepMs, Math.max(shortestSleepMs, next - now()));
    timer = setTimeout(() => {
      void askUsed();
      void renewDue().finally(schedule);
    }, sleepMs);
    timer.unref();
  }

  /** Not all at a time, however many there are. */
  async function inTurn(work: () => Promise<void>): Promise<void> {
    const leave = await asking.enter();
    await work().finally(leave);
  }

  async function askUsed(): Promise<void> {
    const due = [...byId.values()].filter(({ quotaReadAt, modelsReadAt, usedAt, jitter }) => {
      const askedAt = Math.max(quotaReadAt, modelsReadAt);
      return usedAt > askedAt && now() - askedAt > askUsedMs * (1 + jitter);
    });
    await Promise.all(due.map((login) => inTurn(() => ask(login))));
  }

  async function ask(login: LiveLogin, demanded = false): Promise<void> {
    const { quota, models } = login.place.steps;
    if (login.state.kind !== 'ready' || !(quota || models)) return;
    try {
      await login.readied(AbortSignal.timeout(30_000));
      if (quota && now() - login.quotaReadAt > askMs.quota) {
        login.quotaReadAt = now();
        login.quota = await quota(login, renewals.net(login));
        options.counted?.(login);
      }
      if (models && now() - login.modelsReadAt > (demanded ? askMs.quota : askMs.models)) {
        login.modelsReadAt = now();
        takeModels(login, await models(login, renewals.net(login)));
      }
    } catch (thrown) {
      log('debug', 'login-not-asked', {
        login: login.identity.label,
        channel: login.channel,
        detail: describe(thrown),
      });
    }
  }

  function takeModels(login: LiveLogin, models: NonNullable<Login['models']>): void {
    if (Bun.deepEquals(models, login.models)) return;
    const first = login.models === undefined;
    login.models = models;
    if (first) changed();
    else replanned(login);
  }

  return {
    store,
    places,
    get logins() {
      return usable;
    },
    get files() {
      return files;
    },
    get found() {
      return found;
    },
    find: (name) => files.find((kept) => kept.name === name),
    load,
    renewDue,
    askUsed,
    start() {
      running = true;
      watch = watchStore({ folder: store.folder, changed: load });
      watch.follow(found.folders);
      void watch.check();
      void tidy(store, now());
      schedule();
      for (const login of byId.values()) void inTurn(() => ask(login));
    },
    renew: (login) => renewals.renew(login, true),
    ask,
    async save(place, fields, settings) {
      const saved = await save(store, places, place, fields, settings);
      await load();
      return saved;
    },
    async patch(name, change) {
      const patched = await store.patch(name, change);
      await load();
      return patched;
    },
    async remove(name) {
      const removed = await store.remove(name);
      await load();
      return removed;
    },
    skewOf: (channel) => skew.of(channel),
    async measureSkew(logins) {
      const measured = new Map<string, number>();
      const ask = async (login: LiveLogin) => {
        const net = renewals.net(login);
        const address = net.endpoints['token'] ?? Object.values(net.endpoints)[0] ?? '';
        await net.fetch(new URL(address).origin).then(
          () => measured.set(login.channel, skew.of(login.channel)),
          () => {},
        );
      };
      await Promise.all([...logins].map(ask));
      return measured;
    },
    async close() {
      running = false;
      clearTimeout(timer);
      watch?.close();
      await Promise.race([renewals.settled(), late(longestEndMs)]);
    },
  };
}

/** Resolves after a time, without keeping the program alive. */
function late(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ms).unref();
  return promise;
}
