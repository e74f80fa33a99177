import type { GatewayError } from '../../core/error.ts';
import type { ChatEvent, Finish, Head } from '../../core/event.ts';
import { type Json, readString } from '../../core/json.ts';
import { type Machine, machine, type Tell, type Teller } from '../../core/machine.ts';
import type { Citation, HostedCallPart, HostedResultPart, Part, Seal } from '../../core/request.ts';
import type { Frame } from '../../wire/sse.ts';
import type { Echo } from '../protocol.ts';
import { encodeAnnotations, outputText, refusalPart } from './encode-content.ts';
import { callItem, freshId, imageItem, reasoningItem, searchItem } from './encode-item.ts';
import { cut, failureCode } from './errors.ts';
import { type Outcome, responseObject, statusOf } from './response.ts';
import { ownForeign } from './wire.ts';

/** Events as Responses stream events: each frame's event name is the type in its data. */
export const encodeStream = (echo: Echo): Machine<ChatEvent, Frame> =>
  machine((tell) => encodeEvents(echo, (said) => tell(frameOf(said))));

const frameOf = (event: Json): Frame => ({ event: String(event.type), data: JSON.stringify(event) });

/** The block that is being said. */
interface Open {
  readonly head: Head;
  readonly itemId: string;
  text: string;
  readonly logprobs: Json[];
}

/** The message item that is open: text blocks that follow each other are its content parts. */
interface OpenMessage {
  readonly itemId: string;
  readonly content: Json[];
}

/**
 * The events before they become frames; a whole reply is put together from the same ones (see `reply.ts`). Item ids stay
 * the same from the first event of an item to the finished response, output indexes rise by one, and so do sequence
 * numbers.
 */
