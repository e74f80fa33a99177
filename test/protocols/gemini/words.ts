import { fold, type ChatEvent, type Reply } from '../../../src/core/event.ts';
import type { Json } from '../../../src/core/json.ts';
import { run } from '../../../src/core/machine.ts';
import type { ChatRequest, Message, Part } from '../../../src/core/request.ts';
import gemini from '../../../src/protocols/gemini/index.ts';
import type { Target } from '../../../src/protocols/protocol.ts';
import { echoOf } from '../../support/wires.ts';

const client = gemini.client!;
const upstream = gemini.upstream!;

export const user = (...parts: Part[]): Message => ({ role: 'user', parts });
export const assistant = (...parts: Part[]): Message => ({ role: 'assistant', parts });
export const text = (words: string): Part => ({ kind: 'text', text: words });
export const sealOf = (value: string, issuer = 'gemini') => ({ issuer, value });
export const call = (callId: string, name = 'f', more: object = {}): Part => ({
  kind: 'tool-call',
  callId,
  name,
  args: '{}',
  ...more,
});
export const result = (callId: string, words = callId, more: object = {}): Part => ({
  kind: 'tool-result',
  callId,
  parts: words === '' ? [] : [text(words)],
  failed: false,
  ...more,
});

export const request = (more: Partial<ChatRequest> = {}): ChatRequest => ({
  model: 'm',
  system: [],
  messages: [user(text('Hi'))],
  tools: [],
  sampling: {},
  stream: false,
  extra: {},
  ...more,
});

/** What is sent upstream, as it arrives, and what was dropped. */
export function encoded(
  more: Partial<ChatRequest>,
  target: Partial<Target> = {},
): { body: Json; dropped: readonly string[] } {
  const dropped: string[] = [];
  const body = upstream.encodeRequest(request(more), {
    model: 'gemini-2.5-flash',
    drop: (what) => dropped.push(what),
    ...target,
  });
  return { body: JSON.parse(JSON.stringify(body)) as Json, dropped };
}

/** The contents of a conversation as they are sent. */
export const contentsOf = (messages: readonly Message[], target: Partial<Target> = {}): unknown =>
  encoded({ messages }, target).body.contents;

/** A body as its client means it. */
export const decoded = (body: Json, kind?: 'count-tokens'): ChatRequest =>
  client.decodeRequest(body, { model: 'm', stream: false, ...(kind ? { kind } : {}) });

/** The events of these chunks, with made-up ids as they come. */
export const eventsOf = (...chunks: readonly unknown[]): ChatEvent[] =>
  run(
    upstream.decodeStream(),
    chunks.map((chunk) => ({ data: JSON.stringify(chunk) })),
  );

export const replyOf = (...chunks: readonly unknown[]): Reply => fold(eventsOf(...chunks));

/** A chunk that says these parts. */
export const chunk = (parts: readonly Json[], more: Json = {}): Json => ({
  candidates: [{ content: { role: 'model', parts }, index: 0, ...more }],
});
export const stop: Json = { finishReason: 'STOP' };

/** The chunks a client is sent for these events. */
export function chunksOf(events: Iterable<ChatEvent>, drop?: (what: string) => void): Json[] {
  const frames = run(client.encodeStream(echoOf(request(), 'shown', drop)), events);
  return frames.map(({ data }) => JSON.parse(data) as Json);
}

export const encodedReply = (reply: Partial<Reply>, drop?: (what: string) => void): Json =>
  JSON.parse(
    JSON.stringify(
      client.encodeReply(
        {
          id: 'r',
          model: 'm',
          parts: [],
          reason: 'end',
          usage: { input: 5, output: 9, cacheRead: 2, cacheWrite: 0, reasoning: 4 },
          ...reply,
        },
        echoOf(request(), 'shown', drop),
      ),
    ),
  ) as Json;
