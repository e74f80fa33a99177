import { type Json, readArray, readObject, readObjects, readString } from '../../core/json.ts';
import type { ReasoningPart, Seal } from '../../core/request.ts';

/**
 * Chat Completions has no field for a sealed thought. OpenRouter's documented extension `reasoning_details` carries
 * one, and clients that echo assistant messages unchanged bring it back:
 * `{type: 'reasoning.text', text, signature, format}` and `{type: 'reasoning.encrypted', data, format}`.
 */
const formats: ReadonlyMap<string, string> = new Map([
  ['anthropic', 'anthropic-claude-v1'],
  ['gemini', 'google-gemini-v1'],
  ['openai', 'openai-responses-v1'],
  ['xai', 'xai-responses-v1'],
]);

const issuers: ReadonlyMap<string, string> = new Map(
  [...formats].map(([issuer, format]) => [format, issuer]),
);

const unknown = 'unknown';

const issuerOf = (format: unknown): string => {
  const name = readString(format) ?? unknown;
  return issuers.get(name) ?? (name.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-') || unknown);
};

/** The text under any of the names that upstreams give to visible thinking. */
export const spokenThought = (message: Json): string =>
  thoughtText(message['reasoning_content']) ||
  thoughtText(message['reasoning']) ||
  thoughtText(message['reasoning_text']);

/** Thinking comes as text, as an object with a text, or as a list of these. */
export function thoughtText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return readString(value) ?? '';
  const list = readArray(value);
  if (list) return list.map(thoughtText).join('');
  const object = readObject(value);
  return object
    ? thoughtText(object['text'] ?? object['content'] ?? object['summary'] ?? object['thinking'])
    : '';
}

/** One item of `reasoning_details`: a piece of text, a seal, or both. */
export interface Thought {
  readonly text: string;
  readonly seal?: Seal;
}

const noThoughts: readonly never[] = [];

/** The items of `reasoning_details`, in order; empty for anything that is no list of them. */
export function decodeDetails(value: unknown): readonly Thought[] {
  const items = readObjects(value);
  if (items.length === 0) return noThoughts;
  return items.map((item) => {
    const text = thoughtText(item['text'] ?? item['summary']);
    const sealed = readString(item['data']) || readString(item['signature']);
    if (!sealed) return { text };
    const issuer = issuerOf(item['format']);
    // Only Claude hides a whole thought in `data`; the others seal what stands before it.
    const redacted =
      item['type'] === 'reasoning.encrypted' && (issuer === 'anthropic' || item['redacted'] === true);
    return { text, seal: { issuer, value: sealed, ...(redacted ? { redacted } : {}) } };
  });
}

/**
 * The thoughts of a whole message. Plain text and details say the same twice, so the details count only where they
 * bring a seal; details without text seal the plain text.
 */
export function decodeThoughts(message: Json): readonly ReasoningPart[] {
  const plain = spokenThought(message);
  const details = decodeDetails(message['reasoning_details']);
  if (details.length === 0) return plain === '' ? noThoughts : [{ kind: 'reasoning', text: plain }];
  const detailed = details.map(({ text }) => text).join('');
  if (!details.some(({ seal }) => seal)) return reasoning([{ text: plain || detailed }]);
  const thoughts: Thought[] = detailed === '' && plain !== '' ? [{ text: plain }] : [];
  for (const { text, seal } of details) {
    const last = thoughts.at(-1);
    if (!last || last.seal || (seal?.redacted && last.text !== ''))
      thoughts.push(seal ? { text, seal } : { text });
    else thoughts[thoughts.length - 1] = { text: last.text + text, ...(seal ? { seal } : {}) };
  }
  return reasoning(thoughts);
}

const reasoning = (thoughts: readonly Thought[]): readonly ReasoningPart[] =>
  thoughts
    .filter(({ text, seal }) => text !== '' || seal)
    .map((thought) => ({ kind: 'reasoning', ...thought }));

/**
 * A sealed thought as an item of `reasoning_details`; with its text, so that a signature keeps what it signs. Without
 * any, only Claude calls it a signature.
 */
export function encodeDetail(text: string, { issuer, value, redacted }: Seal): Json {
  const format = issuer === unknown ? {} : { format: formats.get(issuer) ?? issuer };
  const claude = issuer === 'anthropic';
  if (!redacted && (text !== '' || claude))
    return { type: 'reasoning.text', text, signature: value, ...format };
  return {
    type: 'reasoning.encrypted',
    data: value,
    ...format,
    ...(redacted && !claude ? { redacted } : {}),
  };
}
