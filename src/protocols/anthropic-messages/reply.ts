import { folding, type Reply, spell, type Usage } from '../../core/event.ts';
import { type Json, readArray, readObject, readObjects } from '../../core/json.ts';
import type { Teller } from '../../core/machine.ts';
import type { Echo } from '../protocol.ts';
import { decodeEvents } from './decode-stream.ts';
import { encodeEvents } from './encode-stream.ts';
import { badData } from './errors.ts';
import { decodeUsage } from './usage.ts';
import { inputOf } from './wire.ts';

/**
 * A whole answer of an upstream. It is read as the stream it could have been, so both say the same.
 * @throws GatewayError what an error body says, or `bad-upstream-data` for what is no message.
 */
export function decodeReply(body: Json): Reply {
  if (body.type !== 'error' && !body.error && !readArray(body.content)) throw badData('it has no content');
  const folder = folding();
  tellReply(body, decodeEvents(folder.push));
  return folder.reply();
}

/** The usage of an answer that has content and is no error. */
export const glance = (body: Json): Usage | undefined =>
  body.type === 'message' && readArray(body.content) ? decodeUsage(readObject(body.usage) ?? {}) : undefined;

function tellReply(body: Json, { push }: Teller<Json>): void {
  if (body.type === 'error' || body.error) return push({ ...body, type: 'error' });
  push({ type: 'message_start', message: body });
  for (const [index, block] of readObjects(body.content).entries()) {
    push({ type: 'content_block_start', index, content_block: block });
    push({ type: 'content_block_stop', index });
  }
  push({ type: 'message_delta', delta: body });
  push({ type: 'message_stop' });
}

/** A whole answer for a client: what its own SDK would make of our stream. */
export function encodeReply(reply: Reply, echo: Echo): Json {
  const content: Record<string, unknown>[] = [];
  let message: Json = {};
  let args = '';
  const events = encodeEvents(echo, (event) => {
    const block = content.at(-1);
    switch (event.type) {
      case 'message_start':
        message = readObject(event.message)!;
        break;
      case 'content_block_start':
        content.push({ ...readObject(event.content_block) });
        args = '';
        break;
      case 'content_block_delta':
        args += grow(block!, readObject(event.delta)!);
        break;
      case 'content_block_stop':
        if (block!.input) block!.input = inputOf(args);
        break;
      case 'message_delta':
        message = { ...message, ...readObject(event.delta), usage: event.usage };
    }
  });
  spell(reply, events.push);
  return { ...message, content };
}

/** Adds a delta to its block; a piece of a call's input is given back instead, because only the whole can be read. */
function grow(block: Record<string, unknown>, delta: Json): string {
  switch (delta.type) {
    case 'text_delta':
      block.text = `${block.text}${delta.text}`;
      break;
    case 'thinking_delta':
      block.thinking = `${block.thinking}${delta.thinking}`;
      break;
    case 'signature_delta':
      block.signature = delta.signature;
      break;
    case 'citations_delta':
      block.citations = [...(readArray(block.citations) ?? []), delta.citation];
      break;
    case 'input_json_delta':
      return String(delta.partial_json);
  }
  return '';
}
