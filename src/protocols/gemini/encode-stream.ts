import { GatewayError } from '../../core/error.ts';
import type { ChatEvent, Finish, Head } from '../../core/event.ts';
import { compact, type Json } from '../../core/json.ts';
import type { Machine } from '../../core/machine.ts';
import type { Part } from '../../core/request.ts';
import type { Frame } from '../../wire/sse.ts';
import type { Echo } from '../protocol.ts';
import { encodeErrorBody } from './errors.ts';
import { encodeAnswerPart, groundingOf, reasonNames, writeUsage } from './reply.ts';

interface Open {
  readonly head: Head;
  readonly choice: number;
  text: string;
}

/** Events to GenerateContentResponse frames. Calls go out whole; the reason and the usage stand in the last chunk only. */
export function encodeStream(echo: Echo): Machine<ChatEvent, Frame> {
  let responseId = echo.id;
  let open: Open | undefined;
  let over = false;
  /** What grounding will be made of: the first choice's searches and cited text. */
  const grounds: Part[] = [];

  const chunk = (candidates: readonly Json[], rest: Json = {}): Frame => ({
    data: JSON.stringify({ candidates, ...rest, modelVersion: echo.model, responseId }),
  });
  const saying = (parts: readonly Json[], index: number): Frame =>
    chunk([{ content: { role: 'model', parts }, index }]);

  function* onDelta(text: string): Iterable<Frame> {
    if (!open) return;
    open.text += text;
    if (open.head.kind === 'tool-call' || text === '') return;
    yield saying([open.head.kind === 'reasoning' ? { text, thought: true } : { text }], open.choice);
  }

  function* onBlockEnd(event: Extract<ChatEvent, { type: 'block-end' }>): Iterable<Frame> {
    if (!open) return;
    const { head, text, choice } = open;
    open = undefined;
    const seal = event.seal ? { seal: event.seal } : {};
    if (head.kind === 'tool-call') return yield* onPart({ ...head, args: text, ...seal }, choice);
    if (head.kind === 'text' && choice === 0)
      grounds.push({ kind: 'text', text, ...(event.citations ? { citations: event.citations } : {}) });
    if (event.seal && head.kind !== 'refusal') yield* onPart({ kind: head.kind, text: '', ...seal }, choice);
  }

  function* onPart(part: Part, choice: number): Iterable<Frame> {
    if (choice === 0 && (part.kind === 'hosted-call' || part.kind === 'hosted-result')) grounds.push(part);
    const parts = encodeAnswerPart(part, echo.drop);
    if (parts.length > 0) yield saying(parts, choice);
  }

  function* onFinish(finish: Finish): Iterable<Frame> {
    const candidates = [finish.reason, ...(finish.others ?? [])].map((reason, index) =>
      compact({
        content: { role: 'model', parts: [{ text: '' }] },
        finishReason: reasonNames[reason],
        index,
        groundingMetadata: index === 0 ? groundingOf(grounds) : undefined,
      }),
    );
    yield chunk(candidates, { usageMetadata: writeUsage(finish.usage) });
    over = true;
  }

  function* onError(error: GatewayError): Iterable<Frame> {
    over = true;
    yield { data: JSON.stringify(encodeErrorBody(error)) };
  }

  return {
    *push(event) {
      if (over) return;
      if (event.type === 'start') responseId = event.id || echo.id;
      if (event.type === 'block-start') open = { head: event.head, choice: event.choice ?? 0, text: '' };
      if (event.type === 'block-delta') yield* onDelta(event.text);
      if (event.type === 'block-end') yield* onBlockEnd(event);
      if (event.type === 'block') yield* onPart(event.part, event.choice ?? 0);
      if (event.type === 'finish') yield* onFinish(event);
      if (event.type === 'error') yield* onError(event.error);
    },
    *end() {
      if (over) return;
      yield* onError(
        new GatewayError({ kind: 'transport', phase: 'cut' }, 'The answer ended before it was complete.'),
      );
    },
  };
}
