import { type Json, readObject, readString, tryParseObject } from '../core/json.ts';
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
  return /_session_([0-9a-f-]{36})$/i.exec(userId)?.[1] ?? readString(tryParseObject(userId)?.['session_id']);
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
export const textOf = (parts: readonly Part[]): string =>
  parts.map((part) => (part.kind === 'text' ? part.text : '')).join('');

/** What the user said last; '' before the first words. */
export const openingOf = (messages: readonly Message[]): string =>
  messages.reduce((last, { role, parts }) => (role === 'user' ? textOf(parts) || last : last), '');
