import type { TSchema } from '@sinclair/typebox';
import { isMap, isScalar, isSeq, type Node } from 'yaml';
import type { Shape } from './schema.ts';
import { looksSecret, maskUrl } from './secrets.ts';

/** What a schema wants, in words that follow "expected". */
export function describe(schema: TSchema): string {
  if (typeof schema.expected === 'string') return schema.expected;
  const shape = schema as Shape;
  if (shape.anyOf) return describeUnion(shape.anyOf);
  if (shape.const !== undefined) return String(shape.const);
  if (shape.type === 'object') return 'a mapping ("key: value" lines)';
  if (shape.type === 'array') return 'a list ("- item" lines)';
  if (shape.type === 'boolean') return 'true or false';
  if (shape.type === 'string') return describeString(schema);
  if (shape.type === 'integer') return `a whole number${describeRange(schema)}`;
  return shape.type === 'number' ? `a number${describeRange(schema)}` : 'a value';
}

function describeUnion(members: readonly TSchema[]): string {
  const words = members.map(describe);
  return words.length === 1 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function describeString(schema: TSchema): string {
  if (typeof schema.pattern === 'string') return `text that matches ${schema.pattern}`;
  return schema.minLength ? 'text that is not empty' : 'text';
}

function describeRange({ minimum, maximum }: TSchema): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return minimum === 0 ? ' that is not negative' : ` of at least ${minimum}`;
  return maximum === undefined ? '' : ` of at most ${maximum}`;
}

const longest = 40;

/** What stands in the file, in words that follow "found". A secret is never repeated. */
export function describeFound(node: Node, secret: boolean): string {
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  if (!isScalar(node)) return 'something else';
  const text = typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  if (text === '') return 'nothing';
  if (secret || looksSecret(text)) return typeof node.value === 'string' ? 'text' : `a ${typeof node.value}`;
  const shown = maskUrl(text.length > longest ? `${text.slice(0, longest)}…` : text);
  return typeof node.value === 'string' ? JSON.stringify(shown) : shown;
}
