import { expect } from 'bun:test';
import { GatewayError } from '../../../src/core/error.ts';
import { type ChatEvent, noUsage, type Reply } from '../../../src/core/event.ts';
import type { Json } from '../../../src/core/json.ts';
import { run } from '../../../src/core/machine.ts';
import type { ModelCard } from '../../../src/core/model.ts';
import type { ChatRequest, Message, Part, Tool } from '../../../src/core/request.ts';
import anthropicMessages from '../../../src/protocols/anthropic-messages/index.ts';
import type { Echo } from '../../../src/protocols/protocol.ts';
import { expectGrammar } from '../../support/grammar.ts';

/** Short words for the tests of Anthropic Messages: what a client asks, what an upstream says, what we make of it. */

export const id = 'anthropic-messages';
export const client = anthropicMessages.client!;
export const upstream = anthropicMessages.upstream!;

export const decode = (body: Json): ChatRequest =>
  client.decodeRequest(body, { model: String(body.model ?? 'm'), stream: body.stream === true });

/** A request of one user message, or of the given messages. */
export const asking = (...messages: Json[]): Json => ({
  model: 'm',
  max_tokens: 100,
  messages: messages.length > 0 ? messages : [{ role: 'user', content: 'Hi' }],
});

export const userParts = (...content: Json[]): readonly Part[] =>
  decode(asking({ role: 'user', content })).messages[0]!.parts;

export const assistantParts = (...content: Json[]): readonly Part[] =>
  decode(asking({ role: 'assistant', content })).messages[0]!.parts;

/** The field that a refused body is at fault in. */
export function fieldOf(body: Json): string | undefined {
  try {
    decode(body);
  } catch (thrown) {
    if (thrown instanceof GatewayError && thrown.fault.kind === 'invalid-request') return thrown.fault.field;
    throw thrown;
  }
  return undefined;
}

export const chat = (changes: Partial<ChatRequest> = {}): ChatRequest => ({
  model: 'm',
  system: [],
  messages: [{ role: 'user', parts: [{ kind: 'text', text: 'Hi' }] }],
  tools: [],
  sampling: {},
  stream: false,
  extra: {},
  ...changes,
});

export interface Encoded {
  readonly body: Record<string, any>;
  readonly dropped: readonly string[];
}

export function encode(changes: Partial<ChatRequest>, card?: ModelCard): Encoded {
  const dropped: string[] = [];
  const target = { model: 'claude', drop: (what: string) => dropped.push(what), ...(card ? { card } : {}) };
  return { body: upstream.encodeRequest(chat(changes), target) as Record<string, any>, dropped };
}

export const says = (role: Message['role'], ...parts: Part[]): Message => ({ role, parts });
export const text = (value: string): Part => ({ kind: 'text', text: value });
export const call = (callId: string, args = '{}'): Part => ({
  kind: 'tool-call',
  callId,
  name: 'look',
  args,
});
export const result = (callId: string, ...parts: Part[]): Part => ({
  kind: 'tool-result',
  callId,
  parts,
  failed: false,
});
export const look: Tool = { kind: 'function', name: 'look', schema: { type: 'object', properties: {} } };

export function echo(changes: Partial<Echo> = {}): Echo & { readonly dropped: string[] } {
  const dropped: string[] = [];
  return {
    request: chat(),
    model: 'shown',
    createdAt: 0,
    id: 'msg_made',
    drop: (what) => dropped.push(what),
    ...changes,
    dropped,
  };
}

/** What an upstream's stream of these events says. */
export function listen(...events: readonly Json[]): ChatEvent[] {
  const said = run(
    upstream.decodeStream(),
    events.map((event) => ({ event: String(event.type), data: JSON.stringify(event) })),
  );
  expectGrammar(said);
  return said;
}

export const opening: Json = {
  type: 'message_start',
  message: { id: 'msg_1', model: 'claude', usage: { input_tokens: 5, output_tokens: 1 } },
};
export const start = (index: number, content_block: Json): Json => ({
  type: 'content_block_start',
  index,
  content_block,
});
export const delta = (index: number, change: Json): Json => ({
  type: 'content_block_delta',
  index,
  delta: change,
});
export const stop = (index: number): Json => ({ type: 'content_block_stop', index });
export const ending = (stop_reason: string, usage: Json = { output_tokens: 2 }): readonly Json[] => [
  { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage },
  { type: 'message_stop' },
];
export const spoken = (index: number, words: string): readonly Json[] => [
  start(index, { type: 'text', text: '' }),
  delta(index, { type: 'text_delta', text: words }),
  stop(index),
];

/** The client's frames for these events, as parsed data. */
export const tell = (events: Iterable<ChatEvent>, to: Echo = echo()): Record<string, any>[] =>
  run(client.encodeStream(to), events).map(({ event, data }) => {
    const said = JSON.parse(data) as Record<string, any>;
    expect(event).toBe(said.type);
    return said;
  });

export const reply = (changes: Partial<Reply> = {}): Reply => ({
  id: 'msg_1',
  model: 'claude',
  parts: [],
  reason: 'end',
  usage: noUsage,
  ...changes,
});

export const blocksOf = (part: Part, to: Echo = echo()): any[] =>
  (client.encodeReply(reply({ parts: [part] }), to) as Record<string, any>).content;
