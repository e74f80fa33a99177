import { type ChatEvent, fold, noUsage, type Reply, unfold, type Usage } from '../../core/event.ts';
import { type Json, readArray, readObject } from '../../core/json.ts';
import { run } from '../../core/machine.ts';
import type { Frame } from '../../wire/sse.ts';
import type { Echo } from '../protocol.ts';
import { decodeStream } from './decode-stream.ts';
import { encodeStream } from './encode-stream.ts';
import { decodeFailure } from './errors.ts';
import { readUsage } from './usage.ts';

/** A whole response says what the last event of a stream says, so the stream's reader reads it. */
export function decodeReply(body: Json): Reply {
  if (body.error && !body.output) throw decodeFailure(body);
  const frame: Frame = { data: JSON.stringify({ type: 'response.completed', response: body }) };
  return fold(run(decodeStream(), [frame]));
}

/** The usage of a response that has come to its end without failing. */
export const glance = (body: Json): Usage | undefined =>
  body.error || !readArray(body.output) ? undefined : (readUsage(readObject(body.usage)) ?? noUsage);

/** The response that the last event of the stream would hold. */
export function encodeReply(reply: Reply, echo: Echo): Json {
  const machine = encodeStream(echo);
  let last: Frame | undefined;
  for (const event of unfold(reply) as Iterable<ChatEvent>)
    for (const frame of machine.push(event)) last = frame;
  return readObject(readObject(JSON.parse(last?.data ?? '{}'))?.response) ?? {};
}
