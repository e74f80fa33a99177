import { GatewayError } from '../../core/error.ts';
import { type Json, readObject, readString } from '../../core/json.ts';
import { parseProxy, type Proxy } from '../../wire/proxy.ts';
import { absenceOf } from './absent.ts';
import { accountId } from '../account.ts';
import { fieldOf, flagField, instantOf, textField } from '../fields.ts';
import type { Identity } from '../login.ts';
import type { Steps } from '../steps.ts';
import type { Found, LoginFile } from './store.ts';

/** A channel that people sign in to, as far as accounts know it. */
export interface Place {
  /** The channel's id. */
  readonly id: string;
  readonly steps: Steps;
}

/** One file of the auth folder, and what it is good for. */
export type RosterEntry = UsableEntry | InvalidEntry;

export interface UsableEntry {
  readonly kind: 'usable' | 'disabled';
  readonly file: LoginFile;
  readonly place: Place;
  /** See `Login.id`. */
  readonly id: string;
  readonly identity: Identity;
  /** The proxy that the file names; undefined: that of the config. */
  readonly proxy: Proxy | undefined;
}

export interface InvalidEntry {
  readonly kind: 'invalid';
  /** Its path below the folder. */
  readonly name: string;
  /** Absent when it could not be read. */
  readonly file?: LoginFile;
  readonly place?: Place;
  readonly reason: string;
  readonly remedy: string;
  /** The file that is used instead, when this one says the same. */
  readonly duplicateOf?: string;
}

/**
 * What the files of a folder are. Two of one identity, or with one refresh token, are one account: the newest is
 * used and the others are named. A file without a `type` is no login and is left out.
 */
export function rosterOf(found: Found, places: readonly Place[]): readonly RosterEntry[] {
  const entries: RosterEntry[] = found.broken.map(({ file, reason, remedy }) => ({
    kind: 'invalid',
    name: file,
    reason,
    remedy,
  }));
  const kept = new Map<string, UsableEntry>();
  for (const file of newestFirst(found.logins)) {
    const type = typeOf(file.fields);
    if (type === undefined) continue;
    const entry = entryOf(file, type, places);
    entries.push(entry.kind === 'invalid' ? entry : unlessKept(entry, kept));
  }
  return entries.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

/** The path of an entry's file below the folder. */
export const nameOf = (entry: RosterEntry): string =>
  entry.kind === 'invalid' ? entry.name : entry.file.file;

/** The `type` of a file, in lower case. */
export const typeOf = (fields: Json): string | undefined => textField(fields, 'type')?.toLowerCase();

/** The channel that a type belongs to. */
export const placeOf = (type: string, places: readonly Place[]): Place | undefined =>
  places.find(({ steps }) => steps.types.includes(type));

/** The `id` of a login; see there. */
export const loginId = (channel: string, { account, workspace }: Identity): string =>
  accountId(channel, account.toLowerCase(), workspace ?? '');

function entryOf(file: LoginFile, type: string, places: readonly Place[]): RosterEntry {
  const place = placeOf(type, places);
  if (!place) return { kind: 'invalid', name: file.file, file, ...absenceOf(type) };
  try {
    const identity = place.steps.identify(file.fields);
    return {
      kind: flagField(file.fields, 'disabled') ? 'disabled' : 'usable',
      file,
      place,
      identity,
      id: loginId(place.id, identity),
      proxy: proxyIn(file.fields),
    };
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    const remedy = thrown.remedy ?? `Sign in again: \`${loginCommand(place)}\`.`;
    return { kind: 'invalid', name: file.file, file, place, reason: thrown.message, remedy };
  }
}

/**
 * The proxy that a file names, in either spelling; undefined where it names none, and that of the config is used.
 * @throws GatewayError `invalid-request` for one that cannot be used: whoever wrote it there meant not to go without.
 */
export function proxyIn(fields: Json): Proxy | undefined {
  const named = [fields['proxy_url'], fields['proxy-url']].find(
    (value) => value !== undefined && value !== null && value !== '',
  );
  if (named === undefined) return undefined;
  const text = readString(named);
  if (text === undefined)
    throw new GatewayError({ kind: 'invalid-request', field: 'proxy_url' }, 'Its proxy_url is not a text.', {
      remedy: 'Write "proxy_url": "http://host:port", "socks5://host:port" or "direct".',
    });
  return text.trim() === '' ? undefined : parseProxy(text);
}

/** The command that signs in to a channel, or imports where there is nothing to sign in to. */
export const loginCommand = ({ id, steps }: Place): string =>
  steps.ways.length > 0 ? `cliproxyapi++ auth login ${id}` : `cliproxyapi++ auth import ${id} FILE`;

function newestFirst(files: readonly LoginFile[]): readonly LoginFile[] {
  const ages = new Map(
    files.map((file) => [file, instantOf(file.fields['last_refresh']) ?? file.modifiedAt]),
  );
  return files.toSorted((a, b) => ages.get(b)! - ages.get(a)! || b.modifiedAt - a.modifiedAt);
}

/** The entry, unless a newer one stands for the same account. */
function unlessKept(entry: UsableEntry, kept: Map<string, UsableEntry>): RosterEntry {
  const token = renewalKey(entry.file.fields);
  const newer = kept.get(entry.id) ?? (token === undefined ? undefined : kept.get(token));
  if (!newer) {
    kept.set(entry.id, entry);
    if (token !== undefined) kept.set(token, entry);
    return entry;
  }
  const what = newer.id === entry.id ? 'the same account' : 'the same refresh token';
  return {
    kind: 'invalid',
    name: entry.file.file,
    file: entry.file,
    place: entry.place,
    reason: `${newer.file.file} holds ${what} and is newer`,
    remedy: `Remove this one: \`cliproxyapi++ auth remove ${entry.file.file}\`.`,
    duplicateOf: newer.file.file,
  };
}

/** What a renewal would use up, as a hash; undefined when the file holds nothing of the kind. */
export function renewalKey(fields: Json): string | undefined {
  const nested = readObject(fields['token']) ?? {};
  const secret =
    readString(fieldOf(fields, 'refresh_token')) ||
    readString(fields['refreshToken']) ||
    readString(nested['refresh_token']) ||
    readString(fields['cookie']);
  if (!secret) return undefined;
  return `token-${new Bun.CryptoHasher('sha256').update(secret).digest('hex').slice(0, 24)}`;
}
