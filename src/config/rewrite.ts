import { type Document, isCollection, isMap, parseDocument } from 'yaml';

/** One step to a value in a document: a key, or a place in a list. */
export type Step = string | number;

/**
 * The text of a config with one value set, or removed when it is undefined. Everything else stays as it stands there,
 * comments too; only spaces around it may change.
 */
export function rewritten(text: string, path: readonly Step[], value: unknown): string {
  const document = parseDocument(text, { logLevel: 'silent' });
  if (value === undefined) remove(document, path);
  else {
    clear(document, path);
    document.setIn(path, document.createNode(value));
  }
  return document.toString({ lineWidth: 0 });
}

/** A value that stands there without content, such as `oauth-model-alias:`, cannot hold a key. */
function clear(document: Document, path: readonly Step[]): void {
  if (document.contents !== null && !isMap(document.contents)) document.contents = null;
  for (let length = 1; length < path.length; length++) {
    const above = path.slice(0, length);
    if (document.hasIn(above) && !isCollection(document.getIn(above, true))) document.deleteIn(above);
  }
}

/** Tables and lists that the removal empties go with it. */
function remove(document: Document, path: readonly Step[]): void {
  if (!document.hasIn(path)) return;
  document.deleteIn(path);
  const above = path.slice(0, -1);
  const left = above.length > 0 ? document.getIn(above, true) : undefined;
  if (isCollection(left) && left.items.length === 0) document.deleteIn(above);
}
