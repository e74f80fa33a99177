import type { ChatEvent, FinishReason } from '../../core/event.ts';
import { newId } from '../../core/id.ts';
import { type Json, readObject, readObjects, readString } from '../../core/json.ts';
import type { Tell } from '../../core/machine.ts';
import type { Citation, ReasoningPart, TextPart } from '../../core/request.ts';
import { Blocks } from '../blocks.ts';
import { decodeCall, decodePart, sealOf } from './decode-part.ts';
import { readCitations, readGrounding, searchParts } from './grounding.ts';
import { readLogprobs } from './logprobs.ts';
import { partialArgs } from './partial-args.ts';
import { camel } from './wire.ts';

/** What is known of one candidate while it speaks. */
interface Choice {
  /** What spoke last; a part that came whole is a kind of its own. */
  speaking: 'text' | 'reasoning' | 'other' | undefined;
  /** What speaks has its signature already: whatever comes next is a block of its own. */
  sealed: boolean;
  /** All visible text so far, and how much of it came before the block that is open. */
  text: string;
  before: string;
  called: boolean;
  /** The call whose arguments come in pieces. */
  partial: { readonly key: string; readonly gather: ReturnType<typeof partialArgs> } | undefined;
  /** Where the answer comes from. Gemini may tell it again and again; the last word counts. */
  grounding: Json | undefined;
  citations: Json | undefined;
}

/** The candidates of an answer on their way to events. */
export class Choices {
  private readonly blocks: Blocks;
  private readonly choices = new Map<number, Choice>();
  private calls = 0;

  constructor(tell: Tell<ChatEvent>) {
    this.blocks = new Blocks(tell);
  }

  /** How many candidates have spoken. */
  get count(): number {
    return this.choices.size;
  }

  /** What one chunk says of a candidate, whose keys are in camelCase. */
  say(index: number, candidate: Json): void {
    const choice = this.find(index);
    let logprobs = readLogprobs(candidate);
    for (const part of readObjects(readObject(candidate.content)?.parts)) {
      const spelled = camel(part);
      const spoken = typeof spelled.text === 'string' && spelled.thought !== true;
      this.onPart(index, choice, spelled, spoken ? logprobs : undefined);
      if (spoken) logprobs = undefined;
    }
    choice.grounding = readObject(candidate.groundingMetadata) ?? choice.grounding;
    choice.citations = readObject(candidate.citationMetadata) ?? choice.citations;
  }

  /** The reason of a stop: a call is one, whatever Gemini calls it. */
  reason(index: number, said: FinishReason): FinishReason {
    return this.choices.get(index)?.called && said === 'end' ? 'tool' : said;
  }

  /** Nothing more will be said: what was kept for the end comes now. @param answerId what Google calls the answer. */
  close(answerId: string): void {
    for (const [index, choice] of this.choices) {
      this.endPartial(index, choice);
      this.ground(index, choice, answerId);
    }
    this.blocks.close();
  }

  private find(index: number): Choice {
    let choice = this.choices.get(index);
    if (!choice) {
      choice = {
        speaking: undefined,
        sealed: false,
        text: '',
        before: '',
        called: false,
        partial: undefined,
        grounding: undefined,
        citations: undefined,
      };
      this.choices.set(index, choice);
    }
    return choice;
  }

  private onPart(index: number, choice: Choice, part: Json, logprobs: readonly Json[] | undefined): void {
    const call = readObject(part.functionCall);
    if (call) return this.onCall(index, choice, call, part);
    const said = decodePart(part);
    if (said.kind === 'text' || said.kind === 'reasoning') return this.onText(index, choice, said, logprobs);
    choice.speaking = 'other';
    this.blocks.whole(said, index);
  }

  private onText(
    index: number,
    choice: Choice,
    { kind, text, seal }: TextPart | ReasoningPart,
    logprobs: readonly Json[] | undefined,
  ): void {
    if (text === '' && !seal && !logprobs) return;
    const fresh = choice.speaking !== kind || choice.sealed;
    if (fresh) {
      this.blocks.end(undefined, index);
      choice.speaking = kind;
      choice.sealed = false;
      choice.before = choice.text;
    }
    if (kind === 'text') choice.text += text;
    if (fresh || text !== '' || logprobs) this.blocks.say(kind, text, index, logprobs);
    if (!seal) return;
    // Text may go on after its signature, and may then be signed again: that is another block.
    this.blocks.seal(seal, undefined, index);
    choice.sealed = true;
  }

  // ------------------------------------------------------------------------------------------------------------ calls

  private onCall(index: number, choice: Choice, call: Json, part: Json): void {
    const more = call.willContinue === true || call.will_continue === true;
    const name = readString(call.name);
    if (choice.partial && !name) {
      choice.partial.gather.add(call);
      if (!more) this.endPartial(index, choice);
      return;
    }
    this.endPartial(index, choice);
    if (!name) return;
    const key = `call ${this.calls++}`;
    const { callId = newId('call_'), args } = decodeCall(call);
    const seal = sealOf(part);
    choice.called = true;
    choice.speaking = 'other';
    this.blocks.call(key, { callId, name }, index);
    if (seal) this.blocks.seal(seal, key, index);
    if (more) {
      choice.partial = { key, gather: partialArgs() };
      return choice.partial.gather.add(call);
    }
    this.blocks.args(key, args, index);
    this.blocks.end(key, index);
  }

  private endPartial(index: number, choice: Choice): void {
    if (!choice.partial) return;
    const { key, gather } = choice.partial;
    choice.partial = undefined;
    this.blocks.args(key, JSON.stringify(gather.args()), index);
    this.blocks.end(key, index);
  }

  // -------------------------------------------------------------------------------------------------------- grounding

  /** Cites what the open text rests on, and tells the searches. */
  private ground(index: number, choice: Choice, answerId: string): void {
    if (!choice.grounding && !choice.citations) return;
    const grounding = choice.grounding && readGrounding(choice.grounding, choice.text);
    const recited = choice.citations ? readCitations(choice.citations, choice.text) : [];
    const before = [...choice.before].length;
    if (choice.speaking === 'text')
      for (const citation of [...(grounding?.citations ?? []), ...recited])
        this.blocks.cite(within(citation, before), index);
    if (!grounding) return;
    const callId = answerId === '' ? newId('search_') : `search_${answerId}_${index}`;
    for (const part of searchParts(grounding, callId)) this.blocks.whole(part, index);
  }
}

/** A citation with its place counted from the start of the open block; without one when it lies before. */
function within({ start = 0, end = 0, ...source }: Citation, before: number): Citation {
  return start >= before ? { ...source, start: start - before, end: end - before } : source;
}
