import { mask } from '../accounts/account.ts';
import { isSecretHeader, isSecretName, looksSecret, maskUrl } from './secrets.ts';

/**
 * A copy of a config fit to be shown: keys, tokens, passwords, header values that may be secret and credentials in URLs
 * are masked. What masking leaves is enough to recognise a key, never to use it.
 */
export function maskSecrets(config: object): Record<string, unknown> {
  return maskFields(config, false);
}

function maskFields(fields: object, headers: boolean): Record<string, unknown> {
  const entries = Object.entries(fields).map(([name, value]): [string, unknown] => {
    const secret = isSecretName(name) || (headers && isSecretHeader(name));
    return [name, maskValue(value, secret, name === 'headers')];
  });
  return Object.fromEntries(entries);
}

function maskValue(value: unknown, secret: boolean, headers: boolean): unknown {
  if (typeof value === 'string') return maskText(value, secret);
  if (typeof value === 'number' && secret) return '...';
  if (Array.isArray(value)) return value.map((item) => maskValue(item, secret, headers));
  if (typeof value === 'object' && value !== null) return maskFields(value, headers);
  return value;
}

function maskText(value: string, secret: boolean): string {
  // A header value of the form $Name copies a header of the client; it is no secret itself.
  if (value === '' || /^\$[\w-]+$/.test(value)) return value;
  return secret || looksSecret(value) ? mask(value) : maskUrl(value);
}
