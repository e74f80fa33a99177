import { folding, type Reply, spell } from '../../core/event.ts';
import { type Draft, type Json, noFields, readArray, readObject, readObjects } from '../../core/json.ts';
import { glancing } from '../glance.ts';
import type { Echo } from '../protocol.ts';
import { EventDecoder } from './decode-stream.ts';
import { EventEncoder } from './encode-stream.ts';
import { badData, decodeErrorEvent } from './errors.ts';
import { decodeUsage } from './usage.ts';
import { inputOf } from './wire.ts';

/**
 * A whole answer of an upstream. It is read as the stream it could have been, so both say the same.
 * @throws GatewayError what an error body says, or `bad-upstream-data` for what is no message.
 */
export function decodeReply(body: Json): Reply {
  if (body.type !== 'error' && !body.error && !readArray(body.content)) throw badData('it has no content');
  const folder = folding();
  tellReply(body, new EventDecoder(folder.push));
  return folder.reply();
}

export const glance = glancing({
  field: 'usage',
  usageOf: ({ usage }) => decodeUsage(readObject(usage) ?? noFields),
  isSound: ({ type, content }) => type === 'message' && readArray(content) !== undefined,
});

function tellReply(body: Json, events: EventDecoder): void {
  if (body.type === 'error' || body.error) return events.fail(decodeErrorEvent({ ...body, type: 'error' }));
  events.onMessageStart(body);
  let index = 0;
  for (const block of readObjects(body.content)) {
    events.onBlockStart(index, block);
    events.onBlockStop(index++);
  }
  events.onMessageDelta(body, undefined);
  events.onMessageStop();
}

/** A whole answer for a client: what its own SDK would make of our stream. The message grows in place, for it is new. */
export function encodeReply(reply: Reply, echo: Echo): Json {
  let message: Draft<Json> = {};
  const content: Draft<Json>[] = [];
  let args = '';
  const events = new EventEncoder(echo, (event) => {
    switch (event.type) {
      case 'message_start':
        message = event.message as Draft<Json>;
        message.content = content;
        break;
      case 'content_block_start':
        content.push({ ...readObject(event.content_block) });
        args = '';
        break;
      case 'content_block_delta':
        args += grow(content.at(-1)!, readObject(event.delta)!);
        break;
      case 'content_block_stop': {
        const block = content.at(-1)!;
        if (block.input) block.input = inputOf(args);
        break;
      }
      case 'message_delta':
        Object.assign(message, event.delta);
        message.usage = event.usage;
    }
  });
  spell(reply, (event) => events.push(event));
  return message;
}

/** Adds a delta to its block; a piece of a call's input is given back instead, because only the whole can be read. */
function grow(block: Draft<Json>, delta: Json): string {
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
