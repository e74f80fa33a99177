import { GatewayError } from '../../core/error.ts';
import { type Json, readArray, readObject, readString } from '../../core/json.ts';

/** A conversation as the items of this wire: what was asked and answered so far. It is never changed, only replaced. */
export type Transcript = readonly Json[];

/**
 * The items of a request's `input`.
 * @throws GatewayError `invalid-request` when it is neither text nor a list of items.
 */
export function itemsOf(input: unknown): Transcript {
  if (input === undefined || input === null) return [];
  if (typeof input === 'string') return [message(input)];
  const items = readArray(input);
  if (!items) throw invalidInput('input must be a string or an array of items.');
  return items.map((item, index) => {
    const object = typeof item === 'string' ? message(item) : readObject(item);
    if (!object) throw invalidInput(`input[${index}] must be an object.`);
    return object;
  });
}

const message = (text: string): Json => ({
  type: 'message',
  role: 'user',
  content: [{ type: 'input_text', text }],
});

const invalidInput = (why: string) =>
  new GatewayError({ kind: 'invalid-request', field: 'input' }, why, {
    remedy: 'Compare it with the Responses reference, or with the example in /openapi.json.',
  });

/**
 * A conversation and what a client sends next. Clients repeat items that were said already, so an item that is known by
 * its id or its call keeps its place and is told as it was told last. Items without either are always new.
 */
export function joined(past: Transcript, next: Transcript): Transcript {
  if (next.some(isCompaction)) return next;
  const items = [...past];
  const places = new Map<string, number>();
  const note = (item: Json, at: number) => keysOf(item).forEach((key) => places.set(key, at));
  past.forEach(note);
  for (const item of next) {
    const at = keysOf(item)
      .map((key) => places.get(key))
      .find((place) => place !== undefined);
    if (at !== undefined && isReference(item)) continue;
    note(item, at ?? items.length);
    items[at ?? items.length] = item;
  }
  return items;
}

/** What an item is known by: a call and its output share the `call_id`, and clients may leave out the `id`. */
function keysOf(item: Json): readonly string[] {
  const keys: string[] = [];
  const id = readString(item.id);
  const callId = readString(item.call_id);
  const type = readString(item.type) ?? '';
  if (callId) keys.push(`${type.endsWith('_output') ? 'output' : 'call'} ${callId}`);
  if (id) keys.push(`id ${id}`);
  return keys;
}

/** After a compaction, the item stands for all that was before it, and what comes with it is the whole conversation. */
const isCompaction = ({ type }: Json) =>
  type === 'compaction' || type === 'compaction_summary' || type === 'context_compaction';

/** An item that only names one which the server is supposed to have. Its type may be left out. */
export function isReference(item: Json): boolean {
  if (item.type === 'item_reference') return true;
  const bare = item.type === undefined || item.type === null;
  return bare && readString(item.id) !== undefined && item.role === undefined && item.content === undefined;
}

/** Reasoning that only the server which once kept it could read. */
export const isUnreadable = (item: Json): boolean =>
  item.type === 'reasoning' && !readString(item.encrypted_content);
