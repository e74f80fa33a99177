import { GatewayError } from '../../core/error.ts';
import type { ChatEvent, Finish, Head, Usage } from '../../core/event.ts';
import { compact, type Json } from '../../core/json.ts';
import type { Machine } from '../../core/machine.ts';
import type { Citation, Part, Seal } from '../../core/request.ts';
import type { Frame } from '../../wire/sse.ts';
import type { Echo } from '../protocol.ts';
import { callItem, encodeAnnotation, freshId, outputText, reasoningItem, wholeItem } from './encode-item.ts';
import { failureCode } from './errors.ts';
import { type Outcome, responseObject, statusOf } from './response.ts';

/** The block that is being said. */
interface Open {
  readonly head: Head;
  readonly itemId: string;
  text: string;
  logprobs: Json[];
}

/** The message item that is open: text blocks that follow each other are its content parts. */
interface OpenMessage {
  readonly itemId: string;
  readonly content: Json[];
}

/**
 * Events to Responses stream events. Item ids stay the same from the first event of an item to the finished response,
 * output indexes rise by one, and so do sequence numbers.
 */
export function encodeStream(echo: Echo): Machine<ChatEvent, Frame> {
  const output: Json[] = [];
  let responseId = '';
  let sequence = 0;
  let open: Open | undefined;
  let message: OpenMessage | undefined;
  let refused = false;
  let over = false;

  const frame = (type: string, fields: Json): Frame => ({
    event: type,
    data: JSON.stringify({ type, sequence_number: sequence++, ...fields }),
  });
  const whole = (outcome: Outcome) => responseObject(responseId, output, outcome, echo);
  /** Where the item that is open will stand. */
  const place = () => output.length;

  function* start(id: string): Iterable<Frame> {
    responseId = id.startsWith('resp_') ? id : `resp_${id || echo.id}`;
    const response = whole({ status: 'in_progress' });
    yield frame('response.created', { response });
    yield frame('response.in_progress', { response });
  }

  function* onBlockStart(head: Head): Iterable<Frame> {
    if (head.kind === 'text' || head.kind === 'refusal') return yield* openContent(head);
    yield* closeMessage();
    const itemId = head.kind === 'reasoning' ? freshId.reasoning() : freshId.call(head.custom ?? false);
    open = { head, itemId, text: '', logprobs: [] };
    const item =
      head.kind === 'reasoning'
        ? { id: itemId, type: 'reasoning', summary: [] }
        : callItem({ ...head, args: '' }, itemId, 'in_progress');
    yield frame('response.output_item.added', { output_index: place(), item });
    if (head.kind === 'reasoning')
      yield frame('response.reasoning_summary_part.added', {
        ...summaryAt(itemId),
        part: { type: 'summary_text', text: '' },
      });
  }

  const summaryAt = (itemId: string) => ({ item_id: itemId, output_index: place(), summary_index: 0 });
  const contentAt = ({ itemId, content }: OpenMessage) => ({
    item_id: itemId,
    output_index: place(),
    content_index: content.length,
  });

  function* openContent(head: Head): Iterable<Frame> {
    if (!message) {
      message = { itemId: freshId.message(), content: [] };
      const item = {
        id: message.itemId,
        type: 'message',
        status: 'in_progress',
        role: 'assistant',
        content: [],
      };
      yield frame('response.output_item.added', { output_index: place(), item });
    }
    open = { head, itemId: message.itemId, text: '', logprobs: [] };
    const part = head.kind === 'text' ? outputText('') : { type: 'refusal', refusal: '' };
    yield frame('response.content_part.added', { ...contentAt(message), part });
  }

  function* onDelta(text: string, logprobs: readonly Json[] = []): Iterable<Frame> {
    if (!open) return;
    const { head, itemId } = open;
    open.text += text;
    open.logprobs.push(...logprobs);
    if (head.kind === 'text' && message)
      return yield frame('response.output_text.delta', { ...contentAt(message), delta: text, logprobs });
    if (head.kind === 'refusal' && message)
      return yield frame('response.refusal.delta', { ...contentAt(message), delta: text });
    if (head.kind === 'reasoning')
      return yield frame('response.reasoning_summary_text.delta', { ...summaryAt(itemId), delta: text });
    const type =
      head.kind === 'tool-call' && head.custom ? 'custom_tool_call_input' : 'function_call_arguments';
    yield frame(`response.${type}.delta`, { item_id: itemId, output_index: place(), delta: text });
  }

  function* onBlockEnd(seal: Seal | undefined, citations: readonly Citation[] = []): Iterable<Frame> {
    if (!open) return;
    const { head, itemId, text } = open;
    if (head.kind === 'text' || head.kind === 'refusal') yield* closeContent(open, citations);
    if (head.kind === 'reasoning') {
      const part = { type: 'summary_text', text };
      yield frame('response.reasoning_summary_text.done', { ...summaryAt(itemId), text });
      yield frame('response.reasoning_summary_part.done', { ...summaryAt(itemId), part });
      yield* finishItem(
        reasoningItem(
          compact({ kind: 'reasoning' as const, text, seal }) as Extract<Part, { kind: 'reasoning' }>,
          itemId,
        ),
      );
    }
    if (head.kind === 'tool-call') {
      if (seal) echo.drop('the seal of a tool call');
      const [type, field] = head.custom
        ? ['custom_tool_call_input', 'input']
        : ['function_call_arguments', 'arguments'];
      const named = head.custom ? {} : { name: head.name };
      yield frame(`response.${type}.done`, {
        item_id: itemId,
        output_index: place(),
        ...named,
        [field as string]: text,
      });
      yield* finishItem(callItem({ ...head, args: text }, itemId, 'completed'));
    }
    open = undefined;
  }

  function* closeContent({ head, text, logprobs }: Open, citations: readonly Citation[]): Iterable<Frame> {
    if (!message) return;
    const at = contentAt(message);
    for (const [index, citation] of citations.entries())
      yield frame('response.output_text.annotation.added', {
        ...at,
        annotation_index: index,
        annotation: encodeAnnotation(citation),
      });
    if (head.kind === 'refusal') refused = true;
    const done = head.kind === 'refusal' ? { refusal: text } : { text, logprobs };
    yield frame(head.kind === 'refusal' ? 'response.refusal.done' : 'response.output_text.done', {
      ...at,
      ...done,
    });
    const part =
      head.kind === 'refusal' ? { type: 'refusal', refusal: text } : outputText(text, citations, logprobs);
    yield frame('response.content_part.done', { ...at, part });
    message.content.push(part);
  }

  function* closeMessage(): Iterable<Frame> {
    if (!message) return;
    const { itemId, content } = message;
    message = undefined;
    yield* finishItem({ id: itemId, type: 'message', status: 'completed', role: 'assistant', content });
  }

  function* finishItem(item: Json): Iterable<Frame> {
    yield frame('response.output_item.done', { output_index: place(), item });
    output.push(item);
  }

  function* onPart(part: Part): Iterable<Frame> {
    yield* closeMessage();
    const item = wholeItem(part, echo.drop);
    if (!item) return;
    yield frame('response.output_item.added', {
      output_index: place(),
      item: { ...item, status: 'in_progress' },
    });
    yield* finishItem(item);
  }

  function* onFinish({ reason, usage }: Finish): Iterable<Frame> {
    yield* closeMessage();
    over = true;
    const status = statusOf(reason, refused);
    yield frame(`response.${status}`, { response: whole({ status, reason, usage }) });
  }

  /** Once the response exists it fails; before that there is nothing to fail, only an error. */
  function* onError(error: GatewayError, usage?: Usage): Iterable<Frame> {
    over = true;
    const failure = { code: failureCode(error), message: error.advice };
    if (responseId === '') return yield frame('error', { ...failure, param: null });
    yield frame('response.failed', {
      response: whole({ status: 'failed', error: failure, ...(usage ? { usage } : {}) }),
    });
  }

  return {
    *push(event) {
      if (over) return;
      if ('choice' in event && event.choice) {
        echo.drop('n: choices after the first');
        return;
      }
      if (event.type === 'start') yield* start(event.id);
      if (event.type === 'block-start') yield* onBlockStart(event.head);
      if (event.type === 'block-delta') yield* onDelta(event.text, event.logprobs);
      if (event.type === 'block-end') yield* onBlockEnd(event.seal, event.citations);
      if (event.type === 'block') yield* onPart(event.part);
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
