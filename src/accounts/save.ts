import { GatewayError } from '../core/error.ts';
import type { Json } from '../core/json.ts';
import { loginId, type Place, typeOf } from './roster.ts';
import type { Found, LoginFile, Patched, Store } from './store.ts';

/** What became of a login that was to be kept. */
export interface Saved {
  readonly outcome: 'added' | 'updated' | 'unchanged';
  /** Its path below the folder. */
  readonly file: string;
  readonly label: string;
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
): Promise<Saved> {
  const whole = { type: place.steps.types[0], ...fields };
  const identity = place.steps.identify(whole);
  const id = loginId(place.id, identity);
  const known = newestOf(await store.read(), (file) => idOf(file, places) === id);
  const patched = known
    ? await store.patch(known.file, (current) => withoutRefusal({ ...current, ...fields }))
    : await store.create(place.steps.fileName(whole), whole);
  if (patched.kind === 'written')
    return { outcome: known ? 'updated' : 'added', file: patched.login.file, label: identity.label };
  if (patched.kind === 'unchanged')
    return { outcome: 'unchanged', file: patched.login.file, label: identity.label };
  throw notKept(store, patched);
}

/** Whoever signs in again wants the login to be used. */
const withoutRefusal = (fields: Json): Json =>
  fields['disabled'] === true ? { ...fields, disabled: false } : fields;

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
