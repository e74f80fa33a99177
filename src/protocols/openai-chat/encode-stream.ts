import { GatewayError } from '../../core/error.ts';
import type { ChatEvent, Head } from '../../core/event.ts';
import { compact, type Json, readObject } from '../../core/json.ts';
import { type Machine, machine, type Tell, type Teller } from '../../core/machine.ts';
import type { ChatRequest, Part } from '../../core/request.ts';
import type { Frame } from '../../wire/sse.ts';
import type { Echo } from '../protocol.ts';
import { encodeErrorBody } from './errors.ts';
import { encodeDetail } from './reasoning.ts';
import {
  codePoints,
  encodeCallSeal,
  encodeCitations,
  encodeFinish,
  encodeImage,
  speaksFunctions,
} from './reply.ts';
import { encodeUsage } from './usage.ts';
import { answerId, ownExtra } from './wire.ts';

type Start = Extract<ChatEvent, { type: 'block-start' }>;
type Delta = Extract<ChatEvent, { type: 'block-delta' }>;
type End = Extract<ChatEvent, { type: 'block-end' }>;
type Finish = Extract<ChatEvent, { type: 'finish' }>;

/** The block that speaks. */
interface Open {
  readonly head: Head;
  readonly choice: number;
  /** The place of a tool call among the calls of its choice. */
  readonly call: number;
  /** How much text the choice has said before, in code points. */
  readonly offset: number;
  /** What a thought said, for its seal; of others only whether they said anything. */
  text: string;
}

/** Whether the client asked for the chunk with the usage. */
export const wantsUsage = (request: ChatRequest): boolean =>
  readObject(ownExtra(request.extra)['stream_options'])?.['include_usage'] === true;

export const done: Frame = { data: '[DONE]' };

/** What a client is told when its stream ends without anybody saying so. */
export const interrupted = (): GatewayError =>
  new GatewayError({ kind: 'transport', phase: 'cut' }, 'The stream ended before the answer was complete.', {
    remedy: 'Send the request again.',
  });

/** An answer as `chat.completion.chunk`s, ended by `[DONE]`, or by an error and no `[DONE]`. */
export const encodeStream = (echo: Echo): Machine<ChatEvent, Frame> =>
  machine((tell) => encodeEvents(echo, tell));

