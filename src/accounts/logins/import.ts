import { GatewayError } from '../../core/error.ts';
import type { Json } from '../../core/json.ts';
import { absenceOf, isAbsent } from './absent.ts';
import { type Place, placeOf, typeOf } from './roster.ts';

/** What a file of another program is to us. */
export type Imported =
  | { readonly kind: 'login'; readonly place: Place; readonly fields: Json }
  /** Nothing that anybody here knows. */
  | { readonly kind: 'other' }
  /** It is meant for a channel and cannot be used. */
  | { readonly kind: 'refused'; readonly reason: string; readonly remedy: string };

/**
 * Reads a file that may be a login: one of an auth folder of this program or of the one it replaces, or what another
 * program keeps.
 * @param sibling reads another file of the same folder.
 * @param wanted only this channel is meant.
 */
export function readImport(
  content: Json,
  sibling: (name: string) => Json | undefined,
  places: readonly Place[],
  wanted?: Place,
): Imported {
  const type = typeOf(content);
  const own = type === undefined ? undefined : placeOf(type, wanted ? [wanted] : places);
  try {
    for (const place of wanted ? [wanted] : places) {
      if (own && own !== place) continue;
      for (const { read } of place.steps.imports ?? []) {
        const fields = read(content, sibling);
        if (fields) return checked(place, fields);
      }
    }
    if (own) return checked(own, content);
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    return refused(thrown);
  }
  if (type !== undefined && isAbsent(type)) return { kind: 'refused', ...absenceOf(type) };
  return { kind: 'other' };
}

/** @throws GatewayError naming what is missing. */
function checked(place: Place, fields: Json): Imported {
  place.steps.identify(fields);
  return { kind: 'login', place, fields };
}

const refused = (error: GatewayError): Imported => ({
  kind: 'refused',
  reason: error.message,
  remedy: error.remedy ?? 'Sign in again with the program that wrote it, and import it anew.',
});
