import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  type Node,
  parseDocument,
} from 'yaml';

/** One step to a value in a document: a key, or a place in a list. */
export type Step = string | number;

/**
 * The text of a config with one value set, or removed when it is undefined. Everything else stays as it stands there,
 * comments too; only spaces around it may change.
 * @throws SharedValue where the place is written once for several, as an alias.
 */
export function rewritten(text: string, wanted: readonly Step[], value: unknown): string {
  const document = parseDocument(text, { logLevel: 'silent' });
  const path = found(document, wanted);
  if (value === undefined) remove(document, path);
  else {
    clear(document, path);
    document.setIn(path, nodeOf(value, document.getIn(path, true), document));
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: /[[{] \S/.test(text) });
}

/** The value with the comments of the one that it replaces. */
function nodeOf(value: unknown, before: unknown, document: Document): Node {
  const node = document.createNode(value) as Node;
  if (!isNode(before)) return node;
  const { comment, commentBefore, spaceBefore } = before;
  return Object.assign(node, { comment, commentBefore, spaceBefore });
}

/** What is written once for several places cannot be changed for one of them. */
export class SharedValue extends Error {
  override readonly name = 'SharedValue';
}

/** The path with its keys as they are spelled in the document, which forgives case and `_` for `-`. */
function found(document: Document, wanted: readonly Step[]): readonly Step[] {
  const path: Step[] = [];
  for (const step of wanted) {
    const above: unknown = path.length > 0 ? document.getIn(path, true) : document.contents;
    if (isAlias(above)) throw new SharedValue();
    const keys = isMap(above) ? above.items.map(({ key }) => (isScalar(key) ? String(key.value) : '')) : [];
    const name = plain(step);
    path.push(keys.includes(String(step)) ? step : (keys.find((key) => plain(key) === name) ?? step));
  }
  return path;
}

const plain = (step: Step): string => String(step).trim().toLowerCase().replaceAll('_', '-');

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
