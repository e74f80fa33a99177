import type { Json } from '../../core/json.ts';
import type { MediaPart, Message, Part, ToolCallPart, ToolResultPart } from '../../core/request.ts';
import type { Drop } from '../../protocols/protocol.ts';

/** A result that came in, with its place for reports. */
export interface Given {
  readonly part: ToolResultPart;
  readonly path: string;
}

/** All that one side says before the other speaks. */
export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly texts: string[];
  readonly images: Json[];
  readonly calls: ToolCallPart[];
  readonly results: Given[];
}

export const emptyTurn = (role: Turn['role']): Turn => ({
  role,
  texts: [],
  images: [],
  calls: [],
  results: [],
});

/** The conversation as turns that alternate, the user's first. Whatever the wire has no place for is reported. */
export function turnsOf(messages: readonly Message[], drop: Drop): Turn[] {
  const turns: Turn[] = [];
  for (const [index, message] of messages.entries())
    for (const [place, part] of message.parts.entries()) {
      const role = roleOf(part, message.role);
      let turn = turns.at(-1);
      if (turn?.role !== role) turns.push((turn = emptyTurn(role)));
      add(turn, part, message.role, `messages[${index}].content[${place}]`, drop);
    }
  if (turns[0]?.role === 'assistant') turns.unshift(emptyTurn('user'));
  return turns;
}

function roleOf(part: Part, role: Message['role']): Turn['role'] {
  if (part.kind === 'tool-call') return 'assistant';
  if (part.kind === 'tool-result') return 'user';
  return role === 'assistant' ? 'assistant' : 'user';
}

function add(turn: Turn, part: Part, role: Message['role'], path: string, drop: Drop): void {
  switch (part.kind) {
    case 'text':
    case 'refusal':
      // An instruction in the middle of a conversation, in the words that Claude is trained to read as one.
      if (part.text.trim() !== '')
        turn.texts.push(
          role === 'system' ? `<system-reminder>\n${part.text}\n</system-reminder>` : part.text,
        );
      return;
    case 'media':
      return addMedia(turn, part, path, drop);
    case 'tool-call':
      turn.calls.push(part);
      return;
    case 'tool-result':
      turn.results.push({ part, path });
      return;
    case 'reasoning':
      return drop('reasoning: the wire has no place for thoughts of earlier turns');
    default:
      drop(path);
  }
}

// ------------------------------------------------------------------------------------------------------------ media

/** The pictures that the service takes, by MIME type. */
const formats: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'image/jpg': 'jpeg',
  'image/gif': 'gif',
  'image/webp': 'webp',
};

function addMedia(turn: Turn, part: MediaPart, path: string, drop: Drop): void {
  const { source, mime, media } = part;
  const format = formats[mime];
  if (media === 'image' && source.kind === 'data' && format !== undefined && turn.role === 'user')
    return void turn.images.push({ format, source: { bytes: source.data } });
  const text = plainText(part);
  if (text !== undefined) return void turn.texts.push(text);
  drop(`${path}: ${media}`);
  turn.texts.push(`[${media} omitted: not supported by this model's API]`);
}

/** A document that is text is said as text. */
function plainText({ media, mime, source }: MediaPart): string | undefined {
  if (media !== 'document') return undefined;
  if (source.kind === 'text') return source.text;
  if (source.kind !== 'data' || !/^text\/|[/+](json|xml|yaml)$/.test(mime)) return undefined;
  return Buffer.from(source.data, 'base64').toString('utf8');
}

/** The texts and pictures of a tool's result. */
export function resultContent({ part, path }: Given, drop: Drop): Pick<Turn, 'texts' | 'images'> {
  const turn = emptyTurn('user');
  for (const [place, inner] of part.parts.entries())
    add(turn, inner, 'user', `${path}.content[${place}]`, drop);
  return turn;
}
