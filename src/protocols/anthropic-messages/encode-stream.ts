import {
  type ChatEvent,
  type FinishReason,
  type Head,
  noUsage,
  spellPart,
  type Usage,
} from '../../core/event.ts';
import type { Json } from '../../core/json.ts';
import { type Machine, machine, type Tell, type Teller } from '../../core/machine.ts';
import type {
  Citation,
  ForeignPart,
  HostedCallPart,
  HostedResultPart,
  Part,
  Seal,
} from '../../core/request.ts';
import type { Frame } from '../../wire/sse.ts';
import type { Echo } from '../protocol.ts';
import { encodeSeal } from '../seals.ts';
import { encodeCitation } from './encode-content.ts';
import { cut, encodeError } from './errors.ts';
import { encodeStop, encodeUsage } from './usage.ts';
import { issuer, ownForeign } from './wire.ts';

/** The hall's events as Claude's event stream: each frame's event name is the type in its data. */
export const encodeStream = (echo: Echo): Machine<ChatEvent, Frame> =>
  machine((tell) => encodeEvents(echo, (said) => tell(frameOf(said))));

const frameOf = (event: Json): Frame => ({ event: String(event.type), data: JSON.stringify(event) });

/** A block of ours that is open. It opens on the wire once there is something to say in it. */
interface OpenBlock {
  readonly head: Head;
  /** Its number on the wire, once it has one. */
  index: number | undefined;
  /** Free text of a custom tool, which can be said only as a whole JSON object. */
  held: string;
}

/** The events before they become frames; a whole reply is put together from the same ones (see `reply.ts`). */
export function encodeEvents(echo: Echo, tell: Tell<Json>): Teller<ChatEvent> {
  let started = false;
  let over = false;
  let refused = false;
  let next = 0;
  let open: OpenBlock | undefined;

  function begin(id: string, usage: Usage | undefined): void {
    if (started) return;
    started = true;
    const counted =
      usage && usage.input > 0 ? usage : { ...noUsage, ...usage, input: echo.inputEstimate ?? 0 };
    tell({
      type: 'message_start',
      message: {
        id: messageId(id || echo.id),
        type: 'message',
        role: 'assistant',
        model: echo.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: encodeUsage(counted),
      },
    });
  }

  /** Opens the current block on the wire, if it is not yet. */
  function opened(block: OpenBlock): void {
    if (block.index !== undefined) return;
    block.index = next++;
    tell({ type: 'content_block_start', index: block.index, content_block: emptyBlock(block.head) });
  }

  function say(block: OpenBlock, delta: Json): void {
    opened(block);
    tell({ type: 'content_block_delta', index: block.index, delta });
  }

  function onBlockStart(head: Head): void {
    open = { head, index: undefined, held: '' };
    if (head.kind === 'refusal') refused = true;
    if (head.kind === 'tool-call') opened(open);
  }

  function onBlockDelta(text: string): void {
    if (!open || text === '') return;
    const { head } = open;
    if (head.kind === 'tool-call' && head.custom) open.held += text;
    else say(open, deltaOf(head, text));
  }

  function onBlockEnd(seal: Seal | undefined, citations: readonly Citation[]): void {
    const block = open;
    open = undefined;
    if (!block) return;
    if (block.head.kind === 'tool-call' && block.head.custom)
      say(block, { type: 'input_json_delta', partial_json: JSON.stringify({ input: block.held }) });
    for (const citation of citations) {
      const wire = encodeCitation(citation);
      if (wire) say(block, { type: 'citations_delta', citation: wire });
      else echo.drop('citations without a url');
    }
    if (seal) onSeal(block, seal);
    if (block.index !== undefined) tell({ type: 'content_block_stop', index: block.index });
  }

  function onSeal(block: OpenBlock, seal: Seal): void {
    if (block.head.kind !== 'reasoning') return echo.drop(`${block.head.kind}: signature of ${seal.issuer}`);
    const value = encodeSeal(seal, issuer);
    if (!seal.redacted || block.index !== undefined)
      return say(block, { type: 'signature_delta', signature: value });
    block.index = next++;
    tell({
      type: 'content_block_start',
      index: block.index,
      content_block: { type: 'redacted_thinking', data: value },
    });
  }

  /** A thing that comes whole: a block of this wire's own, words, or nothing that this wire can say. */
  function onWhole(part: Part): void {
    switch (part.kind) {
      case 'media':
        echo.drop(`content: ${part.media}`);
        return onSpoken({ kind: 'text', text: `[${part.media} omitted: not supported by this API]` });
      case 'hosted-call':
      case 'hosted-result':
      case 'foreign': {
        const block = encodeHosted(part);
        if (block) return onBlock(block);
        return echo.drop(`content: ${part.kind === 'foreign' ? part.kind : part.tool}`);
      }
      case 'tool-result':
        return echo.drop('content: tool-result');
      default:
        return onSpoken(part);
    }
  }

  /** A block of the wire, whole. The input of a call comes as a delta even then. */
  function onBlock(block: Json): void {
    const index = next++;
    const called = block.input !== undefined;
    tell({ type: 'content_block_start', index, content_block: called ? { ...block, input: {} } : block });
    const delta = { type: 'input_json_delta', partial_json: JSON.stringify(block.input) };
    if (called) tell({ type: 'content_block_delta', index, delta });
    tell({ type: 'content_block_stop', index });
  }

  /** A part that others stream. */
  function onSpoken(part: Part): void {
    spellPart(0, part, 0, onEvent);
  }

  /** OpenAI tells a refusal in a field of its own and calls it an ordinary end; here the reason is all that tells it. */
  const reasonOf = (reason: FinishReason) => (refused && reason === 'end' ? 'filter' : reason);

  function onEvent(event: ChatEvent): void {
    if ((event.type === 'block-start' || event.type === 'block') && event.choice) {
      open = undefined;
      return echo.drop(`choices[${event.choice}]`);
    }
    switch (event.type) {
      case 'start':
        return;
      case 'block-start':
        return onBlockStart(event.head);
      case 'block-delta':
        return onBlockDelta(event.text);
      case 'block-end':
        return onBlockEnd(event.seal, event.citations ?? []);
      case 'block':
        return onWhole(event.part);
      case 'finish':
        over = true;
        for (const index of (event.others ?? []).keys()) echo.drop(`choices[${index + 1}]`);
        tell({
          type: 'message_delta',
          delta: { stop_reason: encodeStop(reasonOf(event.reason)), stop_sequence: event.stop ?? null },
          usage: encodeUsage(event.usage),
        });
        return tell({ type: 'message_stop' });
      case 'error':
        over = true;
        return tell(encodeError(event.error));
    }
  }

  return {
    push(event) {
      if (over) return;
      if (event.type === 'start') return begin(event.id, event.usage);
      if (event.type !== 'error') begin('', undefined);
      onEvent(event);
    },
    end() {
      if (!over) tell(encodeError(cut()));
      over = true;
    },
  };
}

