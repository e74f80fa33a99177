import { Type, type SchemaOptions, type TArray, type TProperties, type TSchema } from '@sinclair/typebox';

export { later } from '../channels/entry.ts';

/**
 * What a schema of the config says besides its type. TypeBox carries these along; `decode.ts`, `check.ts` and the
 * steward read them.
 */
export interface KeyOptions extends SchemaOptions {
  /** Why the key is accepted and does nothing here; the program says so once at start. */
  readonly withoutEffect?: string;
  /** The key takes effect at the next start only. */
  readonly restart?: boolean;
  /** What would be right, in words, where the type alone does not say it. */
  readonly expected?: string;
  /** Other words for those of a choice, in lower case and with `-`; they are taken without a warning. */
  readonly spellings?: Readonly<Record<string, string>>;
}

/** The reason given for keys that would pass one client off as another. */
export const neverDisguised: KeyOptions = {
  withoutEffect: 'this gateway says who it is and never passes one client off as another',
};

export const restart: KeyOptions = { restart: true };

export const flag = (fallback: boolean, description: string, options: KeyOptions = {}) =>
  Type.Boolean({ default: fallback, description, ...options });

export const text = (fallback: string, description: string, options: KeyOptions = {}) =>
  Type.String({ default: fallback, description, ...options });

/** A whole number that is not negative, unless the options say otherwise. */
export const count = (fallback: number, description: string, options: KeyOptions = {}) =>
  Type.Integer({ default: fallback, minimum: 0, description, ...options });

export const group = <P extends TProperties>(description: string, properties: P, options: KeyOptions = {}) =>
  Type.Object(properties, { description, ...options });

/** A list that is empty when absent. */
export const list = <S extends TSchema>(items: S, description: string, options: KeyOptions = {}): TArray<S> =>
  Type.Array(items, { default: [], description, ...options });

/** A mapping with free names that is empty when absent. */
export const table = <S extends TSchema>(values: S, description: string, options: KeyOptions = {}) =>
  Type.Record(Type.String(), values, { default: {}, description, ...options });

/** One of several words. Case and `_` for `-` are forgiven with a warning. */
export function choice<W extends string>(
  words: readonly W[],
  fallback: W,
  description: string,
  options: KeyOptions = {},
) {
  return Type.Unsafe<W>(
    Type.Union(
      words.map((word) => Type.Literal(word)),
      { default: fallback, description, ...options },
    ),
  );
}

/** A key that may be absent. */
export const maybe = Type.Optional;

/** A duration as Go writes it: `90s`, `1h30m`. */
export const duration = (fallback: string, description: string, options: KeyOptions = {}) =>
  text(fallback, description, {
    pattern: '^([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$',
    expected: 'a duration such as "90s" or "1h30m"',
    ...options,
  });
