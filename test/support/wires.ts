import type { ChatEvent, Reply } from '../../src/core/event.ts';
import { readObjects, readString, tryParseObject, type Json } from '../../src/core/json.ts';
import { chain, run } from '../../src/core/machine.ts';
import type { ChatRequest } from '../../src/core/request.ts';
import type { Drop, Echo, Protocol } from '../../src/protocols/protocol.ts';
import { frames, render, type Frame } from '../../src/wire/sse.ts';
import { settled } from './fixtures.ts';

/** What the tests know of each wire that no interface says: how it ends a stream, and what makes a stream tell all. */
interface Wire {
  /** Whether a frame is the one terminal event of a client's stream, and of which sort. */
  terminal(frame: Frame): 'finish' | 'error' | undefined;
  /** Request fields with which a stream tells as much as a whole reply does. */
  readonly telling: Json;
  /** The smallest request. */
  readonly request: Json;
  /** What its chat route finds in the path, where the model stands there. */
  readonly params?: Readonly<Record<string, string>>;
}

const wires: Readonly<Record<string, Wire>> = {
  'openai-chat': {
    terminal(frame) {
      if (frame.data === '[DONE]') return 'finish';
      return tryParseObject(frame.data)?.error ? 'error' : undefined;
    },
    telling: { stream: true, stream_options: { include_usage: true } },
    request: { model: 'm', messages: [{ role: 'user', content: 'Hi' }] },
  },
  'anthropic-messages': {
    terminal(frame) {
      const type = tryParseObject(frame.data)?.type;
      if (type === 'message_stop') return 'finish';
      return type === 'error' ? 'error' : undefined;
    },
    telling: { stream: true },
    request: { model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }] },
  },
  'openai-responses': {
    terminal(frame) {
      const type = readString(tryParseObject(frame.data)?.type) ?? '';
      if (type === 'response.completed' || type === 'response.incomplete') return 'finish';
      return type === 'response.failed' || type === 'error' ? 'error' : undefined;
    },
    telling: { stream: true },
    request: { model: 'm', input: 'Hi' },
  },
  gemini: {
    terminal(frame) {
      const chunk = tryParseObject(frame.data);
      if (chunk?.error) return 'error';
      return readObjects(chunk?.candidates).some((candidate) => candidate.finishReason)
        ? 'finish'
        : undefined;
    },
    telling: {},
    request: { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] },
    params: { '*': 'm:streamGenerateContent' },
  },
};

function wireOf(id: string): Wire {
  const wire = wires[id];
  if (!wire) throw new Error(`Tell test/support/wires.ts how protocol ${id} ends a stream.`);
  return wire;
}

/** The request a body spells, as the protocol's own chat route reads it. */
export function decodeRequest(protocol: Protocol, body: Json): ChatRequest {
  const client = protocol.client!;
  const route = client.routes.find((candidate) => candidate.kind === 'chat')!;
  return client.decodeRequest(
    body,
    route.hint(wireOf(protocol.id).params ?? {}, body, new URLSearchParams('alt=sse')),
  );
}

/** The events an upstream's bytes spell, however they are cut. */
export const decodeBytes = (protocol: Protocol, ...chunks: readonly Uint8Array[]): ChatEvent[] =>
  run(chain(frames(), protocol.upstream!.decodeStream()), chunks);

/** What a client of this protocol is sent for these events, as frames. */
export const encodeEvents = (protocol: Protocol, events: Iterable<ChatEvent>, echo: Echo): Frame[] =>
  run(protocol.client!.encodeStream(echo), events);

export const bytesOf = (sent: readonly Frame[]): Uint8Array =>
  new TextEncoder().encode(sent.map(render).join(''));

/** How many terminal events a client's stream has and what the last frame is; a good stream has one, at its end. */
export function terminals(protocol: Protocol, sent: readonly Frame[]): { count: number; last: string } {
  const sorts = sent.map((frame) => wireOf(protocol.id).terminal(frame));
  return { count: sorts.filter(Boolean).length, last: sorts.at(-1) ?? 'none' };
}

/** An echo with nothing left to chance. */
export function echoOf(request: ChatRequest, model: string, drop: Drop = () => {}): Echo {
  return { request, model, createdAt: 1_700_000_000, id: 'made-up', inputEstimate: 0, drop };
}

/** A request of this protocol under which an answer tells all; `body` when the scenario has one. */
export const tellingRequest = (protocol: Protocol, body: Json | undefined): ChatRequest =>
  decodeRequest(protocol, { ...(body ?? wireOf(protocol.id).request), ...wireOf(protocol.id).telling });

/** The parts and the reason: what must be whole when a stream claims to have finished. Made-up ids aside. */
export const contentOf = ({ parts, reason, others }: Reply): unknown =>
  JSON.parse(settled(JSON.stringify({ parts, reason, others })));
