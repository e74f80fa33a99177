import type { GatewayError } from '../../core/error.ts';
import { type ChatEvent, type FinishReason, noUsage, type Usage } from '../../core/event.ts';
import {
  compact,
  type Json,
  readArray,
  readNumber,
  readObject,
  readObjects,
  readString,
} from '../../core/json.ts';
import type { Tell } from '../../core/machine.ts';
import type { Citation, MediaPart, Seal } from '../../core/request.ts';
import { Blocks } from '../blocks.ts';
import { decodeSeal } from '../seals.ts';
import {
  audioOf,
  brokenOff,
  citationOf,
  errorOf,
  failures,
  givenTo,
  mediaOf,
  tokensOf,
} from './decode-pieces.ts';
import { decodeDetails, decodeThoughts, spokenThought, thoughtText, type Thought } from './reasoning.ts';
import { decodeFinish, decodeUsage } from './usage.ts';

/** What is known of one choice while it is being said. */
interface Choice {
  /** Why it ended, in the upstream's word; undefined while it goes on. */
  reported: string | undefined;
  /** The stop sequence that ended it (vLLM and SGLang say it). */
  stop: string | undefined;
  /** It has said anything at all. */
  spoken: boolean;
  /** The kind of the block that speaks, as far as this file opened it. */
  speaking: 'text' | 'reasoning' | 'refusal' | undefined;
  /** Reasoning came as plain text, so the text of `reasoning_details` only repeats it. */
  plainThoughts: boolean;
  /** A tool call has really been said. */
  called: boolean;
  calls: Call[] | undefined;
  /** Citations that came while no text spoke. */
  citations: Citation[] | undefined;
}

interface Call {
  readonly key: string;
  readonly index: number | undefined;
  id: string | undefined;
}

/**
 * Reads parsed chunks, or one whole completion, which is a chunk with a `message` for a `delta`. It keeps the event
 * grammar and knows nothing of frames; who feeds it decides when the stream is over.
 */
export class Chunks {
  /** A terminal event has been said. */
  over = false;
  private started = false;
  private id = '';
  private model = '';
  private usage: Usage = noUsage;
  private sources: readonly string[] = noSources;
  private readonly tell: Tell<ChatEvent>;
  private readonly blocks: Blocks;
  private readonly choices: Choice[] = [];

  constructor(tell: Tell<ChatEvent>) {
    this.tell = tell;
    this.blocks = new Blocks((event) => {
      if (event.type === 'block-start' && event.head.kind === 'tool-call')
        this.choice(event.choice ?? 0).called = true;
      tell(event);
    });
  }

  /** Every choice heard of has said why it ended. */
  get finished(): boolean {
    return this.choices.length > 0 && this.choices.every((choice) => choice?.reported !== undefined);
  }

  /** There was content. */
  get spoken(): boolean {
    return this.choices.some((choice) => choice?.spoken);
  }

  push(chunk: Json): void {
    if (this.over) return;
    const choices = readObjects(chunk['choices']);
    this.readHead(chunk, choices);
    const error = errorOf(chunk) ?? firstOf(choices, errorOf);
    // An error after the reason is about what comes after the answer (OpenRouter, capture 2615f8acbdc05489).
    if (error && this.finished) return;
    if (error) return this.fail(error);
    if (choices.length > 0) this.start();
    for (let position = 0; position < choices.length && !this.over; position++) {
      const choice = choices[position]!;
      this.onChoice(choiceIndex(choice, position), choice);
    }
  }

  /** The answer is complete. */
  finish(): void {
    if (this.over) return;
    this.start();
    this.over = true;
    const { choices, usage } = this;
    for (let index = 0; index < choices.length; index++)
      if (choices[index]) this.citeRest(index, choices[index]!);
    this.blocks.close();
    const reason = reasonOf(choices[0]);
    const stop = reason === 'stop' ? choices[0]?.stop : undefined;
    const others = choices.length > 1 ? Array.from(choices.slice(1), reasonOf) : undefined;
    this.tell({ type: 'finish', reason, stop, usage, others });
  }

  /** The answer breaks off. What was said of it stays said. */
  fail(error: GatewayError): void {
    if (this.over) return;
    this.over = true;
    if (this.started) this.blocks.close();
    this.tell({ type: 'error', error });
  }

  private start(): void {
    if (this.started) return;
    this.started = true;
    this.tell({ type: 'start', id: this.id, model: this.model });
  }

