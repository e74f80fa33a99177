import { GatewayError } from '../../core/error.ts';
import {
  compact,
  type Json,
  omit,
  readArray,
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import type { Frame } from '../../wire/sse.ts';
import type { Drop } from '../protocol.ts';
import { shortened } from './call-ids.ts';
import { isOurs, sealOf } from './decode-item.ts';
import { issuer, sealsIncluded } from './wire.ts';

/**
 * The dialect of ChatGPT's own backend (spec: codex, body and stream). It stores nothing, always streams, answers 400
 * "Unsupported parameter" to much that the API takes, and checks the ids of items.
 */

/** Parameters it answers 400 to that ask for something which is then not done. */
const missed: readonly string[] = [
  'max_output_tokens',
  'max_tool_calls',
  'temperature',
  'top_p',
  'top_logprobs',
  'user',
  'safety_identifier',
  'context_management',
  'prompt_cache_retention',
  'prompt_cache_options',
  'metadata',
];

/** What does not go there as it came: refused for good, or said in one way only. */
const replaced: ReadonlySet<string> = new Set([
  ...missed,
  'truncation',
  'background',
  'generate',
  'stream_options',
  'service_tier',
  'store',
  'include',
  'stream',
  'instructions',
  'input',
  'parallel_tool_calls',
]);

/**
 * A body of this wire as the backend takes it. It needs no other reading of the request, so the direct lane can use it
 * on the client's own body.
 * @throws GatewayError `invalid-request` when the request builds on a response that nobody has stored.
 */
export function toCodex(body: Json, drop: Drop): Json {
  for (const field of ['previous_response_id', 'conversation'])
    if (body[field] != null) throw stateful(field);
  for (const field of missed) if (body[field] != null) drop(field);
  if (body.truncation === 'auto') drop('truncation');
  if (body.background === true) drop('background');
  const tier = readString(body.service_tier);
  if (tier && !['auto', 'default', 'priority'].includes(tier)) drop(`service_tier: ${tier}`);
  const tools = readArray(body.tools);
  return compact({
    ...omit(body, replaced),
    instructions: readString(body.instructions) ?? '',
    input: inputOf(body.input, drop),
    store: false,
    stream: true,
    include: [sealsIncluded],
    parallel_tool_calls: tools?.length ? (body.parallel_tool_calls ?? true) : undefined,
    service_tier: tier === 'priority' ? tier : undefined,
    stream_options: streamOptions(readObject(body.stream_options)),
  });
}

const stateful = (field: string): GatewayError =>
  new GatewayError(
    { kind: 'invalid-request', field },
    `${field} cannot be used with this model: its provider stores no responses.`,
    { remedy: 'Send the whole conversation in input.' },
  );

/** The one option it knows. */
function streamOptions(options: Json | undefined): Json | undefined {
  const delivery = options?.reasoning_summary_delivery;
  return delivery === undefined ? undefined : { reasoning_summary_delivery: delivery };
}

function inputOf(input: unknown, drop: Drop): readonly Json[] {
  if (typeof input === 'string')
    return [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: input }] }];
  const seen = new Set<string>();
  return readObjects(input).flatMap((item) => {
    const kept = item.type === 'reasoning' ? ownReasoning(item, issuer, drop) : item;
    return kept ? [itemOf(kept, seen)] : [];
  });
}

/**
 * A reasoning item with the token of this issuer; undefined, and reported, for any other, because nobody else can read
 * it and nobody has stored it. A token that bears our mark went out under an id of ours, so it goes without.
 */
export function ownReasoning(item: Json, reader: string, drop: Drop): Json | undefined {
  const seal = sealOf(item);
  if (seal?.issuer !== reader) {
    drop('reasoning of another provider in the history');
    return undefined;
  }
  if (!isOurs(item)) return item;
  return { ...omit(item, idField), encrypted_content: seal.value };
}

const idField = new Set(['id']);

/** What the id of an item must begin with. */
const prefixes: Readonly<Record<string, string>> = {
  message: 'msg',
  reasoning: 'rs',
  function_call: 'fc',
  custom_tool_call: 'ctc',
  custom_tool_call_output: 'ctco',
};

/** Nothing is stored, so ids are optional; but one that is wrong, too long or given twice would be refused. */
function itemOf(item: Json, seen: Set<string>): Json {
  const type = readString(item.type) ?? 'message';
  const callId = readString(item.call_id);
  const content = readArray(item.content)?.map(withoutBreakpoint);
  return compact({
    ...(isGood(item.id, prefixes[type], seen) ? item : omit(item, idField)),
    role: item.role === 'system' ? 'developer' : item.role,
    call_id: callId === undefined ? undefined : shortened(callId),
    content: content ?? item.content,
  });
}

function isGood(itemId: unknown, prefix: string | undefined, seen: Set<string>): boolean {
  if (typeof itemId !== 'string' || seen.has(itemId)) return false;
  seen.add(itemId);
  return prefix === undefined || (itemId.length <= 64 && itemId.startsWith(`${prefix}_`));
}

const withoutBreakpoint = (part: unknown): unknown =>
  readObject(part)?.prompt_cache_breakpoint === undefined ? part : omit(part as Json, breakpointField);

const breakpointField = new Set(['prompt_cache_breakpoint']);

// ------------------------------------------------------------------------------------------------------- its answers

/**
 * Some of its answers end without their output: the items that were done make it up, in their order. Its own events are
 * for Codex alone; OpenAI's SDK refuses to go on after one, so other clients do not get them.
 */
export function mendCodex(client: Headers): (frame: Frame) => Frame | undefined {
  const isCodex = /^codex/i.test(client.get('originator') ?? client.get('user-agent') ?? '');
  const done: { readonly place: number; readonly item: Json }[] = [];

  function finished(frame: Frame, event: Json): Frame {
    const response = readObject(event.response);
    if (!response || done.length === 0 || readArray(response.output)?.length) return frame;
    const output = done.toSorted((a, b) => a.place - b.place || 0).map(({ item }) => item);
    return { ...frame, data: JSON.stringify({ ...event, response: { ...response, output } }) };
  }

  return (frame) => {
    const event = ofInterest.test(frame.data) ? tryParseObject(frame.data) : undefined;
    const item = readObject(event?.item);
    if (event?.type === 'response.output_item.done' && item)
      done.push({ place: readNumber(event.output_index) ?? Infinity, item });
    if (event?.type === 'response.completed' || event?.type === 'response.incomplete')
      return finished(frame, event);
    return !isCodex && String(event?.type).startsWith('codex.') ? undefined : frame;
  };
}

const ofInterest = /"(?:response\.(?:output_item\.done|completed|incomplete)|codex\.[\w.]+)"/;
