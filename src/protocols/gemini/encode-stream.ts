import { GatewayError } from '../../core/error.ts';
import type { ChatEvent, Finish, Head } from '../../core/event.ts';
import { compact, type Json } from '../../core/json.ts';
import { type Machine, machine, type Tell, type Teller } from '../../core/machine.ts';
import type { Part } from '../../core/request.ts';
import type { Frame } from '../../wire/sse.ts';
import type { Echo } from '../protocol.ts';
import { encodeErrorBody } from './errors.ts';
import { reasonName } from './finish.ts';
import { isGrounding, writeGrounding } from './grounding.ts';
import { writeLogprobs } from './logprobs.ts';
import { encodeAnswerPart, silence } from './reply.ts';
import { writeUsage } from './usage.ts';

interface Open {
  readonly head: Head;
  readonly choice: number;
  text: string;
}

type Delta = Extract<ChatEvent, { type: 'block-delta' }>;
type End = Extract<ChatEvent, { type: 'block-end' }>;

/** Events to GenerateContentResponse frames. Calls go out whole; the reason and the usage stand in the last chunk only. */
export const encodeStream = (echo: Echo): Machine<ChatEvent, Frame> =>
  machine((tell) => encodeEvents(echo, tell));

function encodeEvents(echo: Echo, tell: Tell<Frame>): Teller<ChatEvent> {
  /** What all chunks end with, rendered once. */
  let tail = tailOf(echo, '');
  let open: Open | undefined;
  let over = false;
  /** The choices in which the model refused. */
  const refused = new Set<number>();
  /** What grounding will be made of, for each choice: its searches and its text. */
  const grounds = new Map<number, Part[]>();

  const chunk = (candidates: readonly Json[], rest = ''): Frame => ({
    data: `{"candidates":${JSON.stringify(candidates)},${rest}${tail}`,
  });
  const saying = (parts: readonly Json[], index: number): Frame =>
    chunk([{ content: { role: 'model', parts }, index }]);
  const grounded = (choice: number, part: Part) => {
    const parts = grounds.get(choice);
    if (parts) parts.push(part);
    else grounds.set(choice, [part]);
  };

  function onDelta({ text, logprobs }: Delta): void {
    if (!open) return;
    open.text += text;
    if (open.head.kind === 'tool-call' || (text === '' && !logprobs)) return;
    const part = open.head.kind === 'reasoning' ? { text, thought: true } : { text };
    const said = { content: { role: 'model', parts: [part] }, index: open.choice };
    tell(chunk([logprobs ? { ...said, logprobsResult: writeLogprobs(logprobs) } : said]));
  }

  function onBlockEnd({ seal, citations }: End): void {
    if (!open) return;
    const { head, text, choice } = open;
    open = undefined;
    const sealed = seal ? { seal } : {};
    if (head.kind === 'tool-call') return onPart({ ...head, args: text, ...sealed }, choice);
    if (head.kind === 'refusal') refused.add(choice);
    if (head.kind === 'text') grounded(choice, { kind: 'text', text, ...(citations ? { citations } : {}) });
    if (seal && head.kind !== 'refusal') onPart({ kind: head.kind, text: '', ...sealed }, choice);
  }

  function onPart(part: Part, choice: number): void {
    if (isGrounding(part)) grounded(choice, part);
    const parts = encodeAnswerPart(part, echo.drop);
    if (parts.length > 0) tell(saying(parts, choice));
  }

  function onFinish({ reason, others, usage }: Finish): void {
    const candidates = [reason, ...(others ?? [])].map((said, index) =>
      compact({
        content: { role: 'model', parts: [silence] },
        finishReason: reasonName(said, refused.has(index)),
        index,
        groundingMetadata: writeGrounding(grounds.get(index) ?? []),
      }),
    );
    over = true;
    tell(chunk(candidates, `"usageMetadata":${JSON.stringify(writeUsage(usage))},`));
  }

  function onError(error: GatewayError): void {
    over = true;
    tell({ data: JSON.stringify(encodeErrorBody(error)) });
  }

  return {
    push(event) {
      if (over) return;
      if (event.type === 'start') tail = tailOf(echo, event.id);
      if (event.type === 'block-start') open = { head: event.head, choice: event.choice ?? 0, text: '' };
      if (event.type === 'block-delta') onDelta(event);
      if (event.type === 'block-end') onBlockEnd(event);
      if (event.type === 'block') onPart(event.part, event.choice ?? 0);
      if (event.type === 'finish') onFinish(event);
      if (event.type === 'error') onError(event.error);
    },
    end() {
      if (over) return;
      onError(
        new GatewayError({ kind: 'transport', phase: 'cut' }, 'The answer ended before it was complete.'),
      );
    },
  };
}

const tailOf = ({ model, id }: Echo, given: string): string =>
  JSON.stringify({ modelVersion: model, responseId: given || id }).slice(1);