  /** Ids and models may be missing at first: Azure's first chunk has none and only tells of its prompt filter. */
  private readHead(chunk: Json, choices: readonly Json[]): void {
    this.id ||= readString(chunk['id']) ?? '';
    this.model ||= readString(chunk['model']) ?? '';
    // Groq and Moonshot have put usage elsewhere.
    this.readUsage(readObject(chunk['x_groq'])?.['usage']);
    for (const choice of choices) this.readUsage(choice['usage']);
    this.readUsage(chunk['usage']);
    // Perplexity lists its sources as bare URLs beside the choices, in every chunk.
    const sources = readArray(chunk['citations'])?.filter((url) => typeof url === 'string');
    if (sources?.length) this.sources = sources;
  }

  private readUsage(usage: unknown): void {
    if (usage) this.usage = decodeUsage(usage) ?? this.usage;
  }

  private choice(index: number): Choice {
    return (this.choices[index] ??= {
      reported: undefined,
      stop: undefined,
      spoken: false,
      speaking: undefined,
      plainThoughts: false,
      called: false,
      calls: undefined,
      citations: undefined,
    });
  }

  private onChoice(index: number, heard: Json): void {
    const choice = this.choice(index);
    const delta = readObject(heard['delta']);
    const message = delta ?? readObject(heard['message']);
    // Some servers end a stream by saying the whole message once more.
    if (message && (delta || !choice.spoken)) this.onMessage(index, choice, message, heard, !delta);
    // The first vision models of OpenAI said it in `finish_details` (capture 2a6fda88055727e7).
    const reason =
      readString(heard['finish_reason']) ?? readString(readObject(heard['finish_details'])?.['type']);
    if (!reason) return;
    if (failures.has(reason)) return this.fail(brokenOff(reason));
    // vLLM says the stop sequence in `stop_reason`, SGLang in `matched_stop`; a number there is a token.
    choice.stop ??= readString(heard['stop_reason']) ?? readString(heard['matched_stop']);
    choice.reported ??= reason;
  }

  private onMessage(index: number, choice: Choice, message: Json, heard: Json, whole: boolean): void {
    if (whole) this.onThoughts(index, choice, message);
    else this.onThought(index, choice, message);
    this.onContent(index, choice, message['content'], tokensOf(heard));
    const refusal = readString(message['refusal']);
    if (refusal) this.say(index, choice, 'refusal', refusal);
    this.onAnnotations(index, choice, message['annotations']);
    for (const image of readObjects(message['images'])) this.onMedia(index, choice, mediaOf(image));
    const audio = readObject(message['audio']);
    if (audio) this.onAudio(index, choice, audio, whole);
    for (const call of readObjects(message['tool_calls'])) this.onCall(index, choice, call, whole);
    const legacy = readObject(message['function_call']);
    if (legacy) this.onCall(index, choice, { index: -1, function: legacy }, false);
  }

  private say(
    index: number,
    choice: Choice,
    kind: 'text' | 'reasoning' | 'refusal',
    text: string,
    logprobs?: readonly Json[],
  ): void {
    choice.speaking = kind;
    choice.spoken = true;
    this.blocks.say(kind, text, index, logprobs);
    if (kind !== 'text' || !choice.citations) return;
    for (const citation of choice.citations) this.blocks.cite(citation, index);
    choice.citations = undefined;
  }

  private onThoughts(index: number, choice: Choice, message: Json): void {
    for (const { text, seal } of decodeThoughts(message)) {
      if (text !== '' || seal) this.say(index, choice, 'reasoning', text);
      if (seal) this.seal(index, choice, seal);
    }
  }

  private onThought(index: number, choice: Choice, delta: Json): void {
    const plain = spokenThought(delta);
    if (plain !== '') {
      choice.plainThoughts = true;
      this.say(index, choice, 'reasoning', plain);
    }
    for (const thought of decodeDetails(delta['reasoning_details'])) this.onDetail(index, choice, thought);
  }

  private onDetail(index: number, choice: Choice, { text, seal }: Thought): void {
    if (text !== '' && !choice.plainThoughts) this.say(index, choice, 'reasoning', text);
    if (!seal) return;
    if (choice.speaking === 'reasoning' && seal.redacted) this.endThought(index, choice);
    if (choice.speaking !== 'reasoning') this.say(index, choice, 'reasoning', '');
    this.seal(index, choice, seal);
  }

  private seal(index: number, choice: Choice, seal: Seal): void {
    this.blocks.seal(seal, undefined, index);
    this.endThought(index, choice);
  }

  /** A sealed thought is whole: what is thought after it is another. */
  private endThought(index: number, choice: Choice): void {
    choice.speaking = undefined;
    this.blocks.end(undefined, index);
  }

  private onContent(
    index: number,
    choice: Choice,
    content: unknown,
    logprobs: readonly Json[] | undefined,
  ): void {
    const text = readString(content);
    if (text || (text !== undefined && logprobs)) return this.say(index, choice, 'text', text, logprobs);
    const items = readArray(content);
    if (items) for (const item of items) this.onItem(index, choice, item);
  }

