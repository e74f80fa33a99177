/** A fresh random id such as `msg_3f…`: 24 hex digits after the prefix. Not a secret. */
export function newId(prefix: string): string {
  return prefix + crypto.randomUUID().replaceAll('-', '').slice(0, 24);
}
