import { type Json, readArray, readObject, readString, tryParseObject } from '../core/json.ts';
import type { ChatRequest, Message, Part } from '../core/request.ts';

/** Which conversation a request belongs to, in its client's own words. */
export interface Session {
  readonly id: string;
  /** Where it was read, such as `x-session-id` or `metadata.user_id`. */
  readonly from: string;
}

/** A place where clients name a conversation. */
type Place = readonly [from: string, read: (headers: Headers, body: Json) => string | undefined];

const header = (name: string): Place => [name, (headers) => headers.get(name) ?? undefined];
const field = (name: string): Place => [name, (_, body) => readString(body[name])];

/**
 * The places, the surest first; the order is the reference's (spec: api 7.2). The cache key comes late, because one key
 * may serve several conversations.
 */
const places: readonly Place[] = [
  header('x-claude-code-session-id'),
  ['metadata.user_id', (_, body) => claudeSession(userIdOf(body))],
  header('session-id'),
  header('session_id'),
  header('x-session-id'),
  header('x-session-affinity'),
  header('x-client-request-id'),
  field('session_id'),
  field('sessionId'),
  field('prompt_cache_key'),
  [
    'conversation',
    (_, body) => readString(body.conversation) ?? readString(readObject(body.conversation)?.id),
  ],
  ['metadata.user_id', (_, body) => userIdOf(body)],
  field('conversation_id'),
];

/** What the client says of its conversation; undefined when it says nothing that can be one. */
export function sessionOf(headers: Headers, body: Json): Session | undefined {
  for (const [from, read] of places) {
    const id = read(headers, body)?.trim();
    if (id && isName(id)) return { id, from };
  }
  return undefined;
}

const longest = 256;

/** Control characters name no conversation, and neither does a whole text. */
const isName = (id: string): boolean => id.length <= longest && !/\p{Cc}/u.test(id);

const userIdOf = (body: Json): string | undefined => readString(readObject(body.metadata)?.user_id);

/** Claude Code names its session inside the user id: as `user_…_session_<uuid>`, or as JSON with a `session_id`. */
function claudeSession(userId: string | undefined): string | undefined {
  if (userId === undefined) return undefined;
  const named = /_session_([0-9a-f-]{36})$/i.exec(userId)?.[1];
  if (named !== undefined || !userId.includes('{')) return named;
  return readString(tryParseObject(userId)?.['session_id']);
}

/**
 * What stands for a conversation that nobody named: a hash of its instructions and of what the user said first. It stays
 * the same while the conversation grows; two that begin alike share it.
 */
export function derivedSession({ system, messages }: ChatRequest): string {
  const first = messages.find(({ role }) => role === 'user');
  return new Bun.CryptoHasher('sha256')
    .update(textOf(system))
    .update('\0')
    .update(textOf(first?.parts ?? []))
    .digest('hex')
    .slice(0, 32);
}

/** Everything that parts say in text. */
export function textOf(parts: readonly Part[]): string {
  let text = '';
  for (const part of parts) if (part.kind === 'text') text += part.text;
  return text;
}

/** What the user said last; '' before the first words. */
export const openingOf = (messages: readonly Message[]): string =>
  messages.reduce((last, { role, parts }) => (role === 'user' ? textOf(parts) || last : last), '');

// --------------------------------------------------------------------------------------------- without decoding a body

/** A conversation as routing knows it. Its names are hashes, because clients choose them and they are long. */
export interface Conversation {
  readonly id: number;
  /** What it was called before the model had said anything. */
  readonly alias?: number;
  /** It has begun before, so somebody may know it. */
  readonly follows: boolean;
}

/**
 * Which conversation a request belongs to: its client's word for it, or else its instructions with what was said first.
 * Nobody's first words make two requests one conversation: only a request with an answer in its history goes on with
 * something, so that the first ones take turns.
 * @param scope what keeps it apart from others of the same name: whose it is, and with which model.
 */
export function conversationOf(headers: Headers, body: Json, scope: string): Conversation | undefined {
  const named = sessionOf(headers, body);
  if (named) return { id: xxHash32(named.id, xxHash32(scope)), follows: true };
  const items = readArray(body.messages) ?? readArray(body.contents) ?? readArray(body.input) ?? [body.input];
  const rules = wordsIn(body.system ?? body.instructions ?? body.systemInstruction ?? wordsBy(items, isRule));
  const opening = wordsBy(items, isUser) ?? '';
  if (rules === '' && opening === '') return undefined;
  const id = xxHash32(opening, xxHash32(rules, xxHash32(scope)));
  const answer = wordsBy(items, isModel);
  return answer === undefined
    ? { id, follows: false }
    : { id: xxHash32(answer, id), alias: id, follows: true };
}

const { xxHash32 } = Bun.hash;

/** So much of a text tells it from others. */
const told = 1_000;

const isRule = (role: unknown): boolean => role === 'system' || role === 'developer';
const isUser = (role: unknown): boolean => role === 'user' || role === undefined;
const isModel = (role: unknown): boolean => role === 'assistant' || role === 'model';

/** What the first item of a role says; undefined when there is none. */
function wordsBy(items: readonly unknown[], is: (role: unknown) => boolean): string | undefined {
  for (const item of items) {
    if (typeof item === 'string') return is('user') ? item.slice(0, told) : undefined;
    const { role, content, parts } = readObject(item) ?? {};
    if (is(role)) return wordsIn(content ?? parts);
  }
  return undefined;
}

/** The beginning of what content says, in any of the wires: a text, an object with one, or the first of a list. */
function wordsIn(content: unknown): string {
  if (typeof content === 'string') return content.slice(0, told);
  if (Array.isArray(content)) return wordsIn(content.find(hasText));
  const object = readObject(content);
  if (object === undefined) return '';
  return wordsIn(object.text ?? object.parts);
}

const hasText = (part: unknown): boolean => Boolean(readString(readObject(part)?.text));
