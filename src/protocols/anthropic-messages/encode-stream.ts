import { type ChatEvent, type Finish, type Head, noUsage, spellPart, type Usage } from '../../core/event.ts';
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
  machine((tell) => new EventEncoder(echo, (said) => tell(frameOf(said))));

const frameOf = (event: Json): Frame => ({ event: String(event.type), data: JSON.stringify(event) });

/** The events before they become frames; a whole reply is put together from the same ones (see `reply.ts`). */
export class EventEncoder implements Teller<ChatEvent> {
  private readonly echo: Echo;
  private readonly tell: Tell<Json>;
  private started = false;
  private over = false;
  private refused = false;
  /** How many blocks the wire has seen. */
  private count = 0;
  /** The block of ours that is open; undefined also while one is left out. */
  private head: Head | undefined;
  /** Its number on the wire: it opens there once there is something to say in it. */
  private index: number | undefined;
  /** Free text of a custom tool, which can be said only as a whole JSON object. */
  private held = '';

  constructor(echo: Echo, tell: Tell<Json>) {
    this.echo = echo;
    this.tell = tell;
  }

  push(event: ChatEvent): void {
    if (this.over) return;
    if (event.type === 'start') return this.begin(event.id, event.usage);
    if (event.type !== 'error') this.begin('', undefined);
    this.onEvent(event);
  }

  end(): void {
    if (!this.over) this.tell(encodeError(cut()));
    this.over = true;
  }

  private begin(id: string, usage: Usage | undefined): void {
    if (this.started) return;
    this.started = true;
    const { echo } = this;
    const counted =
      usage && usage.input > 0 ? usage : { ...noUsage, ...usage, input: echo.inputEstimate ?? 0 };
    this.tell({
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

  private onEvent(event: ChatEvent): void {
    switch (event.type) {
      case 'start':
        return;
      case 'block-start':
        if (event.choice) return this.skip(event.choice);
        return this.onBlockStart(event.head);
      case 'block-delta':
        return this.onBlockDelta(event.text);
      case 'block-end':
        return this.onBlockEnd(event.seal, event.citations);
      case 'block':
        if (event.choice) return this.skip(event.choice);
        return this.onWhole(event.part);
      case 'finish':
        return this.onFinish(event);
      case 'error':
        this.over = true;
        return this.tell(encodeError(event.error));
    }
  }

  /** A message has one answer. */
  private skip(choice: number): void {
    this.head = undefined;
    this.echo.drop(`choices[${choice}]`);
  }

  private onBlockStart(head: Head): void {
    this.head = head;
    this.index = undefined;
    this.held = '';
    if (head.kind === 'refusal') this.refused = true;
    if (head.kind === 'tool-call') this.open(head);
  }

  private onBlockDelta(text: string): void {
    const { head } = this;
    if (!head || text === '') return;
    if (head.kind === 'tool-call' && head.custom) this.held += text;
    else this.say(head, deltaOf(head, text));
  }

  private onBlockEnd(seal: Seal | undefined, citations: readonly Citation[] | undefined): void {
    const { head } = this;
    if (!head) return;
    if (head.kind === 'tool-call' && head.custom)
      this.say(head, { type: 'input_json_delta', partial_json: JSON.stringify({ input: this.held }) });
    if (citations) for (const citation of citations) this.onCitation(head, citation);
    if (seal) this.onSeal(head, seal);
    if (this.index !== undefined) this.tell({ type: 'content_block_stop', index: this.index });
    this.head = undefined;
  }

  private onCitation(head: Head, citation: Citation): void {
    const wire = encodeCitation(citation);
    if (wire) this.say(head, { type: 'citations_delta', citation: wire });
    else this.echo.drop('citations without a url');
  }

  private onSeal(head: Head, seal: Seal): void {
    if (head.kind !== 'reasoning') return this.echo.drop(`${head.kind}: signature of ${seal.issuer}`);
    const value = encodeSeal(seal, issuer);
    if (!seal.redacted || this.index !== undefined)
      return this.say(head, { type: 'signature_delta', signature: value });
    this.index = this.openBlock({ type: 'redacted_thinking', data: value });
  }

  /** Opens the current block on the wire, if it is not yet. */
  private open(head: Head): void {
    this.index ??= this.openBlock(emptyBlock(head));
  }

  private openBlock(block: Json): number {
    const index = this.count++;
    this.tell({ type: 'content_block_start', index, content_block: block });
    return index;
  }

  private say(head: Head, delta: Json): void {
    this.open(head);
    this.tell({ type: 'content_block_delta', index: this.index, delta });
  }

  /** A thing that comes whole: a block of this wire's own, words, or nothing that this wire can say. */
  private onWhole(part: Part): void {
    const { echo } = this;
    switch (part.kind) {
      case 'media':
        echo.drop(`content: ${part.media}`);
        return this.onSpoken({ kind: 'text', text: `[${part.media} omitted: not supported by this API]` });
      case 'hosted-call':
      case 'hosted-result':
      case 'foreign': {
        const block = encodeHosted(part);
        if (block) return this.onBlock(block);
        return echo.drop(`content: ${part.kind === 'foreign' ? part.kind : part.tool}`);
      }
      case 'tool-result':
        return echo.drop('content: tool-result');
      default:
        return this.onSpoken(part);
    }
  }

  /** A block of the wire, whole. The input of a call comes as a delta even then. */
  private onBlock(block: Json): void {
    const called = block.input !== undefined;
    const index = this.openBlock(called ? { ...block, input: {} } : block);
    const delta = { type: 'input_json_delta', partial_json: JSON.stringify(block.input) };
    if (called) this.tell({ type: 'content_block_delta', index, delta });
    this.tell({ type: 'content_block_stop', index });
  }

  /** A part that others stream. */
  private onSpoken(part: Part): void {
    spellPart(0, part, 0, (event) => this.onEvent(event));
  }

  private onFinish({ reason, stop, usage, others }: Finish): void {
    this.over = true;
    others?.forEach((_, index) => this.echo.drop(`choices[${index + 1}]`));
    // OpenAI tells a refusal in a field of its own and calls it an ordinary end; here the reason is all that tells it.
    const told = this.refused && reason === 'end' ? 'filter' : reason;
    this.tell({
      type: 'message_delta',
      delta: { stop_reason: encodeStop(told), stop_sequence: stop ?? null },
      usage: encodeUsage(usage),
    });
    this.tell({ type: 'message_stop' });
  }
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
