import { readArray, readObject, readString, type Json } from '../../src/core/json.ts';

/** What a simulated model was asked, in no vendor's words. */
export interface Asked {
  /** The last user's words. */
  readonly text: string;
  /** Texts of the tool results that came last, when they did. */
  readonly results: readonly string[];
  readonly tools: readonly { readonly name: string; readonly schema: Json }[];
  readonly images: readonly { readonly mime: string; readonly size: number }[];
  readonly thinking: boolean;
  readonly maxTokens: number;
  /** The schema the answer must fit, or true for any JSON. */
  readonly json?: Json | true;
}

/** What a simulated model says in one turn. */
export interface Turn {
  readonly thinking?: string;
  readonly words: readonly string[];
  readonly calls: readonly { readonly name: string; readonly args: string }[];
  readonly reason: 'end' | 'length' | 'tool' | 'refusal';
}

/**
 * The simulated model's mind. By the user's words:
 *   `use the tool NAME`, `use the tools A and B`   calls them with arguments made from their schemas
 *   (tool results last)                            `The tool said: …`
 *   `count to N`                                   N numbers, cut at the token limit
 *   `refuse`                                       refuses
 *   `say WORDS`                                    those words
 *   an image                                       its type and size
 *   a JSON schema                                  a sample of it
 *   anything else                                  `You said: …`
 */
export function turnFor(asked: Asked): Turn {
  const thinking = asked.thinking ? { thinking: 'Let me think about it. 🤔' } : {};
  const calls = callsFor(asked);
  if (calls.length > 0) return { ...thinking, words: wordsOf('Let me see.'), calls, reason: 'tool' };
  if (/\brefuse\b/.test(asked.text))
    return { words: wordsOf('I cannot help with that.'), calls: [], reason: 'refusal' };
  const words = wordsOf(textFor(asked));
  const cut = words.length > asked.maxTokens;
  return {
    ...thinking,
    words: cut ? words.slice(0, asked.maxTokens) : words,
    calls: [],
    reason: cut ? 'length' : 'end',
  };
}

/** The pieces a text is streamed in: words with the space that follows them. */
export const wordsOf = (text: string): string[] => text.match(/\s*\S+\s*/g) ?? [];

/** The pieces tool arguments are streamed in: cut in odd places, as vendors do. */
export const piecesOf = (args: string): string[] => args.match(/[\s\S]{1,7}/gu) ?? [];

function callsFor({ text, results, tools }: Asked): Turn['calls'] {
  const wanted = /use the tools? ([\w-]+(?:(?:, | and )[\w-]+)*)/.exec(text)?.[1];
  if (!wanted || results.length > 0) return [];
  return wanted
    .split(/, | and /)
    .flatMap((name) => tools.filter((tool) => tool.name === name))
    .map(({ name, schema }) => ({ name, args: JSON.stringify(sample(schema)) }));
}

function textFor({ text, results, images, json }: Asked): string {
  if (results.length > 0) return `The tool said: ${results.join(', ')}`;
  if (images.length > 0)
    return images.map(({ mime, size }) => `I see an ${mime} of ${size} bytes.`).join(' ');
  if (json) return JSON.stringify(json === true ? { ok: true } : sample(json));
  const count = Number(/count to (\d+)/.exec(text)?.[1] ?? 0);
  if (count > 0) return Array.from({ length: count }, (_, index) => index + 1).join(' ');
  return /\bsay ([\s\S]+)/.exec(text)?.[1] ?? `You said: ${text}`;
}

/** A value that fits a schema, as far as these tests use schemas. */
function sample(schema: Json): unknown {
  const type = readString(schema.type);
  const first = readArray(schema.enum)?.[0];
  if (first !== undefined) return first;
  if (type === 'integer' || type === 'number') return 7;
  if (type === 'boolean') return true;
  if (type === 'array') return [sample(readObject(schema.items) ?? { type: 'string' })];
  if (type !== 'object') return 'Zürich "quoted" 😀';
  const properties = Object.entries(readObject(schema.properties) ?? {});
  return Object.fromEntries(properties.map(([name, child]) => [name, sample(readObject(child) ?? {})]));
}
