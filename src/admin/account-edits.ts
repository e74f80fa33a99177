import { type Json, readObject } from '../core/json.ts';
import { Refusal } from './refusal.ts';

/** What renewal writes, and what says whose file it is. */
const protectedFields = /^(type|access_token|refresh_token|id_token|token|service_account|cookie)(\.|$)/;

/**
 * The fields of a login with some of them changed, by names or dotted paths; an empty text removes one.
 * @throws Refusal
 */
export function edited(fields: Json, changes: Json): Json {
  let next = fields;
  for (const [path, value] of Object.entries(changes)) {
    if (protectedFields.test(path))
      throw new Refusal(
        400,
        'invalid field',
        `"${path}" is not for editing.`,
        'Sign in again, or upload the file anew.',
      );
    next = withValue(next, path.split('.'), value);
  }
  return next;
}

function withValue(fields: Json, [key = '', ...rest]: readonly string[], value: unknown): Json {
  if (key === '' || key === '__proto__')
    throw new Refusal(
      400,
      'invalid field',
      'A field has no name.',
      'Send names such as priority or headers.x-title.',
    );
  const before = fields[key];
  const next = rest.length > 0 ? withValue(readObject(before) ?? {}, rest, value) : merged(before, value);
  const { [key]: _, ...others } = fields;
  return next === undefined ? others : { ...fields, [key]: next };
}

function merged(before: unknown, value: unknown): unknown {
  if (value === '' || value === null) return undefined;
  const [old, fresh] = [readObject(before), readObject(value)];
  if (!old || !fresh) return value;
  return Object.fromEntries(Object.entries({ ...old, ...fresh }).filter(([, each]) => each !== ''));
}
