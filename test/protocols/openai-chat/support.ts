import { GatewayError } from '../../../src/core/error.ts';
import { type ChatEvent, fold, noUsage, type Reply } from '../../../src/core/event.ts';
import { type Json, readObjects, tryParseObject } from '../../../src/core/json.ts';
import { run } from '../../../src/core/machine.ts';
import type { ChatRequest, Part } from '../../../src/core/request.ts';
import openaiChat from '../../../src/protocols/openai-chat/index.ts';
import type { ClientCodec } from '../../../src/protocols/protocol.ts';
import type { Frame } from '../../../src/wire/sse.ts';
import { expectGrammar } from '../../support/grammar.ts';
import { echoOf } from '../../support/wires.ts';

export const client = openaiChat.client!;
export const upstream = openaiChat.upstream!;
const [chatRoute] = client.routes;

/** A client's body as a request, the smallest body around the given fields. */
export const decode = (fields: Json): ChatRequest => {
  const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], ...fields };
  return client.decodeRequest(body, chatRoute!.hint({}, body, new URLSearchParams()));
};

export const say = (...messages: readonly Json[]): ChatRequest => decode({ messages });

/** The body for an upstream and what it could not say. */
export function encode(
  request: ChatRequest,
  model = 'gpt-4o',
  dialect?: string,
): { body: Json; dropped: string[] } {
  const dropped: string[] = [];
  const target = { model, drop: (what: string) => dropped.push(what), ...(dialect ? { dialect } : {}) };
  return { body: JSON.parse(JSON.stringify(upstream.encodeRequest(request, target))) as Json, dropped };
}

export const encoded = (request: ChatRequest, model?: string, dialect?: string) =>
  readObjects(encode(request, model, dialect).body['messages']) as readonly Record<string, any>[];

/** What a wrong body is refused with. */
export function refusal(work: () => unknown): GatewayError {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
    throw thrown;
  }
  throw new Error('expected a refusal');
}

export const ask: Json = { role: 'user', content: 'Go.' };
export const base = { id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm' };
export const chunk = (delta: Json, finish: string | null = null, index = 0): Json => ({
  ...base,
  choices: [{ index, delta, finish_reason: finish }],
});
export const usageOf = (input: number, output: number) => ({
  prompt_tokens: input,
  completion_tokens: output,
});

/** The events of a stream of chunks; a string is sent as it is. */
export function events(...items: readonly (Json | string)[]): ChatEvent[] {
  const frames = items.map((item): Frame => ({
    data: typeof item === 'string' ? item : JSON.stringify(item),
  }));
  const said = run(upstream.decodeStream(), frames);
  expectGrammar(said);
  return said;
}

export const folded = (...items: readonly (Json | string)[]): Reply => fold(events(...items));

export const callChunk = (call: Json, index = 0) => chunk({ tool_calls: [{ index, ...call }] });
export const calls = (reply: { readonly parts: readonly Part[] }) =>
  reply.parts.flatMap((part) => (part.kind === 'tool-call' ? [part] : []));

/** What a client is sent, parsed; `[DONE]` stays a string. */
export function sent(
  said: Iterable<ChatEvent>,
  request = decode({}),
  codec: ClientCodec = client,
  dropped: string[] = [],
) {
  const frames = run(codec.encodeStream(echoOf(request, 'shown', (what) => dropped.push(what))), said);
  return frames.map(({ data }) => (tryParseObject(data) ?? data) as any);
}

export const reply = (parts: readonly Part[], rest: Partial<Reply> = {}): Reply => ({
  id: 'r1',
  model: 'm',
  parts,
  reason: 'end',
  usage: noUsage,
  ...rest,
});

export const told = (parts: readonly Part[], rest: Partial<Reply> = {}, request = decode({})) => {
  const dropped: string[] = [];
  const body = client.encodeReply(
    reply(parts, rest),
    echoOf(request, 'shown', (what) => dropped.push(what)),
  ) as any;
  return { body, message: body.choices[0].message, dropped };
};

export const text = (words: string): Part => ({ kind: 'text', text: words });
export const call = (callId: string, name = 'f', args = '{}'): Part => ({
  kind: 'tool-call',
  callId,
  name,
  args,
});
export const result = (callId: string, parts: readonly Part[], failed = false): Part => ({
  kind: 'tool-result',
  callId,
  parts,
  failed,
});
export const conversation = (...messages: ChatRequest['messages']): ChatRequest => ({
  ...decode({}),
  messages,
});
