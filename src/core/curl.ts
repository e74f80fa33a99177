/** A command as an OpenAPI document shows it, in its extension `x-codeSamples`. */
export interface CodeSample {
  readonly lang: 'Shell';
  readonly label: 'curl';
  readonly source: string;
}

/**
 * A command that can be pasted into a shell, for a gateway on this machine.
 * @param path with its query; what the shell is to fill in stands as `$NAME`.
 * @param options as a shell reads them.
 */
export function curlSample(path: string, options: readonly string[]): CodeSample {
  const url = `http://localhost:8317${path}`;
  const address = /[?$]/.test(url) ? `"${url}"` : url;
  return { lang: 'Shell', label: 'curl', source: [`curl ${address}`, ...options].join(' \\\n  ') };
}

/** A text as one word of a shell that stays as it is. */
export const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