export function encodeEvents(echo: Echo, tell: Tell<Json>): Teller<ChatEvent> {
  const output: Json[] = [];
  let responseId = '';
  let sequence = 0;
  let open: Open | undefined;
  let message: OpenMessage | undefined;
  /** A search that waits for its result, with which it makes one item. */
  let search: { readonly call: HostedCallPart; readonly itemId: string } | undefined;
  let refused = false;
  let over = false;

  const say = (type: string, fields: Json): Json => ({ type, sequence_number: sequence++, ...fields });
  const whole = (outcome: Outcome) => responseObject(responseId, output, outcome, echo);
  /** Where the item that is open will stand. */
  const at = (itemId: string) => ({ item_id: itemId, output_index: output.length });

  function start(id: string): void {
    // What is kept by its id must have one of its own, and some servers give the same id to many answers.
    responseId = id.startsWith('resp_') ? id : `resp_${(!echo.memory && id) || echo.id}`;
    const response = whole({ status: 'in_progress' });
    tell(say('response.created', { response }));
    tell(say('response.in_progress', { response }));
  }

  function addItem(item: Json): void {
    tell(say('response.output_item.added', { output_index: output.length, item }));
  }

  function finishItem(item: Json): void {
    tell(say('response.output_item.done', { output_index: output.length, item }));
    output.push(item);
  }

  // --------------------------------------------------------------------------------------------------- blocks

  function onBlockStart(head: Head): void {
    closeSearch();
    if (head.kind === 'text' || head.kind === 'refusal') return openContent(head);
    closeMessage('completed');
    const itemId = head.kind === 'reasoning' ? freshId.reasoning() : freshId.call(head.custom);
    open = { head, itemId, text: '', logprobs: [] };
    if (head.kind === 'reasoning') addItem({ id: itemId, type: 'reasoning', summary: [] });
    else addItem(callItem({ ...head, args: '' }, { id: itemId, status: 'in_progress' }));
  }

  function openContent(head: Head): void {
    if (!message) {
      message = { itemId: freshId.message(), content: [] };
      addItem(messageItem(message, 'in_progress'));
    }
    open = { head, itemId: message.itemId, text: '', logprobs: [] };
    const part = head.kind === 'text' ? outputText('') : refusalPart('');
    tell(say('response.content_part.added', { ...contentAt(message), part }));
  }

  const contentAt = ({ itemId, content }: OpenMessage) => ({ ...at(itemId), content_index: content.length });

  function onDelta(text: string, logprobs: readonly Json[] = []): void {
    if (!open || (text === '' && logprobs.length === 0)) return;
    const { head, itemId } = open;
    const first = open.text === '';
    open.text += text;
    if (logprobs.length > 0) open.logprobs.push(...logprobs);
    if (head.kind === 'tool-call')
      return tell(say(`response.${argsEvent(head)}.delta`, { ...at(itemId), delta: text }));
    if (head.kind === 'reasoning') {
      if (first)
        tell(say('response.reasoning_summary_part.added', { ...summaryAt(itemId), part: summary('') }));
      return tell(say('response.reasoning_summary_text.delta', { ...summaryAt(itemId), delta: text }));
    }
    if (!message) return;
    if (head.kind === 'refusal')
      return tell(say('response.refusal.delta', { ...contentAt(message), delta: text }));
    // The one event that comes for every token, so it is written in one piece.
    tell({
      type: 'response.output_text.delta',
      sequence_number: sequence++,
      item_id: itemId,
      output_index: output.length,
      content_index: message.content.length,
      delta: text,
      logprobs,
    });
  }

  const summaryAt = (itemId: string) => ({ ...at(itemId), summary_index: 0 });
  const summary = (text: string): Json => ({ type: 'summary_text', text });

  function onBlockEnd(seal: Seal | undefined, citations: readonly Citation[]): void {
    if (!open) return;
    const closing = open;
    open = undefined;
    if (closing.head.kind === 'reasoning') return closeThought(closing, seal);
    if (closing.head.kind === 'tool-call') {
      closeCall(closing, closing.head);
      if (seal) onCallSeal(seal);
      return;
    }
    if (seal) echo.drop(`${closing.head.kind}: signature of ${seal.issuer}`);
    closeContent(closing, citations);
  }

  function closeThought({ itemId, text }: Open, seal: Seal | undefined): void {
    if (text !== '') {
      tell(say('response.reasoning_summary_text.done', { ...summaryAt(itemId), text }));
      tell(say('response.reasoning_summary_part.done', { ...summaryAt(itemId), part: summary(text) }));
    }
    finishItem(reasoningItem({ text, ...(seal ? { seal } : {}) }, itemId));
  }

  function closeCall({ itemId, text }: Open, head: Extract<Head, { kind: 'tool-call' }>): void {
    const told = head.custom ? { input: text } : { name: head.name, arguments: text };
    tell(say(`response.${argsEvent(head)}.done`, { ...at(itemId), ...told }));
    finishItem(callItem({ ...head, args: text }, { id: itemId, status: 'completed' }));
  }

  /** A call has no field for a signature, so it comes as a wordless thought, which `decode-input.ts` gives back to it. */
  function onCallSeal(seal: Seal): void {
    const item = reasoningItem({ text: '', seal }, freshId.reasoning());
    addItem({ ...item, encrypted_content: undefined });
    finishItem(item);
  }

  function closeContent({ head, text, logprobs }: Open, citations: readonly Citation[]): void {
    if (!message) return;
    const place = contentAt(message);
    const annotations = encodeAnnotations(citations, text, echo.drop);
    for (const [index, annotation] of annotations.entries())
      tell(say('response.output_text.annotation.added', { ...place, annotation_index: index, annotation }));
    const refusal = head.kind === 'refusal';
    if (refusal) refused = true;
    tell(
      refusal
        ? say('response.refusal.done', { ...place, refusal: text })
        : say('response.output_text.done', { ...place, text, logprobs }),
    );
    const part = refusal ? refusalPart(text) : outputText(text, annotations, logprobs);
    tell(say('response.content_part.done', { ...place, part }));
    message.content.push(part);
  }

  function closeMessage(status: 'completed' | 'incomplete'): void {
    if (!message) return;
    const item = messageItem(message, status);
    message = undefined;
    finishItem(item);
  }

  // ------------------------------------------------------------------------------------------------ whole things

  function onPart(part: Part): void {
    if (part.kind === 'hosted-result' && !ownForeign(part)) return onHostedResult(part);
    closeSearch();
    closeMessage('completed');
    const own = ownForeign(part);
    if (own) return wholeItem({ ...own, id: readString(own.id) ?? freshId.other() });
    if (part.kind === 'hosted-call' && part.tool === 'web-search') return openSearch(part);
    if (part.kind === 'media' && part.media === 'image' && part.source.kind === 'data')
      return wholeItem(imageItem(part, freshId.image()));
    echo.drop('tool' in part ? `${part.kind} ${part.tool}` : part.kind);
  }

  /** An item that comes whole, with the events that lead up to it on its own vendor's wire. */
  function wholeItem(item: Json): void {
    const type = String(item.type);
    const { result: _result, action: _action, ...begun } = item;
    const place = at(String(item.id));
    const stages = wholeStages[type] ?? [];
    addItem({ ...begun, ...(stages.length > 0 ? { status: 'in_progress' } : {}) });
    for (const stage of stages) tell(say(`response.${type}.${stage}`, place));
    finishItem(item);
  }

  function openSearch(call: HostedCallPart): void {
    const itemId = freshId.search();
    search = { call, itemId };
    addItem({ ...searchItem(call, undefined, itemId), status: 'in_progress' });
    tell(say('response.web_search_call.in_progress', at(itemId)));
    tell(say('response.web_search_call.searching', at(itemId)));
  }

  function closeSearch(result?: HostedResultPart): void {
    if (!search) return;
    const { call, itemId } = search;
    search = undefined;
    tell(say('response.web_search_call.completed', at(itemId)));
    finishItem(searchItem(call, result, itemId));
  }

  /** What a search found stands in the item of the search; where that is told already, in the citations of the text. */
  function onHostedResult(result: HostedResultPart): void {
    if (search?.call.callId === result.callId) return closeSearch(result);
    if (result.tool !== 'web-search') echo.drop(`${result.kind} ${result.tool}`);
  }

  // ------------------------------------------------------------------------------------------------------- ends

  function onFinish({ reason, usage, others }: Finish): void {
    for (const index of (others ?? []).keys()) echo.drop(`choices[${index + 1}]`);
    const status = statusOf(reason, refused);
    closeSearch();
    closeMessage(status === 'incomplete' ? status : 'completed');
    over = true;
    const error = status === 'failed' ? malformed : undefined;
    tell(
      say(`response.${status}`, {
        response: whole({ status, reason, usage, ...(error ? { error } : {}) }),
      }),
    );
  }

  /** Once the response exists it fails; before that there is nothing to fail, only an error. */
  function onError(error: GatewayError): void {
    over = true;
    const failure = { code: failureCode(error), message: error.advice };
    if (responseId === '') tell(say('error', { ...failure, param: null }));
    else tell(say('response.failed', { response: whole({ status: 'failed', error: failure }) }));
  }

  return {
    push(event) {
      if (over || ('choice' in event && event.choice)) return;
      if (event.type === 'start') start(event.id);
      if (event.type === 'block-start') onBlockStart(event.head);
      if (event.type === 'block-delta') onDelta(event.text, event.logprobs);
      if (event.type === 'block-end') onBlockEnd(event.seal, event.citations ?? []);
      if (event.type === 'block') onPart(event.part);
      if (event.type === 'finish') onFinish(event);
      if (event.type === 'error') onError(event.error);
    },
    end() {
      if (!over) onError(cut());
    },
  };
}

const argsEvent = ({ custom }: Extract<Head, { kind: 'tool-call' }>) =>
  custom ? 'custom_tool_call_input' : 'function_call_arguments';

const messageItem = ({ itemId, content }: OpenMessage, status: string): Json => ({
  id: itemId,
  type: 'message',
  status,
  role: 'assistant',
  content: [...content],
});

/** The events between the first and the last of an item, where its type has any. */
const wholeStages: Readonly<Record<string, readonly string[]>> = {
  web_search_call: ['in_progress', 'searching', 'completed'],
  file_search_call: ['in_progress', 'searching', 'completed'],
  code_interpreter_call: ['in_progress', 'interpreting', 'completed'],
  image_generation_call: ['in_progress', 'generating', 'completed'],
};

const malformed: Json = {
  code: 'server_error',
  message: 'The model formed a tool call that cannot be read. Send the request again.',
};
