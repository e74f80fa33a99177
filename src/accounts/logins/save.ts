import { GatewayError } from '../../core/error.ts';
import type { Json } from '../../core/json.ts';
import { expiryOf, instantOf } from '../fields.ts';
import { loginId, type Place, typeOf } from './roster.ts';
import type { Found, LoginFile, Patched, Store } from './store.ts';

/** What became of a login that was to be kept. */
export interface Saved {
  readonly outcome: 'added' | 'updated' | 'unchanged';
  /** Its path below the folder. */
  readonly file: string;
  readonly label: string;
}

export interface SaveOptions {
  /** Whoever signs in anew wants the login to be used, even when it was disabled. */
  readonly enable?: boolean;
  /** What is older than what is here changes nothing; for copies of unknown age. */
  readonly unlessOlder?: boolean;
}

/**
 * Keeps a login: in the file of the same account when there is one, whatever that is called, else in a new file. What
 * the operator wrote into the file, such as a proxy or a priority, stays.
 * @throws GatewayError when it does not say who it is, or the folder cannot be written.
 */
export async function save(
  store: Store,
  places: readonly Place[],
  place: Place,
  fields: Json,
  { enable = false, unlessOlder = false }: SaveOptions = {},
): Promise<Saved> {
  const whole = { type: place.steps.types[0], ...fields };
  const identity = place.steps.identify(whole);
  const id = loginId(place.id, identity);
  const known = newestOf(await store.read(), (file) => idOf(file, places) === id);
  const patched = known
    ? await store.patch(known.file, (current) =>
        unlessOlder && isOlder(fields, current) ? undefined : merged(current, fields, enable),
      )
    : await store.create(place.steps.fileName(whole), whole);
  if (patched.kind === 'written')
    return { outcome: known ? 'updated' : 'added', file: patched.login.file, label: identity.label };
  if (patched.kind === 'unchanged')
    return { outcome: 'unchanged', file: patched.login.file, label: identity.label };
  throw notKept(store, patched);
}

function merged(current: Json, fields: Json, enable: boolean): Json {
  const whole = { ...current, ...fields };
  return enable && whole['disabled'] === true ? { ...whole, disabled: false } : whole;
}

/** An old copy holds a refresh token that has been used up since. */
function isOlder(fields: Json, current: Json): boolean {
  const ageOf = (of: Json) => instantOf(of['last_refresh']) ?? expiryOf(of);
  const [theirs, ours] = [ageOf(fields), ageOf(current)];
  return theirs !== undefined && ours !== undefined && theirs < ours;
}

function newestOf(found: Found, wanted: (file: LoginFile) => boolean): LoginFile | undefined {
  return found.logins.filter(wanted).toSorted((a, b) => b.modifiedAt - a.modifiedAt)[0];
}

/** The id of a file of any channel; undefined for one that does not say who it is. */
function idOf({ fields }: LoginFile, places: readonly Place[]): string | undefined {
  const type = typeOf(fields);
  const place = places.find(({ steps }) => type !== undefined && steps.types.includes(type));
  try {
    return place && loginId(place.id, place.steps.identify(fields));
  } catch {
    return undefined;
  }
}

function notKept({ folder }: Store, patched: Patched): GatewayError {
  const reason = patched.kind === 'refused' ? patched.reason : 'the file was removed meanwhile';
  return new GatewayError({ kind: 'internal' }, `The login could not be written: ${reason}.`, {
    remedy: `Make ${folder} writable, or name another folder with auth-dir in config.yaml.`,
  });
}