/** A block as it begins: what it is, and nothing said yet. A refusal is text, which is all that Claude says of one. */
function emptyBlock(head: Head): Json {
  if (head.kind === 'tool-call') return { type: 'tool_use', id: head.callId, name: head.name, input: {} };
  if (head.kind === 'reasoning') return { type: 'thinking', thinking: '', signature: '' };
  return { type: 'text', text: '' };
}

function deltaOf(head: Head, text: string): Json {
  if (head.kind === 'tool-call') return { type: 'input_json_delta', partial_json: text };
  if (head.kind === 'reasoning') return { type: 'thinking_delta', thinking: text };
  return { type: 'text_delta', text };
}

/** An id as Anthropic spells it, also where another vendor gave it. */
const messageId = (id: string): string => (id.startsWith('msg_') ? id : `msg_${id}`);

/** A hosted tool's block as Claude wrote it, or another vendor's web search in Claude's words. */
function encodeHosted(part: HostedCallPart | HostedResultPart | ForeignPart): Json | undefined {
  const own = ownForeign(part.foreign);
  if (own || part.kind === 'foreign' || part.tool !== 'web-search') return own;
  const id = `srvtoolu_${part.callId.replaceAll(/[^A-Za-z0-9_]/g, '_')}`;
  if (part.kind === 'hosted-call')
    return { type: 'server_tool_use', id, name: 'web_search', input: part.input };
  return { type: 'web_search_tool_result', tool_use_id: id, content: resultContent(part) };
}

function resultContent({ failed, sources }: HostedResultPart): Json | readonly Json[] {
  if (failed) return { type: 'web_search_tool_result_error', error_code: 'unavailable' };
  return sources.flatMap(({ url, title }) =>
    url === undefined
      ? []
      : [{ type: 'web_search_result', url, title: title ?? url, encrypted_content: '', page_age: null }],
  );
}
