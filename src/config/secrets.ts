/** Keys whose value is a secret, told by the last word of their name. `token-file` and `tls.key` name files. */
const secretNames =
  /(^|[-_])((api|secret|access|private|client)[-_]?keys?|tokens?|secrets?|passwords?|authorization|cookies?|credentials?)$/i;

const secretHeaders = /auth|key|token|secret|cookie|password|session|credential|signature/i;

/** Prefixes by which vendors mark their keys, and JSON Web Tokens. */
const knownSecrets =
  /^(bearer|basic)\s|^(sk|pk|rk|gsk|xai|nvapi|hf|ghp|gho|ghu|r8|AIza|ya29|eyJ)[-_.A-Za-z0-9]{12,}$/i;

/** Whether a key of the config file holds a secret, by its name. */
export const isSecretName = (name: string): boolean => secretNames.test(name);

export const isSecretHeader = (name: string): boolean => secretHeaders.test(name);

/** Whether a value looks like a secret wherever it stands: a vendor's prefix, or a long run of mixed characters. */
export function looksSecret(value: string): boolean {
  return (
    knownSecrets.test(value) || (/^[\w+=.~-]{28,}$/.test(value) && /\d/.test(value) && /[a-z]/i.test(value))
  );
}

/** A URL without the credentials in it, `http://...@host/`; any other text as it is. */
export const maskUrl = (value: string): string =>
  value.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1...@');

/**
 * The lines of a config as an excerpt may show them: every secret is replaced by dots of the same length, so that a
 * caret below still points at the right column. It reads lines, not YAML, because the text may be broken.
 */
export function hideSecrets(lines: readonly string[]): string[] {
  const parents: Parent[] = [];
  return lines.map((line) => {
    if (line.trim() === '') return line;
    const [, lead = '', , name, value = ''] = entryLine.exec(line) ?? [];
    const depth = name === undefined ? line.search(/\S/) + 1 : lead.length;
    if (!lead.includes('#')) while ((parents.at(-1)?.depth ?? -1) >= depth) parents.pop();
    const parent = parents.at(-1);
    if (name === undefined) return hideWords(line, parent?.secret ?? false);
    const secret = isSecretName(name) || (parent?.headers === true && isSecretHeader(name));
    if (!lead.includes('#')) parents.push({ depth, secret, headers: name === 'headers' });
    return line.slice(0, line.length - value.length) + hideWords(value, secret);
  });
}

interface Parent {
  readonly depth: number;
  readonly secret: boolean;
  readonly headers: boolean;
}

/** `name: value`, also as a list item or commented out: lead, quote, name, value. */
const entryLine = /^(\s*(?:#\s*)?(?:-\s+)*)(["']?)([\w.$-][\w.$ -]*?)\2\s*:(?:\s+|$)(.*)$/;
const flowPair = /([\w-]+)(["']?\s*:\s*["']?)([^\s"',}\]]+)/g;
const userInfo = /([a-z][a-z0-9+.-]*:\/\/)([^/?#@\s]*)@/gi;
/** A word, or a variable, which gives nothing away. */
const word = /\$\{[^}]*\}|[^\s"'[\]{},#]+/g;
/** What everybody knows already: variables, sample keys, and the dash of a list. */
const known = /^(\$\{.*\}|your-api-key.*|-)$/i;

/** Dots over every word when `all`, else over those that look secret or stand behind a secret's name. */
function hideWords(text: string, all: boolean): string {
  return text
    .replace(userInfo, (_, scheme: string, user: string) => `${scheme}${dots(user)}@`)
    .replace(flowPair, (pair, name: string, between: string, value: string) =>
      isSecretName(name) ? name + between + dots(value) : pair,
    )
    .replace(word, (found) => ((all && !known.test(found)) || looksSecret(found) ? dots(found) : found));
}

const dots = (text: string) => '•'.repeat(text.length);
