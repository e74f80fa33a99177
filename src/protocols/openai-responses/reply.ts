import { folding, type Reply, spell } from '../../core/event.ts';
import { type Json, readArray, readObject } from '../../core/json.ts';
import { glancing } from '../glance.ts';
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

/** A response that failed counts as well, so its end alone does not tell. */
export const glance = glancing({
  usageOf: ({ usage }) => readUsage(readObject(usage)),
  isSound: ({ error, output }) => !error && readArray(output) !== undefined,
});

/** The response that the last event of the stream would hold. */
export function encodeReply(reply: Reply, echo: Echo): Json {
  let last: Json = {};
  const events = encodeEvents(echo, (event) => {
    last = event;
  });
  spell(reply, events.push);
  return readObject(last.response) ?? {};
}