  /** Mistral's reasoning models answer with a list: `{type: 'thinking', thinking: […]}`, then texts. */
  private onItem(index: number, choice: Choice, value: unknown): void {
    const item = readObject(value) ?? { type: 'text', text: value };
    const type = readString(item['type']) ?? 'text';
    if (type === 'image_url' || type === 'image') return this.onMedia(index, choice, mediaOf(item));
    const kind =
      type === 'thinking' || type === 'reasoning' ? 'reasoning' : type === 'refusal' ? type : 'text';
    const said = thoughtText(kind === 'refusal' ? (item['refusal'] ?? item['text']) : item);
    if (said !== '') this.say(index, choice, kind, said);
  }

  private onMedia(index: number, choice: Choice, part: MediaPart | undefined): void {
    if (!part) return;
    choice.spoken = true;
    choice.speaking = undefined;
    this.blocks.whole(part, index);
  }

  /** Spoken answers: a whole one is media with its transcript beside it; of a stream only the transcript is kept. */
  private onAudio(index: number, choice: Choice, audio: Json, whole: boolean): void {
    const transcript = readString(audio['transcript']);
    if (transcript) this.say(index, choice, 'text', transcript);
    const data = readString(audio['data']);
    if (data && whole) this.onMedia(index, choice, audioOf(data));
  }

  private onAnnotations(index: number, choice: Choice, value: unknown): void {
    for (const annotation of readObjects(value)) {
      const citation = citationOf(annotation);
      if (citation && choice.speaking === 'text') this.blocks.cite(citation, index);
      else if (citation) (choice.citations ??= []).push(citation);
    }
  }

  /** Citations for which no text came, and sources that belong to the whole answer. */
  private citeRest(index: number, choice: Choice): void {
    const sources = index === 0 ? this.sources : noSources;
    if (!choice.citations && sources.length === 0) return;
    if (choice.speaking !== 'text') this.say(index, choice, 'text', '');
    for (const url of sources) this.blocks.cite({ url }, index);
  }

  private onCall(index: number, choice: Choice, heard: Json, whole: boolean): void {
    choice.spoken = true;
    choice.speaking = undefined;
    const custom = readObject(heard['custom']);
    const said = custom ?? readObject(heard['function']) ?? {};
    const name = readString(said['name']) || undefined;
    const id = readString(heard['id']) || undefined;
    const { key } = callOf((choice.calls ??= []), { index: readNumber(heard['index']), id, name }, whole);
    const start = compact({ callId: id, name, custom: custom ? true : undefined });
    this.blocks.call(key, start, index);
    this.blocks.args(key, givenTo(said, custom !== undefined), index);
    // Gemini's OpenAI-compatible server signs calls; so do we for clients of this wire.
    const google = readObject(readObject(heard['extra_content'])?.['google']);
    const seal = decodeSeal(readString(google?.['thought_signature']), 'gemini');
    if (seal) this.blocks.seal(seal, key, index);
  }
}

// ------------------------------------------------------------------------------------------------------- small readings

const noSources: readonly string[] = [];

function firstOf<T>(objects: readonly Json[], read: (object: Json) => T | undefined): T | undefined {
  for (const object of objects) {
    const found = read(object);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** More choices than any API gives are a broken index. */
const choiceLimit = 128;

function choiceIndex(choice: Json, position: number): number {
  const index = readNumber(choice['index']);
  return index !== undefined && Number.isInteger(index) && index >= 0 && index < choiceLimit
    ? index
    : position;
}

function reasonOf(choice: Choice | undefined): FinishReason {
  if (!choice) return 'end';
  const reason = decodeFinish(choice.reported, choice.called);
  return reason === 'end' && choice.stop !== undefined ? 'stop' : reason;
}

/**
 * The call a piece belongs to. Normally its index tells; servers that leave the index out or repeat it (Gemini's) are
 * read by the id: a new id together with a name is a new call.
 */
function callOf(
  calls: Call[],
  { index, id, name }: { index: number | undefined; id: string | undefined; name: string | undefined },
  whole: boolean,
): Call {
  const known = whole ? undefined : calls.findLast((call) => samePlace(call, index, id, name));
  if (known && !(id && known.id && id !== known.id && name)) {
    known.id ??= id;
    return known;
  }
  const fresh: Call = { key: String(calls.length), index, id };
  calls.push(fresh);
  return fresh;
}

function samePlace(
  call: Call,
  index: number | undefined,
  id: string | undefined,
  name: string | undefined,
): boolean {
  if (index !== undefined) return call.index === index;
  return id === undefined ? name === undefined : call.id === id;
}
