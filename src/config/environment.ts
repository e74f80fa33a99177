/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A variable that sets a key of the config, whatever the file says. */
export interface Override {
  readonly variable: string;
  /** The key path it sets. */
  readonly keys: readonly string[];
  /** The value, ready for the key's schema. */
  readonly value: unknown;
}

/** What the environment sets. An empty variable counts as unset. */
export function overridesOf(environment: Environment): Override[] {
  return variables.flatMap(({ variable, keys, read = (text: string): unknown => text }) => {
    const text = environment[variable]?.trim();
    return text ? [{ variable, keys, value: read(text) }] : [];
  });
}

/** The first of several names of a variable that is set and not empty. */
export const firstSet = (environment: Environment, names: readonly string[]): string | undefined =>
  names.map((name) => environment[name]?.trim()).find((value) => value !== undefined && value !== '');

/** Digits as a number; other text stays, so that the key's own schema refuses it. */
function readNumber(text: string): unknown {
  return /^[+-]?\d+$/.test(text) ? Number(text) : text;
}

const flags: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'true', 'yes', 'on'].map((word) => [word, true] as const),
  ...['0', 'f', 'false', 'no', 'off'].map((word) => [word, false] as const),
]);

function readFlag(text: string): unknown {
  return flags.get(text.toLowerCase()) ?? text;
}

const readList = (text: string): unknown =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** Which variable sets which key, and how its text is read. */
const variables: readonly {
  readonly variable: string;
  readonly keys: readonly string[];
  readonly read?: (text: string) => unknown;
}[] = [
  { variable: 'CLIPROXY_HOST', keys: ['host'] },
  { variable: 'CLIPROXY_PORT', keys: ['port'], read: readNumber },
  { variable: 'CLIPROXY_SECRET_KEY', keys: ['remote-management', 'secret-key'] },
  { variable: 'CLIPROXY_ALLOW_REMOTE', keys: ['remote-management', 'allow-remote'], read: readFlag },
  { variable: 'CLIPROXY_DEBUG', keys: ['debug'], read: readFlag },
  { variable: 'CLIPROXY_ROUTING_STRATEGY', keys: ['routing', 'strategy'] },
  { variable: 'CLIPROXY_API_KEYS', keys: ['api-keys'], read: readList },
  { variable: 'CLIPROXY_AUTH_DIR', keys: ['auth-dir'] },
];
