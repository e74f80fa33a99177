import { folding, noUsage, type Reply, spell, type Usage } from '../../core/event.ts';
import { type Json, readArray, readObject } from '../../core/json.ts';
import type { Echo } from '../protocol.ts';
import { decodeEvents } from './decode-stream.ts';
import { encodeEvents } from './encode-stream.ts';
import { badData, decodeFailure } from './errors.ts';
import { readUsage } from './usage.ts';

/** A whole response says what the last event of a stream says, so the stream's reader reads it. */
export function decodeReply(body: Json): Reply {
  if (!readArray(body.output)) throw body.error ? decodeFailure(body) : badData();
  const folder = folding();
  decodeEvents(folder.push).push({ type: 'response.completed', response: body });
  return folder.reply();
}

/** The usage of a response that has come to its end without failing. */
export const glance = (body: Json): Usage | undefined =>
  body.error || !readArray(body.output) ? undefined : (readUsage(readObject(body.usage)) ?? noUsage);

/** The response that the last event of the stream would hold. */
export function encodeReply(reply: Reply, echo: Echo): Json {
  let last: Json = {};
  const events = encodeEvents(echo, (event) => {
    last = event;
  });
  spell(reply, events.push);
  return readObject(last.response) ?? {};
}
