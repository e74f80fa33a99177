import { type Json, readArray, readObject, readString } from '../../core/json.ts';
import { tokensIn } from './act.ts';

/** Small readings that the wire formats of the demo share. */

/** Tokens of everything textual in a request, long base64 left out. */
export function tokensOf(value: unknown): number {
  if (typeof value === 'string') return /^(data:|[A-Za-z0-9+/]{256,})/.test(value) ? 0 : tokensIn(value);
  const items = readArray(value) ?? Object.values(readObject(value) ?? {});
  return items.reduce<number>((sum, item) => sum + tokensOf(item), 0);
}

/** How many bytes a base64 text stands for. */
export const base64Bytes = (text: string): number => Buffer.byteLength(text, 'base64');

export const strings = (value: unknown): readonly string[] =>
  typeof value === 'string'
    ? [value]
    : (readArray(value) ?? []).filter((item): item is string => typeof item === 'string');

/** The text of a string or of the text blocks of a list. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  const blocks = (readArray(content) ?? []).map(readObject);
  return blocks.flatMap((block) => (block?.type === 'text' ? [readString(block.text) ?? ''] : [])).join('\n');
}

/** The words of a text in lower case, without what stands between them. */
export const wordsOf = (text: string): readonly string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

export const jsonAnswer = (
  status: number,
  body: Json,
  headers: Readonly<Record<string, string>> = {},
): Response => Response.json(body, { status, headers });
