import type { Environment } from './environment.ts';

/** Text without white space around it, also not the invisible kinds that come with a copy from a web page. */
export const trimmed = (text: string): string =>
  text.replace(/^[\s\u200b-\u200d\u2060\ufeff]+|[\s\u200b-\u200d\u2060\ufeff]+$/g, '');

const variable = /\$(\$(?=\{)|\{([A-Za-z_]\w*)(?::-([^}]*))?\})/g;

/**
 * Replaces `${NAME}` and `${NAME:-default}` by variables of the environment; an empty one counts as unset for the
 * default. `$${` stands for a plain `${`. `missing` is told of every variable that is neither set nor has a default.
 */
export function expandVariables(
  text: string,
  environment: Environment,
  missing: (name: string) => void,
): string {
  return text.replace(variable, (_, escaped: string, name?: string, fallback?: string) => {
    if (name === undefined) return escaped;
    const value = environment[name];
    if (fallback !== undefined) return value || fallback;
    if (value === undefined) missing(name);
    return value ?? '';
  });
}