function encodeEvents(echo: Echo, tell: Tell<Frame>): Teller<ChatEvent> {
  const legacy = speaksFunctions(echo.request);
  let over = false;
  let open: Open | undefined;
  /** Choices that have begun, and how many calls and how much text each has said. */
  const begun = new Map<number, { calls: number; length: number }>();
  /** What all chunks have in common, rendered once. */
  let common = envelopeOf(echo, '');

  const envelope = (rest: Json): Frame => ({ data: `${common},${JSON.stringify(rest).slice(1)}` });
  const chunk = (index: number, delta: Json, rest?: Json): Frame => {
    const told = rest ? JSON.stringify({ finish_reason: null, ...rest }).slice(1, -1) : unfinished;
    return { data: `${common},"choices":[{"index":${index},"delta":${JSON.stringify(delta)},${told}}]}` };
  };

  function begin(choice: number): void {
    if (begun.has(choice)) return;
    begun.set(choice, { calls: 0, length: 0 });
    tell(chunk(choice, { role: 'assistant', content: '' }));
  }

  function onBlockStart({ head, choice = 0 }: Start): void {
    begin(choice);
    const said = begun.get(choice)!;
    open = { head, choice, call: said.calls, offset: said.length, text: '' };
    if (head.kind !== 'tool-call') return;
    said.calls++;
    if (head.namespace !== undefined) echo.drop(`tool_calls: namespace ${head.namespace}`);
    if (legacy && open.call > 0) echo.drop(`tool_calls[${open.call}]: function_call is one`);
    else tell(chunk(choice, callStart(head, open.call, legacy)));
  }

  function onBlockDelta({ text, logprobs }: Delta): void {
    if (!open) return;
    const { head, choice } = open;
    if (head.kind === 'reasoning') open.text += text;
    else open.text ||= text;
    if (head.kind === 'text') begun.get(choice)!.length += codePoints(text);
    if ((text === '' && !logprobs) || muted(open)) return;
    tell(chunk(choice, deltaOf(open, text), logprobs && { logprobs: { content: logprobs, refusal: null } }));
  }

  function onBlockEnd({ seal, citations }: End): void {
    if (!open) return;
    const { head, choice, call, text, offset } = open;
    const silent = muted(open);
    // A client that parses the arguments of a call without any must find an object.
    if (head.kind === 'tool-call' && !head.custom && text === '' && !silent)
      tell(chunk(choice, deltaOf(open, '{}')));
    open = undefined;
    if (seal && head.kind === 'reasoning')
      tell(chunk(choice, { reasoning_details: [encodeDetail(text, seal)] }));
    if (seal && head.kind === 'tool-call' && !legacy)
      tell(chunk(choice, { tool_calls: [{ index: call, ...encodeCallSeal(seal) }] }));
    if (seal && head.kind === 'text') echo.drop(`content: signature of ${seal.issuer}`);
    const annotations = encodeCitations(citations, offset, echo.drop);
    if (annotations.length > 0) tell(chunk(choice, { annotations }));
  }

  /** Clients of `functions` know one call a turn. */
  const muted = ({ head, call }: Open): boolean => legacy && head.kind === 'tool-call' && call > 0;

  function deltaOf({ head, call }: Open, text: string): Json {
    if (head.kind === 'text') return { content: text };
    if (head.kind === 'reasoning') return { reasoning_content: text };
    if (head.kind === 'refusal') return { refusal: text };
    if (legacy) return { function_call: { arguments: text } };
    return {
      tool_calls: [
        { index: call, ...(head.custom ? { custom: { input: text } } : { function: { arguments: text } }) },
      ],
    };
  }

  function onBlock(part: Part, choice = 0): void {
    begin(choice);
    if (part.kind !== 'media') return echo.drop(`content: ${'tool' in part ? part.tool : part.kind}`);
    const image = encodeImage(part, echo.drop);
    if (image) tell(chunk(choice, { images: [image] }));
  }

  function onFinish({ reason, stop, usage, others }: Finish): void {
    for (const [index, why] of [reason, ...(others ?? [])].entries()) {
      begin(index);
      const told = index === 0 && why === 'stop' ? stop : undefined;
      tell(chunk(index, {}, compact({ finish_reason: encodeFinish(why, legacy), stop_reason: told })));
    }
    if (wantsUsage(echo.request)) tell(envelope({ choices: [], usage: encodeUsage(usage) }));
    tell(done);
  }

  return {
    push(event) {
      if (over) return;
      switch (event.type) {
        case 'start':
          common = envelopeOf(echo, event.id);
          return begin(0);
        case 'block-start':
          return onBlockStart(event);
        case 'block-delta':
          return onBlockDelta(event);
        case 'block-end':
          return onBlockEnd(event);
        case 'block':
          return onBlock(event.part, event.choice);
        case 'finish':
          over = true;
          return onFinish(event);
        case 'error':
          over = true;
          tell({ data: JSON.stringify(encodeErrorBody(event.error)) });
      }
    },
    end() {
      if (!over) tell({ data: JSON.stringify(encodeErrorBody(interrupted())) });
      over = true;
    },
  };
}

const unfinished = '"finish_reason":null';

function envelopeOf({ createdAt, model, id: madeUp }: Echo, given: string): string {
  const id = answerId(given, madeUp, 'chatcmpl-');
  return JSON.stringify({ id, object: 'chat.completion.chunk', created: createdAt, model }).slice(0, -1);
}

function callStart(head: Extract<Head, { kind: 'tool-call' }>, index: number, legacy: boolean): Json {
  const { callId: id, name } = head;
  if (legacy) return { function_call: { name, arguments: '' } };
  if (head.custom) return { tool_calls: [{ index, id, type: 'custom', custom: { name, input: '' } }] };
  return { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] };
}
